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
        let ask = async {
            match pinned_kind(&self.client, &gvk).await {
                Ok((resource, _)) => Ok(Some(resource)),
                // The group answers and has no such kind, or there is no such group.
                Err(kube::Error::Discovery(_)) => Ok(None),
                Err(error) => Err(error),
            }
        };
        let found = match self.limited("get", "the API's discovery", ask).await {
            Err(ClusterError::NotFound { .. }) => None,
            found => found?,
        };
        let resource = found.ok_or_else(|| ClusterError::UnknownKind {
            api_version: object.api_version.clone(),
            kind: object.kind.clone(),
        })?;
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{sync::Arc, time::Duration};

    use simulated_cluster::kubernetes::{
        Simulation,
        faults::{Calls, Failure, Fault, Rule},
    };

    use super::*;
    use crate::{clock::SystemClock, domain::reason::Reason};

    fn object(api_version: &str, kind: &str) -> ObjectRef {
        ObjectRef {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: Some("shop".to_owned()),
            name: "cart".to_owned(),
        }
    }

    /// What asking for these kinds comes to when this goes wrong.
    async fn asked(fault: Option<Fault>, objects: &[ObjectRef]) -> Vec<Option<Reason>> {
        let simulation = Simulation::new("2026-03-01T12:00:00Z".parse().unwrap(), 7);
        if let Some(fault) = fault {
            simulation.faults().add(Rule::always(fault).on(Calls::any()));
        }
        let client = kube::Client::new(simulation.service(), "default");
        let cluster = Cluster::new(client, Duration::from_millis(100), Arc::new(SystemClock::new()));
        let mut reasons = Vec::new();
        for object in objects {
            reasons.push(cluster.resource(object).await.err().map(|error| error.reason()));
        }
        reasons
    }

    #[tokio::test]
    async fn a_kind_that_the_cluster_has_not_is_told_from_a_cluster_that_does_not_answer() {
        let budget = object("policy/v1", "PodDisruptionBudget");
        let unknown = [object("policy/v1", "Budget"), object("example.com/v1", "Budget")];
        assert_eq!(asked(None, std::slice::from_ref(&budget)).await, [None]);
        assert_eq!(asked(None, &unknown).await, [Some(Reason::InvalidTarget); 2]);
        for fault in [Fault::Held, Fault::Cut, Fault::Refused(Failure::Unavailable)] {
            let words = format!("{fault:?}");
            assert_eq!(
                asked(Some(fault), &[budget.clone(), unknown[0].clone()]).await,
                [Some(Reason::ClusterUnavailable); 2],
                "{words}"
            );
        }
    }
}
