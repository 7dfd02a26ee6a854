//! A control plane as a test sees it: addresses and clients, namespaces and nodes, outages, and what was asked of it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::{Api, Client, Config, api::PostParams};
use tokio::sync::{Mutex, OnceCell};

use crate::{
    AuditedRequest, Error, audit,
    boot::{ApiServer, boot, client},
    identity::{self, Tokens, kubeconfig_name},
    keeper::Group,
    kubernetes, node,
    part::{Part, wait_for},
    real_node::{REAL_NODE, RealNode},
};

/// How long the controllers may take for something small, such as a namespace's service account.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);

/// What [`ControlPlane::start`] boots.
#[derive(Clone, Debug)]
pub struct ControlPlaneOptions {
    /// How many nodes, named `node-0`, `node-1` and so on.
    pub nodes: usize,
    /// Whether to run kube-state-metrics.
    pub kube_state_metrics: bool,
    /// A node that runs containers, beside the others.
    pub real_node: Option<RealNodeOptions>,
}

/// What the real node starts with.
#[derive(Clone, Debug, Default)]
pub struct RealNodeOptions {
    /// Archives of images (as `docker save` makes them) that its pods may use, beside `localhost/busybox:1`.
    pub images: Vec<PathBuf>,
    /// Without the taint: pods land there that do not ask for it. For a cluster without other nodes.
    pub alone: bool,
}

impl Default for ControlPlaneOptions {
    fn default() -> Self {
        Self {
            nodes: 3,
            kube_state_metrics: false,
            real_node: None,
        }
    }
}

/// A running control plane. Dropping it ends every process and removes every file.
#[derive(Debug)]
pub struct ControlPlane {
    api_server: Mutex<ApiServer>,
    others: Mutex<Vec<Part>>,
    url: String,
    kubeconfig: PathBuf,
    audit_log: PathBuf,
    metrics: Option<String>,
    config: Config,
    tokens: Tokens,
    real_node: Option<RealNode>,
    group: Arc<Group>,
}

impl ControlPlane {
    /// Compiles what is missing, boots everything, and returns when the nodes are Ready and pods can be created in the
    /// namespace `default`. About 6 s on an idle machine.
    ///
    /// # Errors
    /// When a program cannot be built, ends, or is not ready in time.
    pub async fn start(options: ControlPlaneOptions) -> Result<Self, Error> {
        let booted = boot(&options).await?;
        let group = booted.group;
        let this = Self {
            url: booted.api_server.url(),
            kubeconfig: group.folder().join(kubeconfig_name(identity::ADMIN)),
            audit_log: group.folder().join(kubernetes::AUDIT_LOG),
            metrics: booted.kube_state_metrics_url,
            config: booted.config,
            tokens: booted.tokens,
            api_server: Mutex::new(booted.api_server),
            others: Mutex::new(booted.others),
            real_node: booted.real_node,
            group,
        };
        this.settle(options.nodes).await?;
        Ok(this)
    }

