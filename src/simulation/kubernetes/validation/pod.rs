//! Pods and the templates of pods.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{container, list, metadata, scheduling};
use crate::kubernetes::{defaults, names, refusal::Cause, strategy::set_or_remove};

pub(super) fn spec(spec: &Value, at: &str, causes: &mut Vec<Cause>) {
    let mut volumes = BTreeSet::new();
    for (index, volume) in list(&spec["volumes"]).iter().enumerate() {
        let at = format!("{at}.volumes[{index}]");
        let name = volume["name"].as_str().unwrap_or_default();
        if name.is_empty() {
            causes.push(Cause::required(format!("{at}.name"), ""));
        } else {
            for why in names::label(name) {
                causes.push(Cause::invalid(format!("{at}.name"), &volume["name"], &why));
            }
            if !volumes.insert(name.to_owned()) {
                causes.push(Cause::duplicate(format!("{at}.name"), &volume["name"]));
            }
        }
        let mut sources = volume
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(field, value)| *field != "name" && !value.is_null());
        sources.next();
        for (source, _) in sources {
            let why = "may not specify more than 1 volume type";
            causes.push(Cause::forbidden(format!("{at}.{source}"), why));
        }
    }
    let mut seen = BTreeSet::new();
    let all = list(&spec["containers"]);
    if all.is_empty() {
        causes.push(Cause::required(format!("{at}.containers"), ""));
    }
    for (index, one) in all.iter().enumerate() {
        container::of(one, &format!("{at}.containers[{index}]"), &volumes, &mut seen, causes);
    }
    for (index, one) in list(&spec["initContainers"]).iter().enumerate() {
        container::of(
            one,
            &format!("{at}.initContainers[{index}]"),
            &volumes,
            &mut seen,
            causes,
        );
    }
    let policy = &spec["restartPolicy"];
    if !matches!(policy.as_str(), Some("Always" | "OnFailure" | "Never")) {
        let known = ["Always", "OnFailure", "Never"];
        causes.push(Cause::not_supported(format!("{at}.restartPolicy"), policy, &known));
    }
    let dns = &spec["dnsPolicy"];
    let known = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    if !dns.as_str().is_some_and(|dns| known.contains(&dns)) {
        causes.push(Cause::not_supported(format!("{at}.dnsPolicy"), dns, &known));
    }
    let deadline = spec["activeDeadlineSeconds"].as_i64();
    if let Some(seconds) = deadline.filter(|seconds| !(1..=i64::from(i32::MAX)).contains(seconds)) {
        let why = "must be between 1 and 2147483647, inclusive";
        causes.push(Cause::invalid(
            format!("{at}.activeDeadlineSeconds"),
            &seconds.into(),
            why,
        ));
    }
    metadata::labels(&spec["nodeSelector"], &format!("{at}.nodeSelector"), causes);
    scheduling::of(spec, at, causes);
    for name in ["hostname", "subdomain"] {
        let given = spec[name].as_str().unwrap_or_default();
        for why in if given.is_empty() {
            Vec::new()
        } else {
            names::label(given)
        } {
            causes.push(Cause::invalid(format!("{at}.{name}"), &spec[name], &why));
        }
    }
}

/// The few things that can be changed in a pod.
pub(super) fn changed(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    let (before, after) = (&old["spec"], &new["spec"]);
    if list(&before["containers"]).len() != list(&after["containers"]).len() {
        causes.push(Cause::forbidden(
            "spec.containers",
            "pod updates may not add or remove containers",
        ));
        return;
    }
    if list(&before["initContainers"]).len() != list(&after["initContainers"]).len() {
        causes.push(Cause::forbidden(
            "spec.initContainers",
            "pod updates may not add or remove containers",
        ));
        return;
    }
    let (deadline, was) = (&after["activeDeadlineSeconds"], &before["activeDeadlineSeconds"]);
    match (deadline.as_i64(), was.as_i64()) {
        (Some(now), Some(was)) if was < now => {
            let why = "must be less than or equal to previous value";
            causes.push(Cause::invalid("spec.activeDeadlineSeconds", deadline, why));
            return;
        }
        (None, Some(_)) => {
            let why = "must not update from a positive integer to nil value";
            causes.push(Cause::invalid("spec.activeDeadlineSeconds", deadline, why));
        }
        _ => {}
    }
    let timeless = |toleration: &Value| {
        let mut toleration = toleration.clone();
        set_or_remove(&mut toleration, "tolerationSeconds", &Value::Null);
        toleration
    };
    let tolerated: Vec<Value> = list(&after["tolerations"]).iter().map(timeless).collect();
    if list(&before["tolerations"])
        .iter()
        .any(|toleration| !tolerated.contains(&timeless(toleration)))
    {
        let why = "existing toleration can not be modified except its tolerationSeconds";
        causes.push(Cause::forbidden("spec.tolerations", why));
    }
    for (index, gate) in list(&after["schedulingGates"]).iter().enumerate() {
        if !list(&before["schedulingGates"]).contains(gate) {
            let name = gate["name"].as_str().unwrap_or_default();
            let why = format!("only deletion is allowed, but found new scheduling gate '{name}'");
            causes.push(Cause::forbidden(format!("spec.schedulingGates[{index}].name"), &why));
        }
    }
    let mut munged = after.clone();
    for name in ["containers", "initContainers"] {
        for (index, container) in list(&before[name]).iter().enumerate() {
            munged[name][index]["image"] = container["image"].clone();
        }
    }
    for field in ["activeDeadlineSeconds", "tolerations", "schedulingGates"] {
        let was = before[field].clone();
        set_or_remove(&mut munged, field, &was);
    }
    if before["terminationGracePeriodSeconds"]
        .as_i64()
        .is_some_and(|was| was < 0)
        && munged["terminationGracePeriodSeconds"] == 1
    {
        munged["terminationGracePeriodSeconds"] = before["terminationGracePeriodSeconds"].clone();
    }
    if munged != *before {
        let why = "pod updates may not change fields other than `spec.containers[*].image`,\
                   `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to \
                   existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was \
                   previously negative)";
        causes.push(Cause::forbidden("spec", why));
    }
}

