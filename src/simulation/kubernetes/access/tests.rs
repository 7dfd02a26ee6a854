#![allow(clippy::unwrap_used)]

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::kubernetes::{
    resources::{CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES, ResourceId},
    world::World,
};

fn world() -> World {
    let mut world = World::new("2026-11-24T10:00:00Z".parse::<Timestamp>().unwrap(), 1);
    let mut put = |resource: ResourceId, object: Value| {
        world.create(resource, object, "test").unwrap();
    };
    put(
        CLUSTER_ROLES,
        json!({"metadata": {"name": "reader"}, "rules": [
        {"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "list"]},
        {"nonResourceURLs": ["/metrics/*"], "verbs": ["get"]}]}),
    );
    put(
        CLUSTER_ROLE_BINDINGS,
        json!({"metadata": {"name": "all"}, "roleRef": {"kind": "ClusterRole", "name": "reader"},
        "subjects": [{"kind": "Group", "name": "readers"}]}),
    );
    put(
        ROLES,
        json!({"metadata": {"name": "one", "namespace": "a"}, "rules": [
        {"apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["web"], "verbs": ["patch"]},
        {"apiGroups": ["*"], "resources": ["*/scale"], "verbs": ["*"]}]}),
    );
    put(
        ROLE_BINDINGS,
        json!({"metadata": {"name": "one", "namespace": "a"}, "roleRef": {"kind": "Role", "name": "one"},
        "subjects": [{"kind": "ServiceAccount", "name": "bot", "namespace": "a"}]}),
    );
    world
}

#[test]
fn roles_allow_what_they_name_and_nothing_else() {
    let world = world();
    let reader = User::new("r", &["readers"]);
    let bot = User::service_account("a", "bot");
    for (user, verb, group, resource, subresource, namespace, name, wanted) in [
        (&reader, "list", "", "pods", "", "", "", true),
        (&reader, "get", "", "pods", "log", "b", "x", true),
        (&reader, "get", "", "pods", "eviction", "b", "x", false),
        (&reader, "delete", "", "pods", "", "b", "x", false),
        (&reader, "list", "apps", "deployments", "", "b", "", false),
        (&bot, "patch", "apps", "deployments", "", "a", "web", true),
        (&bot, "patch", "apps", "deployments", "", "a", "db", false),
        (&bot, "patch", "apps", "deployments", "", "b", "web", false),
        (&bot, "list", "apps", "deployments", "", "a", "", false),
        (&bot, "update", "apps", "deployments", "scale", "a", "db", true),
        (
            &bot,
            "create",
            "authorization.k8s.io",
            "selfsubjectaccessreviews",
            "",
            "",
            "",
            true,
        ),
    ] {
        let question = Question {
            verb,
            group,
            resource,
            subresource,
            namespace,
            name,
            path: None,
        };
        assert_eq!(allowed(&world, user, &question), wanted, "{question:?}");
    }
    assert!(allowed(
        &world,
        &User::admin(),
        &Question {
            verb: "delete",
            resource: "nodes",
            ..Question::default()
        }
    ));
    let path = |path| Question {
        verb: "get",
        path: Some(path),
        ..Question::default()
    };
    assert!(allowed(&world, &reader, &path("/metrics/cadvisor")));
    assert!(!allowed(&world, &bot, &path("/metrics/cadvisor")));
    assert!(allowed(&world, &bot, &path("/version")));
}
