#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;
use crate::kubernetes::schema;

fn strategic(original: Value, patch: Value) -> Result<Value, StrategicError> {
    apply_strategic(&original, &patch, schema::of_kind("v1", "Pod"))
}

fn pod(spec: Value) -> Value {
    json!({"spec": spec})
}

#[test]
fn json_patches() {
    let document = json!({"a": {"b": [1, 2, 3]}, "c~/d": 1});
    for (patch, wanted) in [
        (
            json!([{"op": "add", "path": "/x", "value": 1}]),
            Some(json!({"a": {"b": [1, 2, 3]}, "c~/d": 1, "x": 1})),
        ),
        (
            json!([{"op": "add", "path": "/a/b/-", "value": 4}]),
            Some(json!({"a": {"b": [1, 2, 3, 4]}, "c~/d": 1})),
        ),
        (
            json!([{"op": "add", "path": "/a/b/0", "value": 0}]),
            Some(json!({"a": {"b": [0, 1, 2, 3]}, "c~/d": 1})),
        ),
        (
            json!([{"op": "add", "path": "/a/b/3", "value": 4}]),
            Some(json!({"a": {"b": [1, 2, 3, 4]}, "c~/d": 1})),
        ),
        (json!([{"op": "add", "path": "/a/b/4", "value": 4}]), None),
        (json!([{"op": "add", "path": "/x/y", "value": 1}]), None),
        (
            json!([{"op": "remove", "path": "/a/b/-1"}]),
            Some(json!({"a": {"b": [1, 2]}, "c~/d": 1})),
        ),
        (json!([{"op": "remove", "path": "/x"}]), None),
        (
            json!([{"op": "remove", "path": "/c~0~1d"}]),
            Some(json!({"a": {"b": [1, 2, 3]}})),
        ),
        (
            json!([{"op": "replace", "path": "/a/b/1", "value": 9}]),
            Some(json!({"a": {"b": [1, 9, 3]}, "c~/d": 1})),
        ),
        // The library of the real one replaces what is not there.
        (
            json!([{"op": "replace", "path": "/x", "value": 9}]),
            Some(json!({"a": {"b": [1, 2, 3]}, "c~/d": 1, "x": 9})),
        ),
        (
            json!([{"op": "move", "from": "/a/b", "path": "/a/c"}]),
            Some(json!({"a": {"c": [1, 2, 3]}, "c~/d": 1})),
        ),
        (
            json!([{"op": "copy", "from": "/a/b/0", "path": "/z"}]),
            Some(json!({"a": {"b": [1, 2, 3]}, "c~/d": 1, "z": 1})),
        ),
        (
            json!([{"op": "test", "path": "/a/b/0", "value": 1}]),
            Some(document.clone()),
        ),
        (json!([{"op": "test", "path": "/a/b/0", "value": 2}]), None),
        (
            json!([{"op": "test", "path": "/none", "value": null}]),
            Some(document.clone()),
        ),
        (json!([{"op": "frob", "path": "/a"}]), None),
        (json!([]), Some(document.clone())),
    ] {
        let operations = Operation::parse(&patch).unwrap();
        assert_eq!(apply_json(&document, &operations).ok(), wanted, "{patch}");
    }
    assert!(Operation::parse(&json!({})).is_err());
}

#[test]
fn merge_patches() {
    for (target, patch, wanted) in [
        (json!({"a": 1}), json!({"a": null, "b": 2}), json!({"b": 2})),
        (
            json!({"a": {"b": 1, "c": 2}}),
            json!({"a": {"b": null}}),
            json!({"a": {"c": 2}}),
        ),
        (json!({"a": [1, 2]}), json!({"a": [3]}), json!({"a": [3]})),
        (
            json!({"a": 1}),
            json!({"a": {"b": null, "c": 1}}),
            json!({"a": {"c": 1}}),
        ),
        (json!({}), json!({"x": [null]}), json!({"x": [null]})),
    ] {
        let mut found = target.clone();
        merge(&mut found, &patch);
        assert_eq!(found, wanted, "{target} + {patch}");
    }
}

