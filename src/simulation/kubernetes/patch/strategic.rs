//! Strategic merge patch: merge patch with lists that are merged by key, as the types of the API say.

use serde_json::{Map, Value};

use crate::kubernetes::{
    json,
    quoting::go_map,
    schema::{self, Shape, Strategy, Type},
};

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList";
const SET_ORDER: &str = "$setElementOrder";

/// A patch that is not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StrategicError {
    /// It does not have the form of one: 400.
    Form(&'static str),
    /// It contradicts itself: 422.
    Content(&'static str),
    /// What the real one has no status for: 500.
    Other(String),
}

/// Merges a patch into an object of a type.
pub fn apply(original: &Value, patch: &Value, kind: Option<&Type>) -> Result<Value, StrategicError> {
    let (Value::Object(original), Value::Object(patch)) = (original, patch) else {
        return Err(StrategicError::Form("invalid JSON document"));
    };
    merge_map(original.clone(), patch.clone(), kind).map(Value::Object)
}

fn merge_map(
    mut original: Map<String, Value>,
    mut patch: Map<String, Value>,
    kind: Option<&Type>,
) -> Result<Map<String, Value>, StrategicError> {
    if let Some(directive) = patch.remove(DIRECTIVE) {
        return match directive.as_str() {
            Some("replace") => Ok(patch),
            Some("delete") => Ok(Map::new()),
            _ => Err(unknown(&directive, &patch)),
        };
    }
    retain_keys(&mut original, &mut patch)?;
    set_orders(&mut original, &mut patch, kind)?;
    for (name, value) in patch {
        let (name, deletes) = match name.split_once('/') {
            Some((DELETE_FROM, name)) => (name.to_owned(), true),
            _ if name.starts_with(DELETE_FROM) => {
                return Err(StrategicError::Form("invalid patch format of primitive list"));
            }
            _ => (name, false),
        };
        if value.is_null() {
            original.remove(&name);
            continue;
        }
        let Some(current) = original.get(&name) else {
            if !deletes {
                put(&mut original, name, value);
            }
            continue;
        };
        let inner = Inner::of(kind, &name);
        match (current.clone(), value) {
            (Value::Object(current), Value::Object(value)) => {
                let merged = merge_map(current, value, inner.kind)?;
                original.insert(name, Value::Object(merged));
            }
            (Value::Array(current), Value::Array(value)) => {
                let merged = if deletes {
                    current.into_iter().filter(|item| !value.contains(item)).collect()
                } else {
                    inner.merge_list(current, value)?
                };
                original.insert(name, Value::Array(merged));
            }
            (_, value) if !deletes => put(&mut original, name, value),
            _ => {}
        }
    }
    Ok(original)
}

/// What the types say about a field.
struct Inner<'a> {
    kind: Option<&'a Type>,
    strategy: Strategy,
}

impl<'a> Inner<'a> {
    fn of(kind: Option<&'a Type>, name: &str) -> Self {
        let field = kind.and_then(|kind| kind.fields.get(name));
        let inner = match field.map(|field| &field.shape) {
            Some(Shape::Type(name)) => schema::find(name),
            Some(Shape::List(inner) | Shape::Map(inner)) => match &**inner {
                Shape::Type(name) => schema::find(name),
                _ => None,
            },
            _ => None,
        };
        Self {
            kind: inner,
            strategy: field.map_or(Strategy::Replace, |field| field.strategy.clone()),
        }
    }

    fn key(&self) -> Option<&str> {
        match &self.strategy {
            Strategy::Merge(key) => key.as_deref(),
            Strategy::Replace => None,
        }
    }

