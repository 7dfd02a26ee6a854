//! What a run acts on, and what its limits count on.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A Kubernetes object by name: what an alert's labels can tell, before anybody has looked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// Group and version as in a manifest: `v1`, `apps/v1`.
    pub api_version: String,
    /// `Pod`, `Deployment`.
    pub kind: String,
    /// Absent for cluster-scoped kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The object's name.
    pub name: String,
}

/// One object, and no other: an [`ObjectRef`] with the uid that was seen when the run first looked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// Which object by name.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// The identity that every mutation carries as a precondition.
    pub uid: String,
}

/// The target's topmost controller, without a uid: what cooldowns, attempts and concurrency count on.
///
/// An evicted pod's replacement has another name and uid, but the same root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Root(pub ObjectRef);

impl Root {
    /// The key under which the store counts.
    ///
    /// The version of the API is left out: `apps/v1` and a later `apps/v2` are the same Deployment.
    pub fn key(&self) -> String {
        let object = &self.0;
        let group = object.api_version.rsplit_once('/').map_or("", |(group, _)| group);
        format!(
            "{group}/{}/{}/{}",
            object.kind,
            object.namespace.as_deref().unwrap_or_default(),
            object.name
        )
    }
}

/// As `kubectl` writes it, with the namespace in front: `shop/Deployment/cart`.
impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        write!(f, "{}/{}", self.kind, self.name)
    }
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
