//! YAML as the API server reads and writes it: the JSON that it stands for.

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_saphyr::{DuplicateKeyPolicy, Options};

use super::json;

/// Nesting, nodes and aliases beyond which a body is no object but an attack.
const MAX_DEPTH: usize = 200;
const MAX_NODES: usize = 1_000_000;
const MAX_ALIASES: usize = 1_000;

/// A document, and what it has twice: `line 3: key "replicas" already set in map`.
pub fn parse(bytes: &[u8]) -> Result<(Value, Vec<String>), String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "yaml: invalid leading UTF-8 octet".to_owned())?;
    let document: Document =
        serde_saphyr::from_str_with_options(text, options()).map_err(|error| format!("yaml: {error}"))?;
    let twice = document.twice.iter().map(|words| {
        let path = words.trim_start_matches("duplicate field ").trim_matches('"');
        let key = path.rsplit('.').next().unwrap_or(path);
        format!("line {}: key \"{key}\" already set in map", line_of_second(text, key))
    });
    Ok((document.value, twice.collect()))
}

/// What a document has twice, as one error.
pub fn twice(lines: &[String]) -> String {
    format!("yaml: unmarshal errors:\n  {}", lines.join("\n  "))
}

/// In which line a key stands for the second time.
fn line_of_second(text: &str, key: &str) -> usize {
    let mut found = 0;
    for (index, line) in text.lines().enumerate() {
        found += line
            .match_indices(key)
            .filter(|(at, _)| {
                let before = line[..*at].chars().next_back();
                let after = line[at + key.len()..].trim_start_matches(['"', '\'']).trim_start();
                after.starts_with(':') && before.is_none_or(|before| " \"'{,-".contains(before))
            })
            .count();
        if found > 1 {
            return index + 1;
        }
    }
    1
}

/// A value as YAML.
pub fn write(value: &Value) -> String {
    serde_saphyr::to_string(value).expect("a JSON value can be written as YAML")
}

struct Document {
    value: Value,
    twice: Vec<String>,
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (value, twice) = json::document(deserializer)?;
        Ok(Self { value, twice })
    }
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_events: 4 * MAX_NODES,
            max_aliases: MAX_ALIASES,
            max_anchors: MAX_ALIASES,
            max_documents: 1,
        },
        // Forwarded, so that they can be told; the last one holds.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        // `yes` is true, as in YAML 1.1.
        strict_booleans: false,
        with_snippet: false,
    }
}
