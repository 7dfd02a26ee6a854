//! The reviews: questions about access, answered and not kept.

use serde_json::{Value, json};

use super::{Question, User, allowed, rules_of};
use crate::simulation::kubernetes::{
    refusal::{About, Cause, Refusal},
    verbs::Ask,
    world::World,
};

/// Answers a review; it is decoded already.
pub fn answer(world: &World, ask: &Ask<'_>, mut review: Value) -> Result<Value, Refusal> {
    let spec = review["spec"].clone();
    let user = &ask.call.user;
    let invalid = |field: &str, why: &str| {
        let cause = Cause::invalid(field, &spec[field.trim_start_matches("spec.")], why);
        Refusal::invalid(About::new("authorization.k8s.io", ""), "", &[cause])
    };
    match &*ask.about.plural {
        "selfsubjectreviews" => {
            let mut info = json!({"username": user.name, "groups": user.groups});
            if user.name.starts_with("system:serviceaccount:") {
                info["uid"] = "".into();
            }
            review["status"] = json!({"userInfo": info});
            review["metadata"]["creationTimestamp"] = world.stamp().into();
        }
        "selfsubjectrulesreviews" => {
            let namespace = spec["namespace"].as_str().unwrap_or_default();
            if namespace.is_empty() {
                return Err(Refusal::bad_request("no namespace on request"));
            }
            review["status"] = rules(world, user, namespace);
        }
        plural => {
            let other = plural != "selfsubjectaccessreviews";
            let (about, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
            if about.is_object() == path.is_object() {
                let words = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
                return Err(invalid("spec.resourceAttributes", words));
            }
            let asked = if other {
                let groups = spec["groups"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str);
                let name = spec["user"].as_str().unwrap_or_default();
                let groups: Vec<&str> = groups.collect();
                if name.is_empty() && groups.is_empty() {
                    return Err(invalid("spec.user", "at least one of user or group must be specified"));
                }
                User::new(name, &groups)
            } else {
                user.clone()
            };
            let text = |value: &'_ Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
            let (verb, group, resource) = (text(about, "verb"), text(about, "group"), text(about, "resource"));
            let (subresource, namespace, name) = (
                text(about, "subresource"),
                text(about, "namespace"),
                text(about, "name"),
            );
            let (path_verb, url) = (text(path, "verb"), text(path, "path"));
            let question = if path.is_object() {
                Question {
                    verb: &path_verb,
                    path: Some(&url),
                    ..Question::default()
                }
            } else {
                Question {
                    verb: &verb,
                    group: &group,
                    resource: &resource,
                    subresource: &subresource,
                    namespace: &namespace,
                    name: &name,
                    path: None,
                }
            };
            let allowed = allowed(world, &asked, &question);
            review["status"] = json!({"allowed": allowed});
            if allowed && asked.groups.iter().all(|group| group != "system:masters") {
                review["status"]["reason"] = "RBAC: allowed".into();
            }
        }
    }
    if review["metadata"].is_null() {
        review["metadata"] = json!({});
    }
    Ok(review)
}

fn rules(world: &World, user: &User, namespace: &str) -> Value {
    let mut resources = Vec::new();
    let mut paths = Vec::new();
    if user.groups.iter().any(|group| group == "system:masters") {
        resources.push(json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}));
        paths.push(json!({"verbs": ["*"], "nonResourceURLs": ["*"]}));
    }
    for rule in rules_of(world, user, namespace) {
        if rule["nonResourceURLs"].is_array() {
            paths.push(json!({"verbs": rule["verbs"], "nonResourceURLs": rule["nonResourceURLs"]}));
        } else {
            let mut rule = rule;
            if let Value::Object(fields) = &mut rule {
                fields.retain(|_, value| !value.is_null());
            }
            resources.push(rule);
        }
    }
    json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false})
}
