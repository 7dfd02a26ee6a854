//! A node that is short of memory or disk: its kubelet ends pods, one after the other, those that use too much first.

use std::{cmp::Reverse, collections::HashMap, sync::Arc};

use jiff::SignedDuration;

use super::{
    Kubelets, NAME,
    container::{Ended, State},
};
use crate::kubernetes::{
    controllers::{
        conditions::{self, Condition},
        latency,
        node::{self, NodeLife},
        pod,
        quantity::{Quantity, bytes},
        record::{About, Kind},
        usage::Meter,
    },
    world::{Due, Key, Object, World},
};

/// How many pods each node has evicted while it is short.
#[derive(Clone, Default)]
pub(super) struct Pressure(HashMap<Arc<str>, u64>);

/// What is below a threshold, as the kubelet's messages say it.
const MEMORY: (&str, &str, &str) = ("memory", "100Mi", "52428Ki");
const DISK: (&str, &str, &str) = ("ephemeral-storage", "1073741824", "732168Ki");

impl Kubelets {
    /// The script of a node says another thing.
    pub(super) fn feel_pressure(&mut self, world: &mut World, node: &Key, life: &NodeLife) {
        if life.memory_pressure || life.disk_pressure {
            if !self.pressure.0.contains_key(&node.name) {
                self.pressure.0.insert(Arc::clone(&node.name), 0);
                let due = Due::about("kubelet", "pressure", node.clone());
                world.schedule(world.now() + latency::PRESSURE_PERIOD, due);
            }
        } else {
            self.pressure.0.remove(&node.name);
        }
    }

    /// Evicts one pod.
    pub(super) fn relieve(&mut self, world: &mut World, key: &Key) {
        let Some(node) = world.get(key).cloned() else { return };
        let life = &node::facts(&node).life;
        let Some(evicted) = self.pressure.0.get_mut(&key.name) else {
            return;
        };
        if !(life.memory_pressure || life.disk_pressure) {
            return;
        }
        let due = Due::about("kubelet", "pressure", key.clone());
        world.schedule(world.now() + latency::PRESSURE_PERIOD, due);
        if life.silent || life.evicts.is_some_and(|most| *evicted >= most) {
            return;
        }
        let Some(victim) = victim(world, &key.name) else { return };
        *evicted += 1;
        let message = message(world, &victim, life.memory_pressure);
        self.evict(world, victim.key(), message);
    }

    /// The end of a pod that its kubelet evicts.
    fn evict(&mut self, world: &mut World, key: &Key, message: String) {
        let Some(object) = world.get(key).cloned() else { return };
        let Some(mut pod) = self.pods.remove(key) else { return };
        let now = world.now();
        self.events.record_on(
            world,
            &pod.node,
            &About::object(&object),
            (Kind::Warning, "Evicted", &message),
        );
        self.kill(world, &object, &mut pod, SignedDuration::ZERO);
        pod.failed = Some(("Evicted", message.clone()));
        while self.step(world, &object, &mut pod, now) {}
        for container in &mut pod.containers {
            if container.state == State::Waiting {
                container.state = State::Ended(Ended {
                    code: 137,
                    reason: "ContainerStatusUnknown",
                    started: now,
                    finished: now,
                    run: 0,
                });
            }
        }
        world
            .update_status(key, NAME, |status| {
                let condition = Condition {
                    kind: "DisruptionTarget",
                    status: "True",
                    reason: "TerminationByKubelet",
                    message: &message,
                };
                conditions::set(status, condition, now);
            })
            .ok();
        self.show(world, &mut pod);
        self.plan(world, &mut pod);
        self.pods.insert(key.clone(), pod);
    }
}

/// The pod that goes: one that uses more than it asked for, of the lowest priority, that uses most above it.
fn victim(world: &World, node: &str) -> Option<Arc<Object>> {
    let mut meter = Meter::new(world);
    world
        .pods_on(node)
        .filter(|pod| pod::facts(pod).active() && pod::facts(pod).priority < 2_000_000_000)
        .filter(|pod| {
            let daemon = pod.owners().iter().any(|owner| &*owner.kind == "DaemonSet");
            !daemon
        })
        .min_by_key(|pod| {
            let facts = pod::facts(pod);
            let above = meter.memory(pod) - facts.requests.memory;
            (above <= 0, facts.priority, Reverse(above), pod.key().clone())
        })
        .cloned()
}

fn message(world: &World, pod: &Object, memory: bool) -> String {
    let (resource, threshold, available) = if memory { MEMORY } else { DISK };
    let mut message =
        format!("The node was low on resource: {resource}. Threshold quantity: {threshold}, available: {available}. ");
    for used in Meter::new(world).containers(pod) {
        let asked = used.container.resources.asked("memory").map_or(0, Quantity::whole);
        if memory && used.memory > asked {
            message.push_str(&format!(
                "Container {} was using {}, request is {}, has larger consumption of memory. ",
                used.container.name,
                bytes(used.memory),
                bytes(asked)
            ));
        }
    }
    message
}
