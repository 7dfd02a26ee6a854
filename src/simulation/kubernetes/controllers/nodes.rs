//! The node's half of a kubelet: its registration, its Lease, its status.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    conditions::{self, Condition},
    latency,
    node::{self, NodeLife},
    quantity,
    record::{About, Kind, Recorder},
};
use crate::kubernetes::{
    resources::{LEASES, NODES, ResourceId},
    run::Controller,
    world::{Change, Due, Key, Object, World, micro_stamp, stamp},
};

const NAME: &str = "kubelet-node";
const MANAGER: &str = "kubelet";
/// What a machine has when nobody says.
const SIZE: (i64, i64, i64) = (4000, 16 << 30, 110);
const DISK: i64 = 100 << 30;

/// A kubelet.
#[derive(Clone)]
struct Alive {
    uid: Arc<str>,
    number: usize,
    reported: Timestamp,
    life: NodeLife,
    /// When it was short of memory, and of disk, for the last time.
    short: [Option<Timestamp>; 2],
}

/// The kubelets of all nodes, as far as the nodes themselves are concerned.
#[derive(Clone)]
pub struct Nodes {
    alive: BTreeMap<Arc<str>, Alive>,
    came: usize,
    events: Recorder,
}

impl Default for Nodes {
    fn default() -> Self {
        Self {
            alive: BTreeMap::new(),
            came: 0,
            events: Recorder::core(MANAGER, MANAGER),
        }
    }
}

impl Controller for Nodes {
    fn name(&self) -> &'static str {
        NAME
    }

    fn resources(&self) -> &[ResourceId] {
        &[NODES]
    }

    fn changed(&mut self, world: &mut World, changes: &[Change]) {
        for change in changes {
            let Some(object) = &change.after else {
                self.alive.remove(&change.key.name);
                continue;
            };
            let life = &node::facts(object).life;
            match self.alive.get(&change.key.name) {
                Some(alive) if alive.uid == *object.uid() => {
                    if alive.life != *life {
                        let due = Due::about(NAME, "look", change.key.clone());
                        world.schedule(world.now() + SignedDuration::from_secs(1), due);
                    }
                }
                _ => self.register(world, object, life.clone()),
            }
        }
    }

    fn due(&mut self, world: &mut World, due: &Due) {
        let Some(key) = &due.about else { return };
        let Some(object) = world.get(key).cloned() else { return };
        let Some(alive) = self.alive.get(&key.name) else { return };
        if alive.uid != *object.uid() || (due.what == "beat" && alive.number as u64 != due.number) {
            return;
        }
        let life = node::facts(&object).life.clone();
        let changed = alive.life != life;
        let late = world.now().duration_since(alive.reported) >= latency::NODE_STATUS;
        let fading = alive.short.iter().any(Option::is_some);
        let doubted = node::facts(&object).ready == "Unknown";
        if let Some(alive) = self.alive.get_mut(&key.name) {
            alive.life = life.clone();
        }
        if due.what == "beat" {
            let number = due.number;
            world.schedule(
                world.now() + latency::HEARTBEAT,
                Due {
                    to: NAME,
                    what: "beat",
                    about: Some(key.clone()),
                    number,
                },
            );
        }
        if life.silent {
            return;
        }
        if due.what == "beat" {
            renew(world, &object);
        }
        if changed || late || fading || doubted {
            self.report(world, &object, &life);
        }
    }
}

impl Nodes {
    fn register(&mut self, world: &mut World, object: &Arc<Object>, life: NodeLife) {
        let now = world.now();
        self.came += 1;
        let number = self.came;
        let alive = Alive {
            uid: Arc::clone(object.uid()),
            number,
            reported: now,
            life: life.clone(),
            short: [None, None],
        };
        self.alive.insert(Arc::clone(&object.key().name), alive);
        // Machines do not start at the same moment, and so do not beat at the same moment.
        let offset = i64::try_from(number % 1000).unwrap_or_default() * 10;
        let due = Due {
            to: NAME,
            what: "beat",
            about: Some(object.key().clone()),
            number: number as u64,
        };
        world.schedule(now + SignedDuration::from_millis(offset), due);
        if !life.silent {
            let about = About::object(object).uid(object.name());
            self.events.record_on(
                world,
                object.name(),
                &about,
                (Kind::Normal, "Starting", "Starting kubelet."),
            );
            label(world, object);
            self.report(world, object, &life);
        }
    }

