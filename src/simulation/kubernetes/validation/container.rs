//! The containers of a pod: image, ports, variables, mounts, resources, probes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{list, not_negative};
use crate::kubernetes::{names, quantity, refusal::Cause};

const PORTS: &str = "must be between 1 and 65535, inclusive";

pub(super) fn of(
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
    for (field, known) in [
        ("terminationMessagePolicy", &["File", "FallbackToLogsOnError"][..]),
        ("imagePullPolicy", &["Always", "IfNotPresent", "Never"]),
    ] {
        let policy = &container[field];
        if !policy.as_str().is_some_and(|policy| known.contains(&policy)) {
            causes.push(Cause::not_supported(format!("{at}.{field}"), policy, known));
        }
    }
    if !name.is_empty() && !seen.insert(name.to_owned()) {
        causes.push(Cause::duplicate(format!("{at}.name"), &container["name"]));
    }
    ports(&container["ports"], &format!("{at}.ports"), causes);
    for (index, variable) in list(&container["env"]).iter().enumerate() {
        environment(variable, &format!("{at}.env[{index}]"), causes);
    }
    mounts(
        &container["volumeMounts"],
        &format!("{at}.volumeMounts"),
        volumes,
        causes,
    );
    resources(&container["resources"], &format!("{at}.resources"), causes);
    for hook in ["postStart", "preStop"] {
        let handled = &container["lifecycle"][hook];
        if !handled.is_null() {
            handler(handled, &format!("{at}.lifecycle.{hook}"), causes);
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if !container[name].is_null() {
            probe(&container[name], name, &format!("{at}.{name}"), causes);
        }
    }
}

fn ports(ports: &Value, at: &str, causes: &mut Vec<Cause>) {
    let mut seen = BTreeSet::new();
    for (index, port) in list(ports).iter().enumerate() {
        let at = format!("{at}[{index}]");
        let name = port["name"].as_str().unwrap_or_default();
        let wrong = if name.is_empty() { Vec::new() } else { names::port(name) };
        for why in &wrong {
            causes.push(Cause::invalid(format!("{at}.name"), &port["name"], why));
        }
        if !name.is_empty() && wrong.is_empty() && !seen.insert(name.to_owned()) {
            causes.push(Cause::duplicate(format!("{at}.name"), &port["name"]));
        }
        let number = &port["containerPort"];
        match number.as_i64().unwrap_or_default() {
            0 => causes.push(Cause::required(format!("{at}.containerPort"), "")),
            1..=65535 => {}
            _ => causes.push(Cause::invalid(format!("{at}.containerPort"), number, PORTS)),
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
}

/// Fields of a pod that a variable may be taken from.
const FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

fn environment(variable: &Value, at: &str, causes: &mut Vec<Cause>) {
    let name = variable["name"].as_str().unwrap_or_default();
    if name.is_empty() {
        causes.push(Cause::required(format!("{at}.name"), ""));
    } else if name
        .chars()
        .any(|letter| !(' '..='~').contains(&letter) || letter == '=')
    {
        let why = "a valid environment variable name must consist only of printable ASCII characters other than '='";
        causes.push(Cause::invalid(format!("{at}.name"), &variable["name"], why));
    }
    let source = &variable["valueFrom"];
    if source.is_null() {
        return;
    }
    let at = format!("{at}.valueFrom");
    let field = &source["fieldRef"]["fieldPath"];
    if let Some(path) = field.as_str() {
        let keyed = path.starts_with("metadata.labels['") || path.starts_with("metadata.annotations['");
        if !keyed && !FIELDS.contains(&path) {
            let why = format!("error converting fieldPath: field label not supported: {path}");
            causes.push(Cause::invalid(format!("{at}.fieldRef.fieldPath"), field, &why));
        }
    }
    let sources = source.as_object().map_or(0, |fields| fields.len());
    let why = if sources == 0 {
        "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
    } else if !variable["value"].as_str().unwrap_or_default().is_empty() {
        "may not be specified when `value` is not empty"
    } else if sources > 1 {
        "may not have more than one field specified at a time"
    } else {
        return;
    };
    causes.push(Cause::invalid(at, &"".into(), why));
}

fn mounts(mounts: &Value, at: &str, volumes: &BTreeSet<String>, causes: &mut Vec<Cause>) {
    let mut paths = BTreeSet::new();
    for (index, mount) in list(mounts).iter().enumerate() {
        let at = format!("{at}[{index}]");
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
                for why in [
                    "must be a standard resource type or fully qualified",
                    "must be a standard resource for containers",
                ] {
                    causes.push(Cause::invalid(at.clone(), &name.as_str().into(), why));
                }
            }
        }
    }
    for (name, request) in resources["requests"].as_object().into_iter().flatten() {
        let limit = &resources["limits"][name];
        if limit.is_null() && name.contains('/') {
            let why = "Limit must be set for non overcommitable resources";
            causes.push(Cause::required(format!("{at}.limits"), why));
        }
        if let (Some(wanted), Some(most)) = (parsed(request), parsed(limit))
            && wanted > most
        {
            let limit = limit.as_str().unwrap_or_default();
            let why = format!("must be less than or equal to {name} limit of {limit}");
            causes.push(Cause::invalid(format!("{at}.requests"), request, &why));
        }
    }
}

fn probe(probe: &Value, kind: &str, at: &str, causes: &mut Vec<Cause>) {
    handler(probe, at, causes);
    for name in [
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ] {
        not_negative(&format!("{at}.{name}"), &probe[name], causes);
    }
    let grace = &probe["terminationGracePeriodSeconds"];
    if grace.as_i64().is_some_and(|grace| grace <= 0) {
        let at = format!("{at}.terminationGracePeriodSeconds");
        causes.push(Cause::invalid(at, grace, "must be greater than 0"));
    }
    let threshold = &probe["successThreshold"];
    if kind != "readinessProbe" && threshold.as_i64().is_some_and(|threshold| threshold != 1) {
        causes.push(Cause::invalid(format!("{at}.successThreshold"), threshold, "must be 1"));
    }
}

/// What is done: one thing.
fn handler(handler: &Value, at: &str, causes: &mut Vec<Cause>) {
    let mut found = false;
    for kind in ["exec", "httpGet", "tcpSocket", "grpc", "sleep"] {
        let action = &handler[kind];
        if action.is_null() {
            continue;
        }
        let at = format!("{at}.{kind}");
        if found {
            causes.push(Cause::forbidden(at, "may not specify more than 1 handler type"));
            continue;
        }
        found = true;
        match kind {
            "exec" if list(&action["command"]).is_empty() => {
                causes.push(Cause::required(format!("{at}.command"), ""));
            }
            "httpGet" | "tcpSocket" | "grpc" => port(&action["port"], &format!("{at}.port"), causes),
            _ => {}
        }
    }
    if !found {
        causes.push(Cause::required(at, "must specify a handler type"));
    }
}

/// A port by number or name.
pub(super) fn port(port: &Value, at: &str, causes: &mut Vec<Cause>) {
    match port {
        Value::String(name) => {
            for why in names::port(name) {
                causes.push(Cause::invalid(at, port, &why));
            }
        }
        other => {
            let number = other.as_i64().unwrap_or_default();
            if !(1..=65535).contains(&number) {
                causes.push(Cause::invalid(at, &number.into(), PORTS));
            }
        }
    }
}
