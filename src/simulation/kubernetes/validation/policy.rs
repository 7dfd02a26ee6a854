//! Budgets, autoscalers, Events, nodes and what else is small.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{not_negative, number_or_percent};
use crate::simulation::kubernetes::{incoming::Served, names, refusal::Cause};

pub(super) fn budget(object: &Value, causes: &mut Vec<Cause>) {
    let spec = &object["spec"];
    if !spec["minAvailable"].is_null() && !spec["maxUnavailable"].is_null() {
        // As Go writes a struct that has no names for JSON.
        let shown = format!(
            "Invalid value: {{\"MinAvailable\":{},\"Selector\":{},\"MaxUnavailable\":{},\"UnhealthyPodEvictionPolicy\":{}}}: \
             minAvailable and maxUnavailable cannot be both set",
            spec["minAvailable"], spec["selector"], spec["maxUnavailable"], spec["unhealthyPodEvictionPolicy"]
        );
        causes.push(Cause {
            reason: "FieldValueInvalid",
            message: shown,
            field: "spec".to_owned(),
        });
    }
    for name in ["minAvailable", "maxUnavailable"] {
        number_or_percent(&format!("spec.{name}"), &spec[name], causes);
    }
    let policy = &spec["unhealthyPodEvictionPolicy"];
    if !matches!(policy.as_str(), None | Some("AlwaysAllow" | "IfHealthyBudget")) {
        let known = ["AlwaysAllow", "IfHealthyBudget"];
        causes.push(Cause::not_supported("spec.unhealthyPodEvictionPolicy", policy, &known));
    }
}

pub(super) fn autoscaler(object: &Value, causes: &mut Vec<Cause>) {
    let spec = &object["spec"];
    let (least, most) = (&spec["minReplicas"], &spec["maxReplicas"]);
    if least.as_i64().is_some_and(|least| least < 1) {
        causes.push(Cause::invalid(
            "spec.minReplicas",
            least,
            "must be greater than or equal to 1",
        ));
    }
    let most = most.as_i64().unwrap_or_default();
    if most < 1 {
        causes.push(Cause::invalid(
            "spec.maxReplicas",
            &most.into(),
            "must be greater than 0",
        ));
    }
    if least.as_i64().is_some_and(|least| most < least) {
        let why = "must be greater than or equal to `minReplicas`";
        causes.push(Cause::invalid("spec.maxReplicas", &most.into(), why));
    }
    for name in ["kind", "name"] {
        if spec["scaleTargetRef"][name].as_str().unwrap_or_default().is_empty() {
            causes.push(Cause::required(format!("spec.scaleTargetRef.{name}"), ""));
        }
    }
    let target = &spec["scaleTargetRef"];
    if !target["apiVersion"].as_str().unwrap_or_default().contains('/') && target["kind"] != "ReplicationController" {
        let version = target["apiVersion"].as_str().unwrap_or_default();
        let why = "apiVersion must specify API group";
        causes.push(Cause::invalid("spec.scaleTargetRef.apiVersion", &version.into(), why));
    }
    for (index, metric) in spec["metrics"].as_array().into_iter().flatten().enumerate() {
        let kind = metric["type"].as_str().unwrap_or_default();
        let known = ["ContainerResource", "External", "Object", "Pods", "Resource"];
        let at = format!("spec.metrics[{index}]");
        if kind.is_empty() {
            causes.push(Cause::required(
                format!("{at}.type"),
                "must specify a metric source type",
            ));
        } else if !known.contains(&kind) {
            causes.push(Cause::not_supported(format!("{at}.type"), &metric["type"], &known));
        }
    }
}

