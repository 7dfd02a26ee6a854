//! The fields of a value, and the fields in which two values differ.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::Set;
use crate::kubernetes::schema::{ListKind, View, element, same_element};

/// In which fields two values differ.
#[derive(Clone, Debug, Default)]
pub(super) struct Difference {
    pub(super) added: Set,
    pub(super) modified: Set,
    pub(super) removed: Set,
}

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
        Value::Array(items) if *view.list() != ListKind::Atomic => {
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
        for (name, old, new) in side_by_side(old, new) {
            let child = match (old, new) {
                (Some(Value::Object(old)), Some(Value::Object(new))) if name == "metadata" => {
                    fields(old, new, view.child(name), Some("managedFields"))
                }
                _ => both(old, new, view.child(name)),
            };
            child.graft(&mut difference, name);
        }
    }
    difference
}

/// Compares one field of an object, before and after.
pub(super) fn compare_field(name: &str, old: &Value, new: &Value, view: View<'_>) -> Difference {
    let mut difference = Difference::default();
    both(Some(old), Some(new), view.child(name)).graft(&mut difference, name);
    difference
}

/// The fields of both, each with what it is in either.
fn side_by_side<'a>(
    old: &'a Map<String, Value>,
    new: &'a Map<String, Value>,
) -> impl Iterator<Item = (&'a String, Option<&'a Value>, Option<&'a Value>)> {
    let before = old.iter().map(|(name, value)| (name, Some(value), new.get(name)));
    let come = new.iter().filter(|(name, _)| !old.contains_key(*name));
    before.chain(come.map(|(name, value)| (name, None, Some(value))))
}

/// Compares the fields of two objects, but for the one that nobody owns: who owns what.
fn fields(old: &Map<String, Value>, new: &Map<String, Value>, view: View<'_>, without: Option<&str>) -> Difference {
    let mut difference = Difference::default();
    for (name, old, new) in side_by_side(old, new) {
        if old == new || without == Some(name) {
            continue;
        }
        both(old, new, view.child(name)).graft(&mut difference, name);
    }
    difference
}

impl Difference {
    /// What is new and what is another.
    pub(super) fn changed(&self) -> Set {
        self.added.clone().union(&self.modified)
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
fn everything(value: &Value, view: View<'_>) -> Set {
    let mut set = Set::leaf();
    match value {
        Value::Object(fields) if !view.atomic() => {
            for (name, value) in fields {
                set.children
                    .insert(format!("f:{name}"), everything(value, view.child(name)));
            }
        }
        Value::Array(items) if *view.list() != ListKind::Atomic => {
            let kind = view.list();
            for item in items {
                if let Some(name) = element(&kind, item) {
                    set.children.insert(name, everything(item, view.item()));
                }
            }
        }
        _ => {}
    }
    set
}

/// All places of a value that is there on one side only. What Go always writes was there on the other side as well, empty: only
/// what is in it has come or gone.
fn alone(value: &Value, view: View<'_>) -> Set {
    if !view.written() || view.atomic() {
        return everything(value, view);
    }
    let mut set = Set::default();
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                set.children.insert(format!("f:{name}"), alone(value, view.child(name)));
            }
        }
        Value::Array(_) if *view.list() != ListKind::Atomic => set.children = everything(value, view).children,
        Value::Array(_) => set.member = true,
        Value::String(text) => set.member = !text.is_empty(),
        Value::Number(number) => set.member = number.as_f64() != Some(0.0),
        Value::Bool(value) => set.member = *value,
        Value::Null => {}
    }
    set
}

/// The items of a list, by the path elements that name them.
fn by_name<'a>(items: &'a [Value], kind: &ListKind) -> BTreeMap<String, &'a Value> {
    items
        .iter()
        .filter_map(|item| Some((element(kind, item)?, item)))
        .collect()
}

fn both(old: Option<&Value>, new: Option<&Value>, view: View<'_>) -> Difference {
    let mut difference = Difference::default();
    match (old, new) {
        (None | Some(Value::Null), None | Some(Value::Null)) => {}
        (None | Some(Value::Null), Some(new)) => difference.added = alone(new, view),
        (Some(old), None | Some(Value::Null)) => difference.removed = alone(old, view),
        (Some(old), Some(new)) if old == new => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) if !view.atomic() => {
            return fields(old, new, view, None);
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) if *view.list() != ListKind::Atomic => {
            let kind = view.list();
            // Mostly the same items are on both sides, and their names need not be made.
            if old.len() == new.len() && old.iter().zip(new).all(|(old, new)| same_element(&kind, old, new)) {
                for (old, new) in old.iter().zip(new).filter(|(old, new)| old != new) {
                    let child = both(Some(old), Some(new), view.item());
                    child.graft_at(&mut difference, || element(&kind, old).unwrap_or_default());
                }
                return difference;
            }
            let (old, new) = (by_name(old, &kind), by_name(new, &kind));
            for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
                let child = both(old.get(name).copied(), new.get(name).copied(), view.item());
                child.graft_at(&mut difference, || name.clone());
            }
        }
        _ => difference.modified = Set::leaf(),
    }
    difference
}
