//! What the API server itself writes into an object: generation, the half that a request may not touch, defaults.

use serde_json::{Value, json};

use super::{
    defaults,
    incoming::Served,
    ownership::{self, Identity},
    resources::{
        CRON_JOBS, CUSTOM_RESOURCE_DEFINITIONS, Conversion, ENDPOINT_SLICES, JOBS, REPLICA_SETS,
        REPLICATION_CONTROLLERS,
    },
    resources::{
        DAEMON_SETS, DEPLOYMENTS, LEASES, NAMESPACES, NODES, POD_DISRUPTION_BUDGETS, PODS, PRIORITY_CLASSES, Resource,
        ResourceId, STATEFUL_SETS,
    },
    schema::{self, View},
    world::{World, Write},
};

/// As old as DaemonSets: how often the template was another one.
pub(super) const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

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
    /// A namespace's finalizers, through `/finalize`.
    Finalize,
    /// A pod's ephemeral containers.
    Ephemeral,
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
            Self::Finalize => Some("finalize"),
            Self::Ephemeral => Some("ephemeralcontainers"),
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
            "resourceVersion",
        ] {
            fields.remove(field);
        }
    }
    if generates(resource, definition.custom.is_some()) {
        metadata["generation"] = 1.into();
    }
    if resource == DAEMON_SETS {
        count_first_template(object);
    }
    let halved = definition.subresource("status").is_some();
    if halved
        && !matches!(resource, NODES | PODS)
        && let Value::Object(fields) = object
    {
        fields.remove("status");
    }
    if resource == PODS {
        let class = defaults::qos(&object["spec"]);
        object["status"] = json!({"phase": "Pending", "qosClass": class});
        if object["spec"]["schedulingGates"]
            .as_array()
            .is_some_and(|gates| !gates.is_empty())
        {
            object["status"]["conditions"] = json!([{"type": "PodScheduled", "status": "False", "lastProbeTime": null,
                "lastTransitionTime": world.stamp(), "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates"}]);
        }
    }
    defaults::fill(resource, object);
    defaults::settle(resource, object);
    if resource == CUSTOM_RESOURCE_DEFINITIONS {
        object["status"] = super::definitions::status(object);
    }
    if resource == NAMESPACES {
        label_namespace(object);
        let mut finalizers = object["spec"]["finalizers"].as_array().cloned().unwrap_or_default();
        if !finalizers.iter().any(|finalizer| finalizer == "kubernetes") {
            finalizers.push("kubernetes".into());
        }
        object["spec"] = json!({"finalizers": finalizers});
        object["status"] = json!({"phase": "Active"});
    }
    if resource == LEASES {
        // What a gate that is closed by default would let through.
        for field in ["strategy", "preferredHolder"] {
            set_or_remove(&mut object["spec"], field, &Value::Null);
        }
    }
}

/// A DaemonSet counts its templates.
pub(super) fn count_first_template(object: &mut Value) {
    object["metadata"]["annotations"][TEMPLATE_GENERATION] = "1".into();
}

/// Every namespace has its name as a label.
pub(super) fn label_namespace(object: &mut Value) {
    let name = object["metadata"]["name"].clone();
    if name.is_string() {
        object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
    }
}

