#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;

fn decoded(value: serde_json::Value) -> Result<Decoded, String> {
    decode(value, of_kind("apps/v1", "Deployment").unwrap())
}

#[test]
fn unknown_fields_are_dropped_and_reported() {
    let found = decoded(json!({
        "metadata": {"name": "web", "lables": {}},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "a", "imagge": "x"}]}}},
    }))
    .unwrap();
    assert_eq!(
        found.strict,
        [
            "unknown field \"metadata.lables\"",
            "unknown field \"spec.template.spec.containers[0].imagge\""
        ]
    );
    assert!(found.value["metadata"].get("lables").is_none());
}

#[test]
fn a_wrong_kind_of_value_is_refused_in_the_words_of_go() {
    for (value, words) in [
        (
            json!({"spec": {"replicas": "x"}}),
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            json!({"spec": {"template": {"spec": {"containers": {}}}}}),
            "json: cannot unmarshal object into Go struct field PodSpec.spec.template.spec.containers of type \
             []v1.Container",
        ),
        (
            json!({"metadata": {"labels": {"a": 1}}}),
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
        ),
    ] {
        assert_eq!(decoded(value).unwrap_err(), words);
    }
}

#[test]
fn the_marks_of_lists_are_read() {
    let spec = find("PodSpec").unwrap();
    assert_eq!(spec.fields["containers"].list, ListKind::Map(vec!["name".to_owned()]));
    assert_eq!(
        spec.fields["volumes"].strategy,
        Strategy::Merge(Some("name".to_owned()))
    );
    assert!(spec.fields["volumes"].retain_keys);
    assert_eq!(spec.fields["tolerations"].strategy, Strategy::Replace);
    assert_eq!(
        find("ObjectMeta").unwrap().fields["finalizers"].strategy,
        Strategy::Merge(None)
    );
    assert!(find("LabelSelector").unwrap().atomic);
    for resource in crate::kubernetes::resources::Resources::default().iter() {
        for served in &resource.served {
            let version = crate::kubernetes::resources::api_version(&served.group, &served.version);
            let measured = resource.group == "metrics.k8s.io";
            assert!(
                measured || of_kind(&version, &resource.kind).is_some(),
                "{version} {}",
                resource.kind
            );
        }
    }
}