    /// The control plane that all tests of a binary may share: started with the default options and kube-state-metrics by
    /// whoever asks first, and ended with the process.
    ///
    /// Give each test a namespace of its own ([`ControlPlane::create_namespace`]). Nodes, definitions and cluster roles
    /// are seen by all; a test that stops the API server starts a control plane for itself.
    ///
    /// # Errors
    /// As for [`ControlPlane::start`].
    pub async fn shared() -> Result<&'static Self, Error> {
        static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
        let options = ControlPlaneOptions {
            kube_state_metrics: true,
            ..ControlPlaneOptions::default()
        };
        SHARED.get_or_try_init(|| Self::start(options)).await
    }

    /// The node that runs containers, if it was asked for.
    #[must_use]
    pub fn real_node(&self) -> Option<&RealNode> {
        self.real_node.as_ref()
    }

    /// The administrator's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The API server's address, `https://127.0.0.1:PORT`; with a real node it listens on the link to it instead.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The folder with the logs (`NAME.log`), keys and kubeconfigs. It goes with the control plane.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.group.folder()
    }

    /// A client of the administrator that repeats nothing by itself. A new one on each call, since a client lives no
    /// longer than the runtime (of one test) that it was made in.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn client(&self) -> Client {
        client(&self.config).expect("the boot made a client of the same configuration")
    }

    /// A client of one of the [`IDENTITIES`](crate::IDENTITIES), which has no rights until a test binds some to the user
    /// of that name.
    ///
    /// # Errors
    /// When there is no such identity.
    pub fn client_for(&self, identity: &str) -> Result<Client, Error> {
        let token = serde_json::json!({"token": self.tokens.get(identity)?});
        let mut config = self.config.clone();
        config.auth_info = serde_json::from_value(token).expect("a token is a way to authenticate");
        client(&config)
    }

    /// The kubeconfig of one of the [`IDENTITIES`](crate::IDENTITIES).
    ///
    /// # Errors
    /// When there is no such identity.
    pub fn kubeconfig_for(&self, identity: &str) -> Result<PathBuf, Error> {
        self.tokens.get(identity)?;
        Ok(self.group.folder().join(kubeconfig_name(identity)))
    }

    /// Where kube-state-metrics serves the cluster's metrics, if it runs: `http://127.0.0.1:PORT/metrics`.
    #[must_use]
    pub fn kube_state_metrics_url(&self) -> Option<&str> {
        self.metrics.as_deref()
    }

    /// The API server's audit log, in JSON lines. [`ControlPlane::audited`] reads it.
    #[must_use]
    pub fn audit_log(&self) -> &Path {
        &self.audit_log
    }

    /// Every change that the API server was asked for, in order. A request is in here before the server looks at it; its
    /// status code may follow a moment after the client has the answer.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn audited(&self) -> Result<Vec<AuditedRequest>, Error> {
        audit::read(&self.audit_log)
    }

    /// Creates a namespace and waits until pods can be created in it.
    ///
    /// # Errors
    /// When it exists already, or its service account does not come.
    pub async fn create_namespace(&self, name: &str) -> Result<(), Error> {
        let client = self.client();
        let namespace = serde_json::from_value(serde_json::json!({"metadata": {"name": name}}));
        Api::<Namespace>::all(client.clone())
            .create(&PostParams::default(), &namespace.expect("the object is a namespace"))
            .await
            .map_err(Error::kubernetes(format!("creating namespace {name}")))?;
        wait_for_service_account(&client, name).await
    }

    /// Adds a node and waits until it is Ready.
    ///
    /// # Errors
    /// When it exists already, or does not become Ready.
    pub async fn add_node(&self, name: &str, labels: &[(&str, &str)]) -> Result<(), Error> {
        let client = self.client();
        node::create(&client, name, labels).await?;
        node::wait_until_ready(&client, name).await
    }

    /// Kills the API server. Its clients are refused until [`ControlPlane::start_api_server`].
    pub async fn stop_api_server(&self) {
        self.api_server.lock().await.part = None;
    }

    /// Starts the API server again at the same port, and waits until it is ready. Does nothing if it runs.
    ///
    /// # Errors
    /// When it ends or is not ready in time.
    pub async fn start_api_server(&self) -> Result<(), Error> {
        let mut server = self.api_server.lock().await;
        if server.part.is_none() {
            server.boot(&self.group).await?;
        }
        Ok(())
    }

    /// Makes the API server accept connections but answer nothing, until [`ControlPlane::resume_api_server`].
    ///
    /// # Errors
    /// When it does not run.
    pub async fn pause_api_server(&self) -> Result<(), Error> {
        self.signal_api_server("STOP").await
    }

    /// Ends what [`ControlPlane::pause_api_server`] began: the waiting requests are answered.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn resume_api_server(&self) -> Result<(), Error> {
        self.signal_api_server("CONT").await
    }

    /// Succeeds while every part runs that should.
    ///
    /// # Errors
    /// When one ended by itself: which, how, and the end of its log.
    pub async fn check(&self) -> Result<(), Error> {
        if let Some(part) = &mut self.api_server.lock().await.part {
            part.check()?;
        }
        self.others.lock().await.iter_mut().try_for_each(Part::check)?;
        match &self.real_node {
            Some(node) => node.check().await,
            None => Ok(()),
        }
    }

    async fn signal_api_server(&self, signal: &str) -> Result<(), Error> {
        self.api_server
            .lock()
            .await
            .part
            .as_ref()
            .ok_or(Error::ApiServerStopped)?
            .signal(signal)
    }

    async fn settle(&self, nodes: usize) -> Result<(), Error> {
        let client = &self.client();
        let names: Vec<_> = (0..nodes).map(|number| format!("node-{number}")).collect();
        for name in &names {
            node::create(client, name, &[]).await?;
        }
        for name in &names {
            node::wait_until_ready(client, name).await?;
        }
        if self.real_node.is_some() {
            node::wait_until_ready(client, REAL_NODE).await?;
        }
        wait_for_service_account(client, "default").await?;
        self.check().await
    }
}

/// Pods are refused in a namespace until its service account is there.
async fn wait_for_service_account(client: &Client, namespace: &str) -> Result<(), Error> {
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), namespace);
    let what = format!("the service account of namespace {namespace}");
    let look = || async {
        accounts
            .get("default")
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    };
    wait_for(&what, SETTLED_WITHIN, look).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sendable<T: Send>(value: T) -> T {
        value
    }

    /// Checked by the compiler: a test may spawn the boot, and share the handle among threads.
    #[test]
    fn starting_may_be_spawned() {
        drop(sendable(ControlPlane::start(ControlPlaneOptions::default())));
        drop(sendable(crate::Alertmanager::start("")));
        drop(sendable(crate::Alertmanager::start_pair("")));
        drop(sendable(crate::Prometheus::start(crate::PrometheusOptions::default())));
        let _ = |plane: ControlPlane| sendable(async move { plane.start_api_server().await });
    }
}
