//! Pod templates: their hash, whether two are the same, and revisions of them.

use serde_json::Value;

/// The label that tells the pods of one ReplicaSet of a Deployment from those of another.
pub const HASH_LABEL: &str = "pod-template-hash";
/// The label that tells revisions of a StatefulSet, DaemonSet apart.
pub const REVISION_LABEL: &str = "controller-revision-hash";

/// The letters of a hash: each digit of the number is one of them.
const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// The hash of a template, as it stands in names and labels.
pub fn hash(template: &Value, collisions: i64) -> String {
    let mut hash: u32 = 0x811c_9dc5;
    let mut feed = |bytes: &[u8]| {
        for byte in bytes {
            hash ^= u32::from(*byte);
            hash = hash.wrapping_mul(0x0100_0193);
        }
    };
    feed(clean(template).to_string().as_bytes());
    if collisions > 0 {
        feed(&collisions.to_le_bytes());
    }
    encode(hash)
}

fn encode(hash: u32) -> String {
    hash.to_string()
        .bytes()
        .map(|digit| char::from(LETTERS[usize::from(digit) % LETTERS.len()]))
        .collect()
}

/// Whether two templates are the same but for the hash in their labels, and for what says nothing.
pub fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            let said = |(name, value): &(&String, &Value)| *name != HASH_LABEL && says_something(name, value);
            let (mut left, mut right) = (left.iter().filter(said), right.iter().filter(said));
            loop {
                match (left.next(), right.next()) {
                    (None, None) => return true,
                    (Some((name, value)), Some((other, against))) if name == other && same(value, against) => {}
                    _ => return false,
                }
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        _ => left == right,
    }
}

/// Whether a field says anything: nulls do not, nor empty maps that a template may have or leave out. Labels that are only the
/// hash are as good as none.
fn says_something(name: &str, value: &Value) -> bool {
    let optional = matches!(name, "labels" | "annotations" | "resources" | "securityContext");
    let empty = value
        .as_object()
        .is_some_and(|fields| fields.keys().all(|field| field == HASH_LABEL));
    !(value.is_null() || (empty && optional) || name == "creationTimestamp")
}

/// Without what says nothing.
fn clean(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, value)| says_something(name, value))
            .map(|(name, value)| (name.clone(), clean(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(clean).collect(),
        other => other.clone(),
    }
}

/// `intstr`: a number, or so many per cent of a total.
pub fn share(value: &Value, total: i64, round_up: bool) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => {
            let percent: i64 = text.strip_suffix('%')?.parse().ok()?;
            let parts = percent * total;
            Some(if round_up {
                (parts + 99).div_euclid(100)
            } else {
                parts.div_euclid(100)
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_template_is_the_same_whatever_its_hash_and_what_is_left_out() {
        let plain =
            json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "a", "resources": {}}]}});
        let hashed = json!({"metadata": {"creationTimestamp": null, "labels": {"app": "web", "pod-template-hash": "x"}},
            "spec": {"containers": [{"name": "a"}]}});
        assert!(same(&plain, &hashed));
        assert_eq!(
            hash(&plain, 0),
            hash(
                &json!({"metadata": {"labels": {"app": "web"}, "annotations": {}},
            "spec": {"containers": [{"name": "a"}]}}),
                0
            )
        );
        assert_ne!(hash(&plain, 0), hash(&plain, 1));
    }

    #[test]
    fn shares_are_rounded_as_they_are_meant() {
        assert_eq!(share(&json!("25%"), 3, true), Some(1));
        assert_eq!(share(&json!("25%"), 3, false), Some(0));
        assert_eq!(share(&json!(2), 3, false), Some(2));
        assert_eq!(share(&json!("two"), 3, false), None);
    }
}
