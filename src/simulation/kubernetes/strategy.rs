//! What the API server itself writes into an object: generation, the half that a request may not touch, defaults.

use serde_json::{Value, json};

use super::{
    resources::{CRON_JOBS, CUSTOM_RESOURCE_DEFINITIONS, ENDPOINT_SLICES, JOBS, REPLICA_SETS, REPLICATION_CONTROLLERS},
    resources::{
        DAEMON_SETS, DEPLOYMENTS, NAMESPACES, POD_DISRUPTION_BUDGETS, PODS, PRIORITY_CLASSES, ResourceId, STATEFUL_SETS,
    },
    world::World,
};

/// Which part of an object a request means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All but the status.
    Main,
    /// The status.
    Status,
    /// The replicas, through `/scale`.
    Scale,
    /// The resources of a pod's containers, through `/resize`.
    Resize,
    /// Everything.
    Whole,
}

impl Part {
    /// As `managedFields` name it.
    pub fn subresource(self) -> Option<&'static str> {
        match self {
            Self::Main | Self::Whole => None,
            Self::Status => Some("status"),
            Self::Scale => Some("scale"),
            Self::Resize => Some("resize"),
        }
    }
}

/// Whether objects of a resource have a generation.
pub(super) fn generates(resource: ResourceId, custom: bool) -> bool {
    custom
        || matches!(
            resource,
            PODS | DEPLOYMENTS
                | REPLICA_SETS
                | STATEFUL_SETS
                | DAEMON_SETS
                | JOBS
                | CRON_JOBS
                | REPLICATION_CONTROLLERS
                | POD_DISRUPTION_BUDGETS
                | PRIORITY_CLASSES
                | ENDPOINT_SLICES
                | CUSTOM_RESOURCE_DEFINITIONS
        )
}

/// Makes an object ready to be stored for the first time: whole, with its defaults, without what only others may say.
pub(super) fn prepare_create(world: &World, resource: ResourceId, object: &mut Value) {
    let table = world.resources();
    let definition = table.get(resource);
    if object["apiVersion"].is_null() {
        object["apiVersion"] = definition.api_version().into();
        object["kind"] = definition.kind.clone().into();
    }
    let metadata = &mut object["metadata"];
    if metadata.is_null() {
        *metadata = json!({});
    }
    if let Value::Object(fields) = metadata {
        for field in [
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "selfLink",
            "generation",
            "resourceVersion",
        ] {
            fields.remove(field);
        }
    }
    if generates(resource, definition.custom.is_some()) {
        metadata["generation"] = 1.into();
    }
    if resource == NAMESPACES {
        let name = metadata["name"].clone();
        metadata["labels"]["kubernetes.io/metadata.name"] = name;
        object["spec"] = json!({"finalizers": ["kubernetes"]});
        object["status"] = json!({"phase": "Active"});
    }
}

/// Makes a changed object ready to be stored: the part that is not meant stays as it was.
pub(super) fn prepare_update(world: &World, resource: ResourceId, old: &Value, new: &mut Value, part: Part) {
    keep_identity(old, new);
    let table = world.resources();
    let definition = table.get(resource);
    let halved = definition.subresource("status").is_some();
    match part {
        Part::Main | Part::Scale | Part::Resize if halved => set_or_remove(new, "status", &old["status"]),
        Part::Status => {
            let status = new["status"].take();
            let metadata = new["metadata"].take();
            *new = old.clone();
            set_or_remove(new, "status", &status);
            for field in ["labels", "annotations", "finalizers", "managedFields"] {
                set_or_remove(&mut new["metadata"], field, &metadata[field]);
            }
        }
        _ => {}
    }
    if generates(resource, definition.custom.is_some()) {
        let bumped =
            part != Part::Status && changes_generation(resource, old, new, definition.custom.is_some(), halved);
        let generation = old["metadata"]["generation"].as_i64().unwrap_or_default();
        new["metadata"]["generation"] = (generation + i64::from(bumped)).into();
    }
}

/// Whether a change of an object is a new intent.
fn changes_generation(resource: ResourceId, old: &Value, new: &Value, custom: bool, halved: bool) -> bool {
    if custom {
        let without = |object: &Value| {
            let mut object = object.clone();
            if let Value::Object(fields) = &mut object {
                fields.remove("metadata");
                if halved {
                    fields.remove("status");
                }
            }
            object
        };
        return without(old) != without(new);
    }
    if resource == PRIORITY_CLASSES || resource == ENDPOINT_SLICES {
        return false;
    }
    old["spec"] != new["spec"]
        || (resource == DEPLOYMENTS && old["metadata"]["annotations"] != new["metadata"]["annotations"])
}

/// What no request can change.
fn keep_identity(old: &Value, new: &mut Value) {
    for field in [
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "generateName",
    ] {
        let kept = old["metadata"][field].clone();
        set_or_remove(&mut new["metadata"], field, &kept);
    }
}

pub(super) fn set_or_remove(object: &mut Value, field: &str, value: &Value) {
    if let Value::Object(fields) = object {
        if value.is_null() {
            fields.remove(field);
        } else {
            fields.insert(field.to_owned(), value.clone());
        }
    }
}

/// Whether an update is the end of an object: it was being deleted, and nothing holds it any more.
pub(super) fn ends(old: &Value, new: &Value) -> bool {
    let held = new["metadata"]["finalizers"]
        .as_array()
        .is_some_and(|finalizers| !finalizers.is_empty());
    !held
        && old["metadata"]["deletionTimestamp"].is_string()
        && old["metadata"]["deletionGracePeriodSeconds"]
            .as_i64()
            .unwrap_or_default()
            == 0
        && new["spec"]["finalizers"].as_array().is_none_or(Vec::is_empty)
}

/// Writes down who owns the fields of a new object.
pub(super) fn own_created(_world: &World, _resource: ResourceId, _object: &mut Value, _manager: &str) {}

/// Writes down who owns the fields that a change touched.
pub(super) fn own_changed(
    _world: &World,
    _resource: ResourceId,
    _old: &Value,
    _new: &mut Value,
    _manager: &str,
    _part: Part,
) {
}
