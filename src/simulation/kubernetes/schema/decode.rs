//! From JSON to an object of a type, as Go's decoder does it: unknown fields are dropped and reported, a value of the
//! wrong kind is an error in Go's words.

use serde_json::{Map, Value};

use super::{Field, Shape, Type, find};
use crate::kubernetes::{quantity, quoting::quoted};

/// An object without what its type does not know.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    /// The object.
    pub value: Value,
    /// What a strict decoder reports: `unknown field "spec.foo"`.
    pub strict: Vec<String>,
}

/// Decodes an object of a built-in type.
pub fn decode(value: Value, kind: &Type) -> Result<Decoded, String> {
    let mut strict = Vec::new();
    let value = object(value, kind, &mut Vec::new(), &mut strict)?;
    Ok(Decoded { value, strict })
}

/// Decodes a custom resource: its metadata is typed, and of the rest what its schema does not know is pruned.
pub fn decode_custom(value: Value, schema: Option<&Value>) -> Result<Decoded, String> {
    let Value::Object(mut fields) = value else {
        return Err(mismatch(&value, "", &[], "map[string]interface {}"));
    };
    let mut strict = Vec::new();
    if let Some(metadata) = fields.remove("metadata") {
        let kind = find("ObjectMeta").expect("there is metadata");
        let mut path = vec!["metadata".to_owned()];
        // It is decoded alone, and so named in errors.
        let decoded = object(metadata, kind, &mut path, &mut strict).map_err(|why| why.replacen(".metadata.", ".", 1));
        fields.insert("metadata".to_owned(), decoded?);
    }
    let mut value = Value::Object(fields);
    if let Some(schema) = schema {
        prune(&mut value, schema, true, &mut Vec::new(), &mut strict);
    }
    Ok(Decoded { value, strict })
}

fn prune(value: &mut Value, schema: &Value, root: bool, path: &mut Vec<String>, strict: &mut Vec<String>) {
    if schema["x-kubernetes-preserve-unknown-fields"] == true && schema["properties"].is_null() {
        return;
    }
    match value {
        Value::Object(fields) => {
            let open = schema["x-kubernetes-preserve-unknown-fields"] == true
                || schema["additionalProperties"].is_object()
                || schema["additionalProperties"] == true;
            let known = schema["properties"].as_object();
            if schema["x-kubernetes-embedded-resource"] == true && known.is_none() {
                return;
            }
            fields.retain(|name, inner| {
                if root && matches!(name.as_str(), "apiVersion" | "kind" | "metadata") {
                    return true;
                }
                path.push(name.clone());
                let kept = match known.and_then(|known| known.get(name)) {
                    Some(schema) => {
                        prune(inner, schema, false, path, strict);
                        true
                    }
                    None if open => {
                        if schema["additionalProperties"].is_object() {
                            prune(inner, &schema["additionalProperties"], false, path, strict);
                        }
                        true
                    }
                    None => {
                        strict.push(format!("unknown field {}", quoted(&joined(path))));
                        false
                    }
                };
                path.pop();
                kept
            });
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                path.push(format!("[{index}]"));
                prune(item, &schema["items"], false, path, strict);
                path.pop();
            }
        }
        _ => {}
    }
}

fn object(value: Value, kind: &Type, path: &mut Vec<String>, strict: &mut Vec<String>) -> Result<Value, String> {
    let fields = match value {
        Value::Object(fields) => fields,
        Value::Null => return Ok(Value::Null),
        other => return Err(mismatch(&other, "", path, &format!("v1.{}", kind.name))),
    };
    let mut decoded = Map::new();
    for (name, value) in fields {
        path.push(name.clone());
        match kind.fields.get(&name) {
            None => strict.push(format!("unknown field {}", quoted(&joined(path)))),
            Some(field) => {
                let value = inner(value, &field.shape, kind, path, strict)?;
                // That nobody shall own anything is said by an empty list.
                if !vanishes(&value, field) || (name == "managedFields" && value.is_array()) {
                    decoded.insert(name, value);
                }
            }
        }
        path.pop();
    }
    Ok(Value::Object(decoded))
}

/// What Go leaves out when it writes: nothing, empty lists and maps, and what is false, zero or empty where that is the same as
/// nothing.
fn vanishes(value: &Value, field: &Field) -> bool {
    if field.written {
        return value.is_null();
    }
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty() && matches!(field.shape, Shape::Map(_)),
        Value::Bool(_) | Value::String(_) | Value::Number(_) => {
            let plain = matches!(
                field.shape,
                Shape::String | Shape::Int32 | Shape::Int64 | Shape::Number | Shape::Boolean | Shape::Bytes
            );
            plain && !field.pointer && (*value == Value::Bool(false) || value == "" || *value == 0)
        }
    }
}

/// Where something is no base64.
fn not_base64(text: &str) -> Option<usize> {
    let padded = text.trim_end_matches('=');
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/';
    let wrong = padded.char_indices().find(|(_, c)| !letter(*c)).map(|(at, _)| at);
    wrong.or_else(|| (!text.len().is_multiple_of(4) || text.len() - padded.len() > 2).then_some(text.len() / 4 * 4))
}

