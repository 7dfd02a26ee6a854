//! The configuration files of containerd, kube-proxy and kubelet.

use std::path::PathBuf;

use serde_json::json;

use super::{Link, REAL_NODE, REAL_NODE_LABEL, cgroups, image::PAUSE, requirements};
use crate::{
    identity::{self, kubeconfig_name},
    keeper::Group,
};

const CONTAINERD: &str = r#"
version = 3
root = "FOLDER/containerd"
state = "FOLDER/containerd-state"
[grpc]
address = "SOCKET"
[plugins."io.containerd.cri.v1.images"]
snapshotter = "overlayfs"
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "PAUSE"
[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true
disable_apparmor = true
[plugins."io.containerd.cri.v1.runtime".containerd]
default_runtime_name = "runc"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
SystemdCgroup = false
[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["PLUGINS"]
conf_dir = "FOLDER/cni"
"#;

const KUBELET_PORT: u16 = 10_250;
const KUBELET_HEALTH_PORT: u16 = 10_248;

pub(super) fn containerd_socket(group: &Group) -> PathBuf {
    group.folder().join("containerd.sock")
}

pub(super) fn containerd(group: &Group) -> String {
    let plugins = requirements::plugins().unwrap_or_default();
    CONTAINERD
        .replace("FOLDER", &group.folder().display().to_string())
        .replace("SOCKET", &containerd_socket(group).display().to_string())
        .replace("PAUSE", PAUSE)
        .replace("PLUGINS", &plugins.display().to_string())
}

/// Pods have a link each to the node, which is their way out.
pub(super) fn pod_network(group: &Group, link: Link) -> String {
    let addresses = json!({
        "type": "host-local",
        "dataDir": group.folder().join("pod-addresses"),
        "ranges": [[{"subnet": link.pods()}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    });
    let network = json!({
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [
            {"type": "ptp", "ipMasq": false, "ipam": addresses},
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    });
    network.to_string()
}

/// Nothing of the kernel is tuned: the limits of connection tracking belong to the whole machine.
pub(super) fn proxy(group: &Group, link: Link) -> String {
    let conntrack = json!({
        "maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s", "tcpBeLiberal": false,
    });
    let configuration = json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": group.folder().join(kubeconfig_name(identity::KUBE_PROXY))},
        "hostnameOverride": REAL_NODE,
        "mode": "iptables",
        "clusterCIDR": link.pods(),
        "conntrack": conntrack,
        "iptables": {"minSyncPeriod": "100ms"},
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
    });
    // JSON is YAML.
    configuration.to_string()
}

pub(super) fn kubelet_health(link: Link) -> String {
    format!("http://{}:{KUBELET_HEALTH_PORT}/healthz", link.node())
}

/// Only this machine and the node's own pods reach the kubelet, so it asks nobody who they are: the API server would need
/// a client certificate.
pub(super) fn kubelet(group: &Group, link: Link, alone: bool) -> String {
    let folder = group.folder();
    let (key, value) = REAL_NODE_LABEL;
    let taint = json!({"key": key, "value": value, "effect": "NoSchedule"});
    let configuration = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": true}, "webhook": {"enabled": false}},
        "authorization": {"mode": "AlwaysAllow"},
        "address": link.node(),
        "port": KUBELET_PORT,
        "readOnlyPort": 0,
        "healthzBindAddress": link.node(),
        "healthzPort": KUBELET_HEALTH_PORT,
        "registerWithTaints": if alone { vec![] } else { vec![taint] },
        "containerRuntimeEndpoint": format!("unix://{}", containerd_socket(group).display()),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{}", cgroups::name(group)),
        "cgroupsPerQOS": true,
        "enforceNodeAllocatable": [],
        "failCgroupV1": false,
        "failSwapOn": false,
        // There is no filesystem of the node's own whose size could be told.
        "localStorageCapacityIsolation": false,
        "evictionHard": {"memory.available": "100Mi"},
        "makeIPTablesUtilChains": false,
        "nodeStatusUpdateFrequency": "5s",
        "podLogsDir": folder.join("pod-logs"),
        "volumePluginDir": folder.join("volume-plugins"),
        "staticPodPath": "",
        "resolvConf": "/dev/null",
    });
    // JSON is YAML.
    configuration.to_string()
}
