//! Looking: always at the API server itself, never at a cache.

use kube::core::{Request, params::GetParams};
use serde_json::Value;

use super::{
    Cluster, ClusterError,
    kinds::{collection, known},
};
use crate::domain::target::{ObjectRef, Root, Target};

/// How many owners a pod may have above each other; more is a loop.
const GENERATIONS: usize = 8;

/// What is seen where an object should be.
#[derive(Clone, Debug, PartialEq)]
pub enum Sight {
    /// The object.
    Seen(Value),
    /// Nothing.
    Gone,
    /// Another object under the same name.
    Replaced {
        /// Its uid.
        uid: String,
    },
}

/// An object and the controllers above it.
#[derive(Clone, Debug, PartialEq)]
pub struct Lineage {
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
    /// The object with this name, if there is one.
    pub async fn get(&self, object: &ObjectRef) -> Result<Option<Value>, ClusterError> {
        let resource = self.resource(object).await?;
        let path = collection(&resource, object.namespace.as_deref());
        let request = Request::new(path)
            .get(&object.name, &GetParams::default())
            .map_err(|error| ClusterError::Rejected {
                code: 400,
                message: error.to_string(),
            })?;
        let answer = self
            .limited("get", &resource_name(&resource), self.client.request::<Value>(request))
            .await;
        match answer {
            Ok(live) => Ok(Some(live)),
            Err(ClusterError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The one object with this uid.
    pub async fn look(&self, target: &Target) -> Result<Sight, ClusterError> {
        Ok(match self.get(&target.object).await? {
            None => Sight::Gone,
            Some(live) => match uid(&live) {
                found if found == target.uid => Sight::Seen(live),
                found => Sight::Replaced { uid: found.to_owned() },
            },
        })
    }

    /// Climbs from a live object to its topmost controller, and reads its namespace meanwhile.
    ///
    /// Kinds of custom resources end the climb: they count as the root by name, and nobody needs permission to read them.
    pub async fn lineage(&self, object: &ObjectRef, live: &Value) -> Result<Lineage, ClusterError> {
        let (mut lineage, namespace) = tokio::try_join!(self.climb(object, live), self.ignored_namespace(object))?;
        if lineage.opted_out.is_none() {
            lineage.opted_out = namespace;
        }
        Ok(lineage)
    }

    async fn climb(&self, object: &ObjectRef, live: &Value) -> Result<Lineage, ClusterError> {
        let mut lineage = Lineage {
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
            lineage.managed = true;
            lineage.root = Root(owner.clone());
            if known(&owner.api_version, &owner.kind).is_none() {
                break;
            }
            match self.get(&owner).await? {
                Some(live) if uid(&live) == owner_uid => {
                    if lineage.opted_out.is_none() && opted_out(&live) {
                        lineage.opted_out = Some(owner.clone());
                    }
                    lineage.workload = Some((owner, live.clone()));
                    child = live;
                }
                // The controller is gone: garbage collection will come for the child.
                _ => {
                    lineage.workload = None;
                    break;
                }
            }
        }
        Ok(lineage)
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

/// The uid of a live object.
pub(crate) fn uid(live: &Value) -> &str {
    live["metadata"]["uid"].as_str().unwrap_or_default()
}

pub(super) fn resource_name(resource: &kube::discovery::ApiResource) -> String {
    if resource.group.is_empty() {
        resource.plural.clone()
    } else {
        format!("{}.{}", resource.plural, resource.group)
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
