//! Tables: what `kubectl get` shows, with the columns of the real one.

mod cells;
mod columns;
mod custom;
mod duration;
mod others;
mod path;
mod pod;
#[cfg(test)]
mod tests;

pub use duration::human_duration;
pub use path::find as json_path;

use serde_json::{Value, json};

use super::{accept::Meta, incoming::Served, world::World};

/// A column: name, type, format, priority.
type Column = (&'static str, &'static str, &'static str, u8);

/// One row: the cells, and of the object as much as was asked for.
pub fn row(world: &World, served: &Served<'_>, include: &str, meta: Meta, object: Value) -> Value {
    let mut cells = match &served.resource.custom {
        Some(_) => custom::cells(world, served, &object),
        None => cells::cells(world, served, &object),
    };
    // Who has no name has an empty one.
    if let Some(name) = cells.first_mut().filter(|name| name.is_null()) {
        *name = "".into();
    }
    let mut row = json!({"cells": cells});
    if let Some(conditions) = cells::ended(served, &object) {
        row["conditions"] = conditions;
    }
    match include {
        "None" => row["object"] = Value::Null,
        "Object" => row["object"] = object,
        _ => {
            row["object"] = json!({
                "kind": "PartialObjectMetadata",
                "apiVersion": meta.api_version(),
                "metadata": object["metadata"],
            });
        }
    }
    row
}

/// A table.
pub fn table(served: &Served<'_>, rows: Vec<Value>, meta: Meta, metadata: &Value) -> Value {
    let columns: Vec<Value> = match &served.resource.custom {
        Some(_) => custom::columns(served),
        None => columns::of(served.resource)
            .iter()
            .map(|(name, kind, format, priority)| {
                json!({"name": name, "type": kind, "format": format, "description": "", "priority": priority})
            })
            .collect(),
    };
    // What has no columns of its own has no rows rather than an empty list of them.
    let bare = served.resource.custom.is_none() && columns::are_usual(served.resource);
    json!({
        "kind": "Table",
        "apiVersion": meta.api_version(),
        "metadata": metadata,
        "columnDefinitions": columns,
        "rows": if rows.is_empty() && bare { Value::Null } else { rows.into() },
    })
}
