//! The fields of a value, and the fields in which two values differ.

use std::collections::BTreeMap;

use serde_json::Value;

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
        let names = old.keys().chain(new.keys()).collect::<std::collections::BTreeSet<_>>();
        for name in names {
            if name == "metadata" {
                // Nobody owns who owns what.
                let without = |object: Option<&Value>| {
                    let mut metadata = object.cloned().unwrap_or_default();
                    if let Value::Object(fields) = &mut metadata {
                        fields.remove("managedFields");
                    }
                    metadata
                };
                let (old, new) = (without(old.get(name)), without(new.get(name)));
                both(Some(&old), Some(&new), view.child(name), "metadata").graft(&mut difference, "f:metadata");
                continue;
            }
            both(old.get(name), new.get(name), view.child(name), name).graft(&mut difference, &format!("f:{name}"));
        }
    }
    difference
}

impl Difference {
    fn graft(self, onto: &mut Self, name: &str) {
        for (from, onto) in [
            (self.added, &mut onto.added),
            (self.modified, &mut onto.modified),
            (self.removed, &mut onto.removed),
        ] {
            if !from.is_empty() {
                onto.children.insert(name.to_owned(), from);
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

fn both(old: Option<&Value>, new: Option<&Value>, view: View<'_>, name: &str) -> Difference {
    let mut difference = Difference::default();
    match (old, new) {
        (None | Some(Value::Null), None | Some(Value::Null)) => {}
        (None | Some(Value::Null), Some(new)) => difference.added = everything(new, view, name),
        (Some(old), None | Some(Value::Null)) => difference.removed = everything(old, view, name),
        (Some(old), Some(new)) if old == new => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) if !view.atomic() => {
            let names = old.keys().chain(new.keys()).collect::<std::collections::BTreeSet<_>>();
            for name in names {
                both(old.get(name), new.get(name), view.child(name), name).graft(&mut difference, &format!("f:{name}"));
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) if view.list() != ListKind::Atomic => {
            let kind = view.list();
            let by_name = |items: &[Value]| -> BTreeMap<String, Value> {
                items
                    .iter()
                    .filter_map(|item| Some((element(&kind, item)?, item.clone())))
                    .collect()
            };
            let (old, new) = (by_name(old), by_name(new));
            let names = old.keys().chain(new.keys()).collect::<std::collections::BTreeSet<_>>();
            for name in names {
                both(old.get(name), new.get(name), view.item(), "").graft(&mut difference, name);
            }
        }
        _ => difference.modified = Set::leaf(),
    }
    difference
}
