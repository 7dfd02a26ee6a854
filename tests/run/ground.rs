//! Where the workload runs: on a node with real containers if this machine can have one, else on nodes that KWOK plays.

use std::time::Duration;

use anyhow::Context as _;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use test_cluster::{ControlPlane, ControlPlaneOptions, RealNode, RealNodeOptions};

use crate::stage::{PodView, Stage};

const KWOK_NODES: usize = 3;
const KWOK_RESTARTS: u32 = 7;
/// Serves until a lock lies in its `emptyDir`, and then ends at each start: what a restart cannot heal, since the volume
/// outlives the container, and an eviction can, since it goes with the pod.
const CART: &str = "httpd -p 8080 -h /data; while [ ! -e /data/lock ]; do sleep 0.2; done; \
                    echo 'cart: /data/lock belongs to process 4711, which is gone' >&2; exit 3";
/// The evidence that the shipped runbook asks for, and what it is here, where nothing is secret.
const EVIDENCE: (&str, &str) = (
    "collect: {events: true, yaml: true}",
    "collect: {logs: {previous: true, tailLines: 20}, text: true, events: true, yaml: true, share: true}",
);

/// What the pods run on.
pub enum Ground {
    /// A kubelet runs containers.
    Real,
    /// KWOK says what a kubelet would, because this machine lacks these things.
    Kwok(Vec<String>),
}

impl Ground {
    /// The best that this machine can have.
    pub fn here() -> Self {
        let missing = RealNode::missing();
        if missing.is_empty() {
            Self::Real
        } else {
            Self::Kwok(missing)
        }
    }

    /// What the control plane starts with.
    pub fn options(&self) -> ControlPlaneOptions {
        let real = matches!(self, Self::Real);
        ControlPlaneOptions {
            nodes: if real { 0 } else { KWOK_NODES },
            kube_state_metrics: true,
            real_node: real.then(|| RealNodeOptions {
                alone: true,
                ..RealNodeOptions::default()
            }),
        }
    }

    /// The nodes in words.
    pub fn nodes(&self) -> String {
        match self {
            Self::Real => "a node that runs real containers".to_owned(),
            Self::Kwok(_) => format!("{KWOK_NODES} nodes that only play containers (KWOK)"),
        }
    }

    /// What a person should know about it.
    pub fn note(&self) -> Option<String> {
        match self {
            Self::Real => None,
            Self::Kwok(missing) => Some(format!(
                "For real containers this machine lacks {}.",
                missing.join("; and ")
            )),
        }
    }

    /// How long the rule's expression must hold before the alert fires. The runbook wants three restarts, and kubelet makes
    /// the third 40 s after the first.
    pub fn hold(&self) -> Duration {
        match self {
            Self::Real => Duration::from_secs(45),
            Self::Kwok(_) => Duration::ZERO,
        }
    }

    /// The shipped runbook, with logs where there are any.
    pub fn runbook(&self, shipped: &str) -> anyhow::Result<String> {
        match self {
            Self::Kwok(_) => Ok(shipped.to_owned()),
            Self::Real => {
                anyhow::ensure!(
                    shipped.contains(EVIDENCE.0),
                    "the shipped runbook collects other evidence"
                );
                Ok(shipped.replace(EVIDENCE.0, EVIDENCE.1))
            }
        }
    }

    /// The right that logs need, beyond the shipped role.
    pub fn rules(&self) -> Vec<Value> {
        match self {
            Self::Kwok(_) => Vec::new(),
            Self::Real => vec![json!({"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]})],
        }
    }

    /// The specification of the workload's pods.
    pub fn pod(&self) -> Value {
        let mut container = json!({
            "name": "app",
            "image": "registry.example/cart:1",
            "env": [{"name": "PASSWORD", "value": "hunter2"}],
        });
        let mut spec = json!({"terminationGracePeriodSeconds": 1});
        if let Self::Real = self {
            container["image"] = "localhost/busybox:1".into();
            container["command"] = json!(["sh", "-c", CART]);
            container["readinessProbe"] = json!({"tcpSocket": {"port": 8080}, "periodSeconds": 1});
            container["volumeMounts"] = json!([{"name": "data", "mountPath": "/data"}]);
            spec["volumes"] = json!([{"name": "data", "emptyDir": {}}]);
        }
        spec["containers"] = json!([container]);
        spec
    }

    /// Lets a pod crash again and again; what was done, in words.
    pub async fn break_pod(&self, stage: &Stage, plane: &ControlPlane, pod: &PodView) -> anyhow::Result<String> {
        match self {
            Self::Real => {
                let node = plane.real_node().context("the real node was asked for")?;
                let lock = node.volume(&pod.uid, "empty-dir", "data").join("lock");
                std::fs::write(&lock, "4711").with_context(|| format!("writing {}", lock.display()))?;
                Ok("a lock lies in its emptyDir, and its program ends with exit code 3 at each start".to_owned())
            }
            Self::Kwok(_) => {
                let fault = json!({"metadata": {"annotations": {
                    "bench/fault": "CrashLoopBackOff",
                    "bench/restarts": KWOK_RESTARTS.to_string(),
                }}});
                let pods = stage.pod_api();
                pods.patch(&pod.name, &PatchParams::default(), &Patch::Merge(fault))
                    .await?;
                stage
                    .wait("the pod to crash", async || {
                        let live = pods.get(&pod.name).await?;
                        let statuses = live.status.and_then(|status| status.container_statuses);
                        let restarts = statuses.iter().flatten().map(|status| status.restart_count).max();
                        Ok((restarts >= i32::try_from(KWOK_RESTARTS).ok()).then_some(()))
                    })
                    .await?;
                Ok(format!("{KWOK_RESTARTS} restarts so far"))
            }
        }
    }

    /// How a person breaks a pod: the words after `kubectl … POD`.
    pub fn how_to_break(&self, kubectl: &str, pod: &str) -> String {
        match self {
            Self::Real => format!("{kubectl} exec {pod} -- touch /data/lock"),
            Self::Kwok(_) => format!("{kubectl} annotate pod {pod} bench/fault=CrashLoopBackOff"),
        }
    }
}
