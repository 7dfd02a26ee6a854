//! What a kubelet reads out of a pod that is new to it.

use std::sync::Arc;

use jiff::SignedDuration;

use super::{
    Kubelets, Pod,
    container::{Container, Restart, Role},
    needs,
};
use crate::kubernetes::{
    controllers::{latency, pod},
    resources::NODES,
    world::{Object, World},
};

impl Kubelets {
    pub(super) fn read(&mut self, world: &World, object: &Arc<Object>, node: Arc<str>) -> Pod {
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
}
