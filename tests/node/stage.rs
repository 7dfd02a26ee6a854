//! Everything that runs: a cluster with one real node, and what is installed in it as a user would.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, PersistentVolume, Secret},
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use simulated_cluster::{serve::Server, slack::Slack};
use test_cluster::{
    Alertmanager, AuditedRequest, ControlPlane, ControlPlaneOptions, Prometheus, PrometheusOptions, REAL_NODE,
    RealNode, RealNodeOptions, Tool, tool,
};

use crate::{selfhealer::Selfhealer, until};

pub const CHANNEL: &str = "#k8s-self-healer-alerts";
/// Where selfhealer is installed, and what it is called there.
pub const NAMESPACE: &str = "selfhealer";
/// The user that it is to the API server.
const USER: &str = "system:serviceaccount:selfhealer:selfhealer";
/// A port of selfhealer's pod at which the local Slack is reached: without encryption it talks to loopback only.
const SLACK_PORT: u16 = 9099;

/// Instead of the ten minutes of the shipped rule: until after the third restart, which kubelet makes 40 s after the first.
const HOLD: Duration = Duration::from_secs(45);

/// In the order in which it ends.
pub struct Stage {
    _prometheus: Prometheus,
    _alertmanager: Alertmanager,
    _slack_server: Server,
    slack: Slack,
    pub selfhealer: Selfhealer,
    pub client: Client,
    pub plane: ControlPlane,
    _files: tempfile::TempDir,
}

fn root(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The archive that `make image` writes.
fn image() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let archive = target.join("image/selfhealer.tar");
    assert!(archive.is_file(), "there is no {}: run `make image`", archive.display());
    archive
}

pub fn object<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

impl Stage {
    /// Installs what is shipped, waits until it is ready in shadow, and then lets it act and tell Slack. `quick`: the
    /// runbook is content with less proof of health.
    pub async fn set(quick: bool) -> Self {
        let plane = ControlPlane::start(ControlPlaneOptions {
            nodes: 0,
            kube_state_metrics: true,
            real_node: Some(RealNodeOptions {
                images: vec![image()],
                alone: true,
            }),
        })
        .await
        .unwrap();
        let client = plane.client();
        let node = plane.real_node().unwrap();
        let files = tempfile::tempdir().unwrap();
        let slack = Slack::new(Arc::new(jiff::Timestamp::now));
        let slack_server = slack.serve_on(node.host_address()).await.unwrap();
        let slack_token = slack.install_app("selfhealer", &["chat:write", "files:write", "channels:history"]);
        slack.invite(&slack_token, &slack.add_channel(CHANNEL));

        provide_a_disk(&client, node).await;
        plane.create_namespace(NAMESPACE).await.unwrap();
        let secrets: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
        for (name, data) in [
            ("selfhealer-tokens", json!({"alertmanager": INGEST, "oncall": ONCALL})),
            ("selfhealer-slack", json!({"token": slack_token})),
        ] {
            let secret = object(json!({"metadata": {"name": name}, "stringData": data}));
            secrets.create(&PostParams::default(), &secret).await.unwrap();
        }
        apply(&plane, "deploy/");
        let selfhealer = Selfhealer::find(&client, ONCALL).await;
        selfhealer.ready().await;
        configure(&client, &slack_server, quick).await;
        selfhealer.ready().await;

        let alertmanager = Alertmanager::start(&route(&selfhealer.url, files.path()))
            .await
            .unwrap();
        let metrics = plane.kube_state_metrics_url().unwrap().to_owned();
        let prometheus = Prometheus::start(PrometheusOptions {
            rules: vec![root("rules/pods.yaml")],
            hold: Some(HOLD),
            scrape: vec![("kube-state-metrics".to_owned(), metrics)],
            alertmanagers: vec![alertmanager.url().to_owned()],
            ..PrometheusOptions::default()
        })
        .await
        .unwrap();
        Self {
            _prometheus: prometheus,
            _alertmanager: alertmanager,
            _slack_server: slack_server,
            slack,
            selfhealer,
            client,
            plane,
            _files: files,
        }
    }

    pub fn node(&self) -> &RealNode {
        self.plane.real_node().unwrap()
    }

    /// The Slack channel as people see it.
    pub fn channel(&self) -> String {
        self.slack.channel_as_text(CHANNEL)
    }

    /// What selfhealer asked the API server to change in a namespace, Events left out.
    pub fn changes(&self, namespace: &str) -> Vec<AuditedRequest> {
        let audited = self.plane.audited().unwrap();
        let ours = audited
            .into_iter()
            .filter(|request| request.user == USER && request.namespace == namespace);
        ours.filter(|request| request.resource != "events").collect()
    }

