//! An object that says nothing, as Go writes it.

use serde_json::{Map, Value, json};

use super::{Shape, Type, find};

/// The fields that are written however empty they are: a new `Pod` has a `spec` with `containers: null`.
pub fn blank(kind: &Type) -> Value {
    let written = kind.fields.iter().filter(|(_, field)| field.written);
    let fields: Map<String, Value> = written
        .map(|(name, field)| (name.clone(), nothing(&field.shape, field.pointer)))
        .collect();
    Value::Object(fields)
}

fn nothing(shape: &Shape, pointer: bool) -> Value {
    match shape {
        _ if pointer => Value::Null,
        Shape::String | Shape::Bytes => "".into(),
        Shape::Int32 | Shape::Int64 | Shape::Number | Shape::IntOrString => 0.into(),
        Shape::Boolean => false.into(),
        Shape::Quantity => "0".into(),
        Shape::Type(name) => find(name).map_or_else(|| json!({}), blank),
        Shape::Time | Shape::MicroTime | Shape::Any | Shape::List(_) | Shape::Map(_) => Value::Null,
    }
}
