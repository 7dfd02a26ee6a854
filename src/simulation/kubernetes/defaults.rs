//! What the API server fills in: the defaults of the types, and what its admission adds to every pod.

mod pod;
#[cfg(test)]
mod tests;
mod workloads;

pub use pod::{admit_pod, pod_spec, qos, tolerate};

use base64::engine::{Engine, general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::{
    resources::{
        CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, CRON_JOBS, CUSTOM_RESOURCE_DEFINITIONS, DAEMON_SETS, DEPLOYMENTS,
        ENDPOINT_SLICES, ENDPOINTS, EVENTS, HORIZONTAL_POD_AUTOSCALERS, JOBS, LEASES, LIMIT_RANGES, NODES,
        PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, POD_DISRUPTION_BUDGETS, PODS, PRIORITY_CLASSES, REPLICA_SETS,
        REPLICATION_CONTROLLERS, RESOURCE_QUOTAS, ROLE_BINDINGS, ROLES, ResourceId, SECRETS, SERVICES, STATEFUL_SETS,
        STORAGE_CLASSES,
    },
    schema,
};

/// The field of an object, made if it is not there.
pub(super) fn fields<'a>(object: &'a mut Value, name: &str) -> &'a mut Map<String, Value> {
    as_fields(&mut object[name])
}

fn as_fields(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = json!({});
    }
    value.as_object_mut().expect("it was made an object just now")
}

/// Sets a field that is not there.
pub(super) fn default(object: &mut Map<String, Value>, name: &str, value: Value) {
    if object.get(name).is_none_or(Value::is_null) {
        object.insert(name.to_owned(), value);
    }
}

/// Fills in the defaults of an object's type. Done twice it does nothing more.
pub fn fill(resource: ResourceId, object: &mut Value) {
    match resource {
        PODS => pod::pod(object),
        DEPLOYMENTS => workloads::deployment(object),
        REPLICA_SETS => workloads::replica_set(object),
        REPLICATION_CONTROLLERS => workloads::replication_controller(object),
        STATEFUL_SETS => workloads::stateful_set(object),
        DAEMON_SETS => workloads::daemon_set(object),
        JOBS => {
            workloads::job(fields(object, "spec"));
            let labels = object["spec"]["template"]["metadata"]["labels"].clone();
            if labels.is_object() {
                default(fields(object, "metadata"), "labels", labels);
            }
        }
        CRON_JOBS => workloads::cron_job(object),
        HORIZONTAL_POD_AUTOSCALERS => workloads::autoscaler(fields(object, "spec")),
        SERVICES => service(object),
        SECRETS => secret(object),
        PERSISTENT_VOLUME_CLAIMS => {
            default(fields(object, "spec"), "volumeMode", "Filesystem".into());
        }
        PERSISTENT_VOLUMES => {
            let spec = fields(object, "spec");
            default(spec, "persistentVolumeReclaimPolicy", "Retain".into());
            if let Some(path) = spec.get_mut("hostPath").and_then(Value::as_object_mut) {
                default(path, "type", "".into());
            }
            default(spec, "volumeMode", "Filesystem".into());
        }
        NODES => node(object),
        STORAGE_CLASSES => {
            if let Some(object) = object.as_object_mut() {
                default(object, "reclaimPolicy", "Delete".into());
                default(object, "volumeBindingMode", "Immediate".into());
            }
        }
        PRIORITY_CLASSES => {
            if let Some(object) = object.as_object_mut() {
                default(object, "preemptionPolicy", "PreemptLowerPriority".into());
                default(object, "value", 0.into());
            }
        }
        CLUSTER_ROLE_BINDINGS | ROLE_BINDINGS => binding(object),
        LEASES | POD_DISRUPTION_BUDGETS => {
            fields(object, "spec");
        }
        ENDPOINTS => {
            for subset in object["subsets"].as_array_mut().into_iter().flatten() {
                ports_of_endpoints(subset);
            }
        }
        ENDPOINT_SLICES => {
            ports_of_endpoints(object);
            for endpoint in object["endpoints"].as_array_mut().into_iter().flatten() {
                fields(endpoint, "conditions");
            }
            for port in object["ports"].as_array_mut().into_iter().flatten() {
                if let Some(port) = port.as_object_mut() {
                    default(port, "name", "".into());
                }
            }
        }
        LIMIT_RANGES => {
            fields(object, "spec");
        }
        // What is null in a schema means something.
        CUSTOM_RESOURCE_DEFINITIONS => return definition(object),
        _ => {}
    }
    let mut status = object.get_mut("status").map(Value::take).unwrap_or_default();
    of_status(resource, &mut status);
    if !status.is_null() {
        object["status"] = status;
    }
    if resource.is_built_in() {
        drop_nulls(object);
        zeroes(resource, object);
        if let Some(status) = object.get_mut("status") {
            zeroes_of_status(resource, status);
        }
    }
}

