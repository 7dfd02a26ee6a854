//! The node lifecycle controller: who is not heard of any more, and which taints say so.
//!
//! It looks every five seconds at what it has heard (Leases and statuses); [`taints`] are what others see of that. NoExecute
//! taints are given out by a limiter for each zone, as the real one does: one node in ten seconds while a zone is well, one in
//! a hundred seconds or none while most of it is not, none at all while every zone is down.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};

use super::{
    conditions, latency, node,
    own::MANAGER,
    pod,
    record::{About, Kind, Recorder},
};
use crate::kubernetes::{
    resources::{LEASES, NODES, ResourceId},
    run::Controller,
    world::{Change, ChangeKind, Due, Key, Object, World},
};

mod labels;
mod taints;
#[cfg(test)]
mod tests;

use taints::{NOT_READY, UNREACHABLE};

const NAME: &str = "node-controller";
/// The part of a zone that has to be unwell for the zone to be.
const THRESHOLD: f64 = 0.55;
/// Nodes a second.
const RATE: f64 = 0.1;
const SECOND_RATE: f64 = 0.01;
/// A cluster of so many nodes is a small one, in which an unwell zone loses no pods.
const SMALL: usize = 50;

/// What was heard of a node.
#[derive(Clone)]
struct Heard {
    uid: Arc<str>,
    at: Timestamp,
    /// What its condition Ready said when it was looked at last.
    ready: String,
    /// Whether it was said that it is there.
    registered: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Normal,
    Partial,
    Full,
}

#[derive(Clone)]
struct Zone {
    state: State,
    rate: f64,
    tokens: f64,
    at: Timestamp,
    waiting: BTreeSet<Arc<str>>,
}

/// The node lifecycle controller.
#[derive(Clone)]
pub struct NodeLifecycle {
    heard: BTreeMap<Arc<str>, Heard>,
    zones: BTreeMap<String, Zone>,
    /// Nodes that are gone, with their uids, of which nobody was told yet.
    gone: Vec<(Arc<str>, Arc<str>)>,
    running: bool,
    events: Recorder,
}

impl Default for NodeLifecycle {
    fn default() -> Self {
        Self {
            heard: BTreeMap::new(),
            zones: BTreeMap::new(),
            gone: Vec::new(),
            running: false,
            events: Recorder::core(NAME, MANAGER),
        }
    }
}

impl Controller for NodeLifecycle {
    fn name(&self) -> &'static str {
        NAME
    }

    fn resources(&self) -> &[ResourceId] {
        &[NODES, LEASES]
    }

    fn changed(&mut self, world: &mut World, changes: &[Change]) {
        let now = world.now();
        for change in changes {
            if change.key.resource == LEASES {
                if let Some(heard) = self.heard.get_mut(&change.key.name)
                    && &*change.key.namespace == "kube-node-lease"
                    && change.kind != ChangeKind::Deleted
                {
                    heard.at = now;
                }
                continue;
            }
            let Some(object) = &change.after else {
                if let Some(heard) = self.heard.remove(&change.key.name).filter(|heard| heard.registered) {
                    self.gone.push((Arc::clone(&change.key.name), heard.uid));
                }
                continue;
            };
            let known = self
                .heard
                .get(&change.key.name)
                .filter(|heard| heard.uid == *object.uid());
            if known.is_none() {
                let heard = Heard {
                    uid: Arc::clone(object.uid()),
                    at: now,
                    ready: node::facts(object).ready.clone(),
                    registered: false,
                };
                self.heard.insert(Arc::clone(&change.key.name), heard);
            } else if change
                .before
                .as_ref()
                .is_none_or(|before| node::facts(before).heartbeat != node::facts(object).heartbeat)
                && let Some(heard) = self.heard.get_mut(&change.key.name)
            {
                heard.at = now;
            }
            taints::warn(world, &change.key);
            labels::reconcile(world, &change.key);
        }
        if !self.running && !self.heard.is_empty() {
            self.running = true;
            self.look_again(world);
        }
    }

    fn due(&mut self, world: &mut World, due: &Due) {
        match due.what {
            "look" => {
                self.look_again(world);
                self.look(world);
            }
            _ => self.give_out(world),
        }
    }
}

impl NodeLifecycle {
    fn look_again(&self, world: &mut World) {
        let due = Due {
            to: NAME,
            what: "look",
            about: None,
            number: 0,
        };
        world.schedule(world.now() + latency::NODE_MONITOR_PERIOD, due);
    }

    fn look(&mut self, world: &mut World) {
        self.tell_who_came_and_went(world);
        let now = world.now();
        let mut zones: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        let names: Vec<Arc<str>> = self.heard.keys().cloned().collect();
        for name in &names {
            let Some(object) = world.find(NODES, "", name).cloned() else {
                continue;
            };
            let ready = self.judge(world, &object, now);
            let (well, unwell) = zones.entry(node::facts(&object).zone.clone()).or_default();
            *(if ready { well } else { unwell }) += 1;
        }
        self.judge_zones(world, zones, &names);
        self.give_out(world);
    }

    fn tell_who_came_and_went(&mut self, world: &mut World) {
        for (name, heard) in self.heard.iter_mut().filter(|(_, heard)| !heard.registered) {
            heard.registered = true;
            let message = format!("Node {name} event: Registered Node {name} in Controller");
            let about = About::named(Key::new(NODES, "", name), &heard.uid);
            self.events
                .record(world, &about, Kind::Normal, "RegisteredNode", &message);
        }
        for (name, uid) in self.gone.drain(..) {
            let message = format!("Node {name} event: Removing Node {name} from Controller");
            let about = About::named(Key::new(NODES, "", &name), &uid);
            self.events
                .record(world, &about, Kind::Normal, "RemovingNode", &message);
        }
    }

