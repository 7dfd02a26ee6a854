//! The columns that a CustomResourceDefinition asks for.

use serde_json::{Value, json};

use super::{duration::since, path};
use crate::kubernetes::{incoming::Served, world::World};

fn columns_of(served: &Served<'_>) -> Vec<Value> {
    let custom = served.resource.custom.as_ref();
    let columns = custom.and_then(|custom| custom.columns.get(served.version));
    match columns.and_then(Value::as_array) {
        Some(columns) if !columns.is_empty() => columns.clone(),
        _ => vec![json!({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"})],
    }
}

/// The columns of a custom resource.
pub(super) fn columns(served: &Served<'_>) -> Vec<Value> {
    let mut columns =
        vec![json!({"name": "Name", "type": "string", "format": "name", "description": "", "priority": 0})];
    for column in columns_of(served) {
        columns.push(json!({
            "name": column["name"],
            "type": column["type"],
            "format": column["format"].as_str().unwrap_or_default(),
            "description": column["description"].as_str().unwrap_or_default(),
            "priority": column["priority"].as_i64().unwrap_or_default(),
        }));
    }
    columns
}

/// The cells of a custom resource.
pub(super) fn cells(world: &World, served: &Served<'_>, object: &Value) -> Vec<Value> {
    let mut cells = vec![object["metadata"]["name"].clone()];
    for column in columns_of(served) {
        let found = path::find(object, column["jsonPath"].as_str().unwrap_or_default());
        cells.push(match (found.first(), column["type"].as_str()) {
            (None, _) => Value::Null,
            (Some(at), Some("date")) => since(world.now(), at).into(),
            (Some(value), Some("string")) if !value.is_string() => value.to_string().into(),
            (Some(value), _) => (*value).clone(),
        });
    }
    cells
}