/// Fills in the defaults of a status: what [`fill`] does where nothing else was written.
pub fn fill_status(resource: ResourceId, status: &mut Value) {
    of_status(resource, status);
    if resource.is_built_in() && resource != CUSTOM_RESOURCE_DEFINITIONS {
        drop_nulls(status);
        zeroes_of_status(resource, status);
    }
}

/// The defaults of a status.
fn of_status(resource: ResourceId, status: &mut Value) {
    match resource {
        PERSISTENT_VOLUMES | PERSISTENT_VOLUME_CLAIMS => {
            default(as_fields(status), "phase", "Pending".into());
        }
        PODS | JOBS | RESOURCE_QUOTAS => {
            as_fields(status);
        }
        HORIZONTAL_POD_AUTOSCALERS => default(as_fields(status), "desiredReplicas", 0.into()),
        POD_DISRUPTION_BUDGETS => {
            let status = as_fields(status);
            for name in ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"] {
                default(status, name, 0.into());
            }
        }
        SERVICES => default(as_fields(status), "loadBalancer", json!({})),
        NODES => {
            let status = as_fields(status);
            default(status, "daemonEndpoints", json!({"kubeletEndpoint": {"Port": 0}}));
            if status.get("nodeInfo").is_none_or(Value::is_null) {
                let info = schema::find("NodeSystemInfo").expect("nodes have system info");
                let required = info.fields.iter().filter(|(_, field)| field.required);
                let empty: Map<_, _> = required.map(|(name, _)| (name.clone(), "".into())).collect();
                status.insert("nodeInfo".to_owned(), empty.into());
            }
        }
        _ => {}
    }
}

fn ports_of_endpoints(object: &mut Value) {
    for port in object["ports"].as_array_mut().into_iter().flatten() {
        if let Some(port) = port.as_object_mut() {
            default(port, "protocol", "TCP".into());
        }
    }
}

/// Lists that Go writes even when there is none.
fn lists(resource: ResourceId) -> &'static [&'static str] {
    match resource {
        ROLES | CLUSTER_ROLES => &["/rules"],
        LIMIT_RANGES => &["/spec/limits"],
        ENDPOINT_SLICES => &["/endpoints", "/ports"],
        _ => &[],
    }
}

/// Whoever says that such a list is empty owns it, but it is kept as none.
pub fn settle(resource: ResourceId, object: &mut Value) {
    for pointer in lists(resource) {
        if let Some(list) = object.pointer_mut(pointer)
            && list.as_array().is_some_and(Vec::is_empty)
        {
            *list = Value::Null;
        }
    }
}

/// A moment that has not come, as Go writes it.
const NEVER: Value = Value::Null;

/// What Go writes even when it is nothing.
fn zeroes(resource: ResourceId, object: &mut Value) {
    for pointer in lists(resource) {
        let (parent, field) = pointer.rsplit_once('/').unwrap_or_default();
        if let Some(parent) = object.pointer_mut(parent).and_then(Value::as_object_mut) {
            default(parent, field, NEVER);
        }
    }
    if let Some(event) = object.as_object_mut().filter(|_| resource == EVENTS) {
        for name in ["firstTimestamp", "lastTimestamp", "eventTime"] {
            default(event, name, NEVER);
        }
        default(event, "source", json!({}));
        for name in ["reportingComponent", "reportingInstance"] {
            default(event, name, "".into());
        }
    }
}

