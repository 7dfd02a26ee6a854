//! One stored object: its JSON in the parts that are written apart, and of its metadata what is asked for all the time.
//!
//! Who writes a status leaves the specification as it is, and the other way round: an object shares with the one before it
//! every part that is the same, and whoever needs one part reads no other.

use std::{
    any::Any,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::shelf::Shelf;
use crate::simulation::kubernetes::{
    ownership::Kept,
    resources::{PODS, ResourceId},
};

/// Where an object is. The namespace of a cluster-scoped one is empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its resource.
    pub resource: ResourceId,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

impl Key {
    /// A key.
    pub fn new(resource: ResourceId, namespace: &str, name: &str) -> Self {
        Self {
            resource,
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

/// One of `metadata.ownerReferences`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// `apps/v1`.
    pub api_version: Arc<str>,
    /// `ReplicaSet`.
    pub kind: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its uid.
    pub uid: Arc<str>,
    /// Whether it is the controller.
    pub controller: bool,
    /// Whether its deletion in the foreground waits for this object.
    pub blocks: bool,
}

/// A stored object. It never changes: a write stores another one.
#[derive(Debug)]
pub struct Object {
    head: Arc<Head>,
    revision: u64,
    managed: Kept,
    spec: Option<Arc<str>>,
    status: Option<Arc<str>>,
    node: Option<Arc<str>>,
    facts: OnceLock<Box<dyn Any + Send + Sync>>,
}

/// All but specification and status, and but for what every write changes.
#[derive(Debug)]
struct Head {
    key: Key,
    uid: Arc<str>,
    generation: i64,
    labels: Box<[(Arc<str>, Arc<str>)]>,
    owners: Box<[Owner]>,
    deleting: bool,
    finalized: bool,
    api_version: Arc<str>,
    kind: Arc<str>,
    /// `metadata` without resourceVersion and managedFields.
    metadata: Box<str>,
    /// The other fields, as one JSON object.
    rest: Box<str>,
}

/// The fields that have a place of their own.
const APART: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];
/// The fields of the metadata that are kept apart from it.
const OF_A_WRITE: [&str; 2] = ["managedFields", "resourceVersion"];

impl Object {
    /// What is told and not kept: it has no resourceVersion.
    pub(in crate::simulation::kubernetes) fn unstored(key: Key, value: &Value) -> Self {
        Self::encode(key, value, Kept::default(), 0, None, &mut Shelf::default())
    }

    /// Writes a value down. Its managedFields and its resourceVersion are not taken from it, but given. What is as in the object
    /// before is shared with it.
    pub(super) fn encode(
        key: Key,
        value: &Value,
        managed: Kept,
        revision: u64,
        before: Option<&Self>,
        shelf: &mut Shelf,
    ) -> Self {
        let nothing = Map::new();
        let metadata = value.get("metadata").and_then(Value::as_object).unwrap_or(&nothing);
        let metadata_text = text_of_fields(metadata, |name, value| !value.is_null() && !OF_A_WRITE.contains(&name));
        let whole = value.as_object().unwrap_or(&nothing);
        let rest = text_of_fields(whole, |name, _| !APART.contains(&name));
        let same = before.filter(|before| *before.head.metadata == *metadata_text && *before.head.rest == *rest);
        let head = match same {
            Some(before) => Arc::clone(&before.head),
            None => Arc::new(Head::read(key, value, metadata_text, rest, shelf)),
        };
        let part = |name: &str, before: Option<&Arc<str>>| {
            let text = value.get(name).filter(|value| !value.is_null()).map(text_of)?;
            Some(match before.filter(|before| ***before == *text) {
                Some(before) => Arc::clone(before),
                None => text.into(),
            })
        };
        let spec = part("spec", before.and_then(|before| before.spec.as_ref()));
        let status = part("status", before.and_then(|before| before.status.as_ref()));
        let node = (head.key.resource == PODS)
            .then(|| value["spec"]["nodeName"].as_str().filter(|node| !node.is_empty()))
            .flatten()
            .map(|node| shelf.text(node));
        Self {
            head,
            revision,
            managed,
            spec,
            status,
            node,
            facts: OnceLock::new(),
        }
    }

    /// The same with another status.
    pub(super) fn with_status(&self, status: &Value, managed: Kept, revision: u64) -> Self {
        Self {
            status: (!status.is_null()).then(|| text_of(status).into()),
            ..self.again(managed, revision)
        }
    }

    /// The same with another specification, of what is bound to no node.
    pub(super) fn with_spec(&self, spec: &Value, managed: Kept, revision: u64) -> Self {
        Self {
            spec: (!spec.is_null()).then(|| text_of(spec).into()),
            ..self.again(managed, revision)
        }
    }

    /// The same, written once more.
    fn again(&self, managed: Kept, revision: u64) -> Self {
        Self {
            head: Arc::clone(&self.head),
            revision,
            managed,
            spec: self.spec.clone(),
            status: self.status.clone(),
            node: self.node.clone(),
            facts: OnceLock::new(),
        }
    }

    /// Where it is.
    pub fn key(&self) -> &Key {
        &self.head.key
    }

    /// Its namespace; empty without one.
    pub fn namespace(&self) -> &str {
        &self.head.key.namespace
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.head.key.name
    }

    /// Its place in the order of the store, where a namespace ends with `/`, which comes after `-`.
    pub fn place(&self) -> (String, String) {
        (format!("{}/", self.namespace()), self.name().to_owned())
    }

    /// Its JSON.
    pub fn bytes(&self) -> Bytes {
        let mut json = Vec::with_capacity(self.size() + 64);
        let text = |text: &str| text_of(&text.into());
        let (version, kind) = (text(&self.head.api_version), text(&self.head.kind));
        json.extend_from_slice(format!("{{\"apiVersion\":{version},\"kind\":{kind},").as_bytes());
        self.put_untyped(&mut json);
        json.into()
    }

    /// Its JSON as the item of a list, which says once for all what its items are.
    pub fn put_item(&self, json: &mut Vec<u8>) {
        json.push(b'{');
        self.put_untyped(json);
    }

    /// About how long its JSON is.
    pub fn size(&self) -> usize {
        let part = |part: &Option<Arc<str>>| part.as_ref().map_or(0, |part| part.len() + 12);
        self.head.metadata.len()
            + self.head.rest.len()
            + self.managed.size()
            + part(&self.spec)
            + part(&self.status)
            + 64
    }

    /// All fields but the first two, and the end.
    fn put_untyped(&self, json: &mut Vec<u8>) {
        if let Some(rest) = fields_in(&self.head.rest) {
            json.extend_from_slice(rest.as_bytes());
            json.push(b',');
        }
        json.extend_from_slice(b"\"metadata\":{");
        let metadata = fields_in(&self.head.metadata);
        let written = self.revision > 0;
        if written {
            json.extend_from_slice(format!("\"resourceVersion\":\"{}\"", self.revision).as_bytes());
        }
        if !self.managed.is_empty() {
            json.extend_from_slice(if written {
                b",\"managedFields\":"
            } else {
                b"\"managedFields\":"
            });
            self.managed.put(json);
        }
        if let Some(metadata) = metadata {
            if written || !self.managed.is_empty() {
                json.push(b',');
            }
            json.extend_from_slice(metadata.as_bytes());
        }
        json.push(b'}');
        for (name, part) in [("spec", &self.spec), ("status", &self.status)] {
            if let Some(part) = part {
                json.extend_from_slice(format!(",\"{name}\":").as_bytes());
                json.extend_from_slice(part.as_bytes());
            }
        }
        json.push(b'}');
    }

    /// The whole of it, parsed.
    pub fn value(&self) -> Value {
        let mut value = self.bare();
        if !self.managed.is_empty() {
            value["metadata"]["managedFields"] = self.managed.value();
        }
        value
    }

    /// The whole of it but for who owns what, parsed.
    pub fn bare(&self) -> Value {
        let mut fields: Map<String, Value> = parsed(&self.head.rest);
        for (name, text) in [("apiVersion", &self.head.api_version), ("kind", &self.head.kind)] {
            fields.insert(name.to_owned(), (**text).into());
        }
        let mut metadata: Map<String, Value> = parsed(&self.head.metadata);
        if self.revision > 0 {
            metadata.insert("resourceVersion".to_owned(), self.revision.to_string().into());
        }
        fields.insert("metadata".to_owned(), metadata.into());
        for (name, part) in [("spec", &self.spec), ("status", &self.status)] {
            if let Some(part) = part {
                fields.insert(name.to_owned(), parsed(part));
            }
        }
        Value::Object(fields)
    }

    /// Who owns what.
    pub(super) fn managed(&self) -> &Kept {
        &self.managed
    }

    /// Its `apiVersion`.
    pub(super) fn api_version(&self) -> &str {
        &self.head.api_version
    }

    /// Its specification; null without one.
    pub fn spec(&self) -> Value {
        self.spec.as_deref().map(parsed).unwrap_or_default()
    }

    /// Its status; null without one.
    pub fn status(&self) -> Value {
        self.status.as_deref().map(parsed).unwrap_or_default()
    }

    /// Its status as JSON; empty without one.
    pub fn status_text(&self) -> &str {
        self.status.as_deref().unwrap_or_default()
    }

    /// Its metadata, but for resourceVersion and managedFields.
    pub fn metadata(&self) -> Value {
        parsed(&self.head.metadata)
    }

    /// What a struct names of the metadata, without building the rest; resourceVersion and managedFields are not among it.
    ///
    /// # Panics
    /// As the other two do, when the object does not fit the struct: use `Option` and `#[serde(default)]` for what may be absent,
    /// and `Cow` with `#[serde(borrow)]` for text, which may carry escapes.
    pub fn view_metadata<'a, T: Deserialize<'a>>(&'a self) -> T {
        serde_json::from_str(&self.head.metadata).expect("the view fits the metadata")
    }

    /// What a struct names of the specification.
    pub fn view_spec<'a, T: Deserialize<'a> + Default>(&'a self) -> T {
        let view = |spec| serde_json::from_str(spec).expect("the view fits the specification");
        self.spec.as_deref().map(view).unwrap_or_default()
    }

    /// What a struct names of the status.
    pub fn view_status<'a, T: Deserialize<'a> + Default>(&'a self) -> T {
        let view = |status| serde_json::from_str(status).expect("the view fits the status");
        self.status.as_deref().map(view).unwrap_or_default()
    }

    /// What controllers ask of it again and again, read out of it once.
    ///
    /// # Panics
    /// When the objects of one resource are asked for two types of facts.
    pub fn facts<T: Any + Send + Sync>(&self, read: impl FnOnce(&Self) -> T) -> &T {
        self.facts
            .get_or_init(|| Box::new(read(self)))
            .downcast_ref()
            .expect("a resource has one type of facts")
    }

    /// Its uid.
    pub fn uid(&self) -> &Arc<str> {
        &self.head.uid
    }

    /// Its resourceVersion.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Its generation; zero where the kind has none.
    pub fn generation(&self) -> i64 {
        self.head.generation
    }

    /// A label.
    pub fn label(&self, name: &str) -> Option<&str> {
        let labels = &self.head.labels;
        let at = labels.binary_search_by(|(label, _)| (**label).cmp(name)).ok()?;
        Some(&labels[at].1)
    }

    /// Its labels, by name.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.head.labels.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Whether another object has the same labels.
    pub(super) fn is_labelled_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.head, &other.head) || self.head.labels == other.head.labels
    }

    /// Its owners.
    pub fn owners(&self) -> &[Owner] {
        &self.head.owners
    }

    /// The uid of its controller.
    pub fn controller(&self) -> Option<&Arc<str>> {
        self.owners()
            .iter()
            .find(|owner| owner.controller)
            .map(|owner| &owner.uid)
    }

    /// The node that a pod is bound to.
    pub fn node(&self) -> Option<&Arc<str>> {
        self.node.as_ref()
    }

    /// Whether it has a deletionTimestamp.
    pub fn deleting(&self) -> bool {
        self.head.deleting
    }

    /// Whether it has no finalizers.
    pub fn finalized(&self) -> bool {
        self.head.finalized
    }
}