    fn merge_list(&self, original: Vec<Value>, patch: Vec<Value>) -> Result<Vec<Value>, StrategicError> {
        let Strategy::Merge(key) = &self.strategy else {
            return Ok(patch);
        };
        if original.is_empty() && patch.is_empty() {
            return Ok(original);
        }
        let objects = original.iter().chain(&patch).any(Value::is_object);
        if original.iter().chain(&patch).any(|item| item.is_object() != objects) {
            return Err(StrategicError::Other("list element types are not identical".to_owned()));
        }
        if !objects {
            let mut merged: Vec<Value> = Vec::new();
            for item in original.iter().chain(&patch) {
                if !merged.contains(item) {
                    merged.push(item.clone());
                }
            }
            return Ok(ordered(merged, &patch, &original, None));
        }
        let Some(key) = key else {
            return Err(StrategicError::Other("cannot merge lists without merge key".to_owned()));
        };
        let (original, patch) = directives(original, patch, key)?;
        let mut merged = original.clone();
        for item in &patch {
            let wanted = item.get(key).ok_or_else(|| no_key(item, key))?;
            let Value::Object(item) = item else { continue };
            match merged.iter().position(|other| other.get(key) == Some(wanted)) {
                Some(at) => {
                    let Value::Object(current) = merged[at].clone() else {
                        continue;
                    };
                    merged[at] = Value::Object(merge_map(current, item.clone(), self.kind)?);
                }
                None => merged.push(Value::Object(item.clone())),
            }
        }
        Ok(ordered(merged, &patch, &original, Some(key)))
    }
}

/// Carries out the `$patch` of elements; returns what is left of both lists.
fn directives(
    mut original: Vec<Value>,
    patch: Vec<Value>,
    key: &str,
) -> Result<(Vec<Value>, Vec<Value>), StrategicError> {
    let mut rest = Vec::new();
    let mut replace = false;
    for item in patch {
        match item
            .get(DIRECTIVE)
            .map(|directive| directive.as_str().unwrap_or_default())
        {
            None => rest.push(item),
            Some("delete") => {
                let wanted = item.get(key).ok_or_else(|| no_key(&item, key))?;
                original.retain(|other| other.get(key) != Some(wanted));
            }
            Some("replace") => replace = true,
            Some("merge") => {
                let words = "merging lists cannot yet be specified in the patch";
                return Err(StrategicError::Other(words.to_owned()));
            }
            Some(_) => {
                let empty = Map::new();
                let item = item.as_object().unwrap_or(&empty);
                return Err(unknown(&item[DIRECTIVE], item));
            }
        }
    }
    Ok(if replace { (rest, Vec::new()) } else { (original, rest) })
}

/// `$retainKeys`: whatever else the original has goes.
fn retain_keys(original: &mut Map<String, Value>, patch: &mut Map<String, Value>) -> Result<(), StrategicError> {
    const FORM: StrategicError = StrategicError::Form("invalid patch format of retainKeys");
    let Some(kept) = patch.remove(RETAIN_KEYS) else {
        return Ok(());
    };
    let Value::Array(kept) = kept else {
        return Err(FORM);
    };
    let listed = |name: &str| kept.iter().any(|kept| kept == name);
    for (name, value) in patch.iter() {
        let directive = name.starts_with(DELETE_FROM) || name.starts_with(SET_ORDER);
        if !value.is_null() && !directive && !listed(name) {
            return Err(FORM);
        }
    }
    original.retain(|name, _| listed(name));
    Ok(())
}

/// `$setElementOrder/<list>`: merges these lists and brings them into this order.
fn set_orders(
    original: &mut Map<String, Value>,
    patch: &mut Map<String, Value>,
    kind: Option<&Type>,
) -> Result<(), StrategicError> {
    const FORM: StrategicError = StrategicError::Form("invalid patch format of setElementOrder list");
    let directives: Vec<String> = patch
        .keys()
        .filter(|name| name.starts_with(SET_ORDER))
        .cloned()
        .collect();
    for directive in directives {
        let order = match patch.remove(&directive) {
            Some(Value::Array(order)) => order,
            other => {
                let found = json::kind(&other.unwrap_or_default());
                return Err(StrategicError::Other(format!(
                    "expected a []interface {{}}, but received a {found}"
                )));
            }
        };
        let Some((_, name)) = directive.split_once('/') else {
            return Err(FORM);
        };
        let inner = Inner::of(kind, name);
        let list = |value: Option<&Value>| -> Result<Option<Vec<Value>>, StrategicError> {
            match value {
                None => Ok(None),
                Some(Value::Array(items)) => Ok(Some(items.clone())),
                Some(_) => Err(FORM),
            }
        };
        let live = list(original.get(name))?;
        let wanted = list(patch.get(name))?;
        if let Some(wanted) = &wanted {
            judge_order(wanted, &order, inner.key())?;
        }
        let merged = match (&live, wanted) {
            (None, None) => continue,
            (Some(live), None) => live.clone(),
            (None, Some(wanted)) => match clean(Value::Array(wanted)) {
                Some(Value::Array(wanted)) => wanted,
                _ => continue,
            },
            (Some(live), Some(wanted)) => inner.merge_list(live.clone(), wanted)?,
        };
        let merged = ordered(merged, &order, &live.unwrap_or_default(), inner.key());
        original.insert(name.to_owned(), Value::Array(merged));
        patch.remove(name);
    }
    Ok(())
}

