//! The reviews: questions about access, answered and not kept.

use serde_json::{Value, json};

use super::{Question, User, allowed, reason, rules_of};
use crate::kubernetes::{
    refusal::{About, Cause, Refusal},
    request::manager,
    strategy,
    verbs::Ask,
    world::World,
};

/// Answers a review; it is decoded already.
pub fn answer(world: &World, ask: &Ask<'_>, mut review: Value) -> Result<Value, Refusal> {
    let spec = review["spec"].clone();
    let user = &ask.call.user;
    let refuse = |field: &str, value: &Value, why: &str| {
        let cause = Cause::invalid(field, value, why);
        Refusal::invalid(About::new("authorization.k8s.io", ""), "", &[cause])
    };
    let invalid = |field: &str, why: &str| refuse(field, &spec[field.trim_start_matches("spec.")], why);
    // It is written down who owns what, though nothing is kept.
    let given = ask.call.query.text("fieldManager").unwrap_or_default();
    let manager = manager(ask.call, given);
    strategy::own_created(world, ask.served.resource.id, &mut review, &manager, Some(&ask.served));
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
            review["spec"] = json!({});
            review["metadata"] = json!({});
        }
        plural => {
            let other = plural != "selfsubjectaccessreviews";
            let (about, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
            if about.is_object() && path.is_object() {
                let words = "cannot be specified in combination with resourceAttributes";
                return Err(invalid("spec.nonResourceAttributes", words));
            }
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
                    let words = "at least one of user or group must be specified";
                    return Err(refuse("spec.user", &"".into(), words));
                }
                User::new(name, &groups)
            } else {
                user.clone()
            };
            let mut metadata = review["metadata"].clone();
            if let Some(fields) = metadata.as_object_mut() {
                fields.remove("managedFields");
                fields.remove("creationTimestamp");
                // A review in a namespace has one.
                fields.remove("namespace");
                if ask.served.resource.namespaced && about["namespace"] != ask.namespace() {
                    let words = "must match metadata.namespace";
                    return Err(refuse("spec.resourceAttributes.namespace", &about["namespace"], words));
                }
                if !fields.is_empty() {
                    return Err(refuse("metadata", &review["metadata"], "must be empty"));
                }
            }
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
            review["status"] = json!({"allowed": allowed(world, &asked, &question)});
            if let Some(reason) = reason(world, &asked, &question) {
                review["status"]["reason"] = reason.into();
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
