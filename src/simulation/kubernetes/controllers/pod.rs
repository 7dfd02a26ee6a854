//! What controllers ask of a pod again and again: read once per version, kept with the object.

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{quantity::Quantity, usage::Metered};
use crate::kubernetes::world::{Object, World};

/// `status.phase`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Phase {
    /// Not all of it runs yet.
    #[default]
    Pending,
    /// Nobody knows: what controllers rank between the other two.
    Unknown,
    /// It runs.
    Running,
    /// It has ended well.
    Succeeded,
    /// It has ended badly.
    Failed,
}

/// What a pod asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// In thousandths of a core.
    pub cpu: i64,
    /// In bytes.
    pub memory: i64,
    /// In bytes.
    pub storage: i64,
}

impl Requests {
    fn add(&mut self, other: Self) {
        self.cpu += other.cpu;
        self.memory += other.memory;
        self.storage += other.storage;
    }

    fn at_least(&mut self, other: Self) {
        self.cpu = self.cpu.max(other.cpu);
        self.memory = self.memory.max(other.memory);
        self.storage = self.storage.max(other.storage);
    }
}

/// The facts.
#[derive(Clone, Debug)]
pub struct Facts {
    /// `status.phase`.
    pub phase: Phase,
    /// Whether the condition Ready is True.
    pub ready: bool,
    /// Since when it is what it is.
    pub ready_since: Option<Timestamp>,
    /// `status.startTime`.
    pub started: Option<Timestamp>,
    /// `metadata.creationTimestamp`.
    pub created: Timestamp,
    /// `metadata.deletionTimestamp`.
    pub deleted: Option<Timestamp>,
    /// The most restarts of a container.
    pub restarts: i64,
    /// What it asks for.
    pub requests: Requests,
    /// `spec.priority`.
    pub priority: i64,
    /// `controller.kubernetes.io/pod-deletion-cost`.
    pub deletion_cost: i64,
    /// Whether it has required anti-affinity, which its neighbours have to respect.
    pub keeps_apart: bool,
    /// The one node to which it may go, as the pods of a DaemonSet say it.
    pub meant_for: Option<Box<str>>,
    /// Its containers, once somebody has asked what they use.
    pub(super) metered: OnceLock<Box<[Metered]>>,
}

impl Facts {
    /// Whether it has not ended.
    pub fn running_or_coming(&self) -> bool {
        !matches!(self.phase, Phase::Succeeded | Phase::Failed)
    }

    /// Whether it counts for its controller: it has not ended and is not being deleted.
    pub fn active(&self) -> bool {
        self.running_or_coming() && self.deleted.is_none()
    }

    /// Whether it has been ready for so many seconds.
    pub fn available(&self, seconds: i64, now: Timestamp) -> bool {
        self.ready
            && (seconds == 0
                || self
                    .ready_since
                    .is_some_and(|since| now.duration_since(since).as_secs() >= seconds))
    }
}

struct View {
    metadata: Metadata,
    spec: Spec,
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    creation_timestamp: Timestamp,
    deletion_timestamp: Option<Timestamp>,
    #[serde(default)]
    annotations: Option<Annotations>,
}

