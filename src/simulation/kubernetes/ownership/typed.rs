//! What is applied, judged by the types of its fields, in the words of the library that merges it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::set::shown;
use crate::kubernetes::{
    quoting::go_map,
    schema::{Shape, View, element},
};

/// What is wrong with something that is applied, in words.
pub fn judge(value: &Value, view: View<'_>) -> Option<String> {
    let mut errors = Vec::new();
    walk(value, view, &mut String::new(), &mut errors);
    match errors.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        many => {
            let lines: Vec<String> = many.iter().map(|error| format!("\n  {error}")).collect();
            Some(format!("errors:{}", lines.concat()))
        }
    }
}

/// What may stand at a place.
enum Wanted {
    Map,
    List,
    String,
    Number,
    Boolean,
    Scalar,
    Anything,
}

fn wanted(view: View<'_>) -> Wanted {
    match view {
        View::Type(_) | View::Custom(_) => Wanted::Map,
        View::Field(field) => of_shape(&field.shape),
        View::Shape(shape) => of_shape(shape),
        View::Schema(schema) if schema["x-kubernetes-int-or-string"] == true => Wanted::Scalar,
        View::Schema(schema) => match schema["type"].as_str() {
            Some("object") => Wanted::Map,
            Some("array") => Wanted::List,
            Some("string") => Wanted::String,
            Some("integer" | "number") => Wanted::Number,
            Some("boolean") => Wanted::Boolean,
            _ => Wanted::Anything,
        },
        View::Unknown => Wanted::Anything,
    }
}

fn of_shape(shape: &Shape) -> Wanted {
    match shape {
        Shape::String | Shape::Time | Shape::MicroTime | Shape::Bytes => Wanted::String,
        Shape::Int32 | Shape::Int64 | Shape::Number => Wanted::Number,
        Shape::Boolean => Wanted::Boolean,
        Shape::Quantity => Wanted::Scalar,
        Shape::IntOrString | Shape::Any => Wanted::Anything,
        Shape::List(_) => Wanted::List,
        Shape::Map(_) | Shape::Type(_) => Wanted::Map,
    }
}

fn walk(value: &Value, view: View<'_>, path: &mut String, errors: &mut Vec<String>) {
    let refuse = |what: String, errors: &mut Vec<String>, path: &str| {
        errors.push(if path.is_empty() {
            what
        } else {
            format!("{path}: {what}")
        });
    };
    match (wanted(view), value) {
        (Wanted::Anything, _) | (_, Value::Null) => {}
        (Wanted::Map, Value::Object(fields)) => {
            for (name, value) in fields {
                let length = path.len();
                path.push('.');
                path.push_str(name);
                if view.knows(name) {
                    walk(value, view.child(name), path, errors);
                } else {
                    refuse("field not declared in schema".to_owned(), errors, path);
                }
                path.truncate(length);
            }
        }
        (Wanted::Map, other) => refuse(format!("expected map, got &{{{}}}", go_map(other)), errors, path),
        (Wanted::List, Value::Array(items)) => list(items, view, path, errors),
        (Wanted::List, other) => refuse(format!("expected list, got &{{{}}}", go_map(other)), errors, path),
        (Wanted::String, Value::String(_))
        | (Wanted::Number, Value::Number(_))
        | (Wanted::Boolean, Value::Bool(_))
        | (Wanted::Scalar, Value::String(_) | Value::Number(_) | Value::Bool(_)) => {}
        (Wanted::String, other) => {
            let what = format!(
                "expected string, got &value.valueUnstructured{{Value:{}}}",
                literal(other)
            );
            refuse(what, errors, path);
        }
        (Wanted::Number, other) => {
            let what = format!("expected numeric (int or float), got {}", kind(other));
            refuse(what, errors, path);
        }
        (Wanted::Boolean, other) => refuse(format!("expected boolean, got &{{{}}}", go_map(other)), errors, path),
        (Wanted::Scalar, other) => refuse(format!("expected any scalar, got &{{{}}}", go_map(other)), errors, path),
    }
}

fn list(items: &[Value], view: View<'_>, path: &mut String, errors: &mut Vec<String>) {
    let kind = view.list();
    let mut seen = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        let length = path.len();
        let at = match element(&kind, item) {
            None => format!("[{index}]"),
            Some(name) => {
                let shown = shown(&name);
                if !seen.insert(name) {
                    errors.push(format!("{path}: duplicate entries for key {shown}"));
                }
                shown
            }
        };
        path.push_str(&at);
        walk(item, view.item(), path, errors);
        path.truncate(length);
    }
}

/// The type of a value, as Go names it.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// A value as it would stand in a Go program.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".to_owned(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(literal).collect();
            format!("[]interface {{}}{{{}}}", items.join(", "))
        }
        Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{name:?}:{}", literal(value)))
                .collect();
            format!("map[string]interface {{}}{{{}}}", fields.join(", "))
        }
        other => other.to_string(),
    }
}
