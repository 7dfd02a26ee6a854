//! `/scale` is an object of its own, with fields that have owners: whoever owns the replicas there owns them in what is scaled.

use serde_json::{Value, json};

use super::Set;

/// The version in which a Scale is written.
const SCALE: &str = "autoscaling/v1";

/// Where the replicas are in one version of what is scaled.
pub struct Place<'a> {
    /// The version.
    pub api_version: &'a str,
    /// The steps to them; none when that version cannot be scaled.
    pub path: Option<Vec<String>>,
}

impl Place<'_> {
    fn set(&self) -> Option<Set> {
        self.path.as_ref().map(|path| alone(path))
    }
}

/// A set of one field.
fn alone(path: &[String]) -> Set {
    let leaf = Set::leaf();
    path.iter().rev().fold(leaf, |inner, step| {
        let mut set = Set::default();
        set.children.insert(format!("f:{step}"), inner);
        set
    })
}

fn replicas_of_scale() -> Set {
    alone(&["spec".to_owned(), "replicas".to_owned()])
}

/// Of two entries of the same one only the later holds.
fn entries(managed: &Value) -> Vec<&Value> {
    let all = managed.as_array().map_or(&[][..], Vec::as_slice);
    let later = |index: usize| all[index + 1..].iter().map(identity);
    let holds = |index: &usize| later(*index).all(|other| other != identity(&all[*index]));
    (0..all.len()).filter(holds).map(|index| &all[index]).collect()
}

/// Who it is: the version does not tell apart those who apply.
fn identity(entry: &Value) -> (Value, Value, Value, Value) {
    let version = if entry["operation"] == "Apply" {
        Value::Null
    } else {
        entry["apiVersion"].clone()
    };
    (
        entry["manager"].clone(),
        entry["operation"].clone(),
        version,
        entry["subresource"].clone(),
    )
}

fn has(entry: &Value, field: &Set) -> bool {
    field.difference(&Set::read(&entry["fieldsV1"])).is_empty()
}

/// The owners of a Scale: those of the replicas of what is scaled.
pub fn of_scale(managed: &Value, places: &[Place<'_>]) -> Value {
    let mut found = Vec::new();
    for entry in entries(managed) {
        let place = places.iter().find(|place| entry["apiVersion"] == *place.api_version);
        if place.and_then(Place::set).is_some_and(|field| has(entry, &field)) {
            let mut entry = entry.clone();
            entry["apiVersion"] = SCALE.into();
            entry["fieldsV1"] = replicas_of_scale().write();
            found.push(entry);
        }
    }
    if found.is_empty() { Value::Null } else { found.into() }
}

/// The owners of what is scaled, once its Scale has those. A writer whom the Scale names by its own version is taken for another one,
/// and so gets an entry of its own: so it is on the real one.
pub fn of_scaled(managed: &Value, scale: &Value, places: &[Place<'_>], version: &Place<'_>) -> Value {
    let mut of_scale = entries(scale);
    let mut found = Vec::new();
    for entry in entries(managed) {
        let Some(place) = places.iter().find(|place| entry["apiVersion"] == *place.api_version) else {
            continue;
        };
        let Some(field) = place.set().filter(|field| has(entry, field)) else {
            found.push(entry.clone());
            continue;
        };
        let same = of_scale.iter().position(|other| identity(other) == identity(entry));
        if let Some(same) = same {
            of_scale.remove(same);
            found.push(entry.clone());
            continue;
        }
        let left = Set::read(&entry["fieldsV1"]).difference(&field);
        if !left.is_empty() {
            let mut entry = entry.clone();
            entry["fieldsV1"] = left.write();
            found.push(entry);
        }
    }
    for entry in of_scale.into_iter().filter(|entry| has(entry, &replicas_of_scale())) {
        let mut kept = json!({
            "manager": entry["manager"],
            "operation": entry["operation"],
            "apiVersion": version.api_version,
            "fieldsType": "FieldsV1",
            "fieldsV1": version.set().unwrap_or_default().write(),
        });
        if entry["subresource"].is_string() {
            kept["subresource"] = entry["subresource"].clone();
        }
        found.push(kept);
    }
    found.sort_by_key(|entry| {
        let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
        (
            text("operation"),
            text("time"),
            text("manager"),
            text("apiVersion"),
            text("subresource"),
        )
    });
    if found.is_empty() { Value::Null } else { found.into() }
}