fn inner(
    value: Value,
    shape: &Shape,
    parent: &Type,
    path: &mut Vec<String>,
    strict: &mut Vec<String>,
) -> Result<Value, String> {
    if value.is_null() {
        return Ok(value);
    }
    let fits = match (shape, &value) {
        (Shape::Any, _) => true,
        (Shape::String, Value::String(_)) | (Shape::Boolean, Value::Bool(_)) => true,
        (Shape::Int32, Value::Number(number)) => number.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        (Shape::Int64, Value::Number(number)) => number.is_i64(),
        (Shape::Number, Value::Number(_)) => true,
        (Shape::IntOrString, Value::Number(number)) => number.is_i64(),
        (Shape::IntOrString, Value::String(_)) => true,
        (Shape::Quantity, Value::Number(_) | Value::String(_)) => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            return match quantity::canonical(&text) {
                Some(text) => Ok(text.into()),
                None => Err(format!(
                    "quantities must match the regular expression '{}'",
                    quantity::PATTERN
                )),
            };
        }
        (Shape::Quantity, _) => {
            return Err(format!(
                "quantities must match the regular expression '{}'",
                quantity::PATTERN
            ));
        }
        (Shape::Bytes, Value::String(text)) => match not_base64(text) {
            Some(at) => return Err(format!("illegal base64 data at input byte {at}")),
            None => true,
        },
        (Shape::MicroTime, Value::String(text)) if text.parse::<jiff::Timestamp>().is_ok() && !text.contains('.') => {
            return Err(format!(
                "parsing time \"{text}\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot parse \"{}\" as \".000000\"",
                text.get(19..).unwrap_or_default()
            ));
        }
        (Shape::Time | Shape::MicroTime, Value::String(text)) => {
            return match text.parse::<jiff::Timestamp>() {
                Ok(at) if *shape == Shape::Time => Ok(super::super::world::stamp(at).into()),
                Ok(at) => Ok(super::super::world::micro_stamp(at).into()),
                Err(_) => {
                    let fraction = if *shape == Shape::Time { "" } else { ".000000" };
                    Err(format!(
                        "parsing time \"{text}\" as \"2006-01-02T15:04:05{fraction}Z07:00\": cannot parse \"{text}\" as \"2006\""
                    ))
                }
            };
        }
        (Shape::List(_), Value::Array(_)) | (Shape::Map(_), Value::Object(_)) => true,
        (Shape::Type(_), Value::Object(_)) => true,
        _ => false,
    };
    if !fits {
        return Err(mismatch(&value, &parent.name, path, &go(shape)));
    }
    match (shape, value) {
        (Shape::List(shape), Value::Array(items)) => {
            let mut decoded = Vec::with_capacity(items.len());
            for (index, item) in items.into_iter().enumerate() {
                path.push(format!("[{index}]"));
                decoded.push(inner(item, shape, parent, path, strict)?);
                path.pop();
            }
            Ok(decoded.into())
        }
        (Shape::Map(shape), Value::Object(fields)) => {
            let mut decoded = Map::new();
            for (name, value) in fields {
                path.push(format!("{{{name}"));
                let value = inner(value, shape, parent, path, strict)?;
                path.pop();
                let value = match (value, &**shape) {
                    (Value::Null, Shape::String) => "".into(),
                    (value, _) => value,
                };
                decoded.insert(name, value);
            }
            Ok(Value::Object(decoded))
        }
        (Shape::Type(name), value) => match find(name) {
            Some(kind) => object(value, kind, path, strict),
            None => Ok(value),
        },
        (_, value) => Ok(value),
    }
}

/// A field's type as Go prints it.
fn go(shape: &Shape) -> String {
    match shape {
        Shape::String => "string".to_owned(),
        Shape::Int32 => "int32".to_owned(),
        Shape::Int64 => "int64".to_owned(),
        Shape::Number => "float64".to_owned(),
        Shape::Boolean => "bool".to_owned(),
        Shape::Quantity => "resource.Quantity".to_owned(),
        Shape::IntOrString => "intstr.IntOrString".to_owned(),
        Shape::Time | Shape::MicroTime => "string".to_owned(),
        Shape::Bytes => "[]uint8".to_owned(),
        Shape::Any => "interface {}".to_owned(),
        Shape::List(inner) => format!("[]{}", go(inner)),
        Shape::Map(inner) => format!("map[string]{}", go(inner)),
        Shape::Type(name) => {
            let version = name.rsplit('.').nth(1).unwrap_or("v1");
            format!("{version}.{}", name.rsplit('.').next().unwrap_or(name))
        }
    }
}

fn mismatch(value: &Value, parent: &str, path: &[String], go: &str) -> String {
    let kind = match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "bool".to_owned(),
        Value::Number(number) if go.starts_with("int") => format!("number {number}"),
        Value::Number(_) => "number".to_owned(),
        Value::String(_) => "string".to_owned(),
        Value::Array(_) => "array".to_owned(),
        Value::Object(_) => "object".to_owned(),
    };
    if path.is_empty() {
        return format!("json: cannot unmarshal {kind} into Go value of type {go}");
    }
    // Go's decoder forgets indexes and keys.
    let names: Vec<&str> = path
        .iter()
        .map(String::as_str)
        .filter(|name| !name.starts_with(['[', '{']))
        .collect();
    format!(
        "json: cannot unmarshal {kind} into Go struct field {parent}.{} of type {go}",
        names.join(".")
    )
}

fn joined(path: &[String]) -> String {
    let mut text = String::new();
    for name in path {
        if !text.is_empty() && !name.starts_with('[') {
            text.push('.');
        }
        text.push_str(name.trim_start_matches('{'));
    }
    text
}
