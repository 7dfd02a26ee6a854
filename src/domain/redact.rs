//! What must not be kept: evidence is stored, shown and sent, and an object's text is where secrets leak from.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

/// What stands where something was.
pub const REDACTED: &str = "[redacted]";

/// Longest text that is kept of one field.
const LONGEST: usize = 4096;

/// Tokens that are known by their shape.
static TOKENS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"xox[a-z]-[0-9A-Za-z-]{10,}",
        r"|gh[pousr]_[0-9A-Za-z]{20,}",
        r"|github_pat_[0-9A-Za-z_]{20,}",
        r"|AKIA[0-9A-Z]{16}",
        r"|eyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]*",
        r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?",
        r"|(?i:bearer|basic)\s+[0-9A-Za-z+/_=.-]{16,}",
        r"|(?i:password|passwd|secret|token|api[_-]?key)\s*[=:]\s*\S+",
        r"|://[^/\s:@]+:[^/\s@]+@",
    ))
    .ok()
});

/// Text without what looks like a credential, however long.
pub fn credentials(text: &str) -> String {
    match &*TOKENS {
        Some(tokens) => tokens.replace_all(text, REDACTED).into_owned(),
        // A pattern that does not compile must not let anything through.
        None => REDACTED.to_owned(),
    }
}

/// The beginning of a text without what looks like a credential.
pub fn text(text: &str) -> String {
    let clean = credentials(text);
    match clean.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &clean[..end]),
        None => clean,
    }
}

/// An object without values of environment variables, commands, arguments, the last applied configuration, and without
/// the bookkeeping that nobody reads.
pub fn object(mut live: Value) -> Value {
    if let Some(metadata) = live["metadata"].as_object_mut() {
        metadata.remove("managedFields");
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut)
            && let Some(applied) = annotations.get_mut("kubectl.kubernetes.io/last-applied-configuration")
        {
            *applied = REDACTED.into();
        }
    }
    walk(&mut live);
    live
}

fn walk(value: &mut Value) {
    match value {
        Value::String(content) => *content = text(content),
        Value::Array(items) => items.iter_mut().for_each(walk),
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                match name.as_str() {
                    "env" => hide_values(field),
                    "command" | "args" if field.is_array() => *field = Value::from(vec![REDACTED]),
                    "data" | "stringData" if field.is_object() => *field = REDACTED.into(),
                    _ => walk(field),
                }
            }
        }
        _ => {}
    }
}

fn hide_values(env: &mut Value) {
    for variable in env.as_array_mut().into_iter().flatten() {
        if let Some(value) = variable.get_mut("value") {
            *value = REDACTED.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_do_not_survive() {
        let live = json!({
            "metadata": {
                "managedFields": [{}],
                "annotations": {
                    "kubectl.kubernetes.io/last-applied-configuration": "{\"env\": \"hunter2\"}",
                    "note": "call with Bearer abcdefghijklmnopqrstuvwxyz"
                }
            },
            "spec": {"containers": [{
                "name": "app",
                "command": ["sh", "-c", "login hunter2"],
                "args": ["--pass", "hunter2"],
                "env": [{"name": "PASSWORD", "value": "hunter2"}, {"name": "REF", "valueFrom": {"secretKeyRef": {"key": "k"}}}]
            }]},
            "status": {"message": "dial postgres://app:hunter2@db: password=hunter2"}
        });
        let clean = object(live).to_string();
        assert!(!clean.contains("hunter2"), "{clean}");
        assert!(!clean.contains("abcdefghijklmnop"), "{clean}");
        assert!(clean.contains("secretKeyRef"), "{clean}");
    }

    #[test]
    fn long_text_is_cut_on_a_character() {
        assert!(text(&"ü".repeat(10_000)).chars().count() <= LONGEST + 1);
    }
}
