//! CustomResourceDefinitions: names, scope, versions, and the form of their schemas.

use serde_json::Value;

use super::list;
use crate::kubernetes::{names, refusal::Cause};

pub(super) fn of(object: &Value, causes: &mut Vec<Cause>) {
    let spec = &object["spec"];
    if spec["group"].as_str().unwrap_or_default().is_empty() {
        causes.push(Cause::required("spec.group", ""));
    }
    let scope = &spec["scope"];
    let known = ["Cluster", "Namespaced"];
    if !scope.as_str().is_some_and(|scope| known.contains(&scope)) {
        causes.push(Cause::not_supported("spec.scope", scope, &known));
    }
    for name in ["plural", "singular", "kind", "listKind"] {
        let given = spec["names"][name].as_str().unwrap_or_default();
        // The name of the list is made of the kind's, or of nothing.
        let nothing = given.is_empty() || (name == "listKind" && given == "List");
        if nothing && name != "singular" {
            causes.push(Cause::required(format!("spec.names.{name}"), ""));
        }
    }
    let versions = list(&spec["versions"]);
    let stored: Vec<&Value> = versions.iter().filter(|version| version["storage"] == true).collect();
    if stored.len() != 1 {
        let why = "must have exactly one version marked as storage version";
        causes.push(Cause::invalid("spec.versions", &spec["versions"], why));
    }
    if stored.is_empty() {
        let why = "must have at least one stored version";
        causes.push(Cause::invalid("status.storedVersions", &Value::Null, why));
    }
    for (index, version) in versions.iter().enumerate() {
        let at = format!("spec.versions[{index}]");
        for why in names::dns_1035(version["name"].as_str().unwrap_or_default()) {
            causes.push(Cause::invalid(format!("{at}.name"), &version["name"], &why));
            if index == 0 {
                causes.push(Cause::invalid("spec.version", &version["name"], &why));
            }
        }
        let schema = &version["schema"]["openAPIV3Schema"];
        if schema.is_null() {
            causes.push(Cause::required(format!("{at}.schema.openAPIV3Schema"), ""));
            continue;
        }
        // What all versions share is told as if there were only one.
        let at = if versions.len() == 1 {
            "spec.validation.openAPIV3Schema".to_owned()
        } else {
            format!("{at}.schema.openAPIV3Schema")
        };
        root(schema, version, &at, causes);
        structural(schema, true, &at, causes);
    }
}

fn root(schema: &Value, version: &Value, at: &str, causes: &mut Vec<Cause>) {
    let kind = &schema["type"];
    if kind != "object" && !kind.is_null() {
        if version["subresources"]["status"].is_object() {
            let why =
                "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
            causes.push(Cause::invalid(format!("{at}.type"), kind, why));
        }
        causes.push(Cause::invalid(format!("{at}.type"), kind, "must be object at the root"));
    }
}

/// Every place has a type, unless it says that it is open.
fn structural(schema: &Value, root: bool, at: &str, causes: &mut Vec<Cause>) {
    let open = schema["x-kubernetes-preserve-unknown-fields"] == true || schema["x-kubernetes-int-or-string"] == true;
    if schema["type"].is_null() && !open {
        let why = if root {
            "must not be empty at the root"
        } else {
            "must not be empty for specified object fields"
        };
        causes.push(Cause::required(format!("{at}.type"), why));
    }
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        structural(inner, false, &format!("{at}.properties[{name}]"), causes);
    }
    for (field, inner) in [
        ("items", &schema["items"]),
        ("additionalProperties", &schema["additionalProperties"]),
    ] {
        if inner.is_object() {
            structural(inner, false, &format!("{at}.{field}"), causes);
        }
    }
}
