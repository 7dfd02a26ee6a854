//! Claims, volumes and their classes.

use serde_json::Value;

use super::{immutable, list};
use crate::kubernetes::{quantity, refusal::Cause};

const MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

fn modes(spec: &Value, causes: &mut Vec<Cause>) {
    let modes = list(&spec["accessModes"]);
    if modes.is_empty() {
        let why = "at least 1 access mode is required";
        causes.push(Cause::required("spec.accessModes", why));
    }
    for mode in modes {
        if !mode.as_str().is_some_and(|mode| MODES.contains(&mode)) {
            causes.push(Cause::not_supported("spec.accessModes", mode, &MODES));
        }
    }
}

fn positive(value: &Value) -> bool {
    quantity::nanos(value.as_str().unwrap_or_default()).is_some_and(|value| value > 0)
}

pub(super) fn claim(object: &Value, causes: &mut Vec<Cause>) {
    let spec = &object["spec"];
    modes(spec, causes);
    let size = &spec["resources"]["requests"]["storage"];
    let at = "spec.resources[storage]";
    if size.is_null() {
        causes.push(Cause::required(at, ""));
    } else if !positive(size) {
        causes.push(Cause::invalid(at, size, "must be greater than zero"));
    }
}

pub(super) fn claim_changed(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    let bound = old["status"]["phase"] == "Bound";
    let without = |object: &Value| {
        let mut spec = object["spec"].clone();
        let free: &[&str] = if bound {
            &["volumeAttributesClassName"]
        } else {
            &["volumeName"]
        };
        if let Some(fields) = spec.as_object_mut() {
            for field in free.iter().filter(|field| bound || old["spec"][**field].is_null()) {
                fields.remove(*field);
            }
        }
        if bound && let Some(requests) = spec["resources"]["requests"].as_object_mut() {
            requests.remove("storage");
        }
        spec
    };
    if without(old) != without(new) {
        let why = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound \
                   claims";
        causes.push(Cause::forbidden("spec", why));
    }
    let nanos = |object: &Value| {
        let size = &object["spec"]["resources"]["requests"]["storage"];
        quantity::nanos(size.as_str().unwrap_or_default())
    };
    if bound && nanos(new) < nanos(old) {
        let why = "field can not be less than status.capacity";
        causes.push(Cause::forbidden("spec.resources.requests.storage", why));
    }
    // The real one names the field without its place.
    let mode = "volumeMode";
    immutable(mode, &old["spec"]["volumeMode"], &new["spec"]["volumeMode"], causes);
}

pub(super) fn volume(object: &Value, causes: &mut Vec<Cause>) {
    const OTHERS: [&str; 8] = [
        "accessModes",
        "capacity",
        "claimRef",
        "mountOptions",
        "nodeAffinity",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "volumeAttributesClassName",
    ];
    let spec = &object["spec"];
    modes(spec, causes);
    let size = &spec["capacity"]["storage"];
    if size.is_null() {
        causes.push(Cause::required("spec.capacity", ""));
    } else if !positive(size) {
        causes.push(Cause::invalid(
            "spec.capacity[storage]",
            size,
            "must be greater than zero",
        ));
    }
    let sources = spec.as_object().into_iter().flatten();
    let sources = sources.filter(|(field, _)| !OTHERS.contains(&&***field) && *field != "volumeMode");
    if sources.count() == 0 {
        causes.push(Cause::required("spec", "must specify a volume type"));
    }
}

pub(super) fn class(object: &Value, causes: &mut Vec<Cause>) {
    if object["provisioner"].as_str().unwrap_or_default().is_empty() {
        causes.push(Cause::required("provisioner", ""));
    }
    let policy = &object["reclaimPolicy"];
    let known = ["Delete", "Retain"];
    if !policy.as_str().is_some_and(|policy| known.contains(&policy)) {
        causes.push(Cause::not_supported("reclaimPolicy", policy, &known));
    }
}

pub(super) fn class_changed(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    if old["parameters"] != new["parameters"] {
        causes.push(Cause::forbidden("parameters", "updates to parameters are forbidden."));
    }
    for field in ["provisioner", "reclaimPolicy", "volumeBindingMode"] {
        immutable(field, &old[field], &new[field], causes);
    }
}
