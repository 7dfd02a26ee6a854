//! The command lines of the control plane's programs.
//!
//! Timings are those of a cluster in a hurry: tolerations end after two seconds, and so on. Only
//! heartbeats have the time of a real cluster, since on a busy machine a late one would look like a dead node.
//! Client rate limits are raised so that no test waits for a budget meant for production.

use std::{net::Ipv4Addr, path::Path, process::Command};

use crate::{identity, keeper::Group, part::program, real_node::Link};

/// Which nodes KWOK keeps alive: a node goes silent when this label changes. (It does not react to an annotation.)
pub(crate) const NODE_IS_UP: (&str, &str) = ("bench/kwok", "up");

/// What is recorded: every change that somebody other than the control plane asks for, with its body (preconditions and
/// `dryRun` are in there), and every deletion and eviction of a pod, also by a controller. Not by KWOK or a kubelet: their
/// deletions are the word that a pod is gone.
pub(crate) const AUDIT_POLICY: &str = r#"
apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: None
  users: [kwok]
- level: None
  userGroups: ["system:nodes"]
- level: Request
  verbs: [create]
  resources: [{group: "", resources: [pods/eviction]}]
- level: Request
  verbs: [delete, deletecollection]
  resources: [{group: "", resources: [pods]}]
- level: None
  users: ["system:apiserver", "system:kube-controller-manager", "system:kube-scheduler"]
- level: None
  userGroups: ["system:serviceaccounts:kube-system"]
- level: Request
  verbs: [create, update, patch, delete, deletecollection]
- level: None
"#;
pub(crate) const AUDIT_LOG: &str = "audit.log";

const CERTIFICATES: &str = "certificates";

/// The API server's certificate, which it makes for itself, and which its clients take for the authority.
pub(crate) fn authority(group: &Group) -> std::path::PathBuf {
    group.folder().join(CERTIFICATES).join("apiserver.crt")
}

pub(crate) fn etcd(path: &Path, group: &Group, [client, peer]: [u16; 2]) -> Command {
    let (client, peer) = (format!("http://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}"));
    let mut command = program(path, group);
    command
        .args(["--data-dir", "etcd-data"])
        .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
        .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
        .arg(format!("--initial-cluster=default={peer}"))
        // Nothing here survives its process, so there is nothing to sync for.
        .arg("--unsafe-no-fsync")
        .args(["--log-level", "warn", "--quota-backend-bytes", "4294967296"])
        .args([
            "--auto-compaction-mode",
            "revision",
            "--auto-compaction-retention",
            "1000",
        ]);
    command
}

/// Where the API server listens, and the addresses of Services.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub(crate) address: Ipv4Addr,
    pub(crate) services: String,
    /// Who writes the endpoints of the Service `kubernetes`. The address of a loopback server would be refused.
    endpoints: &'static str,
}

impl Network {
    /// For a cluster without containers.
    pub(crate) fn loopback() -> Self {
        Self {
            address: Ipv4Addr::LOCALHOST,
            services: "10.96.0.0/16".into(),
            endpoints: "none",
        }
    }

    /// Reachable over the link to the real node, from its pods by the Service `kubernetes`.
    pub(crate) fn linked(link: Link) -> Self {
        Self {
            address: link.host(),
            services: link.services(),
            endpoints: "lease",
        }
    }
}

pub(crate) fn api_server(path: &Path, group: &Group, etcd: &str, network: &Network, port: u16) -> Command {
    let address = network.address.to_string();
    let mut command = program(path, group);
    command
        .args(["--etcd-servers", etcd])
        .args(["--bind-address", &address, "--advertise-address", &address])
        .arg(format!("--secure-port={port}"))
        .args(["--cert-dir", CERTIFICATES, "--token-auth-file", "tokens.csv"])
        .args(["--authorization-mode", "Node,RBAC"])
        .args(["--service-account-issuer", "https://kubernetes.default.svc"])
        .args([
            "--service-account-key-file",
            "sa.pub",
            "--service-account-signing-key-file",
            "sa.key",
        ])
        .args(["--service-cluster-ip-range", &network.services])
        .args(["--enable-admission-plugins", "NodeRestriction,PodNodeSelector"])
        .args(["--endpoint-reconciler-type", network.endpoints])
        // Logs and exec: the real node's name means nothing to a resolver.
        .args(["--kubelet-preferred-address-types", "InternalIP"])
        .args([
            "--default-not-ready-toleration-seconds",
            "2",
            "--default-unreachable-toleration-seconds",
            "2",
        ])
        .args(["--kubelet-timeout", "5s"])
        .args([
            "--max-requests-inflight",
            "2000",
            "--max-mutating-requests-inflight",
            "1000",
        ])
        .args([
            "--audit-policy-file",
            "audit-policy.yaml",
            "--audit-log-path",
            AUDIT_LOG,
        ])
        // Written before the request goes on, so that the log is complete even if the server is killed.
        .args(["--audit-log-mode", "blocking"]);
    command
}

