//! What pods and nodes use, as a metrics server would have measured it: from the scripts, at any moment.
//!
//! The metrics API and the autoscaler ask here. A container's CPU is what its script says; where the pod's controller
//! carries the annotation `simulation/load`, that many cores are shared out evenly among its ready pods instead.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;
use serde::Deserialize;

use super::{
    kubelet::life::{self, Life},
    latency, node, own,
    pod::{self, Resources},
    quantity::Quantity,
};
use crate::kubernetes::{
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
#[derive(Clone, Debug)]
pub struct Used<'a> {
    /// Which one it is.
    pub container: &'a Metered,
    /// In thousandths of a core.
    pub cpu: i64,
    /// In bytes.
    pub memory: i64,
}

/// A container, as far as its usage matters.
#[derive(Clone, Debug)]
pub struct Metered {
    /// Its name.
    pub name: Box<str>,
    /// What it asks for.
    pub resources: Resources,
    /// Since when it runs.
    since: Option<Timestamp>,
    script: Life,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SpecView {
    containers: Vec<ContainerView>,
}

#[derive(Deserialize)]
struct ContainerView {
    name: Box<str>,
    #[serde(default)]
    resources: Resources,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct StatusView {
    container_statuses: Vec<ContainerStatusView>,
}

#[derive(Deserialize)]
struct ContainerStatusView {
    name: Box<str>,
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

/// The containers of a pod, in the order of its specification. Few pods are asked for them, but again and again.
pub fn metered(pod: &Object) -> &[Metered] {
    pod::facts(pod).metered.get_or_init(|| {
        let (spec, status): (SpecView, StatusView) = (pod.view_spec(), pod.view_status());
        let annotations = pod.metadata()["annotations"].take();
        let since = |name: &str| {
            let statuses = &status.container_statuses;
            let status = statuses.iter().find(|status| *status.name == *name)?;
            status.state.running.as_ref().map(|running| running.started_at)
        };
        let containers = spec.containers.into_iter().map(|container| Metered {
            since: since(&container.name),
            script: life::read(&annotations, &container.name).unwrap_or_default(),
            name: container.name,
            resources: container.resources,
        });
        containers.collect()
    })
}

/// Measures pods at one moment.
pub struct Meter<'a> {
    world: &'a World,
    /// What the ready pods of a controller have to do each, by its uid; nothing where nobody says.
    loads: HashMap<Arc<str>, Option<i64>>,
}

impl<'a> Meter<'a> {
    /// A meter.
    pub fn new(world: &'a World) -> Self {
        Self {
            world,
            loads: HashMap::new(),
        }
    }

    /// What the containers of a pod use that have run long enough to have been measured. Nothing is known of a pod on a
    /// node that is silent.
    pub fn containers<'p>(&mut self, pod: &'p Object) -> Vec<Used<'p>> {
        let world = self.world;
        let unheard = |node: &str| {
            let found = world.find(NODES, "", node);
            found.is_none_or(|node| node::facts(node).life.silent)
        };
        if !pod::facts(pod).running_or_coming() || pod.node().is_none_or(|node| unheard(node)) {
            return Vec::new();
        }
        let load = self.load(pod);
        let metered = metered(pod);
        let count = i64::try_from(metered.len().max(1)).unwrap_or(1);
        let mut all = Vec::with_capacity(metered.len());
        for container in metered {
            let passed = container.since.map(|since| world.now().duration_since(since));
            let Some(passed) = passed.filter(|passed| *passed >= latency::SCRAPE) else {
                continue;
            };
            let script = container.script.now(world, pod, &container.name);
            let own = script.uses.and_then(|uses| uses.cpu).map_or(CPU, Quantity::milli);
            all.push(Used {
                container,
                cpu: load.map_or(own, |load| load / count),
                memory: script.memory(passed),
            });
        }
        all
    }

    /// The memory of a pod.
    pub fn memory(&mut self, pod: &Object) -> i64 {
        self.containers(pod).iter().map(|used| used.memory).sum()
    }

    /// CPU and memory of a node; `None` when nothing is known of it.
    pub fn node(&mut self, name: &str) -> Option<(i64, i64)> {
        let object = self.world.find(NODES, "", name)?;
        if node::facts(object).life.silent {
            return None;
        }
        let mut total = NODE;
        for pod in self.world.pods_on(name) {
            for used in self.containers(pod) {
                total.0 += used.cpu;
                total.1 += used.memory;
            }
        }
        Some(total)
    }

    /// A pod's share of the load of its controller.
    fn load(&mut self, pod: &Object) -> Option<i64> {
        let controller = pod.controller()?;
        let load = match self.loads.get(controller) {
            Some(load) => *load,
            None => {
                let load = shared_load(self.world, pod);
                self.loads.insert(Arc::clone(controller), load);
                load
            }
        };
        load.map(|load| if pod::facts(pod).ready { load } else { 0 })
    }
}

/// What each ready pod of the controller of this one has to do.
fn shared_load(world: &World, pod: &Object) -> Option<i64> {
    let key = [REPLICA_SETS, STATEFUL_SETS]
        .into_iter()
        .find_map(|resource| own::controller_key(world, pod, resource))?;
    let set = world.get(&key)?;
    let top = own::controller_key(world, set, DEPLOYMENTS).and_then(|key| world.get(&key));
    let owner = top.unwrap_or(set).metadata();
    let total = Quantity::of(&owner["annotations"][LOAD])?.milli();
    let ready = world
        .owned_by(set.uid())
        .filter(|other| other.key().resource == PODS && pod::facts(other).ready && !other.deleting())
        .count();
    Some(total / i64::try_from(ready.max(1)).unwrap_or(1))
}
