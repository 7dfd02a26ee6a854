//! What a container printed, as `kubectl logs` reads it.

use kube::core::{Request, subresource::LogParams};

use super::{Cluster, ClusterError, send::Asked};
use crate::domain::target::Target;

/// The most that is read; whoever wants a tail has asked for few lines, and lines may be long.
const MOST: i64 = 1024 * 1024;

impl Cluster {
    /// The last lines of a container's present run, or of the one before. It goes by the pod's name: whether that was the
    /// one with this uid, only a look afterwards tells.
    pub async fn logs(
        &self,
        pod: &Target,
        container: &str,
        previous: bool,
        lines: u32,
    ) -> Result<String, ClusterError> {
        let namespace = pod.object.namespace.as_deref().unwrap_or_default();
        let params = LogParams {
            container: Some(container.to_owned()),
            limit_bytes: Some(MOST),
            previous,
            tail_lines: Some(i64::from(lines)),
            ..LogParams::default()
        };
        let path = format!("/api/v1/namespaces/{namespace}/pods");
        let asked = Asked {
            verb: "get",
            resource: "pods/log",
        };
        self.send(asked, Request::new(path).logs(&pod.object.name, &params))
            .await
    }
}
