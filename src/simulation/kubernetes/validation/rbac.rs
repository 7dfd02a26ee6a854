//! Roles and their bindings.

use serde_json::Value;

use super::list;
use crate::kubernetes::refusal::Cause;

const GROUP: &str = "rbac.authorization.k8s.io";

pub(super) fn role(object: &Value, namespaced: bool, causes: &mut Vec<Cause>) {
    for (index, rule) in list(&object["rules"]).iter().enumerate() {
        let empty = |field: &str| list(&rule[field]).is_empty();
        if empty("verbs") {
            let why = "verbs must contain at least one value";
            causes.push(Cause::required(format!("rules[{index}].verbs"), why));
        }
        if !empty("nonResourceURLs") {
            let at = format!("rules[{index}].nonResourceURLs");
            let urls = &rule["nonResourceURLs"];
            if namespaced {
                let why = "namespaced rules cannot apply to non-resource URLs";
                causes.push(Cause::invalid(&*at, urls, why));
            }
            if !empty("apiGroups") || !empty("resources") || !empty("resourceNames") {
                let why = "rules cannot apply to both regular resources and non-resource URLs";
                causes.push(Cause::invalid(at, urls, why));
            }
            continue;
        }
        if empty("apiGroups") {
            let why = "resource rules must supply at least one api group";
            causes.push(Cause::required(format!("rules[{index}].apiGroups"), why));
        }
        if empty("resources") {
            let why = "resource rules must supply at least one resource";
            causes.push(Cause::required(format!("rules[{index}].resources"), why));
        }
    }
}

pub(super) fn binding(object: &Value, namespaced: bool, causes: &mut Vec<Cause>) {
    let role = &object["roleRef"];
    if role["apiGroup"] != GROUP {
        causes.push(Cause::not_supported("roleRef.apiGroup", &role["apiGroup"], &[GROUP]));
    }
    let known: &[&str] = if namespaced {
        &["Role", "ClusterRole"]
    } else {
        &["ClusterRole"]
    };
    if !role["kind"].as_str().is_some_and(|kind| known.contains(&kind)) {
        causes.push(Cause::not_supported("roleRef.kind", &role["kind"], known));
    }
    if role["name"].as_str().unwrap_or_default().is_empty() {
        causes.push(Cause::required("roleRef.name", ""));
    }
    for (index, subject) in list(&object["subjects"]).iter().enumerate() {
        let at = format!("subjects[{index}]");
        let text = |field: &str| subject[field].as_str().unwrap_or_default();
        if text("name").is_empty() {
            causes.push(Cause::required(format!("{at}.name"), ""));
        }
        match text("kind") {
            "ServiceAccount" if !namespaced && text("namespace").is_empty() => {
                causes.push(Cause::required(format!("{at}.namespace"), ""));
            }
            "ServiceAccount" => {}
            "User" | "Group" if text("apiGroup") != GROUP => {
                let at = format!("{at}.apiGroup");
                causes.push(Cause::not_supported(at, &subject["apiGroup"], &[GROUP]));
            }
            "User" | "Group" => {}
            _ => {
                let known = ["ServiceAccount", "User", "Group"];
                causes.push(Cause::not_supported(format!("{at}.kind"), &subject["kind"], &known));
            }
        }
    }
}

pub(super) fn binding_changed(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    if old["roleRef"] != new["roleRef"] {
        causes.push(Cause::invalid("roleRef", &new["roleRef"], "cannot change roleRef"));
    }
}
