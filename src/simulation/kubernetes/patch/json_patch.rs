//! RFC 6902, with the liberties of the library that the API server uses: negative indexes count from the end.

use serde_json::Value;

use crate::kubernetes::json;

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// Adds or replaces.
    Add(String, Value),
    /// Removes what is there.
    Remove(String),
    /// Replaces what is there.
    Replace(String, Value),
    /// Takes away and adds.
    Move(String, String),
    /// Adds what is elsewhere.
    Copy(String, String),
    /// Holds only if it is equal.
    Test(String, Value),
    /// None that exists: read, and refused when its turn comes.
    Unknown(String),
}

impl Operation {
    /// Reads a patch; the error is what the decoder says.
    pub fn parse(patch: &Value) -> Result<Vec<Self>, String> {
        let Some(operations) = patch.as_array() else {
            return Err(format!(
                "json: cannot unmarshal {} into Go value of type []handlers.jsonPatchOp",
                json::kind(patch)
            ));
        };
        operations
            .iter()
            .map(|operation| {
                if !operation.is_object() {
                    return Err(format!(
                        "json: cannot unmarshal {} into Go value of type handlers.jsonPatchOp",
                        json::kind(operation)
                    ));
                }
                let text = |name: &str| operation[name].as_str().unwrap_or_default().to_owned();
                let value = || operation["value"].clone();
                Ok(match operation["op"].as_str().unwrap_or("unknown") {
                    "add" => Self::Add(text("path"), value()),
                    "remove" => Self::Remove(text("path")),
                    "replace" => Self::Replace(text("path"), value()),
                    "move" => Self::Move(text("from"), text("path")),
                    "copy" => Self::Copy(text("from"), text("path")),
                    "test" => Self::Test(text("path"), value()),
                    other => Self::Unknown(other.to_owned()),
                })
            })
            .collect()
    }
}

/// Carries out all operations, or none.
pub fn apply(document: &Value, operations: &[Operation]) -> Result<Value, String> {
    let mut document = document.clone();
    for operation in operations {
        match operation {
            Operation::Add(path, value) => add(&mut document, path, value.clone())?,
            Operation::Remove(path) => {
                remove(&mut document, path)?;
            }
            Operation::Replace(path, value) => replace(&mut document, path, value.clone())?,
            Operation::Move(from, path) => {
                let value = remove(&mut document, from)?;
                add(&mut document, path, value)?;
            }
            Operation::Copy(from, path) => {
                let value = copied(&mut document, from)?;
                add(&mut document, path, value)?;
            }
            Operation::Test(path, value) => {
                let holds = match find(&mut document, path) {
                    Ok(found) => found == value,
                    Err(_) => value.is_null(),
                };
                if !holds {
                    return Err(format!("testing value {path} failed: test failed"));
                }
            }
            Operation::Unknown(kind) => return Err(format!("Unexpected kind: {kind}")),
        }
    }
    Ok(document)
}

fn names(path: &str) -> Result<Vec<String>, String> {
    if path.is_empty() {
        return Ok(Vec::new());
    }
    // What is before the first slash is not looked at.
    Ok(path
        .split('/')
        .skip(1)
        .map(|name| name.replace("~1", "/").replace("~0", "~"))
        .collect())
}

fn missing(path: &str) -> String {
    format!("doc is missing path: {path}: missing value")
}

fn index(name: &str, length: usize) -> Option<usize> {
    let at: i64 = name.parse().ok()?;
    let length = i64::try_from(length).ok()?;
    let at = if at < 0 { at + length } else { at };
    usize::try_from(at).ok()
}

fn step<'a>(value: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    match value {
        Value::Object(fields) => fields.get_mut(name),
        Value::Array(items) => {
            let at = index(name, items.len())?;
            items.get_mut(at)
        }
        _ => None,
    }
}

fn find<'a>(document: &'a mut Value, path: &str) -> Result<&'a mut Value, String> {
    let mut found = document;
    for name in names(path)? {
        found = step(found, &name).ok_or_else(|| missing(path))?;
    }
    Ok(found)
}

fn parent<'a>(document: &'a mut Value, path: &str) -> Result<(&'a mut Value, String), String> {
    let mut names = names(path)?;
    let last = names.pop().ok_or_else(|| missing(path))?;
    let mut found = document;
    for name in names {
        found = step(found, &name).ok_or_else(|| missing(path))?;
    }
    Ok((found, last))
}

/// A field of an object may be replaced that is not there yet.
fn replace(document: &mut Value, path: &str, value: Value) -> Result<(), String> {
    let (parent, name) = parent(document, path)?;
    match parent {
        Value::Object(fields) => {
            fields.insert(name, value);
            Ok(())
        }
        other => {
            *step(other, &name).ok_or_else(|| missing(path))? = value;
            Ok(())
        }
    }
}

/// A field of an object that is not there is copied as nothing.
fn copied(document: &mut Value, path: &str) -> Result<Value, String> {
    let (parent, name) = parent(document, path)?;
    match parent {
        Value::Object(fields) => Ok(fields.get(&name).cloned().unwrap_or_default()),
        other => step(other, &name).cloned().ok_or_else(|| missing(path)),
    }
}

fn add(document: &mut Value, path: &str, value: Value) -> Result<(), String> {
    let (parent, name) = parent(document, path)?;
    match parent {
        Value::Object(fields) => {
            fields.insert(name, value);
            Ok(())
        }
        Value::Array(items) if name == "-" => {
            items.push(value);
            Ok(())
        }
        Value::Array(items) => {
            // The place behind the last one is -1 here.
            let at = index(&name, items.len() + 1).filter(|at| *at <= items.len());
            let at = at.ok_or_else(|| format!("Unable to access invalid index: {name}: invalid index referenced"))?;
            items.insert(at, value);
            Ok(())
        }
        _ => Err(missing(path)),
    }
}

fn remove(document: &mut Value, path: &str) -> Result<Value, String> {
    let (parent, name) = parent(document, path)?;
    match parent {
        Value::Object(fields) => fields
            .remove(&name)
            .ok_or_else(|| format!("unable to remove nonexistent key: {name}: missing value")),
        Value::Array(items) => match index(&name, items.len()).filter(|at| *at < items.len()) {
            Some(at) => Ok(items.remove(at)),
            None => Err(format!(
                "Unable to access invalid index: {name}: invalid index referenced"
            )),
        },
        _ => Err(missing(path)),
    }
}