/// What a patch adds has to be in its own order.
fn judge_order(patch: &[Value], order: &[Value], key: Option<&str>) -> Result<(), StrategicError> {
    if patch.is_empty() || order.is_empty() {
        return Ok(());
    }
    let mut order = order.iter();
    for item in patch.iter().filter(|item| item.get(DIRECTIVE).is_none()) {
        if !order.any(|other| same(item, other, key)) {
            let words = "The order in patch list doesn't match $setElementOrder list";
            return Err(StrategicError::Other(words.to_owned()));
        }
    }
    Ok(())
}

fn same(left: &Value, right: &Value, key: Option<&str>) -> bool {
    match key {
        Some(key) => left.get(key).is_some() && left.get(key) == right.get(key),
        None => left == right,
    }
}

/// What the patch names comes in the patch's order; what only the server has stays where it was, as far as it can.
fn ordered(merged: Vec<Value>, patch: &[Value], server: &[Value], key: Option<&str>) -> Vec<Value> {
    let place = |list: &[Value], item: &Value| list.iter().position(|other| same(item, other, key));
    let (mut named, mut rest): (Vec<Value>, Vec<Value>) =
        merged.into_iter().partition(|item| place(patch, item).is_some());
    named.sort_by_key(|item| place(patch, item));
    rest.sort_by_key(|item| place(server, item).unwrap_or(usize::MAX));
    let mut all = Vec::with_capacity(named.len() + rest.len());
    let mut named = named.into_iter().peekable();
    let mut rest = rest.into_iter().peekable();
    loop {
        match (rest.peek(), named.peek()) {
            (None, None) => return all,
            (None, _) => all.extend(named.by_ref()),
            (_, None) => all.extend(rest.by_ref()),
            (Some(left), Some(right)) => {
                let before = place(server, left)
                    .zip(place(server, right))
                    .is_some_and(|(left, right)| left < right);
                all.extend(if before { rest.next() } else { named.next() });
            }
        }
    }
}

/// Puts what was not there, without what only means something when it is merged.
fn put(original: &mut Map<String, Value>, name: String, value: Value) {
    match clean(value) {
        Some(value) => {
            original.insert(name, value);
        }
        None => {
            original.remove(&name);
        }
    }
}

fn clean(value: Value) -> Option<Value> {
    match value {
        Value::Object(fields) => {
            let mut fields = fields;
            if fields.remove(DIRECTIVE).is_some_and(|directive| directive == "delete") {
                return None;
            }
            fields.retain(|name, value| {
                !value.is_null()
                    && name != RETAIN_KEYS
                    && !name.starts_with(DELETE_FROM)
                    && !name.starts_with(SET_ORDER)
            });
            Some(Value::Object(
                fields
                    .into_iter()
                    .filter_map(|(name, value)| Some((name, clean(value)?)))
                    .collect(),
            ))
        }
        Value::Array(items) => Some(Value::Array(items.into_iter().filter_map(clean).collect())),
        other => Some(other),
    }
}

fn no_key(item: &Value, key: &str) -> StrategicError {
    StrategicError::Other(format!(
        "map: {} does not contain declared merge key: {key}",
        go_map(item)
    ))
}

fn unknown(directive: &Value, patch: &Map<String, Value>) -> StrategicError {
    let directive = directive.as_str().unwrap_or_default();
    StrategicError::Other(format!(
        "unknown patch type: {directive} in map: {}",
        go_map(&Value::Object(patch.clone()))
    ))
}