/// What can be changed through `/resize`.
pub(super) fn resize(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    let (was, is) = (defaults::qos(&old["spec"]), defaults::qos(&new["spec"]));
    if was != is {
        let why = "Pod QOS Class may not change as a result of resizing";
        causes.push(Cause::invalid("spec", &was.into(), why));
    }
    // Whether the node can do it shows in what it says of a container that runs.
    let running = list(&old["status"]["containerStatuses"])
        .iter()
        .find(|status| status["state"]["running"].is_object());
    if running.is_some_and(|status| !status["resources"].is_object()) {
        let why = "Pod running on node without support for resize";
        causes.push(Cause::forbidden("spec", why));
    }
    for name in ["initContainers", "containers"] {
        let (before, after) = (list(&old["spec"][name]), list(&new["spec"][name]));
        let names = |containers: &[Value]| -> Vec<Value> {
            let containers = containers.iter();
            containers.map(|container| container["name"].clone()).collect()
        };
        if names(before) != names(after) {
            causes.push(Cause::forbidden(
                format!("spec.{name}"),
                "containers may not be renamed, reordered, added or removed",
            ));
            continue;
        }
        for (index, (before, after)) in before.iter().zip(after).enumerate() {
            let at = format!("spec.{name}[{index}].resources");
            resized(&before["resources"], &after["resources"], &at, causes);
        }
    }
}

fn resized(before: &Value, after: &Value, at: &str, causes: &mut Vec<Cause>) {
    let mut others = false;
    for kind in ["requests", "limits"] {
        let removed = before[kind]
            .as_object()
            .into_iter()
            .flatten()
            .any(|(name, _)| after[kind][name].is_null());
        if removed {
            causes.push(Cause::forbidden(
                format!("{at}.{kind}"),
                &format!("resource {kind} cannot be removed"),
            ));
        }
        others |= after[kind]
            .as_object()
            .into_iter()
            .flatten()
            .any(|(name, value)| !matches!(&**name, "cpu" | "memory") && before[kind][name] != *value);
    }
    if others {
        causes.push(Cause::forbidden("spec", "only cpu and memory resources are mutable"));
    }
}

/// Ephemeral containers come and stay.
pub(super) fn ephemeral(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    let (before, after) = (&old["spec"]["ephemeralContainers"], &new["spec"]["ephemeralContainers"]);
    let mut seen: BTreeSet<String> = ["containers", "initContainers"]
        .iter()
        .flat_map(|name| list(&new["spec"][*name]))
        .filter_map(|container| Some(container["name"].as_str()?.to_owned()))
        .collect();
    for (index, one) in list(after).iter().enumerate() {
        let at = format!("spec.ephemeralContainers[{index}]");
        container::of(one, &at, &BTreeSet::new(), &mut seen, causes);
    }
    for was in list(before) {
        let name = was["name"].as_str().unwrap_or_default();
        match list(after).iter().find(|container| container["name"] == was["name"]) {
            None => {
                let why = format!("existing ephemeral containers \"{name}\" may not be removed\n");
                causes.push(Cause::forbidden("spec.ephemeralContainers", &why));
            }
            Some(is) if is != was => {
                let why = format!("existing ephemeral containers \"{name}\" may not be changed\n");
                causes.push(Cause::forbidden("spec.ephemeralContainers", &why));
            }
            Some(_) => {}
        }
    }
}

/// Addresses are addresses.
pub(super) fn status(new: &Value, causes: &mut Vec<Cause>) {
    for (index, address) in list(&new["status"]["podIPs"]).iter().enumerate() {
        let text = address["ip"].as_str().unwrap_or_default();
        if text.parse::<std::net::IpAddr>().is_err() {
            let at = format!("status.podIPs[{index}]");
            causes.push(Cause::invalid(at, &address["ip"], ADDRESS));
        }
    }
}

/// What an address is.
pub(super) const ADDRESS: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
