//! Notifications as Alertmanager sends them.

use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value, json};

/// An alert that fires now.
pub fn firing(labels: &[(&str, &str)]) -> Value {
    alert("firing", labels, &now(), "0001-01-01T00:00:00Z")
}

/// The same alert, ended.
pub fn resolved(firing: &Value) -> Value {
    let mut alert = firing.clone();
    alert["status"] = json!("resolved");
    alert["endsAt"] = json!(now());
    alert
}

pub fn alert(status: &str, labels: &[(&str, &str)], starts_at: &str, ends_at: &str) -> Value {
    let labels: Map<String, Value> = labels
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::from(*value)))
        .collect();
    let mut hasher = DefaultHasher::new();
    Value::Object(labels.clone()).to_string().hash(&mut hasher);
    json!({
        "status": status,
        "labels": labels,
        "annotations": {"summary": "Pod is crash looping."},
        "startsAt": starts_at,
        "endsAt": ends_at,
        "generatorURL": "http://prometheus/graph",
        "fingerprint": format!("{:016x}", hasher.finish()),
    })
}

/// A crash loop of a pod.
pub fn crash_looping(namespace: &str, pod: &str, uid: &str) -> Value {
    firing(&[
        ("alertname", "SelfhealerPodCrashLooping"),
        ("container", "app"),
        ("namespace", namespace),
        ("pod", pod),
        ("severity", "warning"),
        ("uid", uid),
    ])
}

/// A group with these alerts.
pub fn notification(alerts: &[Value]) -> Value {
    json!({
        "version": "4",
        "groupKey": "{}:{alertname=\"SelfhealerPodCrashLooping\"}",
        "truncatedAlerts": 0,
        "receiver": "selfhealer",
        "status": "firing",
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager",
        "alerts": alerts,
    })
}

/// RFC 3339, in UTC.
pub fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    jiff::Timestamp::from_nanosecond(i128::try_from(since.as_nanos()).unwrap())
        .unwrap()
        .to_string()
}
