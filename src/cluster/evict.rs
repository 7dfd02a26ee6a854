//! Eviction: the one way by which a PodDisruptionBudget has a say.

use kube::core::{Request, params::PostParams};
use serde_json::json;

use super::{Cluster, ClusterError, send::Asked};
use crate::domain::target::Target;

impl Cluster {
    /// Asks for the eviction of this very pod: one with another uid is a conflict.
    ///
    /// The body is written here, because kube 5.0's own eviction sends `delete_options` where the API reads
    /// `deleteOptions`: the precondition would be dropped without an error, and any pod of that name evicted.
    pub async fn evict(&self, target: &Target, dry_run: bool) -> Result<(), ClusterError> {
        let namespace = target.object.namespace.as_deref().unwrap_or_default();
        let name = &target.object.name;
        let mut delete_options = json!({"preconditions": {"uid": target.uid}});
        if dry_run {
            delete_options["dryRun"] = json!(["All"]);
        }
        let body = json!({
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"namespace": namespace, "name": name},
            "deleteOptions": delete_options,
        });
        let params = PostParams {
            dry_run,
            field_manager: None,
        };
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}/eviction");
        let asked = Asked {
            verb: "create",
            resource: "pods/eviction",
        };
        let request = Request::new(path).create(&params, body.to_string().into_bytes());
        self.send(asked, request).await.map(drop)
    }
}
