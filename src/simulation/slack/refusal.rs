//! How Slack says no: `ok: false` with an error's name and what belongs to it, nearly always with status 200.

use serde_json::{Map, Value, json};

/// An answer that is a no.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    /// Slack's name of the error.
    pub(super) error: String,
    /// What else the answer says.
    pub(super) extra: Map<String, Value>,
    /// The seconds to wait, where the error is that of a limit.
    pub(super) retry_after: Option<u32>,
}

impl From<&str> for Refusal {
    fn from(error: &str) -> Self {
        Self {
            error: error.to_owned(),
            extra: Map::new(),
            retry_after: None,
        }
    }
}

impl Refusal {
    fn with(error: &str, name: &str, value: Value) -> Self {
        let mut refusal = Self::from(error);
        refusal.extra.insert(name.to_owned(), value);
        refusal
    }

    /// There is no such method.
    pub(super) fn unknown(method: &str) -> Self {
        Self::with("unknown_method", "req_method", json!(method))
    }

    /// The token lacks a scope.
    pub(super) fn scope(needed: &str, provided: String) -> Self {
        let mut refusal = Self::with("missing_scope", "needed", json!(needed));
        refusal.extra.insert("provided".to_owned(), json!(provided));
        refusal
    }

    /// The arguments do not fit the method.
    pub(super) fn arguments(faults: Vec<String>) -> Self {
        Self::with("invalid_arguments", "response_metadata", messages(&faults))
    }

    /// The blocks do not fit Block Kit.
    pub(super) fn blocks(faults: Vec<String>) -> Self {
        let mut refusal = Self::with("invalid_blocks", "response_metadata", messages(&faults));
        refusal.extra.insert("errors".to_owned(), json!(faults));
        refusal
    }

    /// Too many calls.
    pub(super) fn limited(seconds: u32) -> Self {
        Self {
            retry_after: Some(seconds),
            ..Self::from("ratelimited")
        }
    }

    /// The body of the answer.
    pub(super) fn body(&self) -> Value {
        let mut body = self.extra.clone();
        body.insert("ok".to_owned(), json!(false));
        body.insert("error".to_owned(), json!(self.error));
        Value::Object(body)
    }
}

fn messages(faults: &[String]) -> Value {
    let messages: Vec<_> = faults.iter().map(|fault| format!("[ERROR] {fault}")).collect();
    json!({ "messages": messages })
}