/// Makes a changed object ready to be stored: the part that is not meant stays as it was.
pub(super) fn prepare_update(world: &World, resource: ResourceId, old: &Value, new: &mut Value, part: Part) {
    defaults::settle(resource, new);
    keep_identity(old, new);
    let table = world.resources();
    let definition = table.get(resource);
    let halved = definition.subresource("status").is_some();
    match part {
        Part::Main | Part::Scale | Part::Resize if halved => set_or_remove(new, "status", &old["status"]),
        Part::Status => only_status(old, new, definition.custom.is_some()),
        Part::Finalize => {
            let (status, labels) = (old["status"].clone(), old["metadata"]["labels"].clone());
            set_or_remove(new, "status", &status);
            if new["metadata"]["labels"].is_null() {
                set_or_remove(&mut new["metadata"], "labels", &labels);
            }
        }
        Part::Ephemeral => {
            let added = new["spec"]["ephemeralContainers"].clone();
            let managed = new["metadata"]["managedFields"].clone();
            *new = old.clone();
            set_or_remove(&mut new["spec"], "ephemeralContainers", &added);
            set_or_remove(&mut new["metadata"], "managedFields", &managed);
        }
        _ => {}
    }
    match (resource, part) {
        // Only `/finalize` changes these.
        (NAMESPACES, Part::Main) => set_or_remove(new, "spec", &old["spec"]),
        (PODS, Part::Resize) => keep_but_resources(old, new),
        (PODS, Part::Status) => set_or_remove(&mut new["status"], "qosClass", &old["status"]["qosClass"]),
        _ => {}
    }
    if resource == NAMESPACES {
        label_namespace(new);
    }
    if resource == DAEMON_SETS && part != Part::Status {
        let count = |object: &Value| -> i64 {
            let text = object["metadata"]["annotations"][TEMPLATE_GENERATION].as_str();
            text.and_then(|text| text.parse().ok()).unwrap_or(1)
        };
        let bumped = i64::from(old["spec"]["template"] != new["spec"]["template"]);
        new["metadata"]["annotations"][TEMPLATE_GENERATION] = (count(old) + bumped).to_string().into();
    }
    if generates(resource, definition.custom.is_some()) {
        let bumped = !matches!(part, Part::Status | Part::Whole | Part::Finalize)
            && changes_generation(resource, old, new, definition.custom.is_some(), halved);
        let generation = old["metadata"]["generation"].as_i64().unwrap_or_default();
        new["metadata"]["generation"] = (generation + i64::from(bumped)).into();
    }
}

/// Whoever writes the status writes nothing else, but for what of the metadata everybody may.
fn only_status(old: &Value, new: &mut Value, custom: bool) {
    let status = new["status"].take();
    let mut metadata = new["metadata"].take();
    let (Some(was), Some(is)) = (old.as_object(), new.as_object()) else {
        return;
    };
    // Most write nothing else, and then a comparison saves a copy of the whole.
    let apart = |name: &str| name == "status" || name == "metadata";
    let same = was
        .iter()
        .all(|(name, value)| apart(name) || is.get(name) == Some(value))
        && is.keys().all(|name| apart(name) || was.contains_key(name));
    if !same {
        *new = old.clone();
    }
    new["metadata"] = old["metadata"].clone();
    set_or_take(new, "status", status);
    let others: &[&str] = if custom {
        &["managedFields"]
    } else {
        &["labels", "annotations", "finalizers", "managedFields"]
    };
    for field in others {
        let said = metadata.get_mut(field).map(Value::take).unwrap_or_default();
        set_or_take(&mut new["metadata"], field, said);
    }
}

/// A resize changes the resources of containers, and drops whatever else it says, unless it says it of other containers.
fn keep_but_resources(old: &Value, new: &mut Value) {
    let names = |pod: &Value, list: &str| -> Vec<Value> {
        let containers = pod["spec"][list].as_array().into_iter().flatten();
        containers.map(|container| container["name"].clone()).collect()
    };
    let lists = ["containers", "initContainers"];
    if lists.iter().any(|list| names(old, list) != names(new, list)) {
        return;
    }
    let mut kept = old.clone();
    for list in lists {
        for (index, container) in new["spec"][list].as_array().into_iter().flatten().enumerate() {
            for field in ["resources", "resizePolicy"] {
                set_or_remove(&mut kept["spec"][list][index], field, &container[field]);
            }
        }
    }
    let managed = new["metadata"]["managedFields"].clone();
    set_or_remove(&mut kept["metadata"], "managedFields", &managed);
    *new = kept;
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
        "selfLink",
    ] {
        let kept = &old["metadata"][field];
        if new["metadata"].get(field).unwrap_or(&Value::Null) != kept {
            set_or_remove(&mut new["metadata"], field, kept);
        }
    }
}

pub(super) fn set_or_remove(object: &mut Value, field: &str, value: &Value) {
    set_or_take(object, field, value.clone());
}

