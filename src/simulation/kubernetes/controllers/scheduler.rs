//! The scheduler: which node a pod goes to, and why to none.
//!
//! `wish` is what a pod asks of a node, `fit` judges and ranks the nodes. Preemption is left out: a pod of high priority
//! only comes first in the queue.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use jiff::Timestamp;

use super::{
    conditions::{self, Condition},
    latency, node, pod,
    record::{About, Kind, Recorder},
};
use crate::kubernetes::{
    resources::{NODES, PODS, ResourceId},
    run::Controller,
    world::{Change, Due, Key, Object, World},
};

mod fit;
#[cfg(test)]
mod tests;
mod wish;

use fit::Place;
use wish::Wish;

const NAME: &str = "default-scheduler";
const MANAGER: &str = "kube-scheduler";

/// A place in the queue: priority, then age.
type Rank = (Reverse<i64>, Timestamp, u64);

/// A pod that fits nowhere.
#[derive(Clone)]
struct Refused {
    attempts: u32,
    at: Timestamp,
    /// Its place when it comes back.
    priority: i64,
    created: Timestamp,
}

/// The scheduler.
#[derive(Clone)]
pub struct Scheduler {
    places: BTreeMap<Arc<str>, Place>,
    /// The node at which the next look for one begins.
    next: Arc<str>,
    /// The pods that take up room, with where and how much.
    counted: HashMap<Arc<str>, (Arc<str>, pod::Requests)>,
    /// Pods whose anti-affinity others have to respect.
    apart: BTreeSet<Key>,
    active: BTreeMap<Rank, Key>,
    waiting: HashMap<Key, Rank>,
    refused: BTreeMap<Key, Refused>,
    came: u64,
    /// Whether a cycle and a retry are on the queue already.
    cycling: bool,
    retrying: bool,
    flushing: bool,
    events: Recorder,
}

impl Default for Scheduler {
    fn default() -> Self {
        Self {
            places: BTreeMap::new(),
            next: "".into(),
            counted: HashMap::new(),
            apart: BTreeSet::new(),
            active: BTreeMap::new(),
            waiting: HashMap::new(),
            refused: BTreeMap::new(),
            came: 0,
            cycling: false,
            retrying: false,
            flushing: false,
            events: Recorder::series(NAME, MANAGER),
        }
    }
}

impl Controller for Scheduler {
    fn name(&self) -> &'static str {
        NAME
    }

    fn resources(&self) -> &[ResourceId] {
        &[PODS, NODES]
    }

    fn changed(&mut self, world: &mut World, changes: &[Change]) {
        let mut freed = false;
        for change in changes {
            if change.key.resource == NODES {
                freed |= self.node_changed(change);
            } else {
                freed |= self.pod_changed(change);
            }
        }
        if freed && !self.refused.is_empty() {
            self.retry_soon(world);
        }
        self.cycle_soon(world);
    }

    fn due(&mut self, world: &mut World, due: &Due) {
        match due.what {
            "cycle" => {
                self.cycling = false;
                for _ in 0..latency::SCHEDULED_AT_ONCE {
                    let Some((_, key)) = self.active.pop_first() else { break };
                    self.waiting.remove(&key);
                    self.place(world, &key);
                }
            }
            "retry" => {
                self.retrying = false;
                let now = world.now();
                self.revive(|refused| refused.at + back_off(refused.attempts) <= now);
                if !self.refused.is_empty() {
                    // Those that have to wait a little more are not forgotten.
                    let again = self
                        .refused
                        .values()
                        .any(|refused| refused.at + back_off(refused.attempts) > now);
                    if again {
                        self.retry_soon(world);
                    }
                }
            }
            _ => {
                self.flushing = false;
                let now = world.now();
                self.revive(|refused| refused.at + latency::UNSCHEDULABLE_FLUSH <= now);
                self.flush_later(world);
            }
        }
        self.cycle_soon(world);
    }
}

