//! The fields of a value, and the fields in which two values differ.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::Set;
use crate::simulation::kubernetes::schema::{ListKind, View, element};

/// In which fields two values differ.
#[derive(Clone, Debug, Default)]
pub(super) struct Difference {
    pub(super) added: Set,
    pub(super) modified: Set,
    pub(super) removed: Set,
}

/// Fields that every object has in Go, empty as they may be: they are never added and never removed.
const ALWAYS: &[&str] = &[
    "metadata",
    "spec",
    "status",
    "template",
    "strategy",
    "updateStrategy",
    "jobTemplate",
];

/// The fields of a value, as someone owns them who applies it.
pub(super) fn fields_of(value: &Value, view: View<'_>) -> Set {
    let mut set = Set::default();
    match value {
        Value::Object(fields) if !view.atomic() => {
            for (name, value) in fields {
                let mut child = fields_of(value, view.child(name));
                let empty = value.is_null() || value.as_object().is_some_and(|fields| fields.is_empty());
                if empty || !view.declares(name) {
                    child.member = true;
                }
                set.children.insert(format!("f:{name}"), child);
            }
        }
        Value::Array(items) if view.list() != ListKind::Atomic => {
            let kind = view.list();
            for item in items {
                let Some(name) = element(&kind, item) else { continue };
                let mut child = fields_of(item, view.item());
                child.member = true;
                set.children.insert(name, child);
            }
        }
        _ => set.member = true,
    }
    set
}

/// Compares two objects.
pub(super) fn compare(old: &Value, new: &Value, view: View<'_>) -> Difference {
    let mut difference = Difference::default();
    if let (Value::Object(old), Value::Object(new)) = (old, new) {
        for name in names(old, new) {
            let (old, new) = (old.get(name), new.get(name));
            let child = match (old, new) {
                (Some(Value::Object(old)), Some(Value::Object(new))) if name == "metadata" => {
                    fields(old, new, view.child(name), Some("managedFields"))
                }
                _ => both(old, new, view.child(name), name),
            };
            child.graft(&mut difference, name);
        }
    }
    difference
}

/// Compares one field of an object, before and after.
pub(super) fn compare_field(name: &str, old: &Value, new: &Value, view: View<'_>) -> Difference {
    let mut difference = Difference::default();
    both(Some(old), Some(new), view.child(name), name).graft(&mut difference, name);
    difference
}

/// The names of either, in order.
fn names<'a>(old: &'a Map<String, Value>, new: &'a Map<String, Value>) -> BTreeSet<&'a String> {
    old.keys().chain(new.keys()).collect()
}

/// Compares the fields of two objects, but for the one that nobody owns: who owns what.
fn fields(old: &Map<String, Value>, new: &Map<String, Value>, view: View<'_>, without: Option<&str>) -> Difference {
    let mut difference = Difference::default();
    for name in names(old, new) {
        let (old, new) = (old.get(name), new.get(name));
        if old == new || without == Some(name) {
            continue;
        }
        both(old, new, view.child(name), name).graft(&mut difference, name);
    }
    difference
}

impl Difference {
    /// What is new and what is another.
    pub(super) fn changed(&self) -> Set {
        self.added.union(&self.modified)
    }

    /// Puts what differs in a field where it belongs.
    fn graft(self, onto: &mut Self, field: &str) {
        self.graft_at(onto, || format!("f:{field}"));
    }

    fn graft_at(self, onto: &mut Self, name: impl Fn() -> String) {
        for (from, onto) in [
            (self.added, &mut onto.added),
            (self.modified, &mut onto.modified),
            (self.removed, &mut onto.removed),
        ] {
            if !from.is_empty() {
                onto.children.insert(name(), from);
            }
        }
    }
}

/// All places of a value, containers included.
fn everything(value: &Value, view: View<'_>, name: &str) -> Set {
    let mut set = Set::default();
    let mut whole = true;
    match value {
        Value::Object(fields) if !view.atomic() => {
            whole = fields.is_empty();
            for (name, value) in fields {
                set.children
                    .insert(format!("f:{name}"), everything(value, view.child(name), name));
            }
        }
        Value::Array(items) if view.list() != ListKind::Atomic => {
            whole = items.is_empty();
            let kind = view.list();
            for item in items {
                if let Some(name) = element(&kind, item) {
                    set.children.insert(name, everything(item, view.item(), ""));
                }
            }
        }
        _ => {}
    }
    // A custom resource has no fields that are always there, and a list is owned however it came to be.
    let built_in = !matches!(view, View::Schema(_) | View::Unknown);
    let always = (ALWAYS.contains(&name) && built_in) || (view.required() && !value.is_array());
    let merged = value.is_array() && view.list() != ListKind::Atomic;
    set.member = if value.is_object() || value.is_array() {
        !(always || merged && view.required()) || view.atomic()
    } else {
        whole
    };
    set
}

/// The items of a list, by the path elements that name them.
fn by_name<'a>(items: &'a [Value], kind: &ListKind) -> BTreeMap<String, &'a Value> {
    items
        .iter()
        .filter_map(|item| Some((element(kind, item)?, item)))
        .collect()
}

fn both(old: Option<&Value>, new: Option<&Value>, view: View<'_>, name: &str) -> Difference {
    let mut difference = Difference::default();
    match (old, new) {
        (None | Some(Value::Null), None | Some(Value::Null)) => {}
        (None | Some(Value::Null), Some(new)) => difference.added = everything(new, view, name),
        (Some(old), None | Some(Value::Null)) => difference.removed = everything(old, view, name),
        (Some(old), Some(new)) if old == new => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) if !view.atomic() => {
            return fields(old, new, view, None);
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) if view.list() != ListKind::Atomic => {
            let kind = view.list();
            let (old, new) = (by_name(old, &kind), by_name(new, &kind));
            for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
                let child = both(old.get(name).copied(), new.get(name).copied(), view.item(), "");
                child.graft_at(&mut difference, || name.clone());
            }
        }
        _ => difference.modified = Set::leaf(),
    }
    difference
}