    /// Writes the status.
    fn report(&mut self, world: &mut World, object: &Object, life: &NodeLife) {
        let now = world.now();
        let Some(alive) = self.alive.get_mut(&object.key().name) else {
            return;
        };
        alive.reported = now;
        let mut short = [false, false];
        for (index, pressed) in [life.memory_pressure, life.disk_pressure].into_iter().enumerate() {
            if pressed {
                alive.short[index] = Some(now);
            }
            // It stays for a while, so that the condition does not swing.
            short[index] = alive.short[index].is_some_and(|at| now.duration_since(at) < latency::PRESSURE_TRANSITION);
            if !short[index] {
                alive.short[index] = None;
            }
        }
        let number = alive.number;
        let before = object.status();
        let all = [
            if short[0] {
                (
                    "MemoryPressure",
                    "True",
                    "KubeletHasInsufficientMemory",
                    "kubelet has insufficient memory available",
                )
            } else {
                (
                    "MemoryPressure",
                    "False",
                    "KubeletHasSufficientMemory",
                    "kubelet has sufficient memory available",
                )
            },
            if short[1] {
                (
                    "DiskPressure",
                    "True",
                    "KubeletHasDiskPressure",
                    "kubelet has disk pressure",
                )
            } else {
                (
                    "DiskPressure",
                    "False",
                    "KubeletHasNoDiskPressure",
                    "kubelet has no disk pressure",
                )
            },
            (
                "PIDPressure",
                "False",
                "KubeletHasSufficientPID",
                "kubelet has sufficient PID available",
            ),
            match &life.not_ready {
                Some(why) => ("Ready", "False", "KubeletNotReady", why.as_str()),
                None => ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
            },
        ];
        for (kind, status, reason, _) in all {
            if conditions::status(&before, kind) != status {
                let reason = match (kind, status) {
                    ("Ready", "True") => "NodeReady",
                    ("Ready", _) => "NodeNotReady",
                    _ => reason,
                };
                let message = format!("Node {} status is now: {reason}", object.name());
                let about = About::object(object).uid(object.name());
                self.events
                    .record_on(world, object.name(), &about, (Kind::Normal, reason, &message));
            }
        }
        world
            .update_status(object.key(), MANAGER, |status| {
                if status["capacity"].is_null() {
                    describe(status, life, (object.name(), number));
                }
                for (kind, value, reason, message) in all {
                    let condition = Condition {
                        kind,
                        status: value,
                        reason,
                        message,
                    };
                    conditions::set(status, condition, now);
                }
                for condition in status
                    .get_mut("conditions")
                    .and_then(Value::as_array_mut)
                    .into_iter()
                    .flatten()
                {
                    if all.iter().any(|(kind, ..)| condition["type"] == *kind) {
                        condition["lastHeartbeatTime"] = stamp(now).into();
                    }
                }
            })
            .ok();
    }
}

/// The labels that every kubelet sees to.
fn label(world: &mut World, object: &Object) {
    let name = object.name().to_owned();
    world
        .update(object.key(), MANAGER, |node| {
            for (label, value) in [
                ("kubernetes.io/hostname", name.as_str()),
                ("kubernetes.io/os", "linux"),
                ("kubernetes.io/arch", "amd64"),
            ] {
                let labels = &mut node["metadata"]["labels"];
                if labels[label].is_null() {
                    labels[label] = value.into();
                }
            }
        })
        .ok();
}

/// What a machine is.
fn describe(status: &mut Value, life: &NodeLife, (name, number): (&str, usize)) {
    let cpu = life.cpu.map_or(SIZE.0, quantity::Quantity::milli);
    let memory = life.memory.map_or(SIZE.1, quantity::Quantity::whole);
    let pods = life.pods.unwrap_or(SIZE.2);
    let all = json!({
        "cpu": quantity::cpu(cpu),
        "memory": quantity::bytes(memory),
        "ephemeral-storage": quantity::bytes(DISK),
        "pods": pods.to_string(),
    });
    status["capacity"] = all.clone();
    status["allocatable"] = all;
    status["addresses"] = json!([
        {"type": "InternalIP", "address": format!("10.1.{}.{}", number / 256, number % 256)},
        {"type": "Hostname", "address": name},
    ]);
    status["daemonEndpoints"] = json!({"kubeletEndpoint": {"Port": 10250}});
    status["nodeInfo"] = json!({
        "architecture": "amd64",
        "bootID": "",
        "containerRuntimeVersion": "containerd://2.1.4",
        "kernelVersion": "6.12.0",
        "kubeProxyVersion": "",
        "kubeletVersion": "v1.36.3",
        "machineID": "",
        "operatingSystem": "linux",
        "osImage": "Simulated",
        "systemUUID": "",
    });
}

/// Renews the Lease, or makes it.
fn renew(world: &mut World, node: &Object) {
    let now = micro_stamp(world.now());
    let key = Key::new(LEASES, "kube-node-lease", node.name());
    if world.renew(&key, MANAGER, &now).is_some() {
        return;
    }
    let lease = json!({
        "metadata": {
            "name": node.name(),
            "namespace": "kube-node-lease",
            "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": node.name(), "uid": &**node.uid()}],
        },
        "spec": {"holderIdentity": node.name(), "leaseDurationSeconds": 40, "renewTime": now},
    });
    world.create(LEASES, lease, MANAGER).ok();
}
