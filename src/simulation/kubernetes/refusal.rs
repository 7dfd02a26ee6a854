//! What the API server answers instead of an object: a `Status` with the code, reason, details and words of the real one.

use serde_json::{Value, json};

use super::quoting::quoted;

/// A refusal. As JSON it is a `v1` Status.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The HTTP status.
    pub code: u16,
    /// `NotFound`; empty for what is not the API's own.
    pub reason: &'static str,
    /// In words.
    pub message: String,
    /// `details`, if there are any.
    pub details: Option<Value>,
    /// The `Retry-After` header, in seconds.
    pub retry_after: Option<u32>,
}

/// One thing that is wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// `FieldValueRequired`.
    pub reason: &'static str,
    /// In words.
    pub message: String,
    /// `spec.containers[0].name`.
    pub field: String,
}

/// The resource that a refusal is about, as its details name it.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The group.
    pub group: &'a str,
    /// The plural, in most refusals; the kind in those of validation.
    pub kind: &'a str,
}

impl<'a> About<'a> {
    /// A resource by group and plural.
    pub fn new(group: &'a str, kind: &'a str) -> Self {
        Self { group, kind }
    }

    fn qualified(&self) -> String {
        super::resources::qualified(self.kind, self.group)
    }

    fn details(&self, name: &str) -> Value {
        let mut details = json!({"name": name, "group": self.group, "kind": self.kind});
        strip_empty(&mut details);
        details
    }
}

fn strip_empty(details: &mut Value) {
    if let Value::Object(fields) = details {
        fields.retain(|_, value| value != "");
    }
}

impl Refusal {
    /// A refusal without details.
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: None,
            retry_after: None,
        }
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 404: no such object.
    pub fn not_found(about: About<'_>, name: &str) -> Self {
        Self {
            details: Some(about.details(name)),
            ..Self::new(404, "NotFound", format!("{} \"{name}\" not found", about.qualified()))
        }
    }

    /// 409: there is one already.
    pub fn already_exists(about: About<'_>, name: &str) -> Self {
        Self {
            details: Some(about.details(name)),
            ..Self::new(
                409,
                "AlreadyExists",
                format!("{} \"{name}\" already exists", about.qualified()),
            )
        }
    }

    /// 409: not in this state.
    pub fn conflict(about: About<'_>, name: &str, why: &str) -> Self {
        Self {
            details: Some(about.details(name)),
            ..Self::new(
                409,
                "Conflict",
                format!(
                    "Operation cannot be fulfilled on {} \"{name}\": {why}",
                    about.qualified()
                ),
            )
        }
    }

    /// 403.
    pub fn forbidden(about: About<'_>, name: &str, why: &str) -> Self {
        let message = if name.is_empty() {
            format!("{} is forbidden: {why}", about.qualified())
        } else {
            format!("{} \"{name}\" is forbidden: {why}", about.qualified())
        };
        Self {
            details: Some(about.details(name)),
            ..Self::new(403, "Forbidden", message)
        }
    }

    /// 422: `kind` is the kind here, not the plural.
    pub fn invalid(about: About<'_>, name: &str, causes: &[Cause]) -> Self {
        let words: Vec<String> = causes
            .iter()
            .map(|cause| format!("{}: {}", cause.field, cause.message))
            .collect();
        let mut unique: Vec<String> = Vec::new();
        for word in words {
            if !unique.contains(&word) {
                unique.push(word);
            }
        }
        let listed = match unique.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let mut details = about.details(name);
        if !causes.is_empty() {
            details["causes"] = causes
                .iter()
                .map(|cause| json!({"reason": cause.reason, "message": cause.message, "field": cause.field}))
                .collect();
        }
        let message = if unique.is_empty() {
            format!("{} \"{name}\" is invalid", about.qualified())
        } else {
            format!("{} \"{name}\" is invalid: {listed}", about.qualified())
        };
        Self {
            details: Some(details),
            ..Self::new(422, "Invalid", message)
        }
    }

    /// The Status.
    pub fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "code": self.code,
        });
        if !self.reason.is_empty() {
            status["reason"] = self.reason.into();
        }
        if let Some(details) = &self.details {
            status["details"] = details.clone();
        }
        status
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

// === causes ===

impl Cause {
    /// `Invalid value: "x": why`.
    pub fn invalid(field: impl Into<String>, value: &Value, why: &str) -> Self {
        Self::of("FieldValueInvalid", "Invalid value", field.into(), Some(value), why)
    }

    /// `Required value: why`.
    pub fn required(field: impl Into<String>, why: &str) -> Self {
        Self::of("FieldValueRequired", "Required value", field.into(), None, why)
    }

    /// `Forbidden: why`.
    pub fn forbidden(field: impl Into<String>, why: &str) -> Self {
        Self::of("FieldValueForbidden", "Forbidden", field.into(), None, why)
    }

    /// `Duplicate value: "x"`.
    pub fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        Self::of("FieldValueDuplicate", "Duplicate value", field.into(), Some(value), "")
    }

    /// `Not found: "x"`.
    pub fn not_found(field: impl Into<String>, value: &Value) -> Self {
        Self::of("FieldValueNotFound", "Not found", field.into(), Some(value), "")
    }

    /// `Too long: may not be more than 10 bytes`.
    pub fn too_long(field: impl Into<String>, bytes: usize) -> Self {
        let why = format!("may not be more than {bytes} bytes");
        Self::of("FieldValueTooLong", "Too long", field.into(), None, &why)
    }

    /// `Unsupported value: "x": supported values: "a", "b"`.
    pub fn not_supported(field: impl Into<String>, value: &Value, supported: &[&str]) -> Self {
        let quoted: Vec<String> = supported.iter().map(|value| format!("\"{value}\"")).collect();
        let why = format!("supported values: {}", quoted.join(", "));
        Self::of(
            "FieldValueNotSupported",
            "Unsupported value",
            field.into(),
            Some(value),
            &why,
        )
    }

    fn of(reason: &'static str, kind: &str, field: String, value: Option<&Value>, why: &str) -> Self {
        let mut message = match value {
            Some(Value::String(text)) => format!("{kind}: {}", quoted(text)),
            Some(value) => format!("{kind}: {value}"),
            None => kind.to_owned(),
        };
        if !why.is_empty() {
            message.push_str(": ");
            message.push_str(why);
        }
        Self { reason, message, field }
    }
}
