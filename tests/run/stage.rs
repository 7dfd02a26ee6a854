//! Everything that runs, and the workload that will break.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{Event, Pod},
        rbac::v1::{ClusterRole, ClusterRoleBinding},
    },
    serde::de::DeserializeOwned,
};
use kube::{
    Api, Client,
    api::{ListParams, PostParams},
};
use serde_json::{Value, json};
use test_cluster::{Alertmanager, AuditedRequest, ControlPlane, Prometheus, PrometheusOptions, webhook_config};

use crate::{ground::Ground, printer::Printer, service::Service};

/// Where the workload stands.
pub const NAMESPACE: &str = "shop";
/// The workload.
pub const DEPLOYMENT: &str = "cart";
/// How many pods it has.
pub const REPLICAS: usize = 3;
/// The identity that selfhealer has in the cluster.
const IDENTITY: &str = "selfhealer";
/// What the shipped runbook asks for, and what `--quick` makes of it.
const STABLE_FOR: (&str, &str) = ("stableFor: 1m", "stableFor: 2s");

/// Kubelet starts a container that has crashed three times again after 40 s.
const PATIENCE: Duration = Duration::from_secs(180);
const LOOK: Duration = Duration::from_millis(50);

/// Everything, in the order in which it ends.
pub struct Stage {
    prometheus: Prometheus,
    alertmanager: Alertmanager,
    /// selfhealer.
    pub service: Service,
    plane: ControlPlane,
    client: Client,
    ground: Ground,
    /// How long it must be healthy, in the runbook's words.
    pub stable_for: String,
}

/// A pod in a crash loop.
pub struct Fault {
    /// When it was made.
    pub at: jiff::Timestamp,
    /// The pod.
    pub pod: PodView,
    /// In words.
    pub words: String,
}

/// What the story tells of a pod.
#[derive(Clone, Debug)]
pub struct PodView {
    /// Its name.
    pub name: String,
    /// Its identity.
    pub uid: String,
    /// Where it runs.
    pub node: String,
    ready: bool,
}

impl Stage {
    /// Boots and starts everything, and waits until the workload is ready.
    pub async fn set(program: &Path, quick: bool, printer: &Printer) -> anyhow::Result<Self> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
        let ground = Ground::here();
        let mut runbook = ground.runbook(include_str!("../../runbooks/crash-looping-pod.yaml"))?;
        if quick {
            runbook = runbook.replace(STABLE_FOR.0, STABLE_FOR.1);
        }
        let stable_for = runbook.lines().find_map(|line| line.trim().strip_prefix("stableFor: "));
        let stable_for = stable_for.context("the shipped runbook has no stableFor")?.to_owned();

        printer.waiting("compiling what is missing of the test cluster; only the first time takes minutes");
        // All of it first, so that nothing waits half booted for a compiler.
        tokio::task::spawn_blocking(test_cluster::build_all).await??;
        printer.waiting("booting the control plane");
        let plane = ControlPlane::start(ground.options()).await?;
        let client = plane.client();
        let version = client.apiserver_version().await?.git_version;
        printer.ready(&format!(
            "Kubernetes {version} with {}, and kube-state-metrics",
            ground.nodes()
        ));
        if let Some(note) = ground.note() {
            printer.note(&format!("    {note}"));
        }

        let more = ground.rules();
        let rights = if more.is_empty() { "no others" } else { "pods/log" };
        grant(&client, more).await?;
        printer.ready(&format!(
            "a user selfhealer with the rights in deploy/rbac.yaml, and {rights}"
        ));

        let service = Service::start(program, &runbook, &plane.kubeconfig_for(IDENTITY)?).await?;
        printer.ready(&format!(
            "selfhealer {} with runbooks/crash-looping-pod.yaml in mode enforce",
            service.version
        ));
        if quick {
            printer.note(&format!(
                "    Here the runbook says {}; as shipped, {}.",
                STABLE_FOR.1, STABLE_FOR.0
            ));
        }

        let alertmanager = Alertmanager::start(&webhook_config(&format!("{}/alertmanager", service.url))).await?;
        printer.ready("Alertmanager, which posts to selfhealer");

        printer.waiting("starting Prometheus");
        let metrics = plane
            .kube_state_metrics_url()
            .context("kube-state-metrics was asked for")?;
        let prometheus = Prometheus::start(PrometheusOptions {
            rules: vec![workspace.join("rules/pods.yaml")],
            hold: Some(ground.hold()),
            scrape: vec![("kube-state-metrics".to_owned(), metrics.to_owned())],
            alertmanagers: vec![alertmanager.url().to_owned()],
            ..PrometheusOptions::default()
        })
        .await?;
        printer.ready("Prometheus with rules/pods.yaml");
        printer.note(&format!(
            "    Here a crash loop must last for {}s; as shipped, for 10m.",
            ground.hold().as_secs()
        ));

