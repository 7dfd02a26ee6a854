//! The API server on loopback HTTP, with a kubeconfig, so that `kubectl` and other programs can speak with it.

use std::io;

use http_body_util::Full;
use serde_json::json;
use tower_service::Service as _;

use super::Service;
use crate::serve::{Answer, Server, serve};

impl Service {
    /// Serves on a free port of the loopback interface until the handle is dropped.
    pub async fn serve(self) -> io::Result<Server> {
        serve(move |request| {
            let mut service = self.clone();
            async move {
                match service.call(request.map(Full::new)).await {
                    Ok(response) => Answer::Response(response),
                    Err(_) => Answer::Cut,
                }
            }
        })
        .await
    }
}

/// A kubeconfig for a server on loopback, for whoever has this token; nobody has to say who they are without one.
///
/// kubectl, unlike other clients, sends no token over plain HTTP. Who it asks for is said with `--as`, or by a server for
/// one user: `simulation.service().without_token(Some(user)).serve()`. There may be many on one simulation.
///
/// JSON is YAML.
pub fn kubeconfig(server: &Server, token: Option<&str>) -> String {
    let user = token.map_or_else(|| json!({}), |token| json!({"token": token}));
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "simulation",
        "clusters": [{"name": "simulation", "cluster": {"server": server.url()}}],
        "users": [{"name": "simulation", "user": user}],
        "contexts": [{"name": "simulation", "context": {"cluster": "simulation", "user": "simulation"}}],
    });
    format!("{config:#}\n")
}
