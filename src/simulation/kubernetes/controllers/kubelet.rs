//! All kubelets: what becomes of the pods that are bound to nodes.
//!
//! Nothing runs here. [`life`] is the script of what the containers do; `container` carries it out, `probe` asks,
//! `status` writes what a kubelet would write. A node whose script says `silent` has a kubelet that nobody hears and
//! that hears nobody: what happens to its pods is seen when it comes back.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    conditions, latency, node, pod,
    quantity::Quantity,
    record::{About, Kind, Recorder},
};
use crate::kubernetes::{
    resources::{NODES, PODS, ResourceId},
    run::Controller,
    world::{Change, ChangeKind, DeleteOptions, Due, Key, Object, World},
};

mod back_off;
mod container;
mod end;
pub mod life;
mod needs;
mod pressure;
mod probe;
mod read;
mod start;
mod status;
#[cfg(test)]
mod tests;
mod turn;

use container::{Container, Restart, Role};

const NAME: &str = "kubelet";

/// A pod on a node.
#[derive(Clone)]
struct Pod {
    key: Key,
    uid: Arc<str>,
    node: Arc<str>,
    /// As messages name it.
    words: String,
    restart: Restart,
    containers: Vec<Container>,
    gates: Vec<String>,
    open_gates: Vec<String>,
    /// When it has been active for too long.
    deadline: Option<Timestamp>,
    seen: Timestamp,
    sandbox: Timestamp,
    /// Whether it is there.
    sandboxed: bool,
    /// Before then no other container is started: the kubelet has yet to see what became of the last one.
    pause: Timestamp,
    /// What its volumes need, and how long it waits before it looks for that again.
    volumes: Vec<needs::Need>,
    mount: SignedDuration,
    /// Since when all of it has ended by itself. That shows in its phase a while later.
    over: Option<Timestamp>,
    ip: String,
    host_ip: String,
    annotations: Value,
    generation: i64,
    /// Until when it has to have stopped.
    stopping: Option<Timestamp>,
    failed: Option<(&'static str, String)>,
    /// It was never admitted.
    refused: bool,
    /// When it goes, now that it has ended while it was being deleted.
    gone: Option<Timestamp>,
    /// Counts what is on the queue: only the last one holds.
    wake: u64,
    next: Option<Timestamp>,
    written: u64,
}

impl Pod {
    /// When all of it has ended by itself, its kubelet first ends the rest of the pod.
    fn look_whether_over(&mut self, now: Timestamp) {
        let ended = self.failed.is_none() && self.stopping.is_none() && self.end().is_some();
        if !ended {
            self.over = None;
        } else if self.over.is_none() {
            self.over = Some(now + latency::POD_ENDS);
        }
    }

    /// Whether it was stopped and all of it has ended.
    fn stopped_for_good(&self) -> bool {
        (self.stopping.is_some() || self.failed.is_some()) && !self.containers.iter().any(Container::running)
    }

    fn closed_gate(&self) -> Option<&str> {
        self.gates
            .iter()
            .find(|gate| !self.open_gates.contains(gate))
            .map(String::as_str)
    }

    fn about(&self, object: &Object, container: &Container) -> About {
        let field = if container.role == Role::App {
            "containers"
        } else {
            "initContainers"
        };
        About::object(object).field(format!("spec.{field}{{{}}}", container.name))
    }
}

/// The kubelets of all nodes, as far as pods are concerned.
#[derive(Clone)]
pub struct Kubelets {
    pods: HashMap<Key, Pod>,
    events: Recorder,
    /// The images that are on a node.
    images: HashSet<(Arc<str>, String)>,
    /// The number of each node, for addresses, and of the pod that came last.
    addresses: HashMap<Arc<str>, (usize, usize)>,
    pressure: pressure::Pressure,
}

impl Default for Kubelets {
    fn default() -> Self {
        Self {
            pods: HashMap::new(),
            events: Recorder::core(NAME, NAME),
            images: HashSet::new(),
            addresses: HashMap::new(),
            pressure: pressure::Pressure::default(),
        }
    }
}

impl Controller for Kubelets {
    fn name(&self) -> &'static str {
        NAME
    }

    fn resources(&self) -> &[ResourceId] {
        &[PODS, NODES]
    }

