//! Versions: what is stored in one is served in others.

use serde_json::{Map, Value, json};

use super::resources::Conversion;

/// A stored object as it is served.
pub fn to_served(object: &mut Value, conversion: Conversion, api_version: &str) {
    object["apiVersion"] = api_version.into();
    let Value::Object(fields) = object else { return };
    match conversion {
        Conversion::None => {}
        Conversion::Events => {
            rename(fields, &EVENTS);
            fields
                .retain(|name, value| !(matches!(&**name, "reportingController" | "reportingInstance") && value == ""));
        }
        Conversion::AutoscalerV1 => to_v1(fields),
    }
}

/// A served object as it is stored.
pub fn to_stored(object: &mut Value, conversion: Conversion, api_version: &str) {
    object["apiVersion"] = api_version.into();
    let Value::Object(fields) = object else { return };
    match conversion {
        Conversion::None => {}
        Conversion::Events => rename(fields, &EVENTS.map(|(stored, served)| (served, stored))),
        Conversion::AutoscalerV1 => to_v2(fields),
    }
}

/// As stored, and as `events.k8s.io` has it.
const EVENTS: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
];

fn rename(fields: &mut Map<String, Value>, names: &[(&str, &str)]) {
    for (from, to) in names {
        if let Some(value) = fields.remove(*from) {
            fields.insert((*to).to_owned(), value);
        }
    }
}

/// What `autoscaling/v1` cannot say, it keeps as an annotation.
const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

fn cpu(metric: &Value) -> bool {
    metric["type"] == "Resource" && metric["resource"]["name"] == "cpu"
}

fn to_v1(fields: &mut Map<String, Value>) {
    let mut kept = Vec::new();
    if let Some(spec) = fields.get_mut("spec").and_then(Value::as_object_mut) {
        let metrics = spec.remove("metrics").unwrap_or_default();
        let mut others = Vec::new();
        for metric in metrics.as_array().into_iter().flatten() {
            let target = &metric["resource"]["target"]["averageUtilization"];
            if cpu(metric) && target.is_number() {
                spec.insert("targetCPUUtilizationPercentage".to_owned(), target.clone());
            } else {
                others.push(metric.clone());
            }
        }
        if !others.is_empty() {
            kept.push((METRICS, Value::Array(others)));
        }
        if let Some(behavior) = spec.remove("behavior") {
            kept.push((BEHAVIOR, behavior));
        }
    }
    if let Some(status) = fields.get_mut("status").and_then(Value::as_object_mut) {
        let metrics = status.remove("currentMetrics").unwrap_or_default();
        status.remove("conditions");
        for metric in metrics.as_array().into_iter().flatten().filter(|metric| cpu(metric)) {
            let current = metric["resource"]["current"]["averageUtilization"].clone();
            if !current.is_null() {
                status.insert("currentCPUUtilizationPercentage".to_owned(), current);
            }
        }
        for name in ["currentReplicas", "desiredReplicas"] {
            status.entry(name).or_insert_with(|| 0.into());
        }
    }
    for (name, value) in kept {
        if let Some(metadata) = fields.get_mut("metadata") {
            metadata["annotations"][name] = value.to_string().into();
        }
    }
}

fn to_v2(fields: &mut Map<String, Value>) {
    let mut metrics = Vec::new();
    let mut behavior = None;
    if let Some(annotations) = fields
        .get_mut("metadata")
        .and_then(|metadata| metadata.get_mut("annotations"))
        .and_then(Value::as_object_mut)
    {
        let mut take = |name: &str| -> Option<Value> { serde_json::from_str(annotations.remove(name)?.as_str()?).ok() };
        if let Some(Value::Array(others)) = take(METRICS) {
            metrics = others;
        }
        behavior = take(BEHAVIOR);
    }
    let Some(spec) = fields.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    if let Some(target) = spec.remove("targetCPUUtilizationPercentage") {
        let target = json!({"type": "Utilization", "averageUtilization": target});
        metrics.push(json!({"type": "Resource", "resource": {"name": "cpu", "target": target}}));
    }
    if !metrics.is_empty() {
        spec.insert("metrics".to_owned(), metrics.into());
    }
    if let Some(behavior) = behavior {
        spec.insert("behavior".to_owned(), behavior);
    }
}
