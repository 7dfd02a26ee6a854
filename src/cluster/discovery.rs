//! From `apiVersion` and kind to a path: the kinds that every cluster has by heart, others by asking.

use kube::core::{Request, params::ListParams};

use super::{Cluster, ClusterError, send::Asked};

/// Kinds whose path needs no question, and through which the climb to the root goes.
const KNOWN: [(&str, &str, &str); 11] = [
    ("v1", "Pod", "pods"),
    ("v1", "Node", "nodes"),
    ("v1", "Namespace", "namespaces"),
    ("v1", "Event", "events"),
    ("v1", "ReplicationController", "replicationcontrollers"),
    ("apps/v1", "ReplicaSet", "replicasets"),
    ("apps/v1", "Deployment", "deployments"),
    ("apps/v1", "StatefulSet", "statefulsets"),
    ("apps/v1", "DaemonSet", "daemonsets"),
    ("batch/v1", "Job", "jobs"),
    ("batch/v1", "CronJob", "cronjobs"),
];

/// Where the objects of a kind are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resource {
    /// `apps/v1`.
    api_version: String,
    /// `deployments`.
    plural: String,
}

impl Resource {
    /// As roles and messages name it: `deployments.apps`.
    pub(super) fn name(&self) -> String {
        match self.api_version.split_once('/') {
            Some((group, _)) => format!("{}.{group}", self.plural),
            None => self.plural.clone(),
        }
    }

    /// The collection's path, as `/apis/apps/v1/namespaces/shop/deployments`.
    pub(super) fn path(&self, namespace: Option<&str>) -> String {
        let namespace = namespace.map_or(String::new(), |namespace| format!("namespaces/{namespace}/"));
        format!("{}/{namespace}{}", version_path(&self.api_version), self.plural)
    }
}

/// The path of a kind that every cluster has.
pub(super) fn known(api_version: &str, kind: &str) -> Option<Resource> {
    let (_, _, plural) = KNOWN
        .into_iter()
        .find(|(version, name, _)| *version == api_version && *name == kind)?;
    Some(Resource {
        api_version: api_version.to_owned(),
        plural: plural.to_owned(),
    })
}

impl Cluster {
    /// Where this kind is. What was found is remembered until it turns out to be gone.
    pub(super) async fn resource(&self, api_version: &str, kind: &str) -> Result<Resource, ClusterError> {
        if let Some(known) = known(api_version, kind) {
            return Ok(known);
        }
        let key = (api_version.to_owned(), kind.to_owned());
        if let Some(resource) = self.discovered.read().await.get(&key) {
            return Ok(resource.clone());
        }
        let resource = self.discover(api_version, kind).await?;
        self.discovered.write().await.insert(key, resource.clone());
        Ok(resource)
    }

    /// Asks anew where a kind is whose path was found not to be served. Nothing, if it is where it was, or is a kind that
    /// every cluster has: then it is what was asked for there that is wrong.
    pub(super) async fn rediscovered(
        &self,
        api_version: &str,
        kind: &str,
        before: &Resource,
    ) -> Result<Option<Resource>, ClusterError> {
        if known(api_version, kind).is_some() {
            return Ok(None);
        }
        let key = (api_version.to_owned(), kind.to_owned());
        self.discovered.write().await.remove(&key);
        let resource = self.resource(api_version, kind).await?;
        Ok(Some(resource).filter(|resource| resource != before))
    }

    async fn discover(&self, api_version: &str, kind: &str) -> Result<Resource, ClusterError> {
        let unknown = || ClusterError::UnknownKind {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
        };
        let asked = Asked {
            verb: "get",
            resource: "the API's discovery",
        };
        let request = Request::new(version_path(api_version)).list(&ListParams::default());
        let served = match self.send_for_object(asked, request).await {
            // There is no such group, or it has no such version.
            Err(ClusterError::NotFound { .. }) => return Err(unknown()),
            served => served?,
        };
        let Some(resources) = served["resources"].as_array() else {
            return Err(ClusterError::Unavailable {
                message: format!("get the API's discovery: the answer about {api_version} lists no resources"),
            });
        };
        resources
            .iter()
            .filter(|resource| resource["kind"] == kind)
            .filter_map(|resource| resource["name"].as_str())
            // `deployments/scale` has a kind as well.
            .find(|name| !name.contains('/'))
            .map(|plural| Resource {
                api_version: api_version.to_owned(),
                plural: plural.to_owned(),
            })
            .ok_or_else(unknown)
    }
}

/// `/api/v1` for the core group, `/apis/apps/v1` for another.
fn version_path(api_version: &str) -> String {
    let root = if api_version.contains('/') { "/apis" } else { "/api" };
    format!("{root}/{api_version}")
}