fn back_off(attempts: u32) -> jiff::SignedDuration {
    let (first, longest) = latency::SCHEDULING_BACK_OFF;
    (first * 2_i32.saturating_pow(attempts.saturating_sub(1).min(10))).min(longest)
}

fn due(what: &'static str) -> Due {
    Due {
        to: NAME,
        what,
        about: None,
        number: 0,
    }
}

impl Scheduler {
    fn cycle_soon(&mut self, world: &mut World) {
        if !self.active.is_empty() && !self.cycling {
            self.cycling = true;
            world.schedule(world.now() + latency::SCHEDULING, due("cycle"));
        }
    }

    fn retry_soon(&mut self, world: &mut World) {
        if !self.retrying {
            self.retrying = true;
            world.schedule(world.now() + latency::SCHEDULING_BACK_OFF.0, due("retry"));
        }
    }

    fn flush_later(&mut self, world: &mut World) {
        if !self.refused.is_empty() && !self.flushing {
            self.flushing = true;
            world.schedule(world.now() + latency::UNSCHEDULABLE_FLUSH, due("flush"));
        }
    }

    /// Those that may be tried again come back into the queue. How often they were tried is kept in `refused`.
    fn revive(&mut self, may: impl Fn(&Refused) -> bool) {
        let back: Vec<_> = self
            .refused
            .iter()
            .filter(|(key, refused)| may(refused) && !self.waiting.contains_key(*key))
            .map(|(key, refused)| (key.clone(), refused.priority, refused.created))
            .collect();
        for (key, priority, created) in back {
            self.came += 1;
            let rank = (Reverse(priority), created, self.came);
            self.waiting.insert(key.clone(), rank);
            self.active.insert(rank, key);
        }
    }

    /// Returns whether there may be room now that was not there before.
    fn node_changed(&mut self, change: &Change) -> bool {
        let Some(object) = &change.after else {
            self.places.remove(&change.key.name);
            return false;
        };
        let used = self.places.get(&change.key.name).map(|place| place.used);
        let mut place = Place::read(object);
        match used {
            Some(used) => place.used = used,
            // Pods may be bound to a node that comes later.
            None => {
                for (node, requests) in self.counted.values().filter(|(node, _)| *node == change.key.name) {
                    debug_assert_eq!(node, &change.key.name);
                    place.take(requests);
                }
            }
        }
        self.places.insert(Arc::clone(&change.key.name), place);
        let differs = |before: &Arc<Object>| {
            let (old, new) = (node::facts(before), node::facts(object));
            old.taints != new.taints
                || old.unschedulable != new.unschedulable
                || old.allocatable != new.allocatable
                || old.pods != new.pods
                || !before.labels().eq(object.labels())
        };
        change.before.as_ref().is_none_or(differs)
    }

    fn pod_changed(&mut self, change: &Change) -> bool {
        let mut freed = false;
        let after = change.after.as_ref();
        let held = after.filter(|pod| pod::facts(pod).running_or_coming());
        if let Some(before) = &change.before {
            let stays = held.is_some_and(|pod| {
                pod.uid() == before.uid()
                    && pod.node().is_some()
                    && pod::facts(pod).requests == pod::facts(before).requests
            });
            if !stays && let Some((node, requests)) = self.counted.remove(before.uid()) {
                freed = true;
                if let Some(place) = self.places.get_mut(&node) {
                    place.give(&requests);
                }
            }
        }
        if let Some(pod) = held
            && let Some(node) = pod.node()
            && !self.counted.contains_key(pod.uid())
        {
            let requests = pod::facts(pod).requests;
            if let Some(place) = self.places.get_mut(node) {
                place.take(&requests);
            }
            self.counted.insert(Arc::clone(pod.uid()), (Arc::clone(node), requests));
        }
        match held.filter(|pod| pod::facts(pod).keeps_apart) {
            Some(pod) => {
                self.apart.insert(pod.key().clone());
            }
            None => freed |= self.apart.remove(&change.key),
        }
        match held.filter(|pod| pod.node().is_none() && !pod.deleting()) {
            Some(pod) if !self.waiting.contains_key(&change.key) => {
                // A pod that was refused comes back when it was changed by somebody else.
                if self.refused.contains_key(&change.key)
                    && change
                        .before
                        .as_ref()
                        .is_some_and(|before| before.generation() == pod.generation())
                {
                    return freed;
                }
                self.came += 1;
                let facts = pod::facts(pod);
                let rank = (Reverse(facts.priority), facts.created, self.came);
                self.waiting.insert(change.key.clone(), rank);
                self.active.insert(rank, change.key.clone());
            }
            Some(_) => {}
            None => {
                self.refused.remove(&change.key);
                if let Some(rank) = self.waiting.remove(&change.key) {
                    self.active.remove(&rank);
                }
            }
        }
        freed
    }