fn set_or_take(object: &mut Value, field: &str, value: Value) {
    if let Value::Object(fields) = object {
        if value.is_null() {
            fields.remove(field);
        } else {
            fields.insert(field.to_owned(), value);
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

/// What can only be said when the uid is known.
pub(super) fn finish_create(resource: ResourceId, object: &mut Value) {
    let manual = object["spec"]["manualSelector"] == true;
    if resource != JOBS || manual {
        return;
    }
    let (uid, name) = (object["metadata"]["uid"].clone(), object["metadata"]["name"].clone());
    // The labels that a Job has from its template are the template's, whatever is added to these.
    let shared = object["metadata"]["labels"] == object["spec"]["template"]["metadata"]["labels"];
    let metadata = &mut object["spec"]["template"]["metadata"];
    for (label, value) in [("controller-uid", &uid), ("job-name", &name)] {
        metadata["labels"][label] = value.clone();
        metadata["labels"][format!("batch.kubernetes.io/{label}")] = value.clone();
    }
    if shared {
        object["metadata"]["labels"] = object["spec"]["template"]["metadata"]["labels"].clone();
    }
    object["spec"]["selector"]["matchLabels"]["batch.kubernetes.io/controller-uid"] = uid;
    defaults::fill(resource, object);
}

fn owned(
    world: &World,
    resource: ResourceId,
    old: &Value,
    new: &mut Value,
    manager: &str,
    subresource: Option<&'static str>,
    served: Option<&Served<'_>>,
) {
    if let Some(served) = served.filter(|served| served.conversion != Conversion::None) {
        // Owned is what was said, in the version in which it was said.
        let (old, mut shown) = (served.serve(old.clone()), served.serve(new.clone()));
        let identity = Identity {
            manager: manager.to_owned(),
            applies: false,
            api_version: served.api_version(),
            subresource: subresource.map(str::to_owned),
        };
        ownership::update(&old, &mut shown, served.view(), &identity, &world.stamp());
        set_or_remove(
            &mut new["metadata"],
            "managedFields",
            &shown["metadata"]["managedFields"],
        );
        return;
    }
    let version = new["apiVersion"].as_str().unwrap_or_default().to_owned();
    let (view, identity) = owner(world.resources().get(resource), &version, manager, subresource);
    ownership::update(old, new, view, &identity, &world.stamp());
}

/// How an object of a resource is looked at, and who owns what a manager writes of it.
pub(super) fn owner<'a>(
    resource: &'a Resource,
    version: &str,
    manager: &str,
    subresource: Option<&str>,
) -> (View<'a>, Identity) {
    let identity = Identity {
        manager: manager.to_owned(),
        applies: false,
        api_version: version.to_owned(),
        subresource: subresource.map(str::to_owned),
    };
    let view = match &resource.custom {
        Some(custom) => View::Custom(custom.schemas.get(version.rsplit('/').next().unwrap_or_default())),
        None => schema::of_kind(version, &resource.kind).map_or(View::Unknown, View::Type),
    };
    (view, identity)
}

/// Writes down who owns the fields of a new object.
pub(super) fn own_created(
    world: &World,
    resource: ResourceId,
    object: &mut Value,
    manager: &str,
    served: Option<&Served<'_>>,
) {
    owned(world, resource, &json!({}), object, manager, None, served);
}

/// Writes down who owns the fields that a change touched.
pub(super) fn own_changed(world: &World, resource: ResourceId, old: &Value, new: &mut Value, write: &Write<'_>) {
    let Some(manager) = write.manager else { return };
    // Whoever sends the list sets it; who sends an empty one ends the account.
    let given = &new["metadata"]["managedFields"];
    let ended = given
        .as_array()
        .is_some_and(|entries| entries.len() < 2 && entries.iter().all(|entry| *entry == json!({})));
    let mut old = std::borrow::Cow::Borrowed(old);
    if ended {
        set_or_remove(&mut new["metadata"], "managedFields", &Value::Null);
        return;
    }
    if given.is_array() && *given != old["metadata"]["managedFields"] {
        // Taken away, so that it is put in order even when it says what was said before.
        old.to_mut()["metadata"]["managedFields"] = new["metadata"]["managedFields"].take();
    }
    // Nobody keeps account of what had none, until somebody applies.
    if old["metadata"]["managedFields"].is_null() {
        return;
    }
    owned(
        world,
        resource,
        &old,
        new,
        manager,
        write.part.subresource(),
        write.served.as_ref(),
    );
}
