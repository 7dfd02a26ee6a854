#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;
use crate::kubernetes::schema;

const NOW: &str = "2026-11-24T10:00:00Z";

fn view() -> View<'static> {
    View::Type(schema::of_kind("apps/v1", "Deployment").unwrap())
}

fn identity(manager: &str, applies: bool) -> Identity {
    Identity {
        manager: manager.to_owned(),
        applies,
        api_version: "apps/v1".to_owned(),
        subresource: None,
    }
}

fn created(object: Value, manager: &str) -> Value {
    let mut object = object;
    update(&json!({}), &mut object, view(), &identity(manager, false), NOW);
    object
}

fn applied(live: &Value, config: Value, manager: &str, force: bool) -> Result<Value, ApplyError> {
    apply(live, &config, view(), &identity(manager, true), force, NOW, |_| {})
}

fn owned(object: &Value, manager: &str) -> Value {
    let entries = object["metadata"]["managedFields"].as_array().unwrap();
    entries
        .iter()
        .find(|entry| entry["manager"] == manager)
        .map_or(Value::Null, |entry| entry["fieldsV1"].clone())
}

fn deployment(replicas: i64, image: &str) -> Value {
    json!({"metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [{"name": "app", "image": image}]}}}})
}

#[test]
fn who_creates_an_object_owns_its_fields() {
    let object = created(deployment(1, "web:1"), "kubectl-create");
    assert_eq!(
        owned(&object, "kubectl-create"),
        json!({
            "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
            "f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {
                "k:{\"name\":\"app\"}": {".": {}, "f:image": {}, "f:name": {}}}}}},
        })
    );
}

#[test]
fn who_changes_a_field_takes_it() {
    let old = created(deployment(1, "web:1"), "a");
    let mut new = old.clone();
    new["spec"]["replicas"] = 2.into();
    update(&old, &mut new, view(), &identity("b", false), NOW);
    assert_eq!(owned(&new, "b"), json!({"f:spec": {"f:replicas": {}}}));
    assert!(owned(&new, "a")["f:spec"].get("f:replicas").is_none());
}

#[test]
fn what_another_one_owns_otherwise_is_a_conflict_unless_forced() {
    let live = created(deployment(1, "web:1"), "kubectl-create");
    let config = json!({"spec": {"replicas": 3}});
    let error = applied(&live, config.clone(), "me", false).unwrap_err();
    let ApplyError::Conflicts(conflicts) = error;
    assert_eq!(
        conflicts,
        [Conflict {
            manager: "\"kubectl-create\" using apps/v1".to_owned(),
            field: ".spec.replicas".to_owned()
        }]
    );
    let forced = applied(&live, config, "me", true).unwrap();
    assert_eq!(forced["spec"]["replicas"], 3);
    assert!(owned(&forced, "kubectl-create")["f:spec"].get("f:replicas").is_none());
    // The same value is no conflict: both own it.
    let same = applied(&live, json!({"spec": {"replicas": 1}}), "me", false).unwrap();
    assert_eq!(owned(&same, "me"), json!({"f:spec": {"f:replicas": {}}}));
    assert!(owned(&same, "kubectl-create")["f:spec"].get("f:replicas").is_some());
}

#[test]
fn what_is_applied_no_more_goes_unless_others_own_it() {
    let containers = |names: &[&str]| -> Value {
        let all: Vec<Value> = names.iter().map(|name| json!({"name": name, "image": "i"})).collect();
        json!({"metadata": {"labels": {"a": "1", "b": "2"}}, "spec": {"template": {"spec": {"containers": all}}}})
    };
    let first = applied(&json!({}), containers(&["app", "side"]), "me", false).unwrap();
    let mut less = containers(&["app"]);
    less["metadata"]["labels"] = json!({"a": "1"});
    let second = applied(&first, less, "me", false).unwrap();
    let names = &second["spec"]["template"]["spec"]["containers"];
    assert_eq!(names, &json!([{"name": "app", "image": "i"}]));
    assert_eq!(second["metadata"]["labels"], json!({"a": "1"}));

    let shared = applied(&first, containers(&["side"]), "other", false).unwrap();
    let third = applied(&shared, containers(&["app"]), "me", false).unwrap();
    assert_eq!(
        third["spec"]["template"]["spec"]["containers"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn sets_are_written_as_they_are_read() {
    let fields = json!({"f:metadata": {"f:labels": {".": {}, "f:app": {}}}, "f:spec": {"f:x": {"v:\"a\"": {}}}});
    assert_eq!(Set::read(&fields).write(), fields);
    assert_eq!(
        Set::read(&fields).paths(),
        [".metadata.labels", ".metadata.labels.app", ".spec.x[=\"a\"]"]
    );
}

#[test]
fn who_gives_up_a_map_keeps_what_it_still_applies_in_it() {
    // As kubectl leaves it when it goes from its own way of applying to the server's.
    let mut live = applied(&json!({}), deployment(1, "web:1"), "kubectl", false).unwrap();
    for entry in live["metadata"]["managedFields"].as_array_mut().unwrap() {
        entry["fieldsV1"]["f:metadata"]["f:labels"]["."] = json!({});
    }
    let again = applied(&live, deployment(1, "web:1"), "kubectl", false).unwrap();
    assert_eq!(again["metadata"]["labels"], json!({"app": "web"}));
    assert_eq!(owned(&again, "kubectl")["f:metadata"]["f:labels"], json!({"f:app": {}}));
    // And what it does not is gone, with the map.
    let mut without = deployment(1, "web:1");
    without["metadata"].as_object_mut().unwrap().remove("labels");
    let gone = applied(&live, without, "kubectl", false).unwrap();
    assert!(gone["metadata"].get("labels").is_none());
}