#[derive(Deserialize)]
struct Annotations {
    #[serde(rename = "controller.kubernetes.io/pod-deletion-cost")]
    cost: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    containers: Vec<Container>,
    init_containers: Vec<Container>,
    overhead: Option<Amounts>,
    priority: Option<i64>,
    affinity: Option<Affinity>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Affinity {
    pod_anti_affinity: Option<AntiAffinity>,
    node_affinity: Option<NodeAffinity>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NodeAffinity {
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    required: Option<NodeSelector>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NodeSelector {
    node_selector_terms: Vec<NodeTerm>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NodeTerm {
    match_fields: Option<Vec<NodeField>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NodeField {
    values: Vec<Box<str>>,
}

impl Affinity {
    fn meant_for(&self) -> Option<&str> {
        let required = self.node_affinity.as_ref()?.required.as_ref()?;
        let fields = required.node_selector_terms.first()?.match_fields.as_ref()?;
        fields.first()?.values.first().map(|name| &**name)
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AntiAffinity {
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    required: Option<Vec<serde::de::IgnoredAny>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Container {
    resources: Option<Resources>,
    restart_policy: Option<String>,
}

/// `resources` of a container.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Resources {
    requests: Option<Amounts>,
    limits: Option<Amounts>,
}

impl Resources {
    /// A request that is not said is the limit, as the API server's defaults have it.
    fn of(&self, one: fn(&Amounts) -> Option<Quantity>) -> Option<Quantity> {
        let said = |amounts: &Option<Amounts>| amounts.as_ref().and_then(one);
        said(&self.requests).or_else(|| said(&self.limits))
    }

    /// What is asked for of CPU or memory.
    pub fn asked(&self, resource: &str) -> Option<Quantity> {
        match resource {
            "cpu" => self.of(|amounts| amounts.cpu),
            "memory" => self.of(|amounts| amounts.memory),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Amounts {
    cpu: Option<Quantity>,
    memory: Option<Quantity>,
    #[serde(rename = "ephemeral-storage")]
    storage: Option<Quantity>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    phase: Phase,
    start_time: Option<Timestamp>,
    conditions: Option<Vec<ConditionView>>,
    container_statuses: Option<Vec<ContainerStatus>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConditionView {
    r#type: String,
    status: String,
    last_transition_time: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContainerStatus {
    #[serde(default)]
    restart_count: i64,
}

impl Container {
    fn requests(&self) -> Requests {
        let Some(resources) = &self.resources else {
            return Requests::default();
        };
        Requests {
            cpu: resources.of(|amounts| amounts.cpu).map_or(0, Quantity::milli),
            memory: resources.of(|amounts| amounts.memory).map_or(0, Quantity::whole),
            storage: resources.of(|amounts| amounts.storage).map_or(0, Quantity::whole),
        }
    }
}

/// Containers run together, init containers one after the other beside the sidecars that came before them.
fn requests(spec: &Spec) -> Requests {
    let mut total = Requests::default();
    for container in &spec.containers {
        total.add(container.requests());
    }
    let (mut sidecars, mut most) = (Requests::default(), Requests::default());
    for container in &spec.init_containers {
        let mut beside = sidecars;
        beside.add(container.requests());
        if container.restart_policy.as_deref() == Some("Always") {
            sidecars = beside;
        }
        most.at_least(beside);
    }
    total.add(sidecars);
    total.at_least(most);
    if let Some(overhead) = spec.overhead {
        total.add(Requests {
            cpu: overhead.cpu.map_or(0, Quantity::milli),
            memory: overhead.memory.map_or(0, Quantity::whole),
            storage: overhead.storage.map_or(0, Quantity::whole),
        });
    }
    total
}

fn read(pod: &Object) -> Facts {
    let view = View {
        metadata: pod.view_metadata(),
        spec: pod.view_spec(),
        status: pod.view_status(),
    };
    let ready = view
        .status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.r#type == "Ready");
    let cost = view.metadata.annotations.and_then(|annotations| annotations.cost);
    let keeps_apart = view
        .spec
        .affinity
        .as_ref()
        .and_then(|affinity| affinity.pod_anti_affinity.as_ref())
        .and_then(|anti| anti.required.as_ref())
        .is_some_and(|terms| !terms.is_empty());
    Facts {
        phase: view.status.phase,
        ready: ready.is_some_and(|condition| condition.status == "True"),
        ready_since: ready.and_then(|condition| condition.last_transition_time),
        started: view.status.start_time,
        created: view.metadata.creation_timestamp,
        deleted: view.metadata.deletion_timestamp,
        restarts: view
            .status
            .container_statuses
            .iter()
            .flatten()
            .map(|status| status.restart_count)
            .max()
            .unwrap_or_default(),
        requests: requests(&view.spec),
        priority: view.spec.priority.unwrap_or_default(),
        deletion_cost: cost.and_then(|cost| cost.parse().ok()).unwrap_or_default(),
        keeps_apart,
        meant_for: view
            .spec
            .affinity
            .as_ref()
            .and_then(Affinity::meant_for)
            .map(Into::into),
        metered: OnceLock::new(),
    }
}

/// The facts of a pod.
pub fn facts(pod: &Object) -> &Facts {
    pod.facts(read)
}

/// The pods that a controller owns and nobody else, as [`Object`]s to keep.
pub fn owned(world: &World, uid: &str) -> Vec<Arc<Object>> {
    world
        .owned_by(uid)
        .filter(|object| {
            object.key().resource == super::PODS && object.controller().is_some_and(|controller| **controller == *uid)
        })
        .cloned()
        .collect()
}

/// `name_namespace(uid)`: how a kubelet names a pod in its messages.
pub fn in_words(pod: &Object) -> String {
    format!("{}_{}({})", pod.name(), pod.namespace(), pod.uid())
}

/// A whole number of a spec, or what it is when nobody says.
pub fn number(value: &Value, default: i64) -> i64 {
    value.as_i64().unwrap_or(default)
}
