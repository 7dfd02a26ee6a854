//! One look at a place in an object, whether its type is built in, written in a CustomResourceDefinition, or unknown.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::{Field, ListKind, Shape, Type, find};

/// What is known about a place.
#[derive(Clone, Copy, Debug)]
pub enum View<'a> {
    /// An object of a built-in type.
    Type(&'a Type),
    /// A field of one.
    Field(&'a Field),
    /// What a list or map holds.
    Shape(&'a Shape),
    /// A place in an OpenAPI schema.
    Schema(&'a Value),
    /// A custom resource with this schema: its metadata is built in.
    Custom(Option<&'a Value>),
    /// Nothing: objects are merged, lists are whole.
    Unknown,
}

impl<'a> View<'a> {
    /// A field, a value of a map, or an item of a list.
    pub fn child(self, name: &str) -> Self {
        match self {
            Self::Type(kind) => kind.fields.get(name).map_or(Self::Unknown, Self::Field),
            Self::Field(field) => Self::Shape(&field.shape).child(name),
            Self::Shape(Shape::Type(kind)) => find(kind).map_or(Self::Unknown, Self::Type).child(name),
            Self::Shape(Shape::List(inner) | Shape::Map(inner)) => Self::Shape(inner),
            Self::Custom(_) if name == "metadata" => find("ObjectMeta").map_or(Self::Unknown, Self::Type),
            Self::Custom(Some(schema)) => Self::Schema(schema).child(name),
            Self::Schema(schema) => {
                for inner in [&schema["properties"][name], &schema["additionalProperties"]] {
                    if inner.is_object() {
                        return Self::Schema(inner);
                    }
                }
                Self::Unknown
            }
            _ => Self::Unknown,
        }
    }

    /// What a list holds.
    pub fn item(self) -> Self {
        match self {
            Self::Schema(schema) if schema["items"].is_object() => Self::Schema(&schema["items"]),
            Self::Schema(_) => Self::Unknown,
            other => other.child(""),
        }
    }

    /// Whether the object has a field of this name, in contrast to a key.
    pub fn declares(self, name: &str) -> bool {
        match self {
            Self::Type(kind) => kind.fields.contains_key(name),
            Self::Field(field) => Self::Shape(&field.shape).declares(name),
            Self::Shape(Shape::Type(kind)) => find(kind).is_some_and(|kind| kind.fields.contains_key(name)),
            Self::Custom(schema) => {
                matches!(name, "metadata" | "apiVersion" | "kind")
                    || schema.is_some_and(|schema| Self::Schema(schema).declares(name))
            }
            Self::Schema(schema) => schema["properties"][name].is_object(),
            _ => false,
        }
    }

    /// Whether something of this name may be in it at all.
    pub fn knows(self, name: &str) -> bool {
        match self {
            Self::Field(field) => Self::Shape(&field.shape).knows(name),
            Self::Shape(Shape::Map(_)) | Self::Unknown | Self::Custom(None) => true,
            Self::Schema(schema) => {
                self.declares(name)
                    || schema["additionalProperties"].is_object()
                    || schema["additionalProperties"] == true
                    || schema["x-kubernetes-preserve-unknown-fields"] == true
                    || schema["x-kubernetes-embedded-resource"] == true
            }
            Self::Custom(Some(schema)) => self.declares(name) || Self::Schema(schema).knows(name),
            _ => self.declares(name),
        }
    }

    /// Whether Go always writes this field, empty as it may be.
    pub fn written(self) -> bool {
        matches!(self, Self::Field(field) if field.written)
    }

    /// Whether an object or map here is owned as a whole.
    pub fn atomic(self) -> bool {
        match self {
            Self::Type(kind) => kind.atomic,
            Self::Field(field) => field.atomic || Self::Shape(&field.shape).atomic(),
            Self::Shape(Shape::Type(kind)) => find(kind).is_some_and(|kind| kind.atomic),
            Self::Shape(Shape::Any) => true,
            Self::Schema(schema) => schema["x-kubernetes-map-type"] == "atomic",
            _ => false,
        }
    }

    /// How a list here is owned.
    pub fn list(self) -> Cow<'a, ListKind> {
        match self {
            Self::Field(field) => Cow::Borrowed(&field.list),
            Self::Schema(schema) => Cow::Owned(match schema["x-kubernetes-list-type"].as_str() {
                Some("set") => ListKind::Set,
                Some("map") => ListKind::Map(
                    schema["x-kubernetes-list-map-keys"]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .filter_map(Value::as_str)
                        .map(str::to_owned)
                        .collect(),
                ),
                _ => ListKind::Atomic,
            }),
            _ => Cow::Owned(ListKind::Atomic),
        }
    }
}

/// Whether two items of a list have the same path element.
pub fn same_element(kind: &ListKind, one: &Value, other: &Value) -> bool {
    match kind {
        ListKind::Atomic => false,
        ListKind::Set => one == other,
        ListKind::Map(keys) => keys.iter().all(|key| one.get(key) == other.get(key)),
    }
}

/// The path element by which server-side apply names an item of a list: `k:{"name":"app"}`, `v:"a"`; none where the list
/// is owned as a whole.
pub fn element(kind: &ListKind, item: &Value) -> Option<String> {
    match kind {
        ListKind::Atomic => None,
        ListKind::Set => Some(format!("v:{item}")),
        ListKind::Map(keys) => {
            let named = |key: &String| match item.get(key) {
                Some(value) if !value.is_null() => Some(format!("{}:{value}", json!(key))),
                // The one key with a default.
                _ if key == "protocol" => Some("\"protocol\":\"TCP\"".to_owned()),
                _ => None,
            };
            let mut names: Vec<String> = keys.iter().filter_map(named).collect();
            names.sort_unstable();
            Some(format!("k:{{{}}}", names.join(",")))
        }
    }
}