    fn changed(&mut self, world: &mut World, changes: &[Change]) {
        for change in changes {
            if change.key.resource == NODES {
                self.node_changed(world, change);
                continue;
            }
            match &change.after {
                Some(object) if change.kind != ChangeKind::Deleted => self.pod_changed(world, object),
                _ => {
                    self.pods.remove(&change.key);
                }
            }
        }
    }

    fn due(&mut self, world: &mut World, due: &Due) {
        let Some(key) = due.about.clone() else { return };
        match due.what {
            "pressure" => self.relieve(world, &key),
            "look" => self.turn(world, &key, true),
            _ if self.pods.get(&key).is_some_and(|pod| pod.wake == due.number) => self.turn(world, &key, false),
            _ => {}
        }
    }
}

/// Whether nobody hears of this node.
fn silent(world: &World, node: &str) -> bool {
    world
        .find(NODES, "", node)
        .is_none_or(|object| node::facts(object).life.silent)
}

impl Kubelets {
    fn node_changed(&mut self, world: &mut World, change: &Change) {
        let life = |object: &Option<Arc<Object>>| object.as_ref().map(|object| node::facts(object).life.clone());
        let (before, after) = (life(&change.before), life(&change.after));
        let Some(after) = after else { return };
        if before.as_ref() == Some(&after) {
            return;
        }
        if before.is_none_or(|before| before.silent) && !after.silent {
            let pods: Vec<Key> = world.pods_on(&change.key.name).map(|pod| pod.key().clone()).collect();
            for key in pods {
                world.schedule(world.now() + latency::POD_SEEN, Due::about(NAME, "look", key));
            }
        }
        self.feel_pressure(world, &change.key, &after);
    }

    fn pod_changed(&mut self, world: &mut World, object: &Arc<Object>) {
        let Some(node) = object.node() else { return };
        let key = object.key();
        if let Some(pod) = self.pods.get(key).filter(|pod| pod.uid == *object.uid()) {
            if pod.written != object.revision() {
                world.schedule(world.now() + latency::POD_SEEN, Due::about(NAME, "look", key.clone()));
            }
            return;
        }
        if !pod::facts(object).running_or_coming() && !object.deleting() {
            return;
        }
        let pod = self.read(world, object, Arc::clone(node));
        self.pods.insert(key.clone(), pod);
        world.schedule(world.now() + latency::POD_SEEN, Due::about(NAME, "look", key.clone()));
    }

    /// A pod's turn. `look`: somebody else has changed it, or its node is back.
    fn turn(&mut self, world: &mut World, key: &Key, look: bool) {
        let Some(object) = world.get(key).cloned() else {
            self.pods.remove(key);
            return;
        };
        let Some(mut pod) = self.pods.remove(key) else { return };
        if pod.uid == *object.uid() && !silent(world, &pod.node) {
            self.live(world, &object, &mut pod, look);
        } else {
            pod.next = None;
        }
        if world.get(key).is_some_and(|object| object.uid() == &pod.uid) {
            self.pods.insert(key.clone(), pod);
        }
    }

    fn live(&mut self, world: &mut World, object: &Arc<Object>, pod: &mut Pod, look: bool) {
        let now = world.now();
        let mut changed = look;
        if look {
            self.look(world, object, pod);
        }
        if pod.next.is_none() && pod.wake == 0 && pod.stopping.is_none() {
            self.admit(world, object, pod);
        }
        changed |= self.mount(world, object, pod, now);
        // What is late, because the node was silent, is made up for in its order.
        let mut rounds = 0;
        while rounds < 1000 && self.step(world, object, pod, now) {
            changed = true;
            rounds += 1;
        }
        if pod.deadline.is_some_and(|deadline| deadline <= now) && pod.failed.is_none() && pod.stopping.is_none() {
            let message = "Pod was active on the node longer than the specified deadline".to_owned();
            self.events.record_on(
                world,
                &pod.node,
                &About::object(object),
                (Kind::Normal, "DeadlineExceeded", &message),
            );
            let grace = pod.containers.first().map_or(SignedDuration::ZERO, |one| one.grace);
            self.kill(world, object, pod, grace);
            pod.failed = Some(("DeadlineExceeded", message));
            while self.step(world, object, pod, now) {}
            changed = true;
        }
        let over = pod.over;
        pod.look_whether_over(now);
        if changed || over != pod.over || pod.over == Some(now) {
            self.show(world, pod);
        }
        if object.deleting() && pod.stopped_for_good() {
            match pod.gone {
                Some(gone) if gone <= now => {
                    let options = DeleteOptions {
                        grace_period: Some(0),
                        uid: Some(pod.uid.to_string()),
                        ..DeleteOptions::default()
                    };
                    world.delete(&pod.key, &options).ok();
                    pod.next = None;
                    return;
                }
                Some(_) => {}
                None => pod.gone = Some(now + latency::POD_GONE),
            }
        }
        self.plan(world, pod);
    }

