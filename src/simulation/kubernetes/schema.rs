//! The types of the API: which fields an object may have, of what kind, and how its lists and maps are merged.
//!
//! The built-in types are a table derived from Kubernetes' own OpenAPI document; the schemas of CustomResourceDefinitions
//! are read from those. Decoding, strategic merge and server-side apply all look here and nowhere else.

use std::{
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
};

mod blank;
mod decode;
mod protobuf;
#[cfg(test)]
mod tests;
mod view;

pub use blank::blank;
pub use decode::{Decoded, decode, decode_custom};
pub use protobuf::decode as decode_protobuf;
pub use view::{View, element, same_element};

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Text.
    String,
    /// An integer of 32 bits.
    Int32,
    /// An integer of 64 bits.
    Int64,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// `100m`, `1Gi`.
    Quantity,
    /// A number or text.
    IntOrString,
    /// A moment.
    Time,
    /// A moment with microseconds.
    MicroTime,
    /// Base64.
    Bytes,
    /// Whatever it is.
    Any,
    /// A list.
    List(Box<Shape>),
    /// A map by text.
    Map(Box<Shape>),
    /// Another type.
    Type(String),
}

/// How a list is owned and merged by server-side apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListKind {
    /// As a whole.
    Atomic,
    /// By value.
    Set,
    /// By the values of these fields.
    Map(Vec<String>),
}

/// How a list is merged by a strategic merge patch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Replaced.
    Replace,
    /// Merged: of objects by this field, of primitives without one.
    Merge(Option<String>),
}

/// A field of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// What it holds.
    pub shape: Shape,
    /// Its number in protobuf; two when it lies in a message that JSON does not show. None of the extensions' types.
    pub number: Vec<u32>,
    /// Whether nothing and zero are two things.
    pub pointer: bool,
    /// Whether Go writes it, nothing as it may be: a struct, or what is never left out.
    pub written: bool,
    /// Whether it has to be there.
    pub required: bool,
    /// Whether an object or map in it is owned as a whole.
    pub atomic: bool,
    /// How a list in it is owned.
    pub list: ListKind,
    /// How a list in it is patched.
    pub strategy: Strategy,
    /// Whether `$retainKeys` holds in it.
    pub retain_keys: bool,
}

/// A type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Type {
    /// Its name, as Go calls it: `DeploymentSpec`.
    pub name: String,
    /// Whether it is owned as a whole.
    pub atomic: bool,
    /// Its fields.
    pub fields: BTreeMap<String, Field>,
}

static TYPES: LazyLock<HashMap<String, Type>> = LazyLock::new(|| parse(include_str!("schema/types.txt")));

/// A built-in type by its name in the table.
pub fn find(name: &str) -> Option<&'static Type> {
    TYPES.get(name)
}

/// The type of a kind: `apps/v1`, `Deployment`.
pub fn of_kind(api_version: &str, kind: &str) -> Option<&'static Type> {
    find(&key_of_kind(api_version, kind)?)
}

/// The name in the table of the type of a kind, whether it is there or not.
pub fn key_of_kind(api_version: &str, kind: &str) -> Option<String> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let package = match group {
        "" | "apiextensions.k8s.io" | "meta.k8s.io" => return (version == "v1").then(|| kind.to_owned()),
        "rbac.authorization.k8s.io" => "rbac",
        other => other.split('.').next().unwrap_or(other),
    };
    Some(format!("{package}.{version}.{kind}"))
}

fn parse(text: &str) -> HashMap<String, Type> {
    let mut types = HashMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, fields)) = line.split_once(": ").or_else(|| line.split_once(':')) else {
            continue;
        };
        let bare = name.trim_end_matches('%');
        let found = Type {
            name: bare.rsplit('.').next().unwrap_or(bare).to_owned(),
            atomic: name.ends_with('%'),
            fields: fields.split_whitespace().filter_map(field).collect(),
        };
        types.insert(bare.to_owned(), found);
    }
    types
}

fn field(text: &str) -> Option<(String, Field)> {
    let (name, rest) = text.split_once('=')?;
    const MARKS: [char; 7] = ['@', '*', '^', '!', '%', '/', '~'];
    let marks = rest.find(MARKS).unwrap_or(rest.len());
    let (kind, marks) = rest.split_at(marks);
    let mut field = Field {
        shape: shape(kind),
        number: Vec::new(),
        pointer: false,
        written: false,
        required: false,
        atomic: false,
        list: ListKind::Atomic,
        strategy: Strategy::Replace,
        retain_keys: false,
    };
    let mut rest = marks;
    while let Some(mark) = rest.chars().next() {
        let tail = &rest[1..];
        let end = tail.find(MARKS).unwrap_or(tail.len());
        let (word, next) = tail.split_at(end);
        match (mark, word) {
            ('@', _) => field.number = word.split('.').filter_map(|number| number.parse().ok()).collect(),
            ('*', _) => field.pointer = true,
            ('^', _) => field.written = true,
            ('!', _) => field.required = true,
            ('%', _) => field.atomic = true,
            ('/', "set") => field.list = ListKind::Set,
            ('/', _) => {
                let keys = word.trim_start_matches("map:");
                field.list = ListKind::Map(keys.split(',').map(str::to_owned).collect());
            }
            (_, "keys") => field.retain_keys = true,
            _ => field.strategy = Strategy::Merge(word.split_once(':').map(|(_, key)| key.to_owned())),
        }
        rest = next;
    }
    Some((name.to_owned(), field))
}

fn shape(text: &str) -> Shape {
    let inner = |text: &str| Box::new(shape(&text[1..text.len() - 1]));
    match text {
        "s" => Shape::String,
        "i" => Shape::Int32,
        "l" => Shape::Int64,
        "n" => Shape::Number,
        "b" => Shape::Boolean,
        "q" => Shape::Quantity,
        "x" => Shape::IntOrString,
        "t" => Shape::Time,
        "u" => Shape::MicroTime,
        "y" => Shape::Bytes,
        "o" => Shape::Any,
        list if list.starts_with('[') => Shape::List(inner(list)),
        map if map.starts_with('{') => Shape::Map(inner(map)),
        name => Shape::Type(name.to_owned()),
    }
}