        let stage = Self {
            prometheus,
            alertmanager,
            service,
            plane,
            client,
            ground,
            stable_for,
        };
        stage.deploy().await?;
        printer.ready(&format!(
            "{NAMESPACE}/Deployment/{DEPLOYMENT} with {REPLICAS} of {REPLICAS} pods ready"
        ));
        Ok(stage)
    }

    /// Succeeds while every part runs.
    pub async fn check(&self) -> anyhow::Result<()> {
        self.service.check()?;
        self.plane.check().await?;
        self.alertmanager.check().await?;
        self.prometheus.check().await?;
        Ok(())
    }

    /// Lets one pod crash.
    pub async fn break_a_pod(&self) -> anyhow::Result<Fault> {
        let pods = self.pods().await?;
        let pod = pods.into_iter().next().context("the Deployment has no pod")?;
        let at = jiff::Timestamp::now();
        let words = self.ground.break_pod(self, &self.plane, &pod).await?;
        Ok(Fault { at, words, pod })
    }

    /// The ready pods that were not there before the fault.
    pub async fn replacement_of(&self, fault: &Fault) -> anyhow::Result<Option<PodView>> {
        let pods: Api<Pod> = self.pod_api();
        let list = pods.list(&selected()).await?;
        let newest = list.items.iter().filter(|pod| {
            let created = pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
            created.is_some_and(|created| created.as_second() >= fault.at.as_second())
        });
        Ok(newest.map(view).find(|pod| pod.ready))
    }

    /// How many of the workload's pods are ready.
    pub async fn ready_pods(&self) -> anyhow::Result<usize> {
        Ok(self.pods().await?.iter().filter(|pod| pod.ready).count())
    }

    /// Our Events about what happened, as `kubectl describe` shows them: reason and note.
    pub async fn events(&self) -> anyhow::Result<Vec<(String, String)>> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), NAMESPACE);
        let list = events.list(&ListParams::default()).await?;
        let ours = list
            .items
            .into_iter()
            .filter(|event| event.reporting_component.as_deref() == Some("selfhealer.dev/selfhealer"));
        Ok(ours
            .map(|event| (event.reason.unwrap_or_default(), event.message.unwrap_or_default()))
            .collect())
    }

    /// What the API server recorded that selfhealer asked it to change.
    pub fn changes(&self) -> anyhow::Result<Vec<AuditedRequest>> {
        let audited = self.plane.audited()?;
        Ok(audited.into_iter().filter(|request| request.user == IDENTITY).collect())
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        self.plane.kubeconfig()
    }

    /// Where Prometheus and Alertmanager have their pages.
    pub fn pages(&self) -> (&str, &str) {
        (self.prometheus.url(), self.alertmanager.url())
    }

    async fn deploy(&self) -> anyhow::Result<()> {
        self.plane.create_namespace(NAMESPACE).await?;
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), NAMESPACE);
        let deployment = object(json!({
            "metadata": {"name": DEPLOYMENT},
            "spec": {
                "replicas": REPLICAS,
                "selector": {"matchLabels": {"app": DEPLOYMENT}},
                "template": {
                    "metadata": {"labels": {"app": DEPLOYMENT}},
                    "spec": self.ground.pod(),
                },
            },
        }))?;
        deployments.create(&PostParams::default(), &deployment).await?;
        self.wait("the Deployment's pods", async || {
            Ok((self.ready_pods().await? == REPLICAS).then_some(()))
        })
        .await
    }

    /// Commands that break a pod.
    pub fn how_to_break(&self, kubectl: &str, pod: &str) -> String {
        self.ground.how_to_break(kubectl, pod)
    }

    /// The workload's namespace.
    pub fn pod_api(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    async fn pods(&self) -> anyhow::Result<Vec<PodView>> {
        let list = self.pod_api().list(&selected()).await?;
        Ok(list.items.iter().map(view).collect())
    }

    /// Looks until there is something, and whether everything still runs.
    pub async fn wait<T>(&self, what: &str, look: impl AsyncFn() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look().await? {
                return Ok(found);
            }
            self.check().await?;
            anyhow::ensure!(Instant::now() < deadline, "waited {}s for {what}", PATIENCE.as_secs());
            tokio::time::sleep(LOOK).await;
        }
    }
}

async fn grant(client: &Client, more: Vec<Value>) -> anyhow::Result<()> {
    let mut role: Value = serde_saphyr::from_str(include_str!("../../deploy/rbac.yaml"))?;
    let rules = role["rules"].as_array_mut().context("the shipped role has no rules")?;
    rules.extend(more);
    let binding = json!({
        "metadata": {"name": IDENTITY},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role["metadata"]["name"]},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": IDENTITY}],
    });
    let (roles, bindings): (Api<ClusterRole>, Api<ClusterRoleBinding>) =
        (Api::all(client.clone()), Api::all(client.clone()));
    roles.create(&PostParams::default(), &object(role)?).await?;
    bindings.create(&PostParams::default(), &object(binding)?).await?;
    Ok(())
}

fn selected() -> ListParams {
    ListParams::default().labels(&format!("app={DEPLOYMENT}"))
}

fn view(pod: &Pod) -> PodView {
    let status = pod.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_ref());
    let ready = conditions.is_some_and(|conditions| {
        conditions
            .iter()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True")
    });
    PodView {
        name: pod.metadata.name.clone().unwrap_or_default(),
        uid: pod.metadata.uid.clone().unwrap_or_default(),
        node: pod
            .spec
            .as_ref()
            .and_then(|spec| spec.node_name.clone())
            .unwrap_or_default(),
        ready: ready && pod.metadata.deletion_timestamp.is_none(),
    }
}

fn object<T: DeserializeOwned>(value: Value) -> anyhow::Result<T> {
    serde_json::from_value(value).context("an object of this program is not valid")
}
