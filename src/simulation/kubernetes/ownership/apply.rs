//! Server-side apply: what a manager says shall be, merged into what is.

use serde_json::{Map, Value};

use super::{
    Identity, Managed, Set,
    compare::{compare, fields_of},
    stripped,
};
use crate::kubernetes::schema::{ListKind, View, element};

/// A field that somebody else owns and has otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Who, in words.
    pub manager: String,
    /// `.spec.replicas`.
    pub field: String,
}

/// An object that is not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApplyError {
    /// Others own some of it.
    Conflicts(Vec<Conflict>),
}

/// Merges what a manager applies into the live object. `finish` brings the result into the form in which it is stored,
/// with its defaults, before it is compared.
pub fn apply(
    live: &Value,
    config: &Value,
    view: View<'_>,
    manager: &Identity,
    force: bool,
    now: &str,
    finish: impl FnOnce(&mut Value),
) -> Result<Value, ApplyError> {
    let mut managed = Managed::read(live);
    let last = managed.get(manager).unwrap_or_default();
    let wanted = stripped(fields_of(config, view), manager);
    let mut merged = merge(live, config, view);
    // What it applies now stays, too, where only the map or object around it is given up.
    let kept = managed
        .others(manager)
        .fold(wanted.clone(), |all, (_, set)| all.union(set));
    prune(&mut merged, &last.difference(&wanted), &kept, view);
    finish(&mut merged);
    let difference = compare(live, &merged, view);
    let changed = difference.changed();
    if !force {
        let mut conflicts = Vec::new();
        for (identity, set) in managed.others(manager) {
            for field in set.intersection(&changed).paths() {
                conflicts.push(Conflict {
                    manager: identity.words(),
                    field,
                });
            }
        }
        if !conflicts.is_empty() {
            conflicts.sort_by(|left, right| (&left.manager, &left.field).cmp(&(&right.manager, &right.field)));
            return Err(ApplyError::Conflicts(conflicts));
        }
    }
    managed.take(manager, &changed, &difference.removed);
    managed.put(manager, wanted, now);
    managed.write(&mut merged);
    Ok(merged)
}

fn merge(live: &Value, config: &Value, view: View<'_>) -> Value {
    match (live, config) {
        (Value::Object(live), Value::Object(config)) if !view.atomic() => {
            let mut merged = live.clone();
            for (name, value) in config {
                let inner = match live.get(name) {
                    Some(live) => merge(live, value, view.child(name)),
                    None => value.clone(),
                };
                merged.insert(name.clone(), inner);
            }
            Value::Object(merged)
        }
        (Value::Array(live), Value::Array(config)) if *view.list() != ListKind::Atomic => {
            merge_list(live, config, view)
        }
        (_, config) => config.clone(),
    }
}

/// Both keep their order: what only the live list has comes as early as that allows.
fn merge_list(live: &[Value], config: &[Value], view: View<'_>) -> Value {
    let kind = view.list();
    let names = |list: &[Value]| -> Vec<Option<String>> { list.iter().map(|item| element(&kind, item)).collect() };
    let (left, right) = (names(live), names(config));
    let mut shared = right.iter().filter(|name| left.contains(name)).peekable();
    let mut merged = Vec::new();
    let (mut l, mut r) = (0, 0);
    while l < live.len() || r < config.len() {
        if l < live.len() {
            if !right.contains(&left[l]) {
                merged.push(live[l].clone());
                l += 1;
                continue;
            }
            // A shared one whose turn is not now comes where it is applied.
            if shared.peek().is_none_or(|next| **next != left[l]) {
                l += 1;
                continue;
            }
        }
        if r < config.len() {
            match left.iter().position(|name| *name == right[r]) {
                Some(at) => {
                    merged.push(merge(&live[at], &config[r], view.item()));
                    shared.next();
                    if l < live.len() && left[l] == right[r] {
                        l += 1;
                    }
                }
                None => merged.push(config[r].clone()),
            }
            r += 1;
        }
    }
    Value::Array(merged)
}

/// Takes away what the manager applied before and does not any more, unless it or something in it is kept.
fn prune(value: &mut Value, dropped: &Set, kept: &Set, view: View<'_>) {
    match value {
        Value::Object(fields) => prune_object(fields, dropped, kept, view),
        Value::Array(items) if *view.list() != ListKind::Atomic => {
            let kind = view.list();
            items.retain_mut(|item| {
                let Some(name) = element(&kind, item) else { return true };
                let Some(dropped) = dropped.children.get(&name) else {
                    return true;
                };
                let kept = kept.children.get(&name).cloned().unwrap_or_default();
                if dropped.member && kept.is_empty() {
                    return false;
                }
                prune(item, dropped, &kept, view.item());
                true
            });
        }
        _ => {}
    }
}

fn prune_object(fields: &mut Map<String, Value>, dropped: &Set, kept: &Set, view: View<'_>) {
    for (element, dropped) in dropped.children.iter() {
        let Some(name) = element.strip_prefix("f:") else {
            continue;
        };
        let kept = kept.children.get(element).cloned().unwrap_or_default();
        if dropped.member && kept.is_empty() {
            fields.remove(name);
            continue;
        }
        if let Some(value) = fields.get_mut(name) {
            prune(value, dropped, &kept, view.child(name));
            let emptied = match value {
                Value::Object(fields) => fields.is_empty(),
                Value::Array(items) => items.is_empty(),
                _ => false,
            };
            if emptied && kept.is_empty() {
                fields.remove(name);
            }
        }
    }
}