pub(crate) fn controller_manager(path: &Path, group: &Group, port: u16) -> Command {
    let mut command = with_kubeconfig(path, group, identity::CONTROLLER_MANAGER);
    command
        .args([
            "--bind-address",
            "127.0.0.1",
            "--cert-dir",
            "controller-manager-certificates",
        ])
        .arg(format!("--secure-port={port}"))
        .args(["--leader-elect=false", "--service-account-private-key-file", "sa.key"])
        .arg("--root-ca-file")
        .arg(authority(group))
        // Without it every controller acts as the manager itself, which may do nearly nothing.
        .arg("--use-service-account-credentials=true")
        .args(["--node-monitor-period", "500ms"])
        .args([
            "--node-monitor-grace-period",
            "40s",
            "--node-startup-grace-period",
            "40s",
        ])
        // By default one node in ten seconds is emptied, and none in a zone that is mostly down.
        .args(["--node-eviction-rate", "100", "--secondary-node-eviction-rate", "100"])
        .args(["--unhealthy-zone-threshold", "1"])
        .args(["--horizontal-pod-autoscaler-sync-period", "1s"])
        .args(["--horizontal-pod-autoscaler-downscale-stabilization", "1s"])
        .args(["--horizontal-pod-autoscaler-cpu-initialization-period", "0s"])
        .args(["--horizontal-pod-autoscaler-initial-readiness-delay", "0s"])
        .args(["--terminated-pod-gc-threshold", "1000"])
        .args(["--kube-api-qps", "1000", "--kube-api-burst", "2000"]);
    command
}

pub(crate) fn scheduler(path: &Path, group: &Group, port: u16) -> Command {
    let mut command = with_kubeconfig(path, group, identity::SCHEDULER);
    command
        .args(["--bind-address", "127.0.0.1", "--cert-dir", "scheduler-certificates"])
        .arg(format!("--secure-port={port}"))
        .arg("--leader-elect=false")
        .args(["--kube-api-qps", "1000", "--kube-api-burst", "2000"]);
    command
}

/// `stages` says how pods and nodes behave; KWOK ends at once without any.
pub(crate) fn kwok(path: &Path, group: &Group, stages: &Path, port: u16) -> Command {
    let (label, value) = NODE_IS_UP;
    let mut command = with_kubeconfig(path, group, identity::KWOK);
    command
        .arg("--config")
        .arg(stages)
        .args([
            "--manage-all-nodes=false",
            "--manage-nodes-with-label-selector",
            &format!("{label}={value}"),
        ])
        .args(["--node-lease-duration-seconds", "20"])
        .args(["--node-ip", "127.0.0.1", &format!("--node-port={port}")])
        .arg(format!("--server-address=127.0.0.1:{port}"))
        .arg("--enable-crds=Logs,ClusterLogs");
    command
}

pub(crate) fn kube_state_metrics(path: &Path, group: &Group, [port, telemetry]: [u16; 2]) -> Command {
    let mut command = with_kubeconfig(path, group, identity::METRICS);
    command.args(["--host", "127.0.0.1", &format!("--port={port}")]).args([
        "--telemetry-host",
        "127.0.0.1",
        &format!("--telemetry-port={telemetry}"),
    ]);
    command
}

fn with_kubeconfig(path: &Path, group: &Group, identity: &str) -> Command {
    let mut command = program(path, group);
    command
        .arg("--kubeconfig")
        .arg(group.folder().join(identity::kubeconfig_name(identity)));
    command
}
