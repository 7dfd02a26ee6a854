//! The Kubernetes API: the one user of `kube`.
//!
//! Every call has a time limit and no retry of its own: kube's would hide a disruption budget's 429 for minutes. What an
//! answer means for a run is decided by [`crate::steps`] and [`crate::engine`]; this module only says what it was.

use std::{collections::HashMap, sync::Arc, time::Duration};

use kube::Client;
use tokio::sync::RwLock;

use crate::clock::Clock;

mod access;
mod discovery;
mod error;
mod events;
mod evict;
mod get;
mod kubeconfig;
mod logs;
mod no_proxy;
mod owners;
mod proxy;
mod send;

pub use access::{Access, AccessError, Environment};
pub use error::ClusterError;
pub use events::{EventType, NewEvent};
pub use get::{List, Lookup, Selection};
pub use owners::Owners;
pub use proxy::ProxyError;

use discovery::Resource;

/// A cluster.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    /// Kinds that had to be asked for, by `apiVersion` and kind.
    discovered: Arc<RwLock<HashMap<(String, String), Resource>>>,
}

impl Cluster {
    /// Reads the access; nothing is asked of the API server yet.
    pub async fn connect(access: &Access, clock: Arc<dyn Clock>) -> Result<Self, AccessError> {
        let route = access::route(access)?;
        tracing::info!(
            server = route.config.cluster_url.host(),
            access = route.source,
            proxy = route.proxy.as_deref().unwrap_or("none"),
            "the way to the API server"
        );
        let client = Client::try_from(route.config).map_err(AccessError::Client)?;
        Ok(Self::new(client, access.request_timeout, clock))
    }

    /// A cluster behind a client.
    pub fn new(client: Client, timeout: Duration, clock: Arc<dyn Clock>) -> Self {
        Self {
            client,
            timeout,
            clock,
            discovered: Arc::default(),
        }
    }

    /// The time limit of one call: who holds less of a lease than this renews it before sending.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }
}

#[cfg(test)]
mod tests;
