//! The JSONPath of printer columns and scale paths: fields, indexes, and a filter by equality.

use serde_json::Value;

/// Every value at a path: `.spec.replicas`, `.status.conditions[?(@.type=="Ready")].status`.
pub fn find<'a>(object: &'a Value, path: &str) -> Vec<&'a Value> {
    let mut found = vec![object];
    let mut rest = path
        .trim()
        .trim_start_matches('{')
        .trim_end_matches('}')
        .trim_start_matches('$');
    while !rest.is_empty() {
        let (step, tail) = if let Some(inner) = rest.strip_prefix('[') {
            let Some(end) = inner.find(']') else { return Vec::new() };
            (Step::read(&inner[..end]), &inner[end + 1..])
        } else {
            let name = rest.trim_start_matches('.');
            let mut end = name.len();
            let mut escaped = false;
            for (at, c) in name.char_indices() {
                if !escaped && (c == '.' || c == '[') {
                    end = at;
                    break;
                }
                escaped = c == '\\';
            }
            (Step::Field(name[..end].replace('\\', "")), &name[end..])
        };
        found = found.into_iter().flat_map(|value| step.take(value)).collect();
        rest = tail;
    }
    found
}

enum Step {
    Field(String),
    Index(i64),
    All,
    Equal(String, String),
}

impl Step {
    fn read(text: &str) -> Self {
        if text == "*" {
            return Self::All;
        }
        if let Some(filter) = text.strip_prefix("?(").and_then(|filter| filter.strip_suffix(')'))
            && let Some((left, right)) = filter.split_once("==")
        {
            let left = left.trim().trim_start_matches('@').to_owned();
            return Self::Equal(left, right.trim().trim_matches(['"', '\'']).to_owned());
        }
        match text.parse() {
            Ok(index) => Self::Index(index),
            Err(_) => Self::Field(text.trim_matches(['"', '\'']).to_owned()),
        }
    }

    fn take<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match self {
            Self::Field(name) => value.get(name).into_iter().collect(),
            Self::All => match value {
                Value::Array(items) => items.iter().collect(),
                Value::Object(fields) => fields.values().collect(),
                _ => Vec::new(),
            },
            Self::Index(index) => {
                let Some(items) = value.as_array() else {
                    return Vec::new();
                };
                let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
                let at = if *index < 0 { index + length } else { *index };
                usize::try_from(at)
                    .ok()
                    .and_then(|at| items.get(at))
                    .into_iter()
                    .collect()
            }
            Self::Equal(path, wanted) => value
                .as_array()
                .into_iter()
                .flatten()
                .filter(|item| find(item, path).first().is_some_and(|found| *found == wanted))
                .collect(),
        }
    }
}