impl Head {
    fn read(key: Key, value: &Value, metadata_text: String, rest: String, shelf: &mut Shelf) -> Self {
        let metadata = &value["metadata"];
        let mut text = |value: &Value| shelf.text(value.as_str().unwrap_or_default());
        let labels = metadata["labels"].as_object().map(|labels| {
            let mut label = |(name, value): (&String, &Value)| (text(&Value::from(name.as_str())), text(value));
            labels.iter().map(&mut label).collect()
        });
        let owners = metadata["ownerReferences"].as_array().map(|owners| {
            let mut owner = |owner: &Value| Owner {
                api_version: text(&owner["apiVersion"]),
                kind: text(&owner["kind"]),
                name: text(&owner["name"]),
                uid: text(&owner["uid"]),
                controller: owner["controller"] == true,
                blocks: owner["blockOwnerDeletion"] == true,
            };
            owners.iter().map(&mut owner).collect()
        });
        let (api_version, kind) = (text(&value["apiVersion"]), text(&value["kind"]));
        Self {
            uid: metadata["uid"].as_str().unwrap_or_default().into(),
            generation: metadata["generation"].as_i64().unwrap_or_default(),
            labels: labels.unwrap_or_default(),
            owners: owners.unwrap_or_default(),
            deleting: metadata["deletionTimestamp"].is_string(),
            finalized: metadata["finalizers"].as_array().is_none_or(Vec::is_empty),
            api_version,
            kind,
            metadata: metadata_text.into(),
            rest: rest.into(),
            key: Key {
                namespace: shelf.text(&key.namespace),
                ..key
            },
        }
    }
}

fn text_of(value: &Value) -> String {
    serde_json::to_string(value).expect("a JSON value can be written")
}

fn parsed<T: serde::de::DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).expect("what is stored is JSON")
}

/// What is between the braces; nothing when there is nothing.
fn fields_in(text: &str) -> Option<&str> {
    let fields = &text[1..text.len() - 1];
    (!fields.is_empty()).then_some(fields)
}

/// Some of the fields of an object, as JSON.
fn text_of_fields(fields: &Map<String, Value>, which: impl Fn(&str, &Value) -> bool) -> String {
    let mut text = String::with_capacity(512);
    text.push('{');
    for (name, value) in fields.iter().filter(|(name, value)| which(name, value)) {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&text_of(&Value::from(name.as_str())));
        text.push(':');
        text.push_str(&text_of(value));
    }
    text.push('}');
    text
}
