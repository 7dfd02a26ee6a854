//! What controllers ask of a node again and again, and the script of a node.
//!
//! The script is the annotation `simulation/node`, as JSON: what the machine and its kubelet do, whatever the API says.
//!
//! ```json
//! {"silent": true}                     no heartbeat, no status, no deletion: as with the machine's plug pulled
//! {"notReady": "container runtime is down"}
//! {"memoryPressure": true}, {"diskPressure": true}       with {"evicts": 2}: at most so many pods
//! {"cpu": "4", "memory": "16Gi", "pods": 110}            how large it is, when it registers
//! {"images": ["web:1"]}                what need not be pulled
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{pod::Requests, quantity::Quantity};
use crate::kubernetes::world::Object;

/// The annotation of a node that says what it does.
pub const ANNOTATION: &str = "simulation/node";

/// The script of a node.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct NodeLife {
    /// Nothing is heard of it.
    pub silent: bool,
    /// Its kubelet says that it is not ready, and why.
    pub not_ready: Option<String>,
    /// It is short of memory.
    pub memory_pressure: bool,
    /// It is short of disk.
    pub disk_pressure: bool,
    /// How many pods it evicts at most while it is short of something.
    pub evicts: Option<u64>,
    /// Its cores.
    pub cpu: Option<Quantity>,
    /// Its bytes of memory.
    pub memory: Option<Quantity>,
    /// Its room for pods.
    pub pods: Option<i64>,
    /// The images that are on it already.
    pub images: Vec<String>,
}

/// A taint.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Taint {
    /// `node.kubernetes.io/unreachable`.
    pub key: String,
    /// May be empty.
    #[serde(default)]
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule`, `NoExecute`.
    pub effect: String,
}

/// A toleration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Toleration {
    /// Empty: every key.
    pub key: String,
    /// `Equal` when empty.
    pub operator: String,
    /// Of the taint.
    pub value: String,
    /// Empty: every effect.
    pub effect: String,
    /// How long; absent: for ever.
    pub toleration_seconds: Option<i64>,
}

impl Toleration {
    /// Whether it tolerates a taint.
    pub fn tolerates(&self, taint: &Taint) -> bool {
        let number = |text: &str| text.parse::<i64>().ok();
        (self.effect.is_empty() || self.effect == taint.effect)
            && (self.key.is_empty() || self.key == taint.key)
            && match self.operator.as_str() {
                "" | "Equal" => self.value == taint.value,
                "Exists" => true,
                "Gt" => number(&taint.value) > number(&self.value),
                "Lt" => number(&taint.value) < number(&self.value),
                _ => false,
            }
    }
}

/// The tolerations of a pod. The two that the API server adds to every pod count though they are not there.
pub fn tolerations(pod: &Value) -> Vec<Toleration> {
    let mut all: Vec<Toleration> = serde_json::from_value(pod["spec"]["tolerations"].clone()).unwrap_or_default();
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let taint = Taint {
            key: key.to_owned(),
            value: String::new(),
            effect: "NoExecute".to_owned(),
        };
        if !all.iter().any(|toleration| toleration.tolerates(&taint)) {
            all.push(Toleration {
                key: key.to_owned(),
                operator: "Exists".to_owned(),
                effect: "NoExecute".to_owned(),
                toleration_seconds: Some(300),
                ..Toleration::default()
            });
        }
    }
    all
}

/// The facts of a node.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Its script; the default where it cannot be read.
    pub life: NodeLife,
    /// What is wrong with its script.
    pub unreadable: Option<String>,
    /// What it has for pods.
    pub allocatable: Requests,
    /// Its room for pods.
    pub pods: i64,
    /// Whether it is cordoned.
    pub unschedulable: bool,
    /// Its taints.
    pub taints: Vec<Taint>,
    /// What its condition Ready says; empty without one.
    pub ready: String,
    /// When its kubelet wrote that last.
    pub heartbeat: Option<String>,
    /// The conditions that are True.
    pub conditions: Vec<String>,
    /// `region:zone`.
    pub zone: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MetadataView {
    annotations: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SpecView {
    unschedulable: bool,
    taints: Vec<Taint>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StatusView {
    allocatable: BTreeMap<String, Value>,
    conditions: Vec<ConditionView>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConditionView {
    r#type: String,
    status: String,
    last_heartbeat_time: Option<String>,
}

fn read(node: &Object) -> Facts {
    let (metadata, spec, status): (MetadataView, SpecView, StatusView) =
        (node.view_metadata(), node.view_spec(), node.view_status());
    let script = metadata.annotations.get(ANNOTATION);
    let (life, unreadable) = match script.map(|script| serde_json::from_str(script)) {
        None => (NodeLife::default(), None),
        Some(Ok(life)) => (life, None),
        Some(Err(error)) => (NodeLife::default(), Some(format!("{ANNOTATION}: {error}"))),
    };
    let amount = |name: &str| status.allocatable.get(name).and_then(Quantity::of).unwrap_or_default();
    let ready = status.conditions.iter().find(|condition| condition.r#type == "Ready");
    let holding = status.conditions.iter().filter(|condition| condition.status == "True");
    let label = |name: &str| node.label(name).unwrap_or_default();
    Facts {
        life,
        unreadable,
        allocatable: Requests {
            cpu: amount("cpu").milli(),
            memory: amount("memory").whole(),
            storage: amount("ephemeral-storage").whole(),
        },
        pods: amount("pods").whole(),
        unschedulable: spec.unschedulable,
        taints: spec.taints,
        ready: ready.map(|ready| ready.status.clone()).unwrap_or_default(),
        heartbeat: ready.and_then(|ready| ready.last_heartbeat_time.clone()),
        conditions: holding.map(|condition| condition.r#type.clone()).collect(),
        zone: format!(
            "{}:{}",
            label("topology.kubernetes.io/region"),
            label("topology.kubernetes.io/zone")
        ),
    }
}

/// The facts of a node.
pub fn facts(node: &Object) -> &Facts {
    node.facts(read)
}

/// A node as it can be created: its kubelet fills in the rest.
pub fn node(name: &str, zone: &str, (cpu, memory, pods): (&str, &str, i64)) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "topology.kubernetes.io/region": "simulated",
                "topology.kubernetes.io/zone": zone,
            },
            "annotations": {ANNOTATION: json!({"cpu": cpu, "memory": memory, "pods": pods}).to_string()},
        },
    })
}