/// Events have the length of a line, and those of the new API a few duties more.
pub(super) fn event(served: &Served<'_>, event: &Value, causes: &mut Vec<Cause>) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let namespace = text(&event["metadata"]["namespace"]);
    let about = text(&event["involvedObject"]["namespace"]);
    let wrong = |causes: &mut Vec<Cause>| {
        let why = "does not match event.namespace";
        causes.push(Cause::invalid("involvedObject.namespace", &about.clone().into(), why));
    };
    let reporting = if served.group.is_empty() {
        "reportingComponent"
    } else {
        "reportingController"
    };
    if event["eventTime"].is_null() {
        if about.is_empty() {
            if namespace != "default" && !namespace.is_empty() {
                wrong(causes);
            }
        } else if about != namespace {
            wrong(causes);
        }
    } else {
        if about.is_empty() && namespace != "default" && namespace != "kube-system" {
            wrong(causes);
        }
        let controller = text(&event["reportingComponent"]);
        if controller.is_empty() {
            causes.push(Cause::required(reporting, ""));
        }
        for why in names::label_key(&controller) {
            causes.push(Cause::invalid(reporting, &controller.clone().into(), &why));
        }
        for (field, limit) in [("reportingInstance", 128), ("action", 128), ("reason", 128)] {
            let value = text(&event[field]);
            if value.is_empty() {
                causes.push(Cause::required(field, ""));
            }
            if value.len() > limit {
                let why = format!("can have at most {limit} characters");
                causes.push(Cause::invalid(field, &"".into(), &why));
            }
        }
        if text(&event["message"]).len() > 1024 {
            causes.push(Cause::invalid(
                "message",
                &"".into(),
                "can have at most 1024 characters",
            ));
        }
    }
    if served.group.is_empty() {
        return;
    }
    if event["eventTime"].is_null() {
        causes.push(Cause::required("eventTime", ""));
    }
    let kind = text(&event["type"]);
    if kind != "Normal" && kind != "Warning" {
        let why = format!("has invalid value: {kind}");
        causes.push(Cause::invalid("type", &"".into(), &why));
    }
    for field in ["firstTimestamp", "lastTimestamp", "count"] {
        if !event[field].is_null() && event[field] != 0 {
            causes.push(Cause::invalid(field, &"".into(), "needs to be unset"));
        }
    }
    if ["component", "host"]
        .iter()
        .any(|field| !text(&event["source"][*field]).is_empty())
    {
        causes.push(Cause::invalid("source", &"".into(), "needs to be unset"));
    }
}

pub(super) fn node(object: &Value, causes: &mut Vec<Cause>) {
    let mut seen = BTreeSet::new();
    for (index, taint) in object["spec"]["taints"].as_array().into_iter().flatten().enumerate() {
        let at = format!("metadata.taints[{index}]");
        let key = taint["key"].as_str().unwrap_or_default();
        for why in names::label_key(key) {
            causes.push(Cause::invalid(format!("{at}.key"), &key.into(), &why));
        }
        let effect = taint["effect"].as_str().unwrap_or_default();
        let known = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
        if effect.is_empty() {
            causes.push(Cause::required(format!("{at}.effect"), ""));
        } else if !known.contains(&effect) {
            causes.push(Cause::not_supported(format!("{at}.effect"), &taint["effect"], &known));
        }
        if !seen.insert((key.to_owned(), effect.to_owned())) {
            let why = "taints must be unique by key and effect pair";
            let value = taint["value"].as_str().unwrap_or_default();
            causes.push(Cause {
                reason: "FieldValueDuplicate",
                message: format!(
                    "Duplicate value: {{\"Key\":\"{key}\",\"Value\":\"{value}\",\"Effect\":\"{effect}\",\"TimeAdded\":null}}: {why}"
                ),
                field: at,
            });
        }
    }
}

pub(super) fn service(object: &Value, causes: &mut Vec<Cause>) {
    let spec = &object["spec"];
    let kind = &spec["type"];
    let known = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    if !kind.as_str().is_some_and(|kind| known.contains(&kind)) {
        causes.push(Cause::not_supported("spec.type", kind, &known));
    }
    let ports = spec["ports"].as_array().map_or(&[][..], Vec::as_slice);
    if ports.is_empty() && kind != "ExternalName" && spec["clusterIP"] != "None" {
        causes.push(Cause::required("spec.ports", ""));
    }
    for (index, port) in ports.iter().enumerate() {
        if !port["port"]
            .as_i64()
            .is_some_and(|number| (1..=65535).contains(&number))
        {
            let why = "must be between 1 and 65535, inclusive";
            let number = port["port"].as_i64().unwrap_or_default();
            causes.push(Cause::invalid(format!("spec.ports[{index}].port"), &number.into(), why));
        }
    }
}

pub(super) fn lease(object: &Value, causes: &mut Vec<Cause>) {
    let spec = &object["spec"];
    let seconds = &spec["leaseDurationSeconds"];
    if seconds.as_i64().is_some_and(|seconds| seconds <= 0) {
        causes.push(Cause::invalid(
            "spec.leaseDurationSeconds",
            seconds,
            "must be greater than 0",
        ));
    }
    not_negative("spec.leaseTransitions", &spec["leaseTransitions"], causes);
}

pub(super) fn data(object: &Value, causes: &mut Vec<Cause>) {
    for field in ["data", "binaryData"] {
        for key in object[field].as_object().into_iter().flatten().map(|(key, _)| key) {
            for why in names::config_key(key) {
                causes.push(Cause::invalid(format!("{field}[{key}]"), &key.as_str().into(), &why));
            }
        }
    }
}

pub(super) fn role(object: &Value, causes: &mut Vec<Cause>) {
    for (index, rule) in object["rules"].as_array().into_iter().flatten().enumerate() {
        let empty = |field: &str| rule[field].as_array().is_none_or(Vec::is_empty);
        if empty("verbs") {
            let why = "verbs must contain at least one value";
            causes.push(Cause::required(format!("rules[{index}].verbs"), why));
        }
        if !empty("nonResourceURLs") {
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
