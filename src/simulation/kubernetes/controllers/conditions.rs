//! Conditions in a status: found, set with their transition times, taken away.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::kubernetes::world::stamp;

/// A condition as it should be.
#[derive(Clone, Copy, Debug)]
pub struct Condition<'a> {
    /// `Ready`.
    pub kind: &'a str,
    /// `True`, `False`, `Unknown`.
    pub status: &'a str,
    /// Empty: none.
    pub reason: &'a str,
    /// Empty: none.
    pub message: &'a str,
}

/// The condition of this type.
pub fn find<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = status["conditions"].as_array()?;
    conditions.iter().find(|condition| condition["type"] == kind)
}

/// What the condition of this type says; empty when there is none.
pub fn status<'a>(status: &'a Value, kind: &str) -> &'a str {
    find(status, kind)
        .and_then(|condition| condition["status"].as_str())
        .unwrap_or_default()
}

/// The reason of the condition of this type; empty when there is none.
pub fn reason<'a>(status: &'a Value, kind: &str) -> &'a str {
    find(status, kind)
        .and_then(|condition| condition["reason"].as_str())
        .unwrap_or_default()
}

/// Takes a condition away.
pub fn remove(status: &mut Value, kind: &str) {
    if let Some(conditions) = status.get_mut("conditions").and_then(Value::as_array_mut) {
        conditions.retain(|condition| condition["type"] != kind);
    }
}

impl Condition<'_> {
    /// As JSON, without the time of its transition.
    pub fn value(self) -> Value {
        let mut value = json!({"type": self.kind, "status": self.status});
        for (field, text) in [("reason", self.reason), ("message", self.message)] {
            if !text.is_empty() {
                value[field] = text.into();
            }
        }
        value
    }
}

/// Sets a condition in its place, or at the end. Its transition time moves only with its status.
pub fn set(status: &mut Value, condition: Condition<'_>, now: Timestamp) {
    place(status, condition.value(), now);
}

/// As [`set`], with a condition that is JSON already.
pub fn place(status: &mut Value, mut new: Value, now: Timestamp) {
    if !status.is_object() {
        *status = json!({});
    }
    if !status["conditions"].is_array() {
        status["conditions"] = json!([]);
    }
    let Some(conditions) = status["conditions"].as_array_mut() else {
        return;
    };
    let there = conditions.iter_mut().find(|other| other["type"] == new["type"]);
    let same = there.as_deref().filter(|before| before["status"] == new["status"]);
    let since = same
        .map(|before| &before["lastTransitionTime"])
        .filter(|at| at.is_string());
    new["lastTransitionTime"] = since.cloned().unwrap_or_else(|| stamp(now).into());
    match there {
        Some(old) => *old = new,
        None => conditions.push(new),
    }
}
