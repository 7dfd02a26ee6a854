//! One stored object: its JSON, and of its metadata what is asked for all the time.

use std::{
    any::Any,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use crate::simulation::kubernetes::resources::{PODS, ResourceId};

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
    key: Key,
    bytes: Bytes,
    uid: Arc<str>,
    revision: u64,
    generation: i64,
    labels: Box<[(Box<str>, Box<str>)]>,
    owners: Box<[Owner]>,
    node: Option<Arc<str>>,
    deleting: bool,
    finalized: bool,
    facts: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl Object {
    /// Writes the resourceVersion into the value and keeps it as compact JSON.
    pub(super) fn encode(key: Key, value: &mut Value, revision: u64) -> Self {
        let metadata = &mut value["metadata"];
        metadata["resourceVersion"] = revision.to_string().into();
        let text = |value: &Value| -> Arc<str> { value.as_str().unwrap_or_default().into() };
        let labels = metadata["labels"].as_object().map(|labels| {
            labels
                .iter()
                .map(|(name, value)| (name.as_str().into(), value.as_str().unwrap_or_default().into()))
                .collect()
        });
        let owners = metadata["ownerReferences"].as_array().map(|owners| {
            owners
                .iter()
                .map(|owner| Owner {
                    api_version: text(&owner["apiVersion"]),
                    kind: text(&owner["kind"]),
                    name: text(&owner["name"]),
                    uid: text(&owner["uid"]),
                    controller: owner["controller"] == true,
                    blocks: owner["blockOwnerDeletion"] == true,
                })
                .collect()
        });
        let uid = text(&metadata["uid"]);
        let generation = metadata["generation"].as_i64().unwrap_or_default();
        let deleting = metadata["deletionTimestamp"].is_string();
        let finalized = metadata["finalizers"].as_array().is_none_or(Vec::is_empty);
        if metadata["labels"].is_null()
            && let Value::Object(fields) = metadata
        {
            fields.remove("labels");
            fields.retain(|_, value| !value.is_null());
        }
        let node = (key.resource == PODS)
            .then(|| value["spec"]["nodeName"].as_str().filter(|node| !node.is_empty()))
            .flatten()
            .map(Arc::from);
        Self {
            bytes: serde_json::to_vec(value).expect("a JSON value can be written").into(),
            key,
            uid,
            revision,
            generation,
            labels: labels.unwrap_or_default(),
            owners: owners.unwrap_or_default(),
            node,
            deleting,
            finalized,
            facts: OnceLock::new(),
        }
    }

    /// Where it is.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Its namespace; empty without one.
    pub fn namespace(&self) -> &str {
        &self.key.namespace
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.key.name
    }

    /// Its place in the order of the store, where a namespace ends with `/`, which comes after `-`.
    pub fn place(&self) -> (String, String) {
        (format!("{}/", self.namespace()), self.name().to_owned())
    }

    /// The stored JSON.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The whole of it, parsed.
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.bytes).expect("what is stored is JSON")
    }

    /// The part of it that a struct names, without building the rest.
    ///
    /// # Panics
    /// When the object does not fit the struct: use `Option` and `#[serde(default)]` for what may be absent, and `Cow`
    /// with `#[serde(borrow)]` for text, which may carry escapes.
    pub fn view<'a, T: Deserialize<'a>>(&'a self) -> T {
        serde_json::from_slice(&self.bytes).expect("the view fits what is stored")
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
        &self.uid
    }

    /// Its resourceVersion.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Its generation; zero where the kind has none.
    pub fn generation(&self) -> i64 {
        self.generation
    }

    /// A label.
    pub fn label(&self, name: &str) -> Option<&str> {
        let at = self.labels.binary_search_by(|(label, _)| (**label).cmp(name)).ok()?;
        Some(&self.labels[at].1)
    }

    /// Its labels, by name.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.labels.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Its owners.
    pub fn owners(&self) -> &[Owner] {
        &self.owners
    }

    /// The uid of its controller.
    pub fn controller(&self) -> Option<&Arc<str>> {
        self.owners
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
        self.deleting
    }

    /// Whether it has no finalizers.
    pub fn finalized(&self) -> bool {
        self.finalized
    }
}