    fn place(&mut self, world: &mut World, key: &Key) {
        let Some(pod) = world.get(key).cloned() else { return };
        if pod.node().is_some() || pod.deleting() {
            return;
        }
        let value = pod.bare();
        let other = value["spec"]["schedulerName"].as_str().is_some_and(|name| name != NAME);
        if other {
            return;
        }
        if value["spec"]["schedulingGates"]
            .as_array()
            .is_some_and(|gates| !gates.is_empty())
        {
            // The API server has said so when it was made.
            return;
        }
        let wish = Wish::read(world, &pod, &value, &self.apart);
        let only = pod::facts(&pod).meant_for.as_deref();
        match fit::choose(&self.places, &wish, only, &mut self.next) {
            Ok(node) => self.bind(world, &pod, &node),
            Err(message) => self.refuse(world, &pod, &message),
        }
    }

    fn bind(&mut self, world: &mut World, pod: &Arc<Object>, node: &str) {
        self.refused.remove(pod.key());
        let now = world.now();
        let bound = world.overwrite(pod.key(), |pod| {
            pod["spec"]["nodeName"] = node.into();
            let condition = Condition {
                kind: "PodScheduled",
                status: "True",
                reason: "",
                message: "",
            };
            conditions::set(&mut pod["status"], condition, now);
        });
        let Ok(Some(bound)) = bound else { return };
        // The room is taken at once: the next pod of this cycle must not see it.
        let requests = pod::facts(&bound).requests;
        if let Some(place) = self.places.get_mut(node) {
            place.take(&requests);
        }
        self.counted.insert(Arc::clone(bound.uid()), (node.into(), requests));
        let message = format!("Successfully assigned {}/{} to {node}", pod.namespace(), pod.name());
        let event = (Kind::Normal, "Scheduled", message.as_str());
        self.events.record_action(world, &About::object(pod), "Binding", event);
    }

    fn refuse(&mut self, world: &mut World, pod: &Arc<Object>, message: &str) {
        let now = world.now();
        let facts = pod::facts(pod);
        let refused = self.refused.entry(pod.key().clone()).or_insert(Refused {
            attempts: 0,
            at: now,
            priority: facts.priority,
            created: facts.created,
        });
        refused.attempts += 1;
        refused.at = now;
        let event = (Kind::Warning, "FailedScheduling", message);
        self.events
            .record_action(world, &About::object(pod), "Scheduling", event);
        note(world, pod, message);
        self.flush_later(world);
    }
}

/// Writes down why a pod is not placed, and as of which generation.
fn note(world: &mut World, pod: &Object, message: &str) {
    let now = world.now();
    let condition = Condition {
        kind: "PodScheduled",
        status: "False",
        reason: "Unschedulable",
        message,
    };
    let mut condition = condition.value();
    condition["observedGeneration"] = pod.generation().into();
    world
        .update_status(pod.key(), MANAGER, |status| conditions::place(status, condition, now))
        .ok();
}
