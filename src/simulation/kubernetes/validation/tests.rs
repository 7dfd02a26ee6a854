#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;
use crate::kubernetes::{defaults, resources::Conversion, resources::ResourceId, resources::Resources, world::World};

fn wrong(resource: ResourceId, object: Value) -> Vec<String> {
    let world = World::new("2026-11-24T10:00:00Z".parse().unwrap(), 1);
    let resources = Resources::default();
    let resource = resources.get(resource);
    let served = Served {
        resource,
        version: &resource.version,
        group: &resource.group,
        conversion: Conversion::None,
    };
    let mut object = object;
    object["metadata"]["name"] = "web".into();
    defaults::fill(resource.id, &mut object);
    of_new(&world, &served, &object)
        .into_iter()
        .map(|cause| format!("{}: {}", cause.field, cause.message))
        .collect()
}

fn template() -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "a", "image": "i"}]}})
}

#[test]
fn pods_are_judged_field_by_field() {
    for (spec, words) in [
        (
            json!({"containers": [{"image": "i"}]}),
            "spec.containers[0].name: Required value",
        ),
        (
            json!({"containers": [{"name": "a", "image": "i"}, {"name": "a", "image": "i"}]}),
            "spec.containers[1].name: Duplicate value: \"a\"",
        ),
        (
            json!({"containers": [{"name": "a", "image": "i"}], "restartPolicy": "Sometimes"}),
            "spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"OnFailure\", \"Never\"",
        ),
        (
            json!({"containers": [{"name": "a", "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/x"}]}]}),
            "spec.containers[0].volumeMounts[0].name: Not found: \"v\"",
        ),
        (
            json!({"containers": [{"name": "a", "image": "i", "ports": [{"containerPort": 70000}]}]}),
            "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
        ),
        (
            json!({"containers": [{"name": "a", "image": "i", "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}}]}),
            "spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1",
        ),
    ] {
        assert_eq!(wrong(PODS, json!({"spec": spec})), [words]);
    }
}

#[test]
fn workloads_are_judged_field_by_field() {
    let selector = json!({"matchLabels": {"app": "web"}});
    for (spec, words) in [
        (
            json!({"template": template(), "selector": {"matchLabels": {"app": "x"}}}),
            "spec.template.metadata.labels: Invalid value: {\"app\":\"web\"}: `selector` does not match template `labels`",
        ),
        (
            json!({"template": template(), "selector": selector, "strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}}),
            "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
        ),
    ] {
        assert_eq!(wrong(DEPLOYMENTS, json!({"spec": spec})), [words]);
    }
    // Nothing is selected without a selector, so that the template does not fit it either.
    let two = wrong(DEPLOYMENTS, json!({"spec": {"template": template()}}));
    assert_eq!((two.len(), &*two[0]), (2, "spec.selector: Required value"));
    let words = wrong(JOBS, json!({"spec": {"template": template()}}));
    assert_eq!(
        words,
        ["spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\""]
    );
}

#[test]
fn budgets_and_autoscalers_are_judged() {
    let both = wrong(
        POD_DISRUPTION_BUDGETS,
        json!({"spec": {"minAvailable": 1, "maxUnavailable": 1}}),
    );
    assert_eq!(both.len(), 1);
    assert!(both[0].ends_with("minAvailable and maxUnavailable cannot be both set"));
    let percent = wrong(POD_DISRUPTION_BUDGETS, json!({"spec": {"minAvailable": "many"}}));
    assert!(percent[0].starts_with("spec.minAvailable: Invalid value: \"many\": a valid percent string must be"));
    let fewer = json!({"spec": {"minReplicas": 3, "maxReplicas": 2, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}});
    assert_eq!(
        wrong(HORIZONTAL_POD_AUTOSCALERS, fewer),
        ["spec.maxReplicas: Invalid value: 2: must be greater than or equal to `minReplicas`"]
    );
}
