//! The Kubernetes API: the one user of `kube`.
//!
//! Every call has a time limit and no retry of its own: kube's would hide a disruption budget's 429 for minutes. What an
//! answer means for a run is decided by [`crate::steps`] and [`crate::engine`]; this module only says what it was.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use kube::{Client, Config, config::KubeConfigOptions, config::Kubeconfig, discovery::ApiResource};
use tokio::sync::RwLock;

use crate::clock::Clock;

mod error;
mod events;
mod evict;
mod kinds;
mod logs;
mod read;

pub use error::ClusterError;
pub use events::{EventType, NewEvent};
pub use read::{Lineage, Sight};

/// Where the API server is and as whom to speak to it.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// A kubeconfig file; absent: in the cluster the service account, else the usual kubeconfig.
    pub kubeconfig: Option<PathBuf>,
    /// A context of it; absent: the current one.
    pub context: Option<String>,
    /// The time limit of one call.
    pub request_timeout: Duration,
}

/// A cluster.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    /// Kinds that had to be asked for, by `apiVersion` and kind.
    discovered: Arc<RwLock<HashMap<(String, String), ApiResource>>>,
}

/// An access that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The kubeconfig is missing or broken, or the context unknown.
    #[error("the kubeconfig {file} cannot be used: {source}")]
    Kubeconfig {
        /// The file.
        file: PathBuf,
        /// Why.
        source: kube::config::KubeconfigError,
    },
    /// Neither a service account nor a kubeconfig was found.
    #[error(
        "no access to a cluster: {0}. Inside a cluster a service account is used; elsewhere set kubernetes.kubeconfig, or KUBECONFIG"
    )]
    None(kube::config::InferConfigError),
    /// The client could not be made, for example because of a broken certificate.
    #[error("no client for the API server could be made: {0}")]
    Client(kube::Error),
}

impl Cluster {
    /// Reads the access; nothing is asked of the API server yet.
    pub async fn connect(access: &Access, clock: Arc<dyn Clock>) -> Result<Self, AccessError> {
        let mut config = match &access.kubeconfig {
            Some(file) => {
                let failed = |source| AccessError::Kubeconfig {
                    file: file.clone(),
                    source,
                };
                let kubeconfig = Kubeconfig::read_from(file).map_err(failed)?;
                let options = KubeConfigOptions {
                    context: access.context.clone(),
                    ..KubeConfigOptions::default()
                };
                Config::from_custom_kubeconfig(kubeconfig, &options)
                    .await
                    .map_err(failed)?
            }
            None => Config::infer().await.map_err(AccessError::None)?,
        };
        config.default_retry = false;
        config.connect_timeout = Some(access.request_timeout);
        config.read_timeout = None;
        config.headers.push((
            http::header::USER_AGENT,
            http::HeaderValue::from_static(concat!("selfhealer/", env!("CARGO_PKG_VERSION"))),
        ));
        let client = Client::try_from(config).map_err(AccessError::Client)?;
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

    async fn limited<T>(
        &self,
        verb: &'static str,
        resource: &str,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, ClusterError> {
        tokio::select! {
            biased;
            answer = call => answer.map_err(|error| ClusterError::from_kube(verb, resource, error)),
            () = self.clock.sleep(self.timeout) => Err(ClusterError::Unavailable {
                message: format!("{verb} {resource}: no answer within {:?}", self.timeout),
            }),
        }
    }
}