    /// What somebody else has changed: deletion, scripts, resources, gates.
    fn look(&mut self, world: &mut World, object: &Arc<Object>, pod: &mut Pod) {
        let now = world.now();
        if !pod.gates.is_empty() {
            let status = object.status();
            let mut gates = pod.gates.clone();
            gates.retain(|gate| conditions::status(&status, gate) == "True");
            pod.open_gates = gates;
        }
        let annotations = object.metadata()["annotations"].take();
        if annotations != pod.annotations {
            pod.annotations = annotations;
            for container in &mut pod.containers {
                if let Ok(life) = life::read(&pod.annotations, &container.name) {
                    container.rescript(life.now(world, object, &container.name), now);
                }
            }
        }
        if object.generation() != pod.generation {
            pod.generation = object.generation();
            let spec = object.spec();
            for (container, spec) in pod.containers.iter_mut().zip(specs(&spec)) {
                container.resources = container::resources(spec);
                let limit = Quantity::of(&spec["resources"]["limits"]["memory"]).map_or(0, Quantity::whole);
                if limit != container.limit {
                    container.relimit(limit, now);
                }
            }
            for (index, spec) in specs(&spec).enumerate() {
                let image = spec["image"].as_str().unwrap_or_default();
                if pod
                    .containers
                    .get(index)
                    .is_some_and(|container| container.image != image)
                {
                    let told = pod.containers[index].replace(image, now);
                    self.tell(world, object, pod, index, told);
                }
            }
        }
        if object.deleting() {
            let until = pod::facts(object).deleted.unwrap_or(now);
            if pod.stopping.is_none_or(|before| until < before) {
                pod.stopping = Some(until);
                self.kill(world, object, pod, until.duration_since(now).max(SignedDuration::ZERO));
            }
        }
    }

    /// Stops all that runs.
    fn kill(&mut self, world: &mut World, object: &Object, pod: &mut Pod, grace: SignedDuration) {
        let now = world.now();
        for index in 0..pod.containers.len() {
            if pod.containers[index].running() {
                let about = pod.about(object, &pod.containers[index]);
                let message = format!("Stopping container {}", pod.containers[index].name);
                self.events
                    .record_on(world, &pod.node, &about, (Kind::Normal, "Killing", &message));
            }
            pod.containers[index].stop(grace, now);
        }
    }

    fn show(&mut self, world: &mut World, pod: &mut Pod) {
        let now = world.now();
        let shown = world.write_status(&pod.key, NAME, |status| pod.status(status, now));
        if let Ok(object) = shown {
            pod.written = object.revision();
        }
    }

    /// Puts the next thing that happens to a pod on the queue.
    fn plan(&mut self, world: &mut World, pod: &mut Pod) {
        let now = world.now();
        let own = [
            (now < pod.sandbox).then_some(pod.sandbox),
            (now < pod.pause).then_some(pod.pause),
            pod.over.filter(|over| now < *over),
            pod.deadline.filter(|_| pod.failed.is_none()),
            pod.gone,
        ];
        let containers = pod.containers.iter().filter_map(Container::wakes);
        let over = pod.failed.is_some() && pod.stopped_for_good() && pod.gone.is_none();
        let next = own.into_iter().flatten().chain(containers).min().filter(|_| !over);
        if next != pod.next {
            pod.next = next;
            pod.wake += 1;
            if let Some(at) = next {
                let due = Due {
                    to: NAME,
                    what: "pod",
                    about: Some(pod.key.clone()),
                    number: pod.wake,
                };
                world.schedule(at, due);
            }
        }
    }
}

/// The containers of a pod in the order in which they are kept: init containers first.
fn specs(spec: &Value) -> impl Iterator<Item = &Value> {
    let of = |field: &str| spec[field].as_array().into_iter().flatten();
    of("initContainers").chain(of("containers"))
}
