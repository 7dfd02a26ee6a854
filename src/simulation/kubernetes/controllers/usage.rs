//! What pods and nodes use, as a metrics server would have measured it: from the scripts, at any moment.
//!
//! The metrics API and the autoscaler ask here. A container's CPU is what its script says; where the pod's controller
//! carries the annotation `simulation/load`, that many cores are shared out evenly among its ready pods instead.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{kubelet::life, latency, node, own, pod, quantity::Quantity};
use crate::simulation::kubernetes::{
    resources::{DEPLOYMENTS, NODES, PODS, REPLICA_SETS, STATEFUL_SETS},
    world::{Object, World},
};

/// The annotation of a workload that says how many cores its pods need together.
pub const LOAD: &str = "simulation/load";
/// What a container uses of a core, in thousandths, when nobody says.
const CPU: i64 = 1;
/// What a node uses for itself.
const NODE: (i64, i64) = (100, 512 << 20);

/// What a container uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// The container's name.
    pub name: String,
    /// In thousandths of a core.
    pub cpu: i64,
    /// In bytes.
    pub memory: i64,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct StatusView {
    container_statuses: Vec<ContainerView>,
}

#[derive(Deserialize)]
struct MetadataView {
    #[serde(default)]
    annotations: Value,
}

#[derive(Deserialize)]
struct ContainerView {
    name: String,
    #[serde(default)]
    state: StateView,
}

#[derive(Default, Deserialize)]
struct StateView {
    running: Option<RunningView>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RunningView {
    started_at: Timestamp,
}

/// What the containers of a pod use that have run long enough to have been measured. Nothing is known of a pod on a
/// node that is silent.
pub fn containers(world: &World, pod: &Object) -> Vec<Used> {
    let unheard = |node: &str| {
        let found = world.find(NODES, "", node);
        found.is_none_or(|node| node::facts(node).life.silent)
    };
    if !pod::facts(pod).running_or_coming() || pod.node().is_none_or(|node| unheard(node)) {
        return Vec::new();
    }
    let status: StatusView = pod.view_status();
    let metadata: MetadataView = pod.view_metadata();
    // Without a script there is nothing to read.
    let scripted = metadata.annotations.is_object();
    let value = if scripted { pod.bare() } else { Value::Null };
    let load = load(world, pod);
    let count = i64::try_from(status.container_statuses.len().max(1)).unwrap_or(1);
    let mut all = Vec::new();
    for container in status.container_statuses {
        let Some(running) = container.state.running else {
            continue;
        };
        let passed = world.now().duration_since(running.started_at);
        if passed < latency::SCRAPE {
            continue;
        }
        let spec = value["spec"]["containers"]
            .as_array()
            .and_then(|specs| specs.iter().find(|spec| spec["name"] == container.name.as_str()));
        let script = life::read(&metadata.annotations, &container.name).unwrap_or_default();
        let script = script.now(world, &value, spec.unwrap_or(&Value::Null));
        let own = script.uses.and_then(|uses| uses.cpu).map_or(CPU, Quantity::milli);
        all.push(Used {
            name: container.name,
            cpu: load.map_or(own, |load| load / count),
            memory: script.memory(passed),
        });
    }
    all
}

/// The memory of a pod.
pub fn memory(world: &World, pod: &Object) -> i64 {
    containers(world, pod).iter().map(|used| used.memory).sum()
}

/// CPU and memory of a node; `None` when nothing is known of it.
pub fn of_node(world: &World, name: &str) -> Option<(i64, i64)> {
    let object = world.find(NODES, "", name)?;
    if node::facts(object).life.silent {
        return None;
    }
    let mut total = NODE;
    for pod in world.pods_on(name) {
        for used in containers(world, pod) {
            total.0 += used.cpu;
            total.1 += used.memory;
        }
    }
    Some(total)
}

/// A pod's share of the load of its controller.
fn load(world: &World, pod: &Object) -> Option<i64> {
    let key = [REPLICA_SETS, STATEFUL_SETS]
        .into_iter()
        .find_map(|resource| own::controller_key(world, pod, resource))?;
    let set = world.get(&key)?;
    let top = own::controller_key(world, set, DEPLOYMENTS).and_then(|key| world.get(&key));
    let owner: MetadataView = top.unwrap_or(set).view_metadata();
    let total = Quantity::of(&owner.annotations[LOAD])?.milli();
    let ready = world
        .owned_by(set.uid())
        .filter(|other| other.key().resource == PODS && pod::facts(other).ready && !other.deleting())
        .count();
    if !pod::facts(pod).ready {
        return Some(0);
    }
    Some(total / i64::try_from(ready.max(1)).unwrap_or(1))
}
