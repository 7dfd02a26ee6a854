//! RBAC: roles, bound to subjects, allow; nothing forbids.

use serde_json::Value;

use super::{User, bootstrap};
use crate::kubernetes::{
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

/// What a binding gives someone.
struct Grant {
    rules: Vec<Value>,
    /// `RoleBinding "reader/default" of Role "reader" to User "jane"`.
    how: String,
}

/// Whether someone may do everything, whatever is bound.
fn is_master(user: &User) -> bool {
    user.groups.iter().any(|group| group == "system:masters")
}

/// Whether RBAC allows it.
pub fn allowed(world: &World, user: &User, question: &Question<'_>) -> bool {
    is_master(user)
        || grants(world, user, question.namespace)
            .iter()
            .any(|grant| grant.rules.iter().any(|rule| covers(rule, question)))
}

/// Why RBAC allows it.
pub fn reason(world: &World, user: &User, question: &Question<'_>) -> Option<String> {
    if is_master(user) {
        return None;
    }
    let grants = grants(world, user, question.namespace);
    let grant = grants
        .iter()
        .find(|grant| grant.rules.iter().any(|rule| covers(rule, question)))?;
    Some(format!("RBAC: allowed by {}", grant.how))
}

/// The rules that hold for someone in a namespace; without one, in all of them.
pub fn rules_of(world: &World, user: &User, namespace: &str) -> Vec<Value> {
    let grants = grants(world, user, namespace).into_iter();
    let mut rules: Vec<Value> = grants.flat_map(|grant| grant.rules).collect();
    if is_master(user) {
        rules.extend(bootstrap::rules("cluster-admin").into_iter().flatten());
    }
    rules
}

/// What of these rules someone does not have in a namespace, as it is told: one may only give away what one has.
pub fn missing(world: &World, user: &User, namespace: &str, wanted: &[Value]) -> Vec<String> {
    let owned = rules_of(world, user, namespace);
    let texts = |rule: &Value, field: &str| -> Vec<String> {
        let values = rule[field].as_array().into_iter().flatten();
        values.filter_map(|value| Some(value.as_str()?.to_owned())).collect()
    };
    let mut lacking = Vec::new();
    for rule in wanted {
        for verb in texts(rule, "verbs") {
            for url in texts(rule, "nonResourceURLs") {
                let question = Question {
                    verb: &verb,
                    path: Some(&url),
                    ..Question::default()
                };
                if !owned.iter().any(|rule| covers(rule, &question)) {
                    lacking.push(format!("{{NonResourceURLs:[{url:?}], Verbs:[{verb:?}]}}"));
                }
            }
            for group in texts(rule, "apiGroups") {
                for resource in texts(rule, "resources") {
                    let (plural, subresource) = resource.split_once('/').unwrap_or((&resource, ""));
                    let names = texts(rule, "resourceNames");
                    let all = [String::new()];
                    let each = if names.is_empty() { &all[..] } else { &names };
                    let held = each.iter().all(|name| {
                        let question = Question {
                            verb: &verb,
                            group: &group,
                            resource: plural,
                            subresource,
                            namespace,
                            name,
                            path: None,
                        };
                        owned.iter().any(|rule| covers(rule, &question))
                    });
                    if !held {
                        lacking.push(format!(
                            "{{APIGroups:[{group:?}], Resources:[{resource:?}], Verbs:[{verb:?}]}}"
                        ));
                    }
                }
            }
        }
    }
    lacking.sort();
    lacking
}

/// The rules of a role; none when there is no such role.
pub fn rules_of_role(world: &World, namespace: &str, role: &Value) -> Vec<Value> {
    let name = role["name"].as_str().unwrap_or_default();
    let found = match role["kind"].as_str() {
        Some("ClusterRole") => world.find(CLUSTER_ROLES, "", name),
        _ => world.find(ROLES, namespace, name),
    };
    match found {
        Some(found) => match found.value()["rules"].take() {
            Value::Array(rules) => rules,
            _ => Vec::new(),
        },
        None if role["kind"] == "ClusterRole" => bootstrap::rules(name).unwrap_or_default(),
        None => Vec::new(),
    }
}

fn grants(world: &World, user: &User, namespace: &str) -> Vec<Grant> {
    let mut grants: Vec<Grant> = bootstrap::bindings(user)
        .map(|(role, group)| Grant {
            rules: bootstrap::rules(role).unwrap_or_default(),
            how: format!("ClusterRoleBinding \"{role}\" of ClusterRole \"{role}\" to Group \"{group}\""),
        })
        .collect();
    let mut add = |kind: &str, place: &str, binding: &Value| {
        let Some(subject) = subject(binding, user, place) else {
            return;
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut name = text(&binding["metadata"]["name"]);
        if !place.is_empty() {
            name = format!("{name}/{place}");
        }
        let (of, role) = (text(&binding["roleRef"]["kind"]), text(&binding["roleRef"]["name"]));
        let mut to = text(&subject["name"]);
        if subject["kind"] == "ServiceAccount" {
            to = format!("{to}/{}", subject["namespace"].as_str().unwrap_or(place));
        }
        grants.push(Grant {
            rules: rules_of_role(world, place, &binding["roleRef"]),
            how: format!("{kind} {name:?} of {of} {role:?} to {} {to:?}", text(&subject["kind"])),
        });
    };
    for binding in world.list(CLUSTER_ROLE_BINDINGS, None) {
        add("ClusterRoleBinding", "", &binding.value());
    }
    if !namespace.is_empty() {
        for binding in world.list(ROLE_BINDINGS, Some(namespace)) {
            add("RoleBinding", namespace, &binding.value());
        }
    }
    grants
}

/// The subject of a binding that is meant by someone.
fn subject<'a>(binding: &'a Value, user: &User, namespace: &str) -> Option<&'a Value> {
    binding["subjects"].as_array().into_iter().flatten().find(|subject| {
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
