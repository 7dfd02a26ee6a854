//! The boot: etcd, then the API server, then all that talks to it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use kube::{
    Api, Client, Config,
    api::{ApiResource, DynamicObject, GroupVersionKind, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};

use crate::{
    ControlPlaneOptions, Error, Tool, build,
    identity::{self, Tokens, kubeconfig_name},
    keeper::Group,
    kubernetes::{self, Network},
    modules::LOG_CRDS,
    part::{Part, write},
    port::with_free_ports,
    probe::Probe,
    real_node::RealNode,
};

const STAGES: &str = include_str!("../manifests/kwok-stages.yaml");
/// How long one look at the API server may take.
const LOOK: Duration = Duration::from_secs(2);

/// All parts, ready.
pub(crate) struct Booted {
    pub(crate) api_server: ApiServer,
    pub(crate) others: Vec<Part>,
    pub(crate) kube_state_metrics_url: Option<String>,
    /// The administrator's.
    pub(crate) config: Config,
    pub(crate) tokens: Tokens,
    pub(crate) real_node: Option<RealNode>,
    pub(crate) group: Arc<Group>,
}

/// Apart from the other parts because a test may stop it and start it again at the same port.
#[derive(Debug)]
pub(crate) struct ApiServer {
    program: PathBuf,
    etcd: String,
    network: Network,
    port: u16,
    pub(crate) part: Option<Part>,
}

pub(crate) async fn boot(options: &ControlPlaneOptions) -> Result<Booted, Error> {
    let programs = [
        Tool::Etcd,
        Tool::KubeApiserver,
        Tool::KubeControllerManager,
        Tool::KubeScheduler,
        Tool::Kwok,
    ];
    let [etcd, api_server, controller_manager, scheduler, kwok] = build::tools(programs).await?;
    let metrics = if options.kube_state_metrics {
        Some(build::tools([Tool::KubeStateMetrics]).await?)
    } else {
        None
    };

    let probe = Probe::new();
    let group = Arc::new(Group::new("cluster")?);
    let tokens = Tokens::new();
    write(&group, "tokens.csv", tokens.csv())?;
    write(&group, "audit-policy.yaml", kubernetes::AUDIT_POLICY)?;
    identity::write_service_account_keys(&group)?;
    let stages = write(&group, "kwok-stages.yaml", STAGES)?;

    // First, because the API server listens on the link to it.
    let real_node = match &options.real_node {
        Some(real) => Some(RealNode::prepare(&group, real).await?),
        None => None,
    };
    let network = match &real_node {
        Some(node) => Network::linked(node.link()),
        None => Network::loopback(),
    };
    let (etcd, etcd_url) = start_etcd(&etcd, &group, &probe).await?;
    let (api_server, config) = start_api_server(&api_server, &group, &etcd_url, network, &tokens).await?;
    let (controller_manager, scheduler, kwok, ()) = tokio::try_join!(
        start(&group, Tool::KubeControllerManager, "https", &probe, |port| {
            kubernetes::controller_manager(&controller_manager, &group, port)
        }),
        start(&group, Tool::KubeScheduler, "https", &probe, |port| {
            kubernetes::scheduler(&scheduler, &group, port)
        }),
        async {
            create_log_definitions(&client(&config)?, &kwok).await?;
            start(&group, Tool::Kwok, "http", &probe, |port| {
                kubernetes::kwok(&kwok, &group, &stages, port)
            })
            .await
        },
        async {
            match &real_node {
                Some(node) => node.join().await,
                None => Ok(()),
            }
        },
    )?;
    let mut others = vec![etcd, controller_manager, scheduler, kwok];
    let mut kube_state_metrics_url = None;
    if let Some([program]) = metrics {
        let (part, url) = start_kube_state_metrics(&program, &group, &probe).await?;
        others.push(part);
        kube_state_metrics_url = Some(url);
    }
    Ok(Booted {
        api_server,
        others,
        kube_state_metrics_url,
        config,
        tokens,
        real_node,
        group,
    })
}

/// A client that repeats nothing by itself. By default kube repeats what a disruption budget refuses, for minutes.
pub(crate) fn client(config: &Config) -> Result<Client, Error> {
    let mut config = config.clone();
    config.default_retry = false;
    config.proxy_url = None;
    Client::try_from(config).map_err(Error::kubernetes("making a client"))
}

impl ApiServer {
    pub(crate) fn url(&self) -> String {
        format!("https://{}:{}", self.network.address, self.port)
    }

