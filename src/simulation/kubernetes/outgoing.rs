//! From stored objects to an answer: whole, as metadata, or as a table.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    accept::{Form, Meta},
    incoming::Served,
    printing,
    reply::Reply,
    resources::Conversion,
    world::{Object, World},
};

/// An object in the form that was asked for.
pub fn object(world: &World, served: &Served<'_>, form: Form, include: &str, value: Value) -> Value {
    match form {
        Form::Whole => served.serve(value),
        Form::Metadata(meta) => metadata(&value, meta),
        Form::Table(meta) => {
            let rows = vec![printing::row(world, served, include, meta, served.serve(value.clone()))];
            let metadata = json!({"resourceVersion": value["metadata"]["resourceVersion"]});
            printing::table(served, rows, meta, &metadata)
        }
    }
}

fn metadata(value: &Value, meta: Meta) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": meta.api_version(), "metadata": value["metadata"]})
}

/// An answer with one object.
pub fn reply(world: &World, served: &Served<'_>, form: Form, include: &str, code: u16, value: Value) -> Reply {
    Reply::json(code, &object(world, served, form, include, value))
}

/// The metadata of a list.
#[derive(Clone, Debug)]
pub struct ListMetadata {
    /// The revision of the whole.
    pub revision: String,
    /// Where the next part begins.
    pub next: Option<String>,
    /// How many are left.
    pub remaining: Option<usize>,
}

impl ListMetadata {
    /// As it is written, for a list of whole objects or of something else.
    pub fn value(&self, served: &Served<'_>, whole: bool) -> Value {
        let mut value = json!({"resourceVersion": self.revision});
        if served.resource.custom.is_some() && whole {
            // As whatever has no type is written.
            value["continue"] = "".into();
        }
        if let Some(next) = &self.next {
            value["continue"] = next.clone().into();
        }
        if let Some(remaining) = self.remaining {
            value["remainingItemCount"] = remaining.into();
        }
        value
    }
}

/// An answer with a list.
pub fn list(
    world: &World,
    served: &Served<'_>,
    form: Form,
    include: &str,
    items: &[Arc<Object>],
    list: &ListMetadata,
) -> Reply {
    match form {
        Form::Whole => Reply::bytes(200, "application/json", whole(served, items, list)),
        Form::Metadata(meta) => {
            let head = json!({"kind": "PartialObjectMetadataList", "apiVersion": meta.api_version(),
                "metadata": list.value(served, false)});
            let item = format!(
                "{{\"apiVersion\":\"{}\",\"kind\":\"PartialObjectMetadata\",\"metadata\":",
                meta.api_version()
            );
            let bytes = listed(&head, items, "null", |object, bytes| {
                bytes.extend_from_slice(item.as_bytes());
                object.put_metadata(bytes);
                bytes.push(b'}');
            });
            Reply::bytes(200, "application/json", bytes)
        }
        Form::Table(meta) => {
            let rows = items
                .iter()
                .map(|object| printing::row(world, served, include, meta, served.serve(object.value())))
                .collect();
            Reply::json(200, &printing::table(served, rows, meta, &list.value(served, false)))
        }
    }
}

/// The stored bytes one after the other; only what is stored otherwise is written anew.
fn whole(served: &Served<'_>, items: &[Arc<Object>], list: &ListMetadata) -> Bytes {
    let head = json!({"kind": served.resource.list_kind, "apiVersion": served.api_version(), "metadata": list.value(served, true)});
    listed(&head, items, "[]", |object, bytes| {
        if served.resource.custom.is_some() {
            bytes.extend_from_slice(&stored_bytes(served, object));
        } else if is_as_stored(served) {
            object.put_item(bytes);
        } else {
            let mut value = served.serve(object.value());
            untype(&mut value);
            bytes.extend_from_slice(value.to_string().as_bytes());
        }
    })
}

/// A list with this at its head, and each item as it is put there.
fn listed(head: &Value, items: &[Arc<Object>], none: &str, put: impl Fn(&Object, &mut Vec<u8>)) -> Bytes {
    let head = head.to_string();
    let size: usize = items.iter().map(|object| object.size() + 1).sum();
    let mut bytes = Vec::with_capacity(size + head.len() + 16);
    bytes.extend_from_slice(&head.as_bytes()[..head.len() - 1]);
    bytes.extend_from_slice(b",\"items\":");
    for (index, object) in items.iter().enumerate() {
        bytes.push(if index == 0 { b'[' } else { b',' });
        put(object, &mut bytes);
    }
    bytes.extend_from_slice(if items.is_empty() { none.as_bytes() } else { b"]" });
    // A document ends with its line, by which some read it.
    bytes.extend_from_slice(b"}\n");
    bytes.into()
}

/// Takes away what a list says for its items.
pub fn untype(item: &mut Value) {
    if let Some(fields) = item.as_object_mut() {
        fields.remove("apiVersion");
        fields.remove("kind");
    }
}

/// One object as it is served.
pub fn stored_bytes(served: &Served<'_>, object: &Object) -> Bytes {
    if is_as_stored(served) {
        return object.bytes();
    }
    let value = served.serve(object.value());
    serde_json::to_vec(&value).expect("a JSON value can be written").into()
}

fn is_as_stored(served: &Served<'_>) -> bool {
    served.conversion == Conversion::None && served.version == served.resource.version
}
