//! Eviction: the one way by which a PodDisruptionBudget has a say.

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{DeleteParams, EvictParams, PostParams, Preconditions},
};

use super::{Cluster, ClusterError};
use crate::domain::target::Target;

impl Cluster {
    /// Asks for the eviction of this very pod: one with another uid is a conflict.
    pub async fn evict(&self, target: &Target, dry_run: bool) -> Result<(), ClusterError> {
        let namespace = target.object.namespace.as_deref().unwrap_or_default();
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let params = EvictParams {
            delete_options: Some(DeleteParams {
                dry_run,
                preconditions: Some(Preconditions {
                    uid: Some(target.uid.clone()),
                    resource_version: None,
                }),
                ..DeleteParams::default()
            }),
            post_options: PostParams {
                dry_run,
                field_manager: None,
            },
        };
        self.limited("create", "pods/eviction", pods.evict(&target.object.name, &params))
            .await
            .map(drop)
    }
}
