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
    conditions::{self, Condition},
    latency, node, pod,
    quantity::Quantity,
    record::{About, Kind, Recorder},
};
use crate::simulation::kubernetes::{
    resources::{NODES, PODS, ResourceId},
    run::Controller,
    world::{Change, ChangeKind, DeleteOptions, Due, Key, Object, World},
};

mod back_off;
mod container;
pub mod life;
mod needs;
mod pressure;
mod probe;
mod start;
mod status;
#[cfg(test)]
mod tests;

use container::{Container, Ended, Restart, Role, State, Told};

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

    fn read(&mut self, world: &World, object: &Arc<Object>, node: Arc<str>) -> Pod {
        let value = object.bare();
        let spec = &value["spec"];
        let restart = match spec["restartPolicy"].as_str() {
            Some("Never") => Restart::Never,
            Some("OnFailure") => Restart::OnFailure,
            _ => Restart::Always,
        };
        let grace = SignedDuration::from_secs(pod::number(&spec["terminationGracePeriodSeconds"], 30));
        let mut containers = Vec::new();
        for (field, init) in [("initContainers", true), ("containers", false)] {
            for container in spec[field].as_array().into_iter().flatten() {
                let role = match (init, container["restartPolicy"] == "Always") {
                    (false, _) => Role::App,
                    (true, true) => Role::Sidecar,
                    (true, false) => Role::Init,
                };
                let mut read = Container::read(container, role, restart, grace);
                read.needs = needs::of_container(container);
                containers.push(read);
            }
        }
        let (host_ip, ip) = self.address(world, &node, spec["hostNetwork"] == true);
        let gates = spec["readinessGates"].as_array().into_iter().flatten();
        Pod {
            key: object.key().clone(),
            uid: Arc::clone(object.uid()),
            words: pod::in_words(object),
            restart,
            containers,
            gates: gates
                .filter_map(|gate| gate["conditionType"].as_str().map(str::to_owned))
                .collect(),
            open_gates: Vec::new(),
            deadline: spec["activeDeadlineSeconds"]
                .as_i64()
                .map(|seconds| world.now() + SignedDuration::from_secs(seconds)),
            seen: world.now(),
            sandbox: world.now() + latency::POD_SEEN + latency::SANDBOX,
            sandboxed: false,
            pause: world.now() + latency::POD_SEEN + latency::SANDBOX + latency::STARTING,
            volumes: needs::of_volumes(spec),
            mount: latency::MOUNT_BACK_OFF.0,
            over: None,
            ip,
            host_ip,
            annotations: value["metadata"]["annotations"].clone(),
            generation: object.generation(),
            stopping: None,
            failed: None,
            refused: false,
            gone: None,
            wake: 0,
            next: None,
            written: 0,
            node,
        }
    }

    /// The node's address, and one for a pod on it.
    fn address(&mut self, world: &World, node: &Arc<str>, host: bool) -> (String, String) {
        let number = self.addresses.len();
        let (number, last) = self.addresses.entry(Arc::clone(node)).or_insert((number, 1));
        *last = if *last >= 254 { 2 } else { *last + 1 };
        let said = world.find(NODES, "", node).and_then(|object| {
            let status = object.status();
            let addresses = status["addresses"].as_array().cloned().unwrap_or_default();
            let internal = addresses.iter().find(|address| address["type"] == "InternalIP")?;
            internal["address"].as_str().map(str::to_owned)
        });
        let (high, low) = (*number / 256, *number % 256);
        let node_ip = said.unwrap_or_else(|| format!("10.1.{high}.{low}"));
        let ip = if host {
            node_ip.clone()
        } else {
            format!("10.{}.{low}.{last}", 64 + high)
        };
        (node_ip, ip)
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

    /// Whether the node has room for it: the scheduler saw to that, whoever set `nodeName` by hand did not.
    fn admit(&mut self, world: &mut World, object: &Arc<Object>, pod: &mut Pod) {
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

    /// One round over the containers. Returns whether anything happened.
    fn step(&mut self, world: &mut World, object: &Arc<Object>, pod: &mut Pod, now: Timestamp) -> bool {
        if now < pod.sandbox || pod.refused {
            return false;
        }
        let mut changed = false;
        let mut blocked = false;
        let halted = pod.stopping.is_some() || pod.failed.is_some();
        for index in 0..pod.containers.len() {
            let mut told = Vec::new();
            let here = self.has_image(world, &pod.node, &pod.containers[index].image);
            let container = &mut pod.containers[index];
            let (lets_on, ran) = (container.lets_on(), container.restarts);
            changed |= container.step(now, here, &mut told);
            if !halted && !blocked && pod.pause <= now && container.wants_start(now) {
                let life = life::read(&object.metadata()["annotations"], &container.name)
                    .map(|life| life.now(world, object, &container.name));
                let refusal = needs::missing(world, object.namespace(), &container.needs)
                    .map(|message| ("CreateContainerConfigError", message));
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
    fn mount(&mut self, world: &mut World, object: &Object, pod: &mut Pod, now: Timestamp) -> bool {
        if pod.sandboxed || now < pod.sandbox || pod.refused {
            return false;
        }
        let missing = pod.volumes.iter().find_map(|need| {
            let message = needs::missing(world, object.namespace(), std::slice::from_ref(need))?;
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

    fn tell(&mut self, world: &mut World, object: &Object, pod: &Pod, index: usize, told: Vec<Told>) {
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

/// The containers of a pod in the order in which they are kept: init containers first.
fn specs(spec: &Value) -> impl Iterator<Item = &Value> {
    let of = |field: &str| spec[field].as_array().into_iter().flatten();
    of("initContainers").chain(of("containers"))
}
