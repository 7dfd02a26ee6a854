//! The node lifecycle controller: who is not heard of any more, and which taints say so.
//!
//! It looks every five seconds at what it has heard (Leases and statuses). NoExecute taints are given out by a limiter
//! for each zone, as the real one does: one node in ten seconds while a zone is well, one in a hundred seconds or none
//! while most of it is not, none at all while every zone is down.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    conditions, latency,
    node::{self, Taint},
    own::MANAGER,
    pod,
    record::{About, Kind, Recorder},
};
use crate::simulation::kubernetes::{
    resources::{LEASES, NODES, ResourceId},
    run::Controller,
    world::{Change, ChangeKind, Due, Key, Object, World, stamp},
};

#[cfg(test)]
mod tests;

const NAME: &str = "node-controller";
const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
/// The part of a zone that has to be unwell for the zone to be.
const THRESHOLD: f64 = 0.55;
/// Nodes a second.
const RATE: f64 = 0.1;
const SECOND_RATE: f64 = 0.01;
/// A cluster of so many nodes is a small one, in which an unwell zone loses no pods.
const SMALL: usize = 50;
/// What a condition of a node means for those who would go there.
const PRESSURE: [(&str, &str); 4] = [
    ("MemoryPressure", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "node.kubernetes.io/disk-pressure"),
    ("PIDPressure", "node.kubernetes.io/pid-pressure"),
    ("NetworkUnavailable", "node.kubernetes.io/network-unavailable"),
];

/// What was heard of a node.
#[derive(Clone)]
struct Heard {
    uid: Arc<str>,
    at: Timestamp,
    /// What its condition Ready said when it was looked at last.
    ready: String,
    reported: bool,
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
    running: bool,
    events: Recorder,
}

impl Default for NodeLifecycle {
    fn default() -> Self {
        Self {
            heard: BTreeMap::new(),
            zones: BTreeMap::new(),
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
                self.heard.remove(&change.key.name);
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
                    reported: false,
                };
                self.heard.insert(Arc::clone(&change.key.name), heard);
            } else if heartbeat(object) != change.before.as_deref().and_then(heartbeat)
                && let Some(heard) = self.heard.get_mut(&change.key.name)
            {
                heard.at = now;
            }
            warn(world, &change.key);
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

/// When a kubelet wrote the status last.
fn heartbeat(node: &Object) -> Option<String> {
    let status = node.status();
    let ready = conditions::find(&status, "Ready")?;
    ready["lastHeartbeatTime"].as_str().map(str::to_owned)
}

fn zone_of(node: &Object) -> String {
    let label = |name: &str| node.label(name).unwrap_or_default().to_owned();
    format!(
        "{}:{}",
        label("topology.kubernetes.io/region"),
        label("topology.kubernetes.io/zone")
    )
}

/// The NoSchedule taints that the conditions of a node, and a cordon, mean.
fn warn(world: &mut World, key: &Key) {
    // As it is now: an earlier change of this turn may have been answered already.
    let Some(object) = world.get(key).cloned() else { return };
    let facts = node::facts(&object);
    let value = object.bare();
    let mut wanted = Vec::new();
    match facts.ready.as_str() {
        "False" => wanted.push(NOT_READY),
        "Unknown" => wanted.push(UNREACHABLE),
        _ => {}
    }
    for (kind, key) in PRESSURE {
        if conditions::status(&value["status"], kind) == "True" {
            wanted.push(key);
        }
    }
    if facts.unschedulable {
        wanted.push("node.kubernetes.io/unschedulable");
    }
    let ours = |taint: &Taint| {
        taint.effect == "NoSchedule"
            && (PRESSURE.iter().any(|(_, key)| taint.key == *key)
                || [NOT_READY, UNREACHABLE, "node.kubernetes.io/unschedulable"].contains(&taint.key.as_str()))
    };
    let there: Vec<&str> = facts
        .taints
        .iter()
        .filter(|taint| ours(taint))
        .map(|taint| taint.key.as_str())
        .collect();
    // A node that never said how it is has the taint that it was created with, or none.
    let (mut one, mut other) = (there.clone(), wanted.clone());
    one.sort_unstable();
    other.sort_unstable();
    if one == other || facts.ready.is_empty() && !facts.unschedulable && there.is_empty() {
        return;
    }
    let now = stamp(world.now());
    retaint(world, object.key(), |taints| {
        taints.retain(|taint| {
            let parsed: Option<Taint> = serde_json::from_value(taint.clone()).ok();
            parsed.is_none_or(|taint| !ours(&taint) || wanted.contains(&taint.key.as_str()))
        });
        for key in &wanted {
            if !there.contains(key) {
                taints.push(json!({"key": key, "effect": "NoSchedule", "timeAdded": now}));
            }
        }
    });
}

fn retaint(world: &mut World, key: &Key, change: impl FnOnce(&mut Vec<Value>)) {
    world
        .update(key, MANAGER, |node| {
            let mut taints = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
            change(&mut taints);
            if taints.is_empty() {
                if let Some(spec) = node["spec"].as_object_mut() {
                    spec.remove("taints");
                }
            } else {
                node["spec"]["taints"] = taints.into();
            }
        })
        .ok();
}

fn execute(world: &mut World, key: &Key, taint: Option<&str>) {
    let now = stamp(world.now());
    retaint(world, key, |taints| {
        let ours = |one: &Value| one["effect"] == "NoExecute" && (one["key"] == NOT_READY || one["key"] == UNREACHABLE);
        let there = taint.is_some_and(|taint| taints.iter().any(|one| ours(one) && one["key"] == taint));
        taints.retain(|one| !ours(one) || taint.is_some_and(|taint| one["key"] == taint));
        if let Some(taint) = taint.filter(|_| !there) {
            taints.push(json!({"key": taint, "effect": "NoExecute", "timeAdded": now}));
        }
    });
}

fn executed(node: &Object) -> Option<&str> {
    let taints = &node::facts(node).taints;
    let ours = |taint: &&Taint| taint.effect == "NoExecute" && (taint.key == NOT_READY || taint.key == UNREACHABLE);
    taints.iter().find(ours).map(|taint| taint.key.as_str())
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
        let now = world.now();
        let mut zones: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        let names: Vec<Arc<str>> = self.heard.keys().cloned().collect();
        for name in &names {
            let Some(object) = world.find(NODES, "", name).cloned() else {
                continue;
            };
            self.judge(world, &object, now);
            let ready = world
                .find(NODES, "", name)
                .is_some_and(|node| node::facts(node).ready == "True");
            let count = zones.entry(zone_of(&object)).or_default();
            if ready {
                count.0 += 1;
            } else {
                count.1 += 1;
            }
        }
        self.judge_zones(world, zones, &names);
        self.give_out(world);
    }

