//! One stored object: its JSON in the parts that are written apart, and of its metadata what is asked for all the time.
//!
//! Who writes a status leaves the specification as it is, and the other way round: an object shares with the one before it
//! every part that is the same, and whoever needs one part reads no other.

use std::{
    any::Any,
    borrow::Cow,
    fmt,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Map, Value, json};

use super::shelf::Shelf;
use crate::kubernetes::{
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
    /// `metadata` without [`APART_FROM_METADATA`].
    metadata: Box<str>,
    /// The other fields, as one JSON object.
    rest: Box<str>,
}

/// The fields that have a place of their own.
const APART: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];
/// The fields of the metadata that are kept apart from it: those that every write changes, and the names of the object.
const APART_FROM_METADATA: [&str; 5] = ["managedFields", "name", "namespace", "resourceVersion", "uid"];

impl Object {
    /// What is told and not kept: it has no resourceVersion.
    pub(in crate::kubernetes) fn unstored(key: Key, value: &Value) -> Self {
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
        let written = |name: &str, value: &Value| !value.is_null() && !APART_FROM_METADATA.contains(&name);
        let metadata_text: Box<str> = shelf.json(&Fields(metadata, written)).into();
        let whole = value.as_object().unwrap_or(&nothing);
        let rest: Box<str> = shelf
            .json(&Fields(whole, |name: &str, _: &Value| !APART.contains(&name)))
            .into();
        let uid = value["metadata"]["uid"].as_str().unwrap_or_default();
        let same = before.filter(|before| {
            *before.head.uid == *uid && before.head.metadata == metadata_text && before.head.rest == rest
        });
        let head = match same {
            Some(before) => Arc::clone(&before.head),
            None => Arc::new(Head::read(key, value, metadata_text, rest, shelf)),
        };
        let mut part = |name: &str, before: Option<&Arc<str>>| {
            let text = shelf.json(value.get(name).filter(|value| !value.is_null())?);
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
    pub(super) fn with_status(&self, status: &Value, managed: Kept, revision: u64, shelf: &mut Shelf) -> Self {
        Self {
            status: (!status.is_null()).then(|| shelf.json(status).into()),
            ..self.again(managed, revision)
        }
    }

    /// The same with another specification, of what is bound to no node.
    pub(super) fn with_spec(&self, spec: &Value, managed: Kept, revision: u64, shelf: &mut Shelf) -> Self {
        Self {
            spec: (!spec.is_null()).then(|| shelf.json(spec).into()),
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

    /// Whether its place is before this one.
    pub fn comes_before(&self, (namespace, name): &(String, String)) -> bool {
        let own = self.namespace().bytes().chain([b'/']);
        own.cmp(namespace.bytes()).then_with(|| self.name().cmp(name)).is_lt()
    }

    /// Its JSON.
    pub fn bytes(&self) -> Bytes {
        let mut json = Vec::with_capacity(self.size() + 64);
        let text = |text: &str| Value::from(text).to_string();
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
            + self.namespace().len()
            + self.name().len()
            + self.uid().len()
            + self.head.rest.len()
            + self.managed.size()
            + part(&self.spec)
            + part(&self.status)
            + 128
    }

    /// All fields but the first two, and the end.
    fn put_untyped(&self, json: &mut Vec<u8>) {
        if let Some(rest) = fields_in(&self.head.rest) {
            json.extend_from_slice(rest.as_bytes());
            json.push(b',');
        }
        json.extend_from_slice(b"\"metadata\":");
        self.put_metadata(json);
        for (name, part) in [("spec", &self.spec), ("status", &self.status)] {
            if let Some(part) = part {
                json.extend_from_slice(format!(",\"{name}\":").as_bytes());
                json.extend_from_slice(part.as_bytes());
            }
        }
        json.push(b'}');
    }

    /// The JSON of its metadata.
    pub fn put_metadata(&self, json: &mut Vec<u8>) {
        json.push(b'{');
        for (name, text) in self.names() {
            json.extend_from_slice(format!("\"{name}\":{},", json!(text)).as_bytes());
        }
        if !self.managed.is_empty() {
            json.extend_from_slice(b"\"managedFields\":");
            self.managed.put(json);
            json.push(b',');
        }
        match fields_in(&self.head.metadata) {
            Some(fields) => json.extend_from_slice(fields.as_bytes()),
            None => drop(json.pop_if(|last| *last == b',')),
        }
        json.push(b'}');
    }

    /// The fields of the metadata that say which object this is, and as of when.
    fn names(&self) -> impl Iterator<Item = (&'static str, Cow<'_, str>)> {
        let revision = (self.revision > 0).then(|| self.revision.to_string());
        let names = [
            ("name", self.name().into()),
            ("namespace", self.namespace().into()),
            ("resourceVersion", revision.unwrap_or_default().into()),
            ("uid", (**self.uid()).into()),
        ];
        names
            .into_iter()
            .filter(|(_, text): &(_, Cow<'_, str>)| !text.is_empty())
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
        self.parsed_with(parsed)
    }

    /// As [`bare`](Self::bare), but for the template of a workload's pods, which is most of it and seldom asked for.
    pub fn outline(&self) -> Value {
        self.parsed_with(|spec| parsed::<Outline>(spec).0.into())
    }

    /// The template of a workload's pods; null without one.
    pub fn template(&self) -> Value {
        self.spec()["template"].take()
    }

    fn parsed_with(&self, parse_spec: impl Fn(&str) -> Value) -> Value {
        let mut fields: Map<String, Value> = parsed(&self.head.rest);
        for (name, text) in [("apiVersion", &self.head.api_version), ("kind", &self.head.kind)] {
            fields.insert(name.to_owned(), (**text).into());
        }
        let mut metadata: Map<String, Value> = parsed(&self.head.metadata);
        metadata.extend(self.names().map(|(name, text)| (name.to_owned(), text.into())));
        fields.insert("metadata".to_owned(), metadata.into());
        if let Some(spec) = &self.spec {
            fields.insert("spec".to_owned(), parse_spec(spec));
        }
        if let Some(status) = &self.status {
            fields.insert("status".to_owned(), parsed(status));
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

    /// Its specification as JSON: the very same for as long as nobody writes another one.
    pub fn spec_text(&self) -> Option<&Arc<str>> {
        self.spec.as_ref()
    }

    /// Its status; null without one.
    pub fn status(&self) -> Value {
        self.status.as_deref().map(parsed).unwrap_or_default()
    }

    /// Its status as JSON; empty without one.
    pub fn status_text(&self) -> &str {
        self.status.as_deref().unwrap_or_default()
    }

    /// Its metadata, but for what says which object it is, as of when, and who owns what.
    pub fn metadata(&self) -> Value {
        parsed(&self.head.metadata)
    }

    /// What a struct names of the metadata, without building the rest; name, namespace, uid, resourceVersion and managedFields are
    /// not among it.
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
    fn read(key: Key, value: &Value, metadata_text: Box<str>, rest: Box<str>, shelf: &mut Shelf) -> Self {
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
            metadata: metadata_text,
            rest,
            key: Key {
                namespace: shelf.text(&key.namespace),
                ..key
            },
        }
    }
}

fn parsed<T: serde::de::DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).expect("what is stored is JSON")
}

/// What is between the braces; nothing when there is nothing.
fn fields_in(text: &str) -> Option<&str> {
    let fields = &text[1..text.len() - 1];
    (!fields.is_empty()).then_some(fields)
}

/// A specification without its template.
struct Outline(Map<String, Value>);

impl<'de> Deserialize<'de> for Outline {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_map(Outlining)
    }
}

struct Outlining;

impl<'de> Visitor<'de> for Outlining {
    type Value = Outline;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a specification")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut spec: M) -> Result<Outline, M::Error> {
        let mut fields = Map::new();
        while let Some(name) = spec.next_key::<String>()? {
            if name == "template" {
                spec.next_value::<IgnoredAny>()?;
            } else {
                fields.insert(name, spec.next_value()?);
            }
        }
        Ok(Outline(fields))
    }
}

/// Some of the fields of an object.
struct Fields<'a, F>(&'a Map<String, Value>, F);

impl<F: Fn(&str, &Value) -> bool> Serialize for Fields<'_, F> {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        writer.collect_map(self.0.iter().filter(|(name, value)| (self.1)(name, value)))
    }
}