    /// The pods of a namespace whose eviction was asked for and granted.
    pub fn evicted(&self, namespace: &str) -> Vec<String> {
        let changes = self.changes(namespace).into_iter();
        changes
            .filter(|request| request.is_eviction() && request.code == Some(201))
            .map(|request| request.name)
            .collect()
    }

    /// kubectl, as the administrator.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        kubectl(&self.plane, arguments)
    }
}

const INGEST: &str = "ingest-0123456789abcdef";
const ONCALL: &str = "oncall-0123456789abcdef";

fn kubectl(plane: &ControlPlane, arguments: &[&str]) -> String {
    let output = Command::new(tool(Tool::Kubectl).unwrap())
        .arg("--kubeconfig")
        .arg(plane.kubeconfig())
        .args(arguments)
        .current_dir(root("."))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn apply(plane: &ControlPlane, path: &str) {
    kubectl(plane, &["apply", "--validate=strict", "-f", path]);
}

/// A volume for the claim, since no class of this cluster makes one. Of a kind whose group kubelet sets, as it does for
/// disks.
async fn provide_a_disk(client: &Client, node: &RealNode) {
    let folder = node.shared_folder().join("disk");
    std::fs::create_dir_all(&folder).unwrap();
    let here = json!({"key": "kubernetes.io/hostname", "operator": "In", "values": [REAL_NODE]});
    let volume = json!({
        "metadata": {"name": "disk"},
        "spec": {
            "capacity": {"storage": "2Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "local": {"path": folder},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
        },
    });
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    volumes.create(&PostParams::default(), &object(volume)).await.unwrap();
}

/// What a user changes after the first look: the runbook acts, and Slack is told. The local Slack is reached by a
/// container beside selfhealer's.
async fn configure(client: &Client, slack: &Server, quick: bool) {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
    let shipped = maps.get("selfhealer").await.unwrap().data.unwrap()["selfhealer.yaml"].clone();
    let more = format!(
        "modes: {{crash-looping-pod: enforce}}\nsettle: 2s\nslack: {{tokenFile: /etc/selfhealer/slack/token, \
         channel: \"{CHANNEL}\", apiUrl: \"http://127.0.0.1:{SLACK_PORT}/api/\"}}\n"
    );
    let changed = json!({"data": {"selfhealer.yaml": format!("{shipped}{more}")}});
    let patch = PatchParams::default();
    maps.patch("selfhealer", &patch, &Patch::Merge(changed)).await.unwrap();
    if quick {
        let file = "crash-looping-pod.yaml";
        let shipped = maps.get("selfhealer-runbooks").await.unwrap().data.unwrap()[file].clone();
        let text = shipped.replace("stableFor: 1m", "stableFor: 10s");
        assert_ne!(text, shipped, "the runbook has changed; adapt this test");
        let changed = json!({"data": {file: text}});
        maps.patch("selfhealer-runbooks", &patch, &Patch::Merge(changed))
            .await
            .unwrap();
    }
    let to = slack.address();
    let relay = json!({
        "name": "slack-relay",
        "image": "localhost/busybox:1",
        "command": ["nc", "-ll", "-p", SLACK_PORT.to_string(), "-e", "nc", to.ip().to_string(), to.port().to_string()],
        "securityContext": {
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
        },
    });
    let template = json!({"metadata": {"annotations": {"restarted": "to read its configuration"}}, "spec": {"containers": [relay]}});
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    let deployment = json!({"spec": {"template": template}});
    deployments
        .patch("selfhealer", &patch, &Patch::Strategic(deployment))
        .await
        .unwrap();
    until("the new pod alone", async || {
        let live = deployments.get("selfhealer").await.unwrap();
        let (generation, status) = (live.metadata.generation, live.status?);
        let fresh = status.observed_generation == generation && status.updated_replicas == Some(1);
        (fresh && status.replicas == Some(1) && status.ready_replicas == Some(1)).then_some(())
    })
    .await;
}

/// The shipped route, to where selfhealer is here.
fn route(url: &str, files: &Path) -> String {
    let token = files.join("token");
    std::fs::write(&token, INGEST).unwrap();
    let shipped = std::fs::read_to_string(root("alertmanager/alertmanager.yaml")).unwrap();
    let text = shipped.replace("http://selfhealer.selfhealer.svc:8080", url).replace(
        "/etc/alertmanager/secrets/selfhealer/token",
        &token.display().to_string(),
    );
    assert!(
        text.contains(url) && !text.contains("/etc/alertmanager"),
        "the route has changed; adapt this test"
    );
    text
}
