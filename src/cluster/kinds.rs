//! From `apiVersion` and kind to a path: the kinds that every cluster has by heart, others by asking.

use kube::{
    core::GroupVersionKind,
    discovery::{ApiResource, pinned_kind},
};

use super::{Cluster, ClusterError};
use crate::domain::target::ObjectRef;

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

/// The path of a kind that every cluster has.
pub(super) fn known(api_version: &str, kind: &str) -> Option<ApiResource> {
    let (_, _, plural) = KNOWN
        .into_iter()
        .find(|(version, name, _)| *version == api_version && *name == kind)?;
    Some(ApiResource::from_gvk_with_plural(&gvk(api_version, kind), plural))
}

impl Cluster {
    pub(super) async fn resource(&self, object: &ObjectRef) -> Result<ApiResource, ClusterError> {
        if let Some(known) = known(&object.api_version, &object.kind) {
            return Ok(known);
        }
        let key = (object.api_version.clone(), object.kind.clone());
        if let Some(resource) = self.discovered.read().await.get(&key) {
            return Ok(resource.clone());
        }
        let gvk = gvk(&object.api_version, &object.kind);
        let found = self
            .limited("get", "the API's discovery", pinned_kind(&self.client, &gvk))
            .await;
        let unknown = || ClusterError::UnknownKind {
            api_version: object.api_version.clone(),
            kind: object.kind.clone(),
        };
        let resource = match found {
            Ok((resource, _)) => resource,
            // The group answers and has no such kind, or there is no such group.
            Err(ClusterError::NotFound { .. }) => return Err(unknown()),
            Err(ClusterError::Unavailable { message }) if message.contains("iscover") => return Err(unknown()),
            Err(error) => return Err(error),
        };
        self.discovered.write().await.insert(key, resource.clone());
        Ok(resource)
    }
}

/// The collection's path, as `/apis/apps/v1/namespaces/shop/deployments`.
pub(super) fn collection(resource: &ApiResource, namespace: Option<&str>) -> String {
    let root = if resource.group.is_empty() { "/api" } else { "/apis" };
    let namespace = namespace.map_or(String::new(), |namespace| format!("namespaces/{namespace}/"));
    format!("{root}/{}/{namespace}{}", resource.api_version, resource.plural)
}

fn gvk(api_version: &str, kind: &str) -> GroupVersionKind {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    GroupVersionKind::gvk(group, version, kind)
}