    fn judge(&mut self, world: &mut World, object: &Arc<Object>, now: Timestamp) {
        let Some(heard) = self.heard.get_mut(&object.key().name) else {
            return;
        };
        let ready = node::facts(object).ready.clone();
        let grace = if ready.is_empty() {
            latency::NODE_STARTUP_GRACE
        } else {
            latency::NODE_MONITOR_GRACE
        };
        let mut current = ready.clone();
        if now.duration_since(heard.at) > grace && ready != "Unknown" {
            doubt(world, object.key(), now);
            warn(world, object.key());
            "Unknown".clone_into(&mut current);
        }
        let lost = (ready == "True" || heard.ready == "True") && current != "True";
        heard.ready.clone_from(&current);
        heard.reported = lost;
        let zone = zone_of(object);
        let there = executed(object).map(str::to_owned);
        let waiting = self.zones.entry(zone).or_insert_with(|| Zone {
            state: State::Normal,
            rate: RATE,
            tokens: 1.0,
            at: now,
            waiting: BTreeSet::new(),
        });
        match (current.as_str(), there.as_deref()) {
            ("True", taint) => {
                waiting.waiting.remove(&object.key().name);
                if taint.is_some() {
                    execute(world, object.key(), None);
                }
            }
            ("False", Some(UNREACHABLE)) => execute(world, object.key(), Some(NOT_READY)),
            ("Unknown", Some(NOT_READY)) => execute(world, object.key(), Some(UNREACHABLE)),
            ("False" | "Unknown", None) => {
                waiting.waiting.insert(Arc::clone(&object.key().name));
            }
            _ => {}
        }
        if lost {
            let message = format!("Node {} status is now: NodeNotReady", object.name());
            self.events
                .record(world, &About::object(object), Kind::Normal, "NodeNotReady", &message);
            self.mark_pods(world, object.name());
        }
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
                execute(world, &Key::new(NODES, "", name), None);
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
                execute(world, object.key(), Some(taint));
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

/// Nobody knows how a node is.
fn doubt(world: &mut World, key: &Key, now: Timestamp) {
    let Some(created) = world.get(key).map(|node| node.metadata()["creationTimestamp"].take()) else {
        return;
    };
    world
        .update_status(key, MANAGER, |status| {
            for kind in ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"] {
                let condition = match conditions::find(status, kind) {
                    Some(known) => {
                        let mut known = known.clone();
                        if known["status"] != "Unknown" {
                            known["reason"] = "NodeStatusUnknown".into();
                            known["message"] = "Kubelet stopped posting node status.".into();
                        }
                        known["status"] = "Unknown".into();
                        known
                    }
                    None => json!({
                        "type": kind,
                        "status": "Unknown",
                        "reason": "NodeStatusNeverUpdated",
                        "message": "Kubelet never posted node status.",
                        "lastHeartbeatTime": created,
                    }),
                };
                conditions::place(status, condition, now);
            }
        })
        .ok();
}