/// The same of a status: moments that have not come, and a few structs.
fn zeroes_of_status(resource: ResourceId, status: &mut Value) {
    match resource {
        PODS => {
            each(status, "conditions", &["lastProbeTime", "lastTransitionTime"], &NEVER);
            for list in [
                "containerStatuses",
                "initContainerStatuses",
                "ephemeralContainerStatuses",
            ] {
                each(status, list, &["state", "lastState"], &json!({}));
                if let Some(statuses) = status.get_mut(list) {
                    moments_of(statuses);
                }
            }
            // The old field is the first of the new one.
            if status["podIP"].is_string() && status["podIP"] != status["podIPs"][0]["ip"] {
                status["podIPs"] = json!([{"ip": status["podIP"]}]);
            }
        }
        NODES => {
            each(
                status,
                "conditions",
                &["lastHeartbeatTime", "lastTransitionTime"],
                &NEVER,
            );
            if status["capacity"].is_object() && status["allocatable"].is_null() {
                status["allocatable"] = status["capacity"].clone();
            }
        }
        DEPLOYMENTS => each(status, "conditions", &["lastUpdateTime", "lastTransitionTime"], &NEVER),
        REPLICA_SETS | REPLICATION_CONTROLLERS | STATEFUL_SETS | DAEMON_SETS | HORIZONTAL_POD_AUTOSCALERS => {
            each(status, "conditions", &["lastTransitionTime"], &NEVER);
            if let Some(status) = status
                .as_object_mut()
                .filter(|_| resource == HORIZONTAL_POD_AUTOSCALERS)
            {
                default(status, "currentMetrics", NEVER);
            }
        }
        JOBS => each(status, "conditions", &["lastProbeTime", "lastTransitionTime"], &NEVER),
        _ => {}
    }
}

/// Puts these fields into each item of a list that has none.
fn each(status: &mut Value, list: &str, names: &[&str], value: &Value) {
    let items = status.get_mut(list).and_then(Value::as_array_mut);
    for item in items.into_iter().flatten().filter_map(Value::as_object_mut) {
        for name in names {
            default(item, name, value.clone());
        }
    }
}

/// When a container began and ended, whether it is said or not.
fn moments_of(statuses: &mut Value) {
    for status in statuses.as_array_mut().into_iter().flatten() {
        for state in ["state", "lastState"] {
            for (kind, moments) in [
                ("running", &["startedAt"][..]),
                ("terminated", &["startedAt", "finishedAt"]),
            ] {
                let state = status.get_mut(state).and_then(|state| state.get_mut(kind));
                if let Some(fields) = state.and_then(Value::as_object_mut) {
                    for moment in moments {
                        default(fields, moment, NEVER);
                    }
                }
            }
        }
    }
}

/// A field that is null is none.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if fields.values().any(Value::is_null) {
                fields.retain(|_, value| !value.is_null());
            }
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

fn binding(object: &mut Value) {
    default(
        fields(object, "roleRef"),
        "apiGroup",
        "rbac.authorization.k8s.io".into(),
    );
    for subject in object["subjects"].as_array_mut().into_iter().flatten() {
        let named = subject["kind"] == "User" || subject["kind"] == "Group";
        if let Some(subject) = subject.as_object_mut().filter(|_| named) {
            default(subject, "apiGroup", "rbac.authorization.k8s.io".into());
        }
    }
}

fn service(object: &mut Value) {
    let spec = fields(object, "spec");
    default(spec, "type", "ClusterIP".into());
    default(spec, "sessionAffinity", "None".into());
    if spec["type"] != "ExternalName" {
        default(spec, "internalTrafficPolicy", "Cluster".into());
    }
    for port in spec
        .get_mut("ports")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        let number = port["port"].clone();
        if let Some(port) = port.as_object_mut() {
            default(port, "protocol", "TCP".into());
            default(port, "targetPort", number);
        }
    }
}

fn secret(object: &mut Value) {
    let text = object["stringData"].take();
    for (name, value) in text.as_object().into_iter().flatten() {
        let bytes = value.as_str().unwrap_or_default().as_bytes();
        fields(object, "data").insert(name.clone(), STANDARD.encode(bytes).into());
    }
    if let Some(object) = object.as_object_mut() {
        object.remove("stringData");
        default(object, "type", "Opaque".into());
    }
}

fn node(object: &mut Value) {
    let spec = fields(object, "spec");
    // The old field is the first of the new one.
    if let Some(range) = spec.get("podCIDR").filter(|range| range.is_string()).cloned() {
        default(spec, "podCIDRs", json!([range]));
    }
}

fn definition(object: &mut Value) {
    let spec = fields(object, "spec");
    default(spec, "conversion", json!({"strategy": "None"}));
    let kind = spec["names"]["kind"].as_str().unwrap_or_default().to_owned();
    if let Some(names) = spec.get_mut("names").and_then(Value::as_object_mut) {
        default(names, "singular", kind.to_lowercase().into());
        default(names, "listKind", format!("{kind}List").into());
    }
}
