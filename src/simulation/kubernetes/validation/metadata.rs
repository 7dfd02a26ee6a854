//! Names, labels, annotations, finalizers, owners.

use serde_json::Value;

use crate::kubernetes::{
    names,
    refusal::Cause,
    resources::{
        CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, CRON_JOBS, CUSTOM_RESOURCE_DEFINITIONS, EVENTS, NAMESPACES,
        ROLE_BINDINGS, ROLES, Resource, SERVICES, STATEFUL_SETS,
    },
};

/// Bytes of all annotations together.
const ANNOTATIONS: usize = 256 * 1024;
/// The longest name of a CronJob: its Jobs are called after it and a number.
const CRON_JOB: usize = 52;

pub(super) fn of_new(resource: &Resource, object: &Value) -> Vec<Cause> {
    let metadata = &object["metadata"];
    let mut causes = Vec::new();
    let rule: fn(&str) -> Vec<String> = match resource.id {
        NAMESPACES | STATEFUL_SETS | SERVICES => names::label,

        ROLES | CLUSTER_ROLES | ROLE_BINDINGS | CLUSTER_ROLE_BINDINGS => names::path_segment,
        _ => names::subdomain,
    };
    let name = metadata["name"].as_str().unwrap_or_default();
    let base = metadata["generateName"].as_str().unwrap_or_default();
    // Of an Event only the name is looked at.
    if !base.is_empty() && resource.id != EVENTS {
        // What is appended is harmless, so the dash before it is too.
        let checked = base.trim_end_matches('-');
        let checked = if checked.is_empty() { base } else { checked };
        for why in rule(checked) {
            causes.push(Cause::invalid("metadata.generateName", &base.into(), &why));
        }
    }
    if name.is_empty() && base.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
    }
    if !name.is_empty() {
        for why in rule(name) {
            causes.push(Cause::invalid("metadata.name", &name.into(), &why));
        }
        if resource.id == CRON_JOBS && name.len() > CRON_JOB {
            let why = format!("must be no more than {CRON_JOB} characters");
            causes.push(Cause::invalid("metadata.name", &name.into(), &why));
        }
        let group = object["spec"]["group"].as_str().unwrap_or_default();
        let plural = object["spec"]["names"]["plural"].as_str().unwrap_or_default();
        if resource.id == CUSTOM_RESOURCE_DEFINITIONS && name != format!("{plural}.{group}") {
            let why = "must be spec.names.plural+\".\"+spec.group";
            causes.push(Cause::invalid("metadata.name", &name.into(), why));
        }
    }
    common(metadata, &mut causes);
    if resource.id.is_built_in() {
        finalizers(metadata, &mut causes);
    }
    causes
}

/// The built-in kinds know which short finalizers there are.
fn finalizers(metadata: &Value, causes: &mut Vec<Cause>) {
    for (index, finalizer) in metadata["finalizers"].as_array().into_iter().flatten().enumerate() {
        let name = finalizer.as_str().unwrap_or_default();
        if !name.contains('/') && !matches!(name, "kubernetes" | "orphan" | "foregroundDeletion") {
            let why = "name is neither a standard finalizer name nor is it fully qualified";
            causes.push(Cause::invalid(format!("metadata.finalizers[{index}]"), finalizer, why));
        }
    }
    let all = metadata["finalizers"].as_array().map_or(&[][..], Vec::as_slice);
    let has = |name: &str| all.iter().any(|finalizer| finalizer == name);
    if has("orphan") && has("foregroundDeletion") {
        let why = "finalizer orphan and foregroundDeletion cannot be both set";
        causes.push(Cause::invalid("metadata.finalizers", &metadata["finalizers"], why));
    }
}

pub(super) fn of_changed(resource: &Resource, old: &Value, new: &Value, given: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let (before, after) = (&old["metadata"], &new["metadata"]);
    if before["deletionTimestamp"].is_string() {
        let list = |metadata: &Value| metadata["finalizers"].as_array().cloned().unwrap_or_default();
        let known = list(before);
        let added: Vec<Value> = list(after)
            .into_iter()
            .filter(|finalizer| !known.contains(finalizer))
            .collect();
        if !added.is_empty() {
            let why = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers {}",
                go_strings(&added)
            );
            causes.push(Cause::forbidden("metadata.finalizers", &why));
        }
    }
    // What is not the client's to say is kept; only these two are refused when they are said otherwise.
    for field in ["uid", "deletionTimestamp"] {
        let (was, is) = (&before[field], &given[field]);
        if !is.is_null() && is != was {
            causes.push(Cause::invalid(format!("metadata.{field}"), is, "field is immutable"));
        }
    }
    common(after, &mut causes);
    if resource.id.is_built_in() {
        finalizers(after, &mut causes);
    }
    // The real one judges metadata twice, for all kinds and for each: its words are one, its causes two.
    let again = causes.clone();
    causes.extend(again);
    causes
}

fn go_strings(values: &[Value]) -> String {
    let quoted: Vec<String> = values.iter().map(Value::to_string).collect();
    format!("[]string{{{}}}", quoted.join(", "))
}

fn common(metadata: &Value, causes: &mut Vec<Cause>) {
    labels(&metadata["labels"], "metadata.labels", causes);
    let mut size = 0;
    for (name, value) in metadata["annotations"].as_object().into_iter().flatten() {
        for why in names::label_key(&name.to_lowercase()) {
            causes.push(Cause::invalid("metadata.annotations", &name.as_str().into(), &why));
        }
        size += name.len() + value.as_str().unwrap_or_default().len();
    }
    if size > ANNOTATIONS {
        causes.push(Cause::too_long("metadata.annotations", ANNOTATIONS));
    }
    let mut controller: Option<String> = None;
    for owner in metadata["ownerReferences"].as_array().into_iter().flatten() {
        let text = |field: &str| owner[field].as_str().unwrap_or_default();
        for (field, why) in [
            ("apiVersion", "version must not be empty"),
            ("kind", "must not be empty"),
            ("name", "must not be empty"),
            ("uid", "must not be empty"),
        ] {
            // What is no group and version has no version.
            let broken = field == "apiVersion" && text(field).matches('/').count() > 1;
            if text(field).is_empty() || broken {
                let at = format!("metadata.ownerReferences.{field}");
                causes.push(Cause::invalid(at, &text(field).into(), why));
            }
        }
        if text("kind") == "Event" && text("apiVersion") == "v1" {
            let why = "/v1, Kind=Event is disallowed from being an owner";
            causes.push(Cause::invalid("metadata.ownerReferences", owner, why));
        }
        if owner["controller"] == true {
            let this = format!("{}/{}", text("kind"), text("name"));
            if let Some(first) = &controller {
                let why = format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {this}"
                );
                causes.push(Cause::invalid(
                    "metadata.ownerReferences",
                    &metadata["ownerReferences"],
                    &why,
                ));
            } else {
                controller = Some(this);
            }
        }
    }
    for finalizer in metadata["finalizers"].as_array().into_iter().flatten() {
        for why in names::label_key(finalizer.as_str().unwrap_or_default()) {
            causes.push(Cause::invalid("metadata.finalizers", finalizer, &why));
        }
    }
}

/// Labels, wherever they are.
pub(super) fn labels(labels: &Value, field: &str, causes: &mut Vec<Cause>) {
    for (name, value) in labels.as_object().into_iter().flatten() {
        for why in names::label_key(name) {
            causes.push(Cause::invalid(field, &name.as_str().into(), &why));
        }
        for why in names::label_value(value.as_str().unwrap_or_default()) {
            causes.push(Cause::invalid(field, value, &why));
        }
    }
}
