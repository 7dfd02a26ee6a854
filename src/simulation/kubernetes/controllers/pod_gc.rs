//! Pods that nobody else ends: on nodes that are gone, or out of service, or unbound and being deleted, or ended and too many.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use super::{
    conditions::{self, Condition},
    latency, node,
    own::MANAGER,
    pod,
};
use crate::kubernetes::{
    resources::{NODES, PODS, ResourceId},
    run::Controller,
    world::{Change, ChangeKind, DeleteOptions, Due, Key, Object, World},
};

const NAME: &str = "pod-garbage-collector";
/// Pods that have ended and are kept.
const KEPT: usize = 12_500;

/// The collector of pods.
#[derive(Clone, Default)]
pub struct PodGc {
    /// Nodes that are named by pods and not there, since when.
    missing: BTreeMap<Arc<str>, Timestamp>,
    /// Pods that have ended, by age.
    ended: BTreeMap<(Timestamp, Key), ()>,
    unbound: BTreeMap<Key, ()>,
    running: bool,
}

impl Controller for PodGc {
    fn name(&self) -> &'static str {
        NAME
    }

    fn resources(&self) -> &[ResourceId] {
        &[PODS, NODES]
    }

    fn changed(&mut self, world: &mut World, changes: &[Change]) {
        for change in changes {
            if change.key.resource == NODES {
                if change.kind == ChangeKind::Deleted && world.pods_on(&change.key.name).next().is_some() {
                    self.missing.insert(Arc::clone(&change.key.name), world.now());
                } else if change.kind == ChangeKind::Added {
                    self.missing.remove(&change.key.name);
                }
                continue;
            }
            if let Some(before) = &change.before {
                self.ended.remove(&(pod::facts(before).created, change.key.clone()));
                self.unbound.remove(&change.key);
            }
            let Some(pod) = &change.after else { continue };
            if !pod::facts(pod).running_or_coming() {
                self.ended.insert((pod::facts(pod).created, change.key.clone()), ());
            }
            match pod.node() {
                Some(node) if world.find(NODES, "", node).is_none() => {
                    self.missing.entry(Arc::clone(node)).or_insert(world.now());
                }
                None if pod.deleting() => {
                    self.unbound.insert(change.key.clone(), ());
                }
                _ => {}
            }
        }
        if !self.running {
            self.running = true;
            self.again(world);
        }
    }

    fn due(&mut self, world: &mut World, _: &Due) {
        self.again(world);
        let now = world.now();
        let excess = self.ended.len().saturating_sub(KEPT);
        let old: Vec<Key> = self.ended.keys().take(excess).map(|(_, key)| key.clone()).collect();
        for key in old {
            end(world, &key);
        }
        let unbound: Vec<Key> = self.unbound.keys().cloned().collect();
        for key in unbound {
            end(world, &key);
        }
        let gone: Vec<Arc<str>> = self
            .missing
            .iter()
            .filter(|(_, since)| now.duration_since(**since) >= latency::POD_GC_QUARANTINE)
            .map(|(name, _)| Arc::clone(name))
            .collect();
        for node in gone {
            self.missing.remove(&node);
            if world.find(NODES, "", &node).is_none() {
                collect(world, &node, "PodGC: node no longer exists");
            }
        }
        let out: Vec<Arc<str>> = world
            .list(NODES, None)
            .filter(|object| {
                let facts = node::facts(object);
                facts.ready != "True"
                    && facts
                        .taints
                        .iter()
                        .any(|taint| taint.key == "node.kubernetes.io/out-of-service")
            })
            .map(|object| Arc::clone(&object.key().name))
            .collect();
        for node in out {
            let leaving: Vec<Key> = world
                .pods_on(&node)
                .filter(|pod| pod.deleting())
                .map(|pod| pod.key().clone())
                .collect();
            for key in leaving {
                fail(world, &key, "PodGC: node no longer exists");
                end(world, &key);
            }
        }
    }
}

impl PodGc {
    fn again(&self, world: &mut World) {
        let due = Due {
            to: NAME,
            what: "collect",
            about: None,
            number: 0,
        };
        world.schedule(world.now() + latency::POD_GC_PERIOD, due);
    }
}

fn collect(world: &mut World, node: &str, message: &str) {
    let pods: Vec<Arc<Object>> = world.pods_on(node).cloned().collect();
    for pod in pods {
        if pod::facts(&pod).running_or_coming() {
            fail(world, pod.key(), message);
        }
        end(world, pod.key());
    }
}

/// Whoever waits for a pod to end has to see that it did.
fn fail(world: &mut World, key: &Key, message: &str) {
    let now = world.now();
    world
        .update_status(key, MANAGER, |status| {
            status["phase"] = "Failed".into();
            let condition = Condition {
                kind: "DisruptionTarget",
                status: "True",
                reason: "DeletionByPodGC",
                message,
            };
            conditions::set(status, condition, now);
        })
        .ok();
}

fn end(world: &mut World, key: &Key) {
    let now = DeleteOptions {
        grace_period: Some(0),
        ..DeleteOptions::default()
    };
    world.delete(key, &now).ok();
}
