//! Priority classes, quotas, limits and revisions.

use serde_json::Value;

use super::list;
use crate::kubernetes::{quantity, refusal::Cause};

/// The highest priority that is not the system's own.
const HIGHEST: i64 = 1_000_000_000;

pub(super) fn priority_class(object: &Value, causes: &mut Vec<Cause>) {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let own = matches!(name, "system-node-critical" | "system-cluster-critical");
    if name.starts_with("system-") && !own {
        let why = format!(
            "priority class names with 'system-' prefix are reserved for system use only. error: {name} is not a known \
             system priority class"
        );
        causes.push(Cause::forbidden("metadata.name", &why));
    } else if object["value"].as_i64().is_some_and(|value| value > HIGHEST) && !own {
        let why = format!("maximum allowed value of a user defined priority is {HIGHEST}");
        causes.push(Cause::forbidden("value", &why));
    }
    let policy = &object["preemptionPolicy"];
    let known = ["PreemptLowerPriority", "Never"];
    if !policy.as_str().is_some_and(|policy| known.contains(&policy)) {
        causes.push(Cause::not_supported("preemptionPolicy", policy, &known));
    }
}

pub(super) fn priority_class_changed(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    for field in ["value", "preemptionPolicy"] {
        if old[field] != new[field] {
            causes.push(Cause::forbidden(field, "may not be changed in an update."));
        }
    }
}

/// What can be counted without a slash in its name.
const COUNTED: [&str; 21] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "storage",
    "pods",
    "services",
    "services.nodeports",
    "services.loadbalancers",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "requests.storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "podtemplates",
];

pub(super) fn quota(object: &Value, causes: &mut Vec<Cause>) {
    for (name, value) in object["spec"]["hard"].as_object().into_iter().flatten() {
        let at = format!("spec.hard[{name}]");
        if !name.contains('/') && !COUNTED.contains(&name.as_str()) {
            for why in [
                "must be a standard resource type or fully qualified",
                "must be a standard resource for quota",
            ] {
                causes.push(Cause::invalid(at.clone(), &name.as_str().into(), why));
            }
        }
        if quantity::nanos(value.as_str().unwrap_or_default()).is_some_and(|value| value < 0) {
            causes.push(Cause::invalid(at, value, "must be greater than or equal to 0"));
        }
    }
}

pub(super) fn limits(object: &Value, causes: &mut Vec<Cause>) {
    for (index, limit) in list(&object["spec"]["limits"]).iter().enumerate() {
        for (name, request) in limit["defaultRequest"].as_object().into_iter().flatten() {
            let most = &limit["default"][name];
            let nanos = |value: &Value| quantity::nanos(value.as_str().unwrap_or_default());
            if let (Some(wanted), Some(limit)) = (nanos(request), nanos(most))
                && wanted > limit
            {
                let at = format!("spec.limits[{index}].defaultRequest[{name}]");
                let why = format!(
                    "default request value {} is greater than default limit value {}",
                    request.as_str().unwrap_or_default(),
                    most.as_str().unwrap_or_default()
                );
                causes.push(Cause::invalid(at, request, &why));
            }
        }
    }
}

pub(super) fn revision(object: &Value, causes: &mut Vec<Cause>) {
    if object["data"].is_null() {
        causes.push(Cause::required("data", "data is mandatory"));
    }
}
