//! Budgets, autoscalers, Events, nodes and what else is small.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{container, immutable, list, not_negative, number_or_percent, pod, scheduling};
use crate::kubernetes::{
    incoming::Served,
    names,
    refusal::Cause,
    resources::{ResourceId, SECRETS},
};

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
    scheduling::selector(&spec["selector"], "spec.selector", causes);
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
    if most == 0 {
        causes.push(Cause::required("spec.maxReplicas", "must be set and greater than 0"));
    } else if most < 0 {
        let why = "must be greater than or equal to 1";
        causes.push(Cause::invalid("spec.maxReplicas", &most.into(), why));
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
        }
        if !known.contains(&kind) {
            causes.push(Cause::not_supported(format!("{at}.type"), &kind.into(), &known));
            continue;
        }
        let source = format!("{}{}", kind[..1].to_lowercase(), &kind[1..]);
        let at = format!("{at}.{source}");
        if metric[&source].is_null() {
            let why = "must populate information for the given metric source";
            causes.push(Cause::required(at, why));
        } else {
            metric_target(&metric[&source], kind, &at, causes);
        }
    }
    let unmeasured = !list(&spec["metrics"])
        .iter()
        .any(|metric| metric["type"] == "Object" || metric["type"] == "External");
    if least.as_i64() == Some(0) && unmeasured {
        let why = "must specify at least one Object or External metric to support scaling to zero replicas";
        causes.push(Cause::forbidden("spec.metrics", why));
    }
    for direction in ["scaleUp", "scaleDown"] {
        let at = format!("spec.behavior.{direction}.stabilizationWindowSeconds");
        let window = &spec["behavior"][direction]["stabilizationWindowSeconds"];
        match window.as_i64().unwrap_or_default() {
            ..0 => causes.push(Cause::invalid(at, window, "must be greater than or equal to zero")),
            0..=3600 => {}
            _ => causes.push(Cause::invalid(at, window, "must be less than or equal to 3600")),
        }
    }
}

fn metric_target(source: &Value, kind: &str, at: &str, causes: &mut Vec<Cause>) {
    let resource = matches!(kind, "Resource" | "ContainerResource");
    if resource && source["name"].as_str().unwrap_or_default().is_empty() {
        causes.push(Cause::required(format!("{at}.name"), "must specify a resource name"));
    }
    let (target, at) = (&source["target"], format!("{at}.target"));
    let of = target["type"].as_str().unwrap_or_default();
    if of.is_empty() {
        causes.push(Cause::required(
            format!("{at}.type"),
            "must specify a metric target type",
        ));
    }
    if !matches!(of, "Utilization" | "Value" | "AverageValue") {
        let why = "must be either Utilization, Value, or AverageValue";
        causes.push(Cause::invalid(format!("{at}.type"), &of.into(), why));
    }
    let utilization = &target["averageUtilization"];
    if utilization.as_i64().is_some_and(|utilization| utilization < 1) {
        let at = format!("{at}.averageUtilization");
        causes.push(Cause::invalid(at, utilization, "must be greater than 0"));
    }
    if resource && utilization.is_null() && target["averageValue"].is_null() {
        let why = "must set either a target raw value or a target utilization";
        causes.push(Cause::required(format!("{at}.averageUtilization"), why));
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
    let series = &event["series"];
    if series.is_object() {
        if series["count"].as_i64().unwrap_or_default() < 2 {
            causes.push(Cause::invalid("series.count", &"".into(), "should be at least 2"));
        }
        if series["lastObservedTime"].is_null() {
            causes.push(Cause::required("series.lastObservedTime", ""));
        }
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

pub(super) fn node_changed(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    let was = old["spec"]["providerID"].as_str().unwrap_or_default();
    if !was.is_empty() && new["spec"]["providerID"] != was {
        let why = "node updates may not change providerID except from \"\" to valid";
        causes.push(Cause::forbidden("spec.providerID", why));
    }
}

/// What was said in an Event of the new API stays said.
pub(super) fn event_changed(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    for field in [
        "involvedObject",
        "reason",
        "message",
        "source",
        "firstTimestamp",
        "lastTimestamp",
        "count",
        "type",
        "eventTime",
        "action",
        "related",
        "reportingComponent",
        "reportingInstance",
    ] {
        immutable(field, &old[field], &new[field], causes);
    }
}

pub(super) fn service_changed(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    let (was, is) = (&old["spec"]["clusterIPs"][0], &new["spec"]["clusterIPs"][0]);
    let stays = old["spec"]["type"] != "ExternalName" && new["spec"]["type"] != "ExternalName";
    if stays && was.is_string() && was != is {
        let why = "may not change once set";
        causes.push(Cause::invalid("spec.clusterIPs[0]", &new["spec"]["clusterIPs"], why));
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
        let at = format!("spec.ports[{index}]");
        if !port["targetPort"].is_null() {
            container::port(&port["targetPort"], &format!("{at}.targetPort"), causes);
        }
        if ports.len() > 1 && port["name"].as_str().unwrap_or_default().is_empty() {
            causes.push(Cause::required(format!("{at}.name"), ""));
        }
    }
    let affinity = &spec["sessionAffinity"];
    let known = ["ClientIP", "None"];
    if !affinity.as_str().is_some_and(|affinity| known.contains(&affinity)) {
        causes.push(Cause::not_supported("spec.sessionAffinity", affinity, &known));
    }
    for (index, address) in list(&spec["clusterIPs"]).iter().enumerate() {
        let text = address.as_str().unwrap_or_default();
        if text != "None" && text.parse::<std::net::IpAddr>().is_err() {
            let at = format!("spec.clusterIPs[{index}]");
            causes.push(Cause::invalid(at, address, pod::ADDRESS));
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
            if field == "data" && !object["binaryData"][key].is_null() {
                let why = "duplicate of key present in binaryData";
                causes.push(Cause::invalid(format!("data[{key}]"), &key.as_str().into(), why));
            }
        }
    }
    let size = |value: &Value| value.as_str().map_or(0, str::len);
    let secret = object["kind"] == "Secret";
    let bytes: usize = ["data", "binaryData"]
        .iter()
        .flat_map(|field| object[*field].as_object().into_iter().flatten())
        .map(|(_, value)| {
            if secret || object["data"].is_null() {
                size(value) / 4 * 3
            } else {
                size(value)
            }
        })
        .sum();
    if bytes > LARGEST {
        let at = if secret { "data" } else { "[]" };
        causes.push(Cause::too_long(at, LARGEST));
    }
    if secret && object["type"] == "kubernetes.io/tls" {
        for key in ["tls.crt", "tls.key"] {
            if object["data"][key].is_null() {
                causes.push(Cause::required(format!("data[{key}]"), ""));
            }
        }
    }
}

/// Bytes of all data together.
const LARGEST: usize = 1024 * 1024;

pub(super) fn data_changed(resource: ResourceId, old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    if resource == SECRETS {
        immutable("type", &old["type"], &new["type"], causes);
    }
    if old["immutable"] != true {
        return;
    }
    for field in ["immutable", "data", "binaryData"] {
        if old[field] != new[field] {
            let why = "field is immutable when `immutable` is set";
            causes.push(Cause::forbidden(field, why));
        }
    }
}
