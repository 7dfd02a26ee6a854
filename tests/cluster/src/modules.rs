//! Which programs there are, and the Go modules that they are compiled from.

/// A program of the test cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// The cluster's storage.
    Etcd,
    /// The API server.
    KubeApiserver,
    /// The controllers: Deployments, node lifecycle, disruption budgets and so on.
    KubeControllerManager,
    /// The scheduler.
    KubeScheduler,
    /// The command line client.
    Kubectl,
    /// Runs pods on the real node.
    Kubelet,
    /// Makes Services reachable on the real node.
    KubeProxy,
    /// Stands in for the kubelets of the other nodes.
    Kwok,
    /// Runs the real node's containers.
    Containerd,
    /// Between containerd and a pod's containers.
    ContainerdShim,
    /// Talks to containerd: imports images.
    Ctr,
    /// The cluster's objects as metrics.
    KubeStateMetrics,
    /// Prometheus.
    Prometheus,
    /// Checks and tests Prometheus rules.
    Promtool,
    /// Alertmanager.
    Alertmanager,
    /// Checks Alertmanager configurations and talks to a running one.
    Amtool,
}

impl Tool {
    /// The name of the program file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::KubeScheduler => "kube-scheduler",
            Self::Kubectl => "kubectl",
            Self::Kubelet => "kubelet",
            Self::KubeProxy => "kube-proxy",
            Self::Kwok => "kwok",
            Self::Containerd => "containerd",
            Self::ContainerdShim => "containerd-shim-runc-v2",
            Self::Ctr => "ctr",
            Self::KubeStateMetrics => "kube-state-metrics",
            Self::Prometheus => "prometheus",
            Self::Promtool => "promtool",
            Self::Alertmanager => "alertmanager",
            Self::Amtool => "amtool",
        }
    }

    /// The module that it is compiled in.
    pub(crate) fn module(self) -> &'static Module {
        match self {
            Self::Etcd => &ETCD,
            Self::KubeApiserver
            | Self::KubeControllerManager
            | Self::KubeScheduler
            | Self::Kubectl
            | Self::Kubelet
            | Self::KubeProxy
            | Self::Kwok => &KUBERNETES,
            Self::Containerd | Self::ContainerdShim | Self::Ctr => &CONTAINERD,
            Self::KubeStateMetrics => &KUBE_STATE_METRICS,
            Self::Prometheus | Self::Promtool => &PROMETHEUS,
            Self::Alertmanager | Self::Amtool => &ALERTMANAGER,
        }
    }
}

/// A Go module with `tool` lines: what is compiled together.
#[derive(Debug)]
pub(crate) struct Module {
    /// The folder in `modules/`.
    pub(crate) name: &'static str,
    pub(crate) go_mod: &'static str,
    pub(crate) go_sum: &'static str,
    pub(crate) tools: &'static [Tool],
    /// How long it takes on two cores, for the person who waits.
    pub(crate) usual: &'static str,
    /// Go build tags.
    pub(crate) tags: &'static str,
    /// What `go build` calls a program whose main package is the module's root.
    pub(crate) renamed: Option<(&'static str, Tool)>,
    /// The required module whose version the programs should report, and the packages with a `gitVersion` variable.
    pub(crate) version: Option<(&'static str, &'static [&'static str])>,
    /// A file that a required module embeds but does not ship: (module, path).
    pub(crate) unshipped: Option<(&'static str, &'static str)>,
    /// Files of a required module that are kept beside the programs: (module, paths).
    pub(crate) kept: Option<(&'static str, &'static [&'static str])>,
}

/// In the order of the boot.
pub(crate) const ALL: [&Module; 6] = [
    &ETCD,
    &KUBERNETES,
    &CONTAINERD,
    &KUBE_STATE_METRICS,
    &PROMETHEUS,
    &ALERTMANAGER,
];

static ETCD: Module = Module {
    name: "etcd",
    go_mod: include_str!("../modules/etcd/go.mod"),
    go_sum: include_str!("../modules/etcd/go.sum"),
    tools: &[Tool::Etcd],
    usual: "about 1 minute",
    tags: "",
    renamed: Some(("server", Tool::Etcd)),
    version: None,
    unshipped: None,
    kept: None,
};

static KUBERNETES: Module = Module {
    name: "k8s",
    go_mod: include_str!("../modules/k8s/go.mod"),
    go_sum: include_str!("../modules/k8s/go.sum"),
    tools: &[
        Tool::KubeApiserver,
        Tool::KubeControllerManager,
        Tool::KubeScheduler,
        Tool::Kubectl,
        Tool::Kubelet,
        Tool::KubeProxy,
        Tool::Kwok,
    ],
    usual: "about 5 to 14 minutes",
    tags: "",
    renamed: None,
    version: Some((
        "k8s.io/kubernetes",
        &["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"],
    )),
    unshipped: None,
    kept: Some(("sigs.k8s.io/kwok", &LOG_CRDS)),
};

/// The definitions of KWOK's `Logs` and `ClusterLogs`, through which a test gives pods their logs. Those of `Exec` stay
/// out: KWOK would run the command on this machine.
pub(crate) const LOG_CRDS: [&str; 2] = [
    "kustomize/crd/bases/kwok.x-k8s.io_logs.yaml",
    "kustomize/crd/bases/kwok.x-k8s.io_clusterlogs.yaml",
];

static CONTAINERD: Module = Module {
    name: "containerd",
    go_mod: include_str!("../modules/containerd/go.mod"),
    go_sum: include_str!("../modules/containerd/go.sum"),
    tools: &[Tool::Containerd, Tool::ContainerdShim, Tool::Ctr],
    usual: "about 1 minute",
    tags: "",
    renamed: None,
    version: None,
    unshipped: None,
    kept: None,
};

static KUBE_STATE_METRICS: Module = Module {
    name: "ksm",
    go_mod: include_str!("../modules/ksm/go.mod"),
    go_sum: include_str!("../modules/ksm/go.sum"),
    tools: &[Tool::KubeStateMetrics],
    usual: "about 2 to 3 minutes",
    tags: "",
    renamed: None,
    version: None,
    unshipped: None,
    kept: None,
};

static PROMETHEUS: Module = Module {
    name: "prometheus",
    go_mod: include_str!("../modules/prometheus/go.mod"),
    go_sum: include_str!("../modules/prometheus/go.sum"),
    tools: &[Tool::Prometheus, Tool::Promtool],
    usual: "about 3 to 5 minutes",
    // Static and file discovery remain; the clouds' clients would double the build.
    tags: "remove_all_sd",
    renamed: None,
    version: None,
    unshipped: None,
    kept: None,
};

static ALERTMANAGER: Module = Module {
    name: "alertmanager",
    go_mod: include_str!("../modules/alertmanager/go.mod"),
    go_sum: include_str!("../modules/alertmanager/go.sum"),
    tools: &[Tool::Alertmanager, Tool::Amtool],
    usual: "about 1 minute",
    tags: "",
    renamed: None,
    version: None,
    unshipped: Some(("github.com/prometheus/alertmanager", "ui/app/dist/index.html")),
    kept: None,
};
