//! RBAC: roles, bound to subjects, allow; nothing forbids.

use serde_json::Value;

use super::User;
use crate::simulation::kubernetes::{
    resources::{CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES},
    world::World,
};

/// Whether someone may do something.
#[derive(Clone, Copy, Debug, Default)]
pub struct Question<'a> {
    /// The verb.
    pub verb: &'a str,
    /// The group.
    pub group: &'a str,
    /// The plural.
    pub resource: &'a str,
    /// The subresource; empty without one.
    pub subresource: &'a str,
    /// The namespace; empty for all of them.
    pub namespace: &'a str,
    /// The name; empty for all of them.
    pub name: &'a str,
    /// The path of what is no resource.
    pub path: Option<&'a str>,
}

/// Whether RBAC allows it.
pub fn allowed(world: &World, user: &User, question: &Question<'_>) -> bool {
    if user.groups.iter().any(|group| group == "system:masters") {
        return true;
    }
    // What everybody who is known may do, without a role for it being loaded.
    let about_oneself = matches!(
        (question.group, question.resource),
        (
            "authorization.k8s.io",
            "selfsubjectaccessreviews" | "selfsubjectrulesreviews"
        ) | ("authentication.k8s.io", "selfsubjectreviews")
    );
    if about_oneself && question.verb == "create" {
        return true;
    }
    if let Some(path) = question.path {
        let public = ["/healthz", "/livez", "/readyz", "/version", "/api", "/apis", "/openapi"];
        if question.verb == "get"
            && public
                .iter()
                .any(|open| path == *open || path.starts_with(&format!("{open}/")))
        {
            return true;
        }
    }
    rules_of(world, user, question.namespace)
        .iter()
        .any(|rule| covers(rule, question))
}

/// The rules that hold for someone in a namespace; without one, in all of them.
pub fn rules_of(world: &World, user: &User, namespace: &str) -> Vec<Value> {
    let mut rules = Vec::new();
    let mut add = |namespace: &str, role: &Value| {
        let name = role["name"].as_str().unwrap_or_default();
        let found = match role["kind"].as_str() {
            Some("ClusterRole") => world.find(CLUSTER_ROLES, "", name),
            _ => world.find(ROLES, namespace, name),
        };
        if let Some(found) = found
            && let Value::Array(found) = found.value()["rules"].take()
        {
            rules.extend(found);
        }
    };
    for binding in world.list(CLUSTER_ROLE_BINDINGS, None) {
        let binding = binding.value();
        if subjects(&binding, user, "") {
            add("", &binding["roleRef"]);
        }
    }
    if !namespace.is_empty() {
        for binding in world.list(ROLE_BINDINGS, Some(namespace)) {
            let binding = binding.value();
            if subjects(&binding, user, namespace) {
                add(namespace, &binding["roleRef"]);
            }
        }
    }
    rules
}

fn subjects(binding: &Value, user: &User, namespace: &str) -> bool {
    binding["subjects"].as_array().into_iter().flatten().any(|subject| {
        let name = subject["name"].as_str().unwrap_or_default();
        match subject["kind"].as_str() {
            Some("User") => user.name == name,
            Some("Group") => user.groups.iter().any(|group| group == name),
            Some("ServiceAccount") => {
                let of = subject["namespace"].as_str().unwrap_or(namespace);
                user.name == format!("system:serviceaccount:{of}:{name}")
            }
            _ => false,
        }
    })
}

fn covers(rule: &Value, question: &Question<'_>) -> bool {
    let lists = |field: &str, wanted: &str| {
        rule[field]
            .as_array()
            .is_some_and(|listed| listed.iter().any(|one| one == "*" || one == wanted))
    };
    if !lists("verbs", question.verb) {
        return false;
    }
    if let Some(path) = question.path {
        return rule["nonResourceURLs"].as_array().into_iter().flatten().any(|url| {
            let url = url.as_str().unwrap_or_default();
            url == path || url.strip_suffix('*').is_some_and(|prefix| path.starts_with(prefix))
        });
    }
    let combined = if question.subresource.is_empty() {
        question.resource.to_owned()
    } else {
        format!("{}/{}", question.resource, question.subresource)
    };
    let any = format!("*/{}", question.subresource);
    let named = rule["resourceNames"].as_array().is_none_or(|names| {
        names.is_empty()
            || names
                .iter()
                .any(|name| !question.name.is_empty() && name == question.name)
    });
    lists("apiGroups", question.group)
        && (lists("resources", &combined) || (!question.subresource.is_empty() && lists("resources", &any)))
        && named
}
