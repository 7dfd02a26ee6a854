//! The defaults of what runs pods.

use serde_json::{Map, Value, json};

use super::{default, fields, pod_spec};

fn template(spec: &mut Map<String, Value>) {
    let template = spec.entry("template").or_insert_with(|| json!({}));
    fields(template, "metadata");
    pod_spec(fields(template, "spec"));
}

pub(super) fn deployment(object: &mut Value) {
    let spec = fields(object, "spec");
    default(spec, "replicas", 1.into());
    default(spec, "revisionHistoryLimit", 10.into());
    default(spec, "progressDeadlineSeconds", 600.into());
    let strategy = spec.entry("strategy").or_insert_with(|| json!({}));
    if let Some(strategy) = strategy.as_object_mut() {
        default(strategy, "type", "RollingUpdate".into());
        if strategy["type"] == "RollingUpdate" {
            default(strategy, "rollingUpdate", json!({}));
            if let Some(rolling) = strategy["rollingUpdate"].as_object_mut() {
                default(rolling, "maxUnavailable", "25%".into());
                default(rolling, "maxSurge", "25%".into());
            }
        }
    }
    template(spec);
    fields(object, "status");
}

pub(super) fn replica_set(object: &mut Value) {
    let spec = fields(object, "spec");
    default(spec, "replicas", 1.into());
    template(spec);
    default(fields(object, "status"), "replicas", 0.into());
}

pub(super) fn replication_controller(object: &mut Value) {
    let spec = fields(object, "spec");
    default(spec, "replicas", 1.into());
    // Of all templates this one alone may be missing.
    if spec.get("template").is_some_and(Value::is_object) {
        template(spec);
    }
    let labels = spec
        .get("template")
        .map(|template| template["metadata"]["labels"].clone());
    let labels = labels.unwrap_or_default();
    if labels.is_object() {
        default(spec, "selector", labels.clone());
        if let Some(metadata) = object["metadata"].as_object_mut() {
            default(metadata, "labels", labels);
        }
    }
    default(fields(object, "status"), "replicas", 0.into());
}

pub(super) fn stateful_set(object: &mut Value) {
    let spec = fields(object, "spec");
    default(spec, "replicas", 1.into());
    default(spec, "revisionHistoryLimit", 10.into());
    default(spec, "podManagementPolicy", "OrderedReady".into());
    default(spec, "serviceName", "".into());
    for claim in spec
        .get_mut("volumeClaimTemplates")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        claim["apiVersion"] = "v1".into();
        claim["kind"] = "PersistentVolumeClaim".into();
        default(fields(claim, "spec"), "volumeMode", "Filesystem".into());
        default(fields(claim, "status"), "phase", "Pending".into());
    }
    default(
        spec,
        "persistentVolumeClaimRetentionPolicy",
        json!({"whenDeleted": "Retain", "whenScaled": "Retain"}),
    );
    let strategy = spec.entry("updateStrategy").or_insert_with(|| json!({}));
    if let Some(strategy) = strategy.as_object_mut() {
        default(strategy, "type", "RollingUpdate".into());
        if strategy["type"] == "RollingUpdate" {
            default(strategy, "rollingUpdate", json!({}));
            if let Some(rolling) = strategy["rollingUpdate"].as_object_mut() {
                default(rolling, "partition", 0.into());
            }
        }
    }
    template(spec);
    let status = fields(object, "status");
    default(status, "replicas", 0.into());
    default(status, "availableReplicas", 0.into());
}

pub(super) fn daemon_set(object: &mut Value) {
    let spec = fields(object, "spec");
    default(spec, "revisionHistoryLimit", 10.into());
    let strategy = spec.entry("updateStrategy").or_insert_with(|| json!({}));
    if let Some(strategy) = strategy.as_object_mut() {
        default(strategy, "type", "RollingUpdate".into());
        if strategy["type"] == "RollingUpdate" {
            default(strategy, "rollingUpdate", json!({}));
            if let Some(rolling) = strategy["rollingUpdate"].as_object_mut() {
                default(rolling, "maxUnavailable", 1.into());
                default(rolling, "maxSurge", 0.into());
            }
        }
    }
    template(spec);
    let status = fields(object, "status");
    for name in [
        "currentNumberScheduled",
        "numberMisscheduled",
        "desiredNumberScheduled",
        "numberReady",
    ] {
        default(status, name, 0.into());
    }
}

pub(super) fn job(spec: &mut Map<String, Value>) {
    let given = |name: &str| spec.get(name).is_some_and(|value| !value.is_null());
    if !given("completions") && !given("parallelism") {
        spec.insert("completions".to_owned(), 1.into());
    }
    default(spec, "parallelism", 1.into());
    if spec.get("backoffLimitPerIndex").is_some_and(|limit| !limit.is_null()) {
        default(spec, "backoffLimit", i32::MAX.into());
    }
    default(spec, "backoffLimit", 6.into());
    default(spec, "completionMode", "NonIndexed".into());
    default(spec, "suspend", false.into());
    default(spec, "manualSelector", false.into());
    let policy = if spec.get("podFailurePolicy").is_some() {
        "Failed"
    } else {
        "TerminatingOrFailed"
    };
    default(spec, "podReplacementPolicy", policy.into());
    template(spec);
}

pub(super) fn cron_job(object: &mut Value) {
    let spec = fields(object, "spec");
    default(spec, "concurrencyPolicy", "Allow".into());
    default(spec, "suspend", false.into());
    default(spec, "successfulJobsHistoryLimit", 3.into());
    default(spec, "failedJobsHistoryLimit", 1.into());
    let made = spec.entry("jobTemplate").or_insert_with(|| json!({}));
    fields(made, "metadata");
    // The Job that is made of it gets its own defaults; only those of the pods are filled in here.
    template(fields(made, "spec"));
    fields(object, "status");
}

pub(super) fn autoscaler(spec: &mut Map<String, Value>) {
    default(spec, "minReplicas", 1.into());
    default(
        spec,
        "metrics",
        json!([{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]),
    );
    let Some(behavior) = spec.get_mut("behavior").and_then(Value::as_object_mut) else {
        return;
    };
    let up = json!([{"type": "Pods", "value": 4, "periodSeconds": 15}, {"type": "Percent", "value": 100, "periodSeconds": 15}]);
    let down = json!([{"type": "Percent", "value": 100, "periodSeconds": 15}]);
    for (name, window, policies) in [("scaleUp", Some(0), up), ("scaleDown", None, down)] {
        default(behavior, name, json!({}));
        if let Some(rules) = behavior[name].as_object_mut() {
            if let Some(window) = window {
                default(rules, "stabilizationWindowSeconds", window.into());
            }
            default(rules, "selectPolicy", "Max".into());
            default(rules, "policies", policies);
        }
    }
}
