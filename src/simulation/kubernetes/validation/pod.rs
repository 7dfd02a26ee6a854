//! Pods and the templates of pods.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::metadata;
use crate::simulation::kubernetes::{defaults, names, quantity, refusal::Cause};

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
    }
    let mut seen = BTreeSet::new();
    let all = list(&spec["containers"]);
    if all.is_empty() {
        causes.push(Cause::required(format!("{at}.containers"), ""));
    }
    for (index, one) in all.iter().enumerate() {
        container(one, &format!("{at}.containers[{index}]"), &volumes, &mut seen, causes);
    }
    for (index, one) in list(&spec["initContainers"]).iter().enumerate() {
        container(
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
    if let Some(seconds) = spec["activeDeadlineSeconds"].as_i64().filter(|seconds| *seconds < 1) {
        let why = "must be between 1 and 2147483647, inclusive";
        causes.push(Cause::invalid(
            format!("{at}.activeDeadlineSeconds"),
            &seconds.into(),
            why,
        ));
    }
    metadata::labels(&spec["nodeSelector"], &format!("{at}.nodeSelector"), causes);
    for (index, toleration) in list(&spec["tolerations"]).iter().enumerate() {
        let at = format!("{at}.tolerations[{index}]");
        let operator = toleration["operator"].as_str().unwrap_or_default();
        if !matches!(operator, "" | "Equal" | "Exists") {
            let known = ["Equal", "Exists"];
            causes.push(Cause::not_supported(format!("{at}.operator"), &operator.into(), &known));
        }
        let effect = toleration["effect"].as_str().unwrap_or_default();
        if !matches!(effect, "" | "NoSchedule" | "PreferNoSchedule" | "NoExecute") {
            let known = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
            causes.push(Cause::not_supported(format!("{at}.effect"), &effect.into(), &known));
        }
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn container(
    container: &Value,
    at: &str,
    volumes: &BTreeSet<String>,
    seen: &mut BTreeSet<String>,
    causes: &mut Vec<Cause>,
) {
    let name = container["name"].as_str().unwrap_or_default();
    if name.is_empty() {
        causes.push(Cause::required(format!("{at}.name"), ""));
    } else {
        for why in names::label(name) {
            causes.push(Cause::invalid(format!("{at}.name"), &container["name"], &why));
        }
    }
    let image = container["image"].as_str().unwrap_or_default();
    if image.is_empty() {
        causes.push(Cause::required(format!("{at}.image"), ""));
    } else if image.trim() != image {
        let why = "must not have leading or trailing whitespace";
        causes.push(Cause::invalid(format!("{at}.image"), &container["image"], why));
    }
    let policy = &container["imagePullPolicy"];
    if !matches!(policy.as_str(), Some("Always" | "IfNotPresent" | "Never")) {
        let known = ["Always", "IfNotPresent", "Never"];
        causes.push(Cause::not_supported(format!("{at}.imagePullPolicy"), policy, &known));
    }
    if !name.is_empty() && !seen.insert(name.to_owned()) {
        causes.push(Cause::duplicate(format!("{at}.name"), &container["name"]));
    }
    for (index, port) in list(&container["ports"]).iter().enumerate() {
        let number = &port["containerPort"];
        let at = format!("{at}.ports[{index}]");
        match number.as_i64().unwrap_or_default() {
            0 => causes.push(Cause::required(format!("{at}.containerPort"), "")),
            1..=65535 => {}
            _ => {
                let why = "must be between 1 and 65535, inclusive";
                causes.push(Cause::invalid(format!("{at}.containerPort"), number, why));
            }
        }
        if !matches!(port["protocol"].as_str(), Some("TCP" | "UDP" | "SCTP")) {
            let known = ["SCTP", "TCP", "UDP"];
            causes.push(Cause::not_supported(
                format!("{at}.protocol"),
                &port["protocol"],
                &known,
            ));
        }
    }
    for (index, variable) in list(&container["env"]).iter().enumerate() {
        if variable["name"].as_str().unwrap_or_default().is_empty() {
            causes.push(Cause::required(format!("{at}.env[{index}].name"), ""));
        }
    }
    let mut paths = BTreeSet::new();
    for (index, mount) in list(&container["volumeMounts"]).iter().enumerate() {
        let at = format!("{at}.volumeMounts[{index}]");
        let name = mount["name"].as_str().unwrap_or_default();
        if name.is_empty() {
            causes.push(Cause::required(format!("{at}.name"), ""));
        } else if !volumes.contains(name) {
            causes.push(Cause::not_found(format!("{at}.name"), &mount["name"]));
        }
        let path = mount["mountPath"].as_str().unwrap_or_default();
        if path.is_empty() {
            causes.push(Cause::required(format!("{at}.mountPath"), ""));
        } else if !paths.insert(path.to_owned()) {
            causes.push(Cause::invalid(
                format!("{at}.mountPath"),
                &mount["mountPath"],
                "must be unique",
            ));
        }
    }
    resources(&container["resources"], &format!("{at}.resources"), causes);
}

fn resources(resources: &Value, at: &str, causes: &mut Vec<Cause>) {
    let parsed = |value: &Value| quantity::nanos(value.as_str().unwrap_or_default());
    for kind in ["limits", "requests"] {
        for (name, value) in resources[kind].as_object().into_iter().flatten() {
            let at = format!("{at}.{kind}[{name}]");
            if parsed(value).is_some_and(|value| value < 0) {
                causes.push(Cause::invalid(at, value, "must be greater than or equal to 0"));
            } else if !name.contains('/')
                && !matches!(&**name, "cpu" | "memory" | "ephemeral-storage")
                && !name.starts_with("hugepages-")
            {
                causes.push(Cause::invalid(
                    at.clone(),
                    &name.as_str().into(),
                    "must be a standard resource type or fully qualified",
                ));
                causes.push(Cause::invalid(
                    at,
                    &name.as_str().into(),
                    "must be a standard resource for containers",
                ));
            }
        }
    }
    for (name, request) in resources["requests"].as_object().into_iter().flatten() {
        let limit = &resources["limits"][name];
        if let (Some(wanted), Some(most)) = (parsed(request), parsed(limit))
            && wanted > most
        {
            let limit = limit.as_str().unwrap_or_default();
            let why = format!("must be less than or equal to {name} limit of {limit}");
            causes.push(Cause::invalid(format!("{at}.requests"), request, &why));
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
    let known = list(&before["tolerations"]);
    let kept = known
        .iter()
        .all(|toleration| list(&after["tolerations"]).contains(toleration));
    let mut munged = after.clone();
    for name in ["containers", "initContainers"] {
        for (index, container) in list(&before[name]).iter().enumerate() {
            munged[name][index]["image"] = container["image"].clone();
        }
    }
    for field in ["activeDeadlineSeconds", "tolerations"] {
        let was = before[field].clone();
        crate::simulation::kubernetes::strategy::set_or_remove(&mut munged, field, &was);
    }
    if !kept || munged != *before {
        let why = "pod updates may not change fields other than `spec.containers[*].image`,\
                   `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to \
                   existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was \
                   previously negative)";
        causes.push(Cause::forbidden("spec", why));
    }
}

/// What can be changed through `/resize`.
pub(super) fn resize(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    let supported = list(&old["status"]["containerStatuses"])
        .iter()
        .any(|status| status["resources"].is_object());
    let (was, is) = (defaults::qos(&old["spec"]), defaults::qos(&new["spec"]));
    if was != is {
        let why = "Pod QOS Class may not change as a result of resizing";
        causes.push(Cause::invalid("spec", &was.into(), why));
    }
    if !supported {
        let why = "Pod running on node without support for resize";
        causes.push(Cause::forbidden("spec", why));
        return;
    }
    let without = |pod: &Value| {
        let mut spec = pod["spec"].clone();
        for name in ["containers", "initContainers"] {
            for container in spec[name].as_array_mut().into_iter().flatten() {
                for kind in ["requests", "limits"] {
                    for resource in ["cpu", "memory"] {
                        if let Some(map) = container["resources"][kind].as_object_mut() {
                            map.remove(resource);
                        }
                    }
                    if container["resources"][kind]
                        .as_object()
                        .is_none_or(serde_json::Map::is_empty)
                        && let Some(resources) = container["resources"].as_object_mut()
                    {
                        resources.remove(kind);
                    }
                }
                if container["resources"].is_null() {
                    container["resources"] = json!({});
                }
            }
        }
        spec
    };
    if without(old) != without(new) {
        causes.push(Cause::forbidden("spec", "only cpu and memory resources are mutable"));
    }
    for (index, container) in list(&new["spec"]["containers"]).iter().enumerate() {
        resources(
            &container["resources"],
            &format!("spec.containers[{index}].resources"),
            causes,
        );
    }
}
