//! A pod's turn: whether it is admitted, its volumes, and a round over its containers.

use std::{slice, sync::Arc};

use jiff::Timestamp;

use super::{
    Kubelets, Pod,
    container::{Role, Told},
    life, needs, probe,
};
use crate::kubernetes::{
    controllers::{
        latency, node, pod,
        record::{About, Kind},
    },
    resources::NODES,
    world::{Object, World},
};

impl Kubelets {
    /// Whether the node has room for it: the scheduler saw to that, whoever set `nodeName` by hand did not.
    pub(super) fn admit(&mut self, world: &mut World, object: &Arc<Object>, pod: &mut Pod) {
        let Some(node) = world.find(NODES, "", &pod.node).cloned() else {
            return;
        };
        let room = node::facts(&node);
        let mut used = pod::Requests::default();
        let mut pods = 0;
        for other in world.pods_on(&pod.node).filter(|other| other.uid() != &pod.uid) {
            let facts = pod::facts(other);
            if facts.running_or_coming() {
                pods += 1;
                used.cpu += facts.requests.cpu;
                used.memory += facts.requests.memory;
            }
        }
        let wanted = pod::facts(object).requests;
        let short = |name: &'static str, asked: i64, used: i64, all: i64| {
            (asked > 0 && used + asked > all).then(|| {
                let message = format!(
                    "Pod was rejected: Node didn't have enough resource: {}, requested: {asked}, used: {used}, capacity: {all}",
                    &name["OutOf".len()..]
                );
                (name, message)
            })
        };
        let refusal = short("OutOfpods", 1, pods, room.pods)
            .or_else(|| short("OutOfcpu", wanted.cpu, used.cpu, room.allocatable.cpu))
            .or_else(|| short("OutOfmemory", wanted.memory, used.memory, room.allocatable.memory));
        if let Some((reason, message)) = refusal {
            let event = message.trim_start_matches("Pod was rejected: ").to_owned();
            self.events.record_on(
                world,
                &pod.node,
                &About::object(object),
                (Kind::Warning, reason, &event),
            );
            pod.failed = Some((reason, message));
            pod.refused = true;
        }
    }

    /// One round over the containers. Returns whether anything happened.
    pub(super) fn step(&mut self, world: &mut World, object: &Arc<Object>, pod: &mut Pod, now: Timestamp) -> bool {
        if now < pod.sandbox || pod.refused {
            return false;
        }
        let mut changed = false;
        let mut blocked = false;
        let halted = pod.stopping.is_some() || pod.failed.is_some();
        for index in 0..pod.containers.len() {
            let mut told = Vec::new();
            let container = &mut pod.containers[index];
            let here = container.pulling && self.has_image(world, &pod.node, &container.image);
            let (lets_on, ran) = (container.lets_on(), container.restarts);
            changed |= container.step(now, here, &mut told);
            if !halted && !blocked && pod.pause <= now && container.wants_start(now) {
                let life = life::read(&object.metadata()["annotations"], &container.name)
                    .map(|life| life.now(world, object, &container.name));
                let refusal = needs::missing(world, object.namespace(), &container.needs)
                    .map(|message| ("CreateContainerConfigError", message));
                let here = self.has_image(world, &pod.node, &container.image);
                container.begin_again(now);
                container.pull(life, (here, refusal), now, &mut told);
                changed = true;
            }
            if container.role != Role::App && container.lets_on() && (!lets_on || ran != container.restarts) {
                pod.pause = now + latency::STARTING;
            }
            blocked |= !container.lets_on();
            self.tell(world, object, pod, index, told);
        }
        changed
    }

    /// Whether an image need not be pulled.
    fn has_image(&self, world: &World, node: &Arc<str>, image: &str) -> bool {
        let known = self.images.contains(&(Arc::clone(node), image.to_owned()));
        known
            || world
                .find(NODES, "", node)
                .is_some_and(|node| node::facts(node).life.images.iter().any(|there| there == image))
    }

    /// Mounts the volumes, without which there is no sandbox. Returns whether anything happened.
    pub(super) fn mount(&mut self, world: &mut World, object: &Object, pod: &mut Pod, now: Timestamp) -> bool {
        if pod.sandboxed || now < pod.sandbox || pod.refused {
            return false;
        }
        let missing = pod.volumes.iter().find_map(|need| {
            let message = needs::missing(world, object.namespace(), slice::from_ref(need))?;
            Some(format!(
                "MountVolume.SetUp failed for volume \"{}\" : {message}",
                need.volume
            ))
        });
        let halted = pod.stopping.is_some() || pod.failed.is_some();
        let Some(message) = missing.filter(|_| !halted) else {
            pod.sandboxed = true;
            return true;
        };
        let about = About::object(object);
        self.events
            .record_on(world, &pod.node, &about, (Kind::Warning, "FailedMount", &message));
        pod.sandbox = now + pod.mount;
        pod.pause = pod.sandbox + latency::STARTING;
        pod.mount = (pod.mount * 2).min(latency::MOUNT_BACK_OFF.1);
        false
    }

    pub(super) fn tell(&mut self, world: &mut World, object: &Object, pod: &Pod, index: usize, told: Vec<Told>) {
        let container = &pod.containers[index];
        for one in told {
            match one {
                Told::Event(kind, reason, message) => {
                    let message = if reason == "BackOff" && message.is_empty() {
                        format!(
                            "Back-off restarting failed container {} in pod {}",
                            container.name, pod.words
                        )
                    } else {
                        message
                    };
                    let message = message.replace(probe::POD, &pod.ip);
                    let about = pod.about(object, container);
                    self.events
                        .record_on(world, &pod.node, &about, (kind, reason, &message));
                }
                Told::Printed(at, line) => world.logs_mut().print(&pod.uid, &container.name, at, &line),
                Told::Restarted => world.logs_mut().restart(&pod.uid, &container.name),
                Told::Pulled => {
                    self.images.insert((Arc::clone(&pod.node), container.image.clone()));
                }
            }
        }
    }
}
