//! JSON as the API server reads it: a field that is there twice is reported.

use std::{cell::RefCell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::quoting;

/// A document, and the fields that it has twice: `duplicate field "spec.replicas"`.
///
/// The error is in the words of Go's decoder.
pub fn parse(bytes: &[u8]) -> Result<(Value, Vec<String>), String> {
    read(bytes).map_err(|error| words(bytes, &error))
}

/// What a value is, as Go calls it.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A syntax error as Go's decoder would put it.
fn words(bytes: &[u8], error: &serde_json::Error) -> String {
    if error.is_eof() || bytes.is_empty() {
        return "unexpected end of JSON input".to_owned();
    }
    let lines = bytes.split(|byte| *byte == b'\n');
    let line = lines.clone().nth(error.line().saturating_sub(1)).unwrap_or_default();
    let found = line
        .get(error.column().saturating_sub(1))
        .map_or(' ', |byte| char::from(*byte));
    let text = error.to_string();
    if text.contains("expected ident")
        && let Some(words) = literal(line, error.column())
    {
        return words;
    }
    let place = [
        ("key must be a string", "looking for beginning of object key string"),
        ("trailing comma at", "looking for beginning of object key string"),
        ("expected `:`", "after object key"),
        ("expected `,` or `}`", "after object key:value pair"),
        ("expected `,` or `]`", "after array element"),
        ("trailing characters", "after top-level value"),
    ]
    .into_iter()
    .find(|(ours, _)| text.contains(ours))
    .map_or("looking for beginning of value", |(_, theirs)| theirs);
    let found = match found {
        '\'' => "\\'".to_owned(),
        other => quoting::escaped(other),
    };
    format!("invalid character '{found}' {place}")
}

/// The words of an error about a number, with the number as it was written.
pub fn as_written(words: &str, bytes: &[u8]) -> String {
    const BEGINS: &str = "json: cannot unmarshal number ";
    let number = words.strip_prefix(BEGINS).and_then(|rest| rest.split_once(' '));
    let written = number.and_then(|(shown, rest)| {
        let value: f64 = shown.parse().ok()?;
        let written = numbers(bytes).find(|written| written.parse::<f64>().is_ok_and(|other| other == value))?;
        Some(format!("{BEGINS}{written} {rest}"))
    });
    written.unwrap_or_else(|| words.to_owned())
}

/// The numbers of a document, as they are written.
fn numbers(bytes: &[u8]) -> impl Iterator<Item = &str> {
    let mut text = false;
    let mut escaped = false;
    let outside: Vec<bool> = bytes
        .iter()
        .map(|byte| {
            let inside = text;
            match byte {
                b'"' if !escaped => text = !text,
                b'\\' if text && !escaped => {
                    escaped = true;
                    return false;
                }
                _ => {}
            }
            escaped = false;
            !inside
        })
        .collect();
    let of_number = move |at: usize, byte: u8| outside[at] && (byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let mut start = 0;
    std::iter::from_fn(move || {
        while start < bytes.len() && (bytes[start].is_ascii_alphabetic() || !of_number(start, bytes[start])) {
            start += 1;
        }
        let end = (start..bytes.len())
            .find(|at| !of_number(*at, bytes[*at]))
            .unwrap_or(bytes.len());
        let found = std::str::from_utf8(&bytes[start..end]).ok();
        start = end;
        found.filter(|found| !found.is_empty())
    })
}

/// What is wrong in a word that begins as one of the three there are.
fn literal(line: &[u8], column: usize) -> Option<String> {
    let at = column.checked_sub(1)?;
    ["null", "true", "false"].into_iter().find_map(|word| {
        // The column is that of the letter that does not fit, or of the one before it.
        (0..word.len() - 1).rev().find_map(|fitting| {
            [at, at + 1].into_iter().find_map(|wrong| {
                let start = wrong.checked_sub(fitting + 1)?;
                let found = char::from(*line.get(wrong)?);
                let expected = char::from(word.as_bytes()[fitting + 1]);
                (line.get(start..=start + fitting)? == &word.as_bytes()[..=fitting] && found != expected)
                    .then(|| format!("invalid character '{found}' in literal {word} (expecting '{expected}')"))
            })
        })
    })
}

fn read(bytes: &[u8]) -> Result<(Value, Vec<String>), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let read = document(&mut deserializer)?;
    deserializer.end()?;
    Ok(read)
}

/// A document in some syntax, and the fields that it has twice.
pub(super) fn document<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(Value, Vec<String>), D::Error> {
    let twice = RefCell::new(Vec::new());
    let seed = Seed {
        path: String::new(),
        twice: &twice,
    };
    let value = seed.deserialize(deserializer)?;
    Ok((value, twice.into_inner()))
}

struct Seed<'a> {
    path: String,
    twice: &'a RefCell<Vec<String>>,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Seed {
            path: format!("{}[{}]", self.path, list.len()),
            twice: self.twice,
        })? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            let path = if self.path.is_empty() {
                name.clone()
            } else {
                format!("{}.{name}", self.path)
            };
            if map.contains_key(&name) {
                self.twice.borrow_mut().push(format!("duplicate field \"{path}\""));
            }
            let value = fields.next_value_seed(Seed {
                path,
                twice: self.twice,
            })?;
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

#[test]
fn a_number_is_told_as_it_was_written() {
    let words = |number: &str| format!("json: cannot unmarshal number {number} into Go struct field A.b of type int64");
    let body = br#"{"a1e3": "1000 \" 1e3", "b": 1e3, "c": -2.50}"#;
    assert_eq!(as_written(&words("1000.0"), body), words("1e3"));
    assert_eq!(as_written(&words("-2.5"), body), words("-2.50"));
    assert_eq!(as_written(&words("7.5"), body), words("7.5"));
    assert_eq!(as_written("unknown", body), "unknown");
}