#[test]
fn strategic_merge_patches() {
    let two = json!({"containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}]});
    for (original, patch, wanted) in [
        // Containers are merged by name, wherever they stand.
        (
            two.clone(),
            json!({"containers": [{"name": "b", "image": "b:2"}]}),
            json!({"containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:2"}]}),
        ),
        (
            two.clone(),
            json!({"containers": [{"name": "c", "image": "c:1"}]}),
            json!({"containers": [{"name": "c", "image": "c:1"}, {"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}]}),
        ),
        (
            two.clone(),
            json!({"containers": [{"name": "a", "$patch": "delete"}]}),
            json!({"containers": [{"name": "b", "image": "b:1"}]}),
        ),
        (
            two.clone(),
            json!({"containers": [{"name": "c"}, {"$patch": "replace"}]}),
            json!({"containers": [{"name": "c"}]}),
        ),
        (
            two.clone(),
            json!({"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}),
            json!({"containers": [{"name": "b", "image": "b:1"}, {"name": "a", "image": "a:1"}]}),
        ),
        (
            two.clone(),
            json!({"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}, {"name": "b"}],
                   "containers": [{"name": "c", "image": "c:1"}]}),
            json!({"containers": [{"name": "c", "image": "c:1"}, {"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}]}),
        ),
        // Env by name, ports by containerPort, mounts by mountPath.
        (
            json!({"containers": [{"name": "a", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "1"}],
                "ports": [{"containerPort": 80, "name": "http"}], "volumeMounts": [{"mountPath": "/x", "name": "v"}]}]}),
            json!({"containers": [{"name": "a", "env": [{"name": "Y", "value": "2"}],
                "ports": [{"containerPort": 80, "name": "web"}], "volumeMounts": [{"mountPath": "/x", "name": "w"}]}]}),
            json!({"containers": [{"name": "a", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}],
                "ports": [{"containerPort": 80, "name": "web"}], "volumeMounts": [{"mountPath": "/x", "name": "w"}]}]}),
        ),
        // Tolerations have no key: the list is replaced.
        (
            json!({"tolerations": [{"key": "a"}]}),
            json!({"tolerations": [{"key": "b"}]}),
            json!({"tolerations": [{"key": "b"}]}),
        ),
        // A volume of another kind: $retainKeys takes the old one away.
        (
            json!({"volumes": [{"name": "v", "emptyDir": {}}]}),
            json!({"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}]}),
            json!({"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]}),
        ),
        (
            json!({"nodeSelector": {"a": "1", "b": "2"}}),
            json!({"nodeSelector": {"a": null, "c": "3"}}),
            json!({"nodeSelector": {"b": "2", "c": "3"}}),
        ),
        (
            json!({"nodeSelector": {"a": "1"}}),
            json!({"nodeSelector": {"$patch": "replace", "c": "3"}}),
            json!({"nodeSelector": {"c": "3"}}),
        ),
        (
            json!({}),
            json!({"nodeSelector": {"a": null, "b": "1"}}),
            json!({"nodeSelector": {"b": "1"}}),
        ),
        (
            json!({"imagePullSecrets": [{"name": "a"}]}),
            json!({"imagePullSecrets": [{"name": "b"}]}),
            json!({"imagePullSecrets": [{"name": "b"}, {"name": "a"}]}),
        ),
    ] {
        assert_eq!(
            strategic(pod(original.clone()), pod(patch.clone())),
            Ok(pod(wanted)),
            "{original} + {patch}"
        );
    }
}

#[test]
fn primitive_lists_are_united_and_deleted_from() {
    let original = json!({"metadata": {"finalizers": ["a", "b"]}});
    for (patch, wanted) in [
        (json!({"finalizers": ["c"]}), json!(["c", "a", "b"])),
        (json!({"finalizers": ["b"]}), json!(["a", "b"])),
        (json!({"$deleteFromPrimitiveList/finalizers": ["a"]}), json!(["b"])),
        (json!({"$setElementOrder/finalizers": ["b", "a"]}), json!(["b", "a"])),
    ] {
        let found = strategic(original.clone(), json!({"metadata": patch.clone()})).unwrap();
        assert_eq!(found["metadata"]["finalizers"], wanted, "{patch}");
    }
}

#[test]
fn conditions_and_owners_are_merged_by_their_keys() {
    let original = json!({"metadata": {"ownerReferences": [{"uid": "1", "name": "a"}]},
        "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "True"}]}});
    let patch = json!({"metadata": {"ownerReferences": [{"uid": "1", "controller": true}]},
        "status": {"conditions": [{"type": "Ready", "status": "False"}]}});
    let found = strategic(original, patch).unwrap();
    assert_eq!(
        found["metadata"]["ownerReferences"],
        json!([{"uid": "1", "name": "a", "controller": true}])
    );
    assert_eq!(
        found["status"]["conditions"],
        json!([{"type": "Ready", "status": "False"}, {"type": "Other", "status": "True"}])
    );
}

#[test]
fn broken_strategic_patches_are_told_apart() {
    let original = pod(json!({"containers": [{"name": "a"}], "volumes": [{"name": "v"}]}));
    for (patch, wanted) in [
        (
            json!({"containers": [{"image": "x"}]}),
            StrategicError::Other("map: map[image:x] does not contain declared merge key: name".to_owned()),
        ),
        (
            json!({"containers": [{"name": "a", "$patch": "frob"}]}),
            StrategicError::Other("unknown patch type: frob in map: map[$patch:frob name:a]".to_owned()),
        ),
        (
            json!({"volumes": [{"name": "v", "$retainKeys": ["name"], "emptyDir": {}}]}),
            StrategicError::Form("invalid patch format of retainKeys"),
        ),
        (
            json!({"$setElementOrder/containers": "a"}),
            StrategicError::Other("expected a []interface {}, but received a string".to_owned()),
        ),
    ] {
        assert_eq!(strategic(original.clone(), pod(patch.clone())), Err(wanted), "{patch}");
    }
}