    /// Starts the server, waits until it is ready, and gives the administrator's configuration. The configuration holds
    /// the certificate, which the server makes at its first start.
    pub(crate) async fn boot(&mut self, group: &Arc<Group>) -> Result<Config, Error> {
        let command = kubernetes::api_server(&self.program, group, &self.etcd, &self.network, self.port);
        let mut part = Part::start(group, Tool::KubeApiserver.name(), command)?;
        let kubeconfig = group.folder().join(kubeconfig_name(identity::ADMIN));
        let config = part
            .ready(|| async {
                let fresh = read_config(&kubeconfig).await?;
                is_ready(&fresh).await?;
                Ok(fresh)
            })
            .await?;
        self.part = Some(part);
        Ok(config)
    }
}

async fn read_config(kubeconfig: &Path) -> Result<Config, String> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).map_err(|error| error.to_string())?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    config.map_err(|error| error.to_string())
}

async fn is_ready(config: &Config) -> Result<(), String> {
    let client = client(config).map_err(|error| error.to_string())?;
    let request = http::Request::get("/readyz")
        .body(Vec::new())
        .map_err(|error| error.to_string())?;
    match tokio::time::timeout(LOOK, client.request_text(request)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(format!("/readyz: {error}")),
        Err(_) => Err("/readyz: no answer".into()),
    }
}

async fn start_etcd(program: &Path, group: &Arc<Group>, probe: &Probe) -> Result<(Part, String), Error> {
    with_free_ports(|ports| async move {
        let mut part = Part::start(group, Tool::Etcd.name(), kubernetes::etcd(program, group, ports))?;
        let url = format!("http://127.0.0.1:{}", ports[0]);
        part.ready(|| async { probe.ok(&format!("{url}/health")).await })
            .await?;
        Ok((part, url))
    })
    .await
}

async fn start_api_server(
    program: &Path,
    group: &Arc<Group>,
    etcd: &str,
    network: Network,
    tokens: &Tokens,
) -> Result<(ApiServer, Config), Error> {
    let network = &network;
    with_free_ports(|[port]| async move {
        let mut server = ApiServer {
            program: program.into(),
            etcd: etcd.into(),
            network: network.clone(),
            port,
            part: None,
        };
        tokens.write_kubeconfigs(group, &server.url(), &kubernetes::authority(group))?;
        let config = server.boot(group).await?;
        Ok((server, config))
    })
    .await
}

async fn start_kube_state_metrics(program: &Path, group: &Arc<Group>, probe: &Probe) -> Result<(Part, String), Error> {
    with_free_ports(|ports| async move {
        let command = kubernetes::kube_state_metrics(program, group, ports);
        let mut part = Part::start(group, Tool::KubeStateMetrics.name(), command)?;
        let url = format!("http://127.0.0.1:{}", ports[0]);
        part.ready(|| async { probe.ok(&format!("{url}/healthz")).await })
            .await?;
        Ok((part, format!("{url}/metrics")))
    })
    .await
}

/// Starts a part with one port and a `/healthz`.
async fn start(
    group: &Arc<Group>,
    tool: Tool,
    scheme: &str,
    probe: &Probe,
    command: impl Fn(u16) -> Command,
) -> Result<Part, Error> {
    let command = &command;
    with_free_ports(|[port]| async move {
        let mut part = Part::start(group, tool.name(), command(port))?;
        part.ready(|| async { probe.ok(&format!("{scheme}://127.0.0.1:{port}/healthz")).await })
            .await?;
        Ok(part)
    })
    .await
}

/// Creates the definitions of KWOK's `Logs` and `ClusterLogs`, which are kept beside the program.
async fn create_log_definitions(client: &Client, kwok: &Path) -> Result<(), Error> {
    let kind = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let definitions = Api::<DynamicObject>::all_with(client.clone(), &ApiResource::from_gvk(&kind));
    for file in LOG_CRDS.iter().filter_map(|file| Path::new(file).file_name()) {
        let path = kwok.with_file_name(file);
        let what = format!("creating the definition in {}", path.display());
        let text = fs::read_to_string(&path).map_err(Error::io(&what))?;
        let definition: DynamicObject = serde_saphyr::from_str(&text)
            .map_err(|error| Error::io(&what)(std::io::Error::other(error.to_string())))?;
        definitions
            .create(&PostParams::default(), &definition)
            .await
            .map_err(Error::kubernetes(&what))?;
    }
    Ok(())
}