    /// Returns whether the node is ready, now that it was looked at.
    fn judge(&mut self, world: &mut World, object: &Arc<Object>, now: Timestamp) -> bool {
        let Some(heard) = self.heard.get_mut(&object.key().name) else {
            return false;
        };
        let facts = node::facts(object);
        let ready = facts.ready.as_str();
        let grace = if ready.is_empty() {
            latency::NODE_STARTUP_GRACE
        } else {
            latency::NODE_MONITOR_GRACE
        };
        let mut current = ready;
        if now.duration_since(heard.at) > grace && ready != "Unknown" {
            taints::doubt(world, object.key(), now);
            taints::warn(world, object.key());
            current = "Unknown";
        }
        let lost = (ready == "True" || heard.ready == "True") && current != "True";
        current.clone_into(&mut heard.ready);
        let zone = self.zones.entry(facts.zone.clone()).or_insert_with(|| Zone {
            state: State::Normal,
            rate: RATE,
            tokens: 1.0,
            at: now,
            waiting: BTreeSet::new(),
        });
        match (current, taints::executed(object)) {
            ("True", taint) => {
                zone.waiting.remove(&object.key().name);
                if taint.is_some() {
                    taints::execute(world, object.key(), None);
                }
            }
            ("False", Some(UNREACHABLE)) => taints::execute(world, object.key(), Some(NOT_READY)),
            ("Unknown", Some(NOT_READY)) => taints::execute(world, object.key(), Some(UNREACHABLE)),
            ("False" | "Unknown", None) => {
                zone.waiting.insert(Arc::clone(&object.key().name));
            }
            _ => {}
        }
        if lost {
            let message = format!("Node {} status is now: NodeNotReady", object.name());
            let about = About::named(object.key().clone(), object.uid());
            self.events
                .record(world, &about, Kind::Normal, "NodeNotReady", &message);
            self.mark_pods(world, object.name());
        }
        current == "True"
    }

    /// Its pods are not ready as far as anybody can know.
    fn mark_pods(&mut self, world: &mut World, node: &str) {
        let now = world.now();
        let pods: Vec<Arc<Object>> = world
            .pods_on(node)
            .filter(|pod| pod::facts(pod).ready)
            .cloned()
            .collect();
        for pod in pods {
            world
                .update_status(pod.key(), MANAGER, |status| {
                    if let Some(ready) = conditions::find(status, "Ready") {
                        let mut ready = ready.clone();
                        ready["status"] = "False".into();
                        conditions::place(status, ready, now);
                    }
                })
                .ok();
            self.events.record(
                world,
                &About::object(&pod),
                Kind::Warning,
                "NodeNotReady",
                "Node is not ready",
            );
        }
    }

    fn judge_zones(&mut self, world: &mut World, zones: BTreeMap<String, (usize, usize)>, names: &[Arc<str>]) {
        let state = |(ready, unready): (usize, usize)| {
            if ready == 0 && unready > 0 {
                State::Full
            } else if unready > 2 && unready as f64 / (ready + unready) as f64 >= THRESHOLD {
                State::Partial
            } else {
                State::Normal
            }
        };
        self.zones.retain(|name, _| zones.contains_key(name));
        let all = !zones.is_empty() && zones.values().all(|count| state(*count) == State::Full);
        let were = self.zones.values().all(|zone| zone.state == State::Full);
        if all && were {
            return;
        }
        if all {
            // Everything is down: rather the control plane's own network. Nothing is evicted.
            for name in names {
                taints::execute(world, &Key::new(NODES, "", name), None);
            }
            for zone in self.zones.values_mut() {
                (zone.state, zone.rate) = (State::Full, 0.0);
                zone.waiting.clear();
            }
            return;
        }
        if were {
            let now = world.now();
            for heard in self.heard.values_mut() {
                heard.at = now;
            }
        }
        for (name, count) in &zones {
            let Some(zone) = self.zones.get_mut(name) else { continue };
            zone.state = state(*count);
            zone.rate = match zone.state {
                State::Normal | State::Full => RATE,
                State::Partial if count.0 + count.1 > SMALL => SECOND_RATE,
                State::Partial => 0.0,
            };
        }
    }

    /// Gives NoExecute taints to those whose turn it is.
    fn give_out(&mut self, world: &mut World) {
        let now = world.now();
        let mut next: Option<Timestamp> = None;
        for zone in self.zones.values_mut() {
            let passed = now.duration_since(zone.at).as_secs_f64();
            zone.tokens = (zone.tokens + passed * zone.rate).min(1.0);
            zone.at = now;
            while zone.rate > 0.0 && zone.tokens >= 0.999 {
                let Some(name) = zone.waiting.pop_first() else { break };
                let Some(object) = world.find(NODES, "", &name).cloned() else {
                    continue;
                };
                let taint = match node::facts(&object).ready.as_str() {
                    "False" => NOT_READY,
                    "Unknown" => UNREACHABLE,
                    _ => continue,
                };
                zone.tokens -= 1.0;
                taints::execute(world, object.key(), Some(taint));
            }
            if zone.rate > 0.0 && !zone.waiting.is_empty() {
                let wait = SignedDuration::try_from_secs_f64((1.0 - zone.tokens) / zone.rate).unwrap_or(latency::SLACK);
                let at = now + wait.max(SignedDuration::from_millis(100));
                next = Some(next.map_or(at, |other| other.min(at)));
            }
        }
        // The next look comes by itself.
        if let Some(at) = next.filter(|at| at.duration_since(now) < latency::NODE_MONITOR_PERIOD) {
            let due = Due {
                to: NAME,
                what: "give",
                about: None,
                number: 0,
            };
            world.schedule(at, due);
        }
    }
}
