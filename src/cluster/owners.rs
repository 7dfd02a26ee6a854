//! Who controls an object: from a pod up to its Deployment.

use serde_json::Value;

use super::{Cluster, ClusterError, discovery::known, get::uid};
use crate::domain::target::{ObjectRef, Root};

/// How many owners a pod may have above each other; more is a loop.
const GENERATIONS: usize = 8;

/// The controllers above an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Owners {
    /// What limits count on: the topmost controller, or the object itself.
    pub root: Root,
    /// Whether anything controls it.
    pub managed: bool,
    /// The topmost controller of a kind that every cluster has, live: what readiness is read from.
    pub workload: Option<(ObjectRef, Value)>,
    /// The first of them that carries the opt-out annotation.
    pub opted_out: Option<ObjectRef>,
}

/// The annotation that keeps us away; any value but `false`.
const IGNORE: &str = "selfhealer.dev/ignore";

impl Cluster {
    /// Climbs from a live object to its topmost controller, and reads its namespace meanwhile.
    ///
    /// Kinds of custom resources end the climb: they count as the root by name, and nobody needs permission to read them.
    pub async fn owners(&self, object: &ObjectRef, live: &Value) -> Result<Owners, ClusterError> {
        let (mut owners, namespace) = tokio::try_join!(self.climb(object, live), self.ignored_namespace(object))?;
        if owners.opted_out.is_none() {
            owners.opted_out = namespace;
        }
        Ok(owners)
    }

    async fn climb(&self, object: &ObjectRef, live: &Value) -> Result<Owners, ClusterError> {
        let mut owners = Owners {
            root: Root(object.clone()),
            managed: false,
            workload: None,
            opted_out: opted_out(live).then(|| object.clone()),
        };
        let mut child = live.clone();
        for _ in 0..GENERATIONS {
            let Some((owner, owner_uid)) = controller(&child, object.namespace.as_deref()) else {
                break;
            };
            owners.managed = true;
            owners.root = Root(owner.clone());
            if known(&owner.api_version, &owner.kind).is_none() {
                break;
            }
            match self.get(&owner).await? {
                Some(live) if uid(&live) == owner_uid => {
                    if owners.opted_out.is_none() && opted_out(&live) {
                        owners.opted_out = Some(owner.clone());
                    }
                    owners.workload = Some((owner, live.clone()));
                    child = live;
                }
                // The controller is gone: garbage collection will come for the child.
                _ => {
                    owners.workload = None;
                    break;
                }
            }
        }
        Ok(owners)
    }

    /// The object's namespace, if that is what carries the opt-out annotation.
    async fn ignored_namespace(&self, object: &ObjectRef) -> Result<Option<ObjectRef>, ClusterError> {
        let Some(name) = &object.namespace else {
            return Ok(None);
        };
        let namespace = ObjectRef {
            api_version: "v1".to_owned(),
            kind: "Namespace".to_owned(),
            namespace: None,
            name: name.clone(),
        };
        let live = self.get(&namespace).await?;
        Ok(live.is_some_and(|live| opted_out(&live)).then_some(namespace))
    }
}

fn opted_out(live: &Value) -> bool {
    live["metadata"]["annotations"][IGNORE]
        .as_str()
        .is_some_and(|value| value != "false")
}

fn controller(live: &Value, namespace: Option<&str>) -> Option<(ObjectRef, String)> {
    let owner = live["metadata"]["ownerReferences"]
        .as_array()?
        .iter()
        .find(|owner| owner["controller"] == true)?;
    let text = |field: &str| owner[field].as_str().map(str::to_owned);
    let kind = text("kind")?;
    // A mirror pod is controlled by its node, the only cluster-scoped controller of a namespaced object.
    let namespace = (kind != "Node").then(|| namespace.map(str::to_owned)).flatten();
    let owner = ObjectRef {
        api_version: text("apiVersion")?,
        kind,
        namespace,
        name: text("name")?,
    };
    Some((owner, text("uid")?))
}
