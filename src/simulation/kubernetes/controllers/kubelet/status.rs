//! The status of a pod as a kubelet writes it.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Pod,
    container::{Container, Ended, Restart, Role, State},
};
use crate::kubernetes::{
    controllers::{
        conditions::{self, Condition},
        pod::Phase,
    },
    world::stamp,
};

/// What is not taken over from the status before: it is most of it.
const MADE_ANEW: [&str; 2] = ["containerStatuses", "initContainerStatuses"];

impl Pod {
    /// How it has ended by itself, if it has.
    pub(super) fn end(&self) -> Option<Phase> {
        Some(self.phase()).filter(|phase| matches!(phase, Phase::Succeeded | Phase::Failed))
    }

    /// The phase that its containers make.
    pub(super) fn phase(&self) -> Phase {
        // A pod does not end before the last of its containers has.
        if self.failed.is_some() && self.stopped_for_good() {
            return Phase::Failed;
        }
        let (mut pending, mut failed) = (false, false);
        for container in self.containers.iter().filter(|container| container.role == Role::Init) {
            match &container.state {
                State::Ended(ended) if ended.code == 0 => {}
                State::Ended(_) if container.next.is_none() && container.restart == Restart::Never => failed = true,
                _ => pending = true,
            }
        }
        if failed {
            return Phase::Failed;
        }
        let (mut waiting, mut running, mut stopped, mut succeeded) = (0, 0, 0, 0);
        for container in self.containers.iter().filter(|container| container.role == Role::App) {
            match &container.state {
                State::Running { .. } => running += 1,
                State::Ended(ended) | State::BackOff(ended) => {
                    stopped += 1;
                    succeeded += usize::from(ended.code == 0);
                }
                _ if container.last.is_some() => stopped += 1,
                _ => waiting += 1,
            }
        }
        if self.stopped_for_good() {
            return if stopped == succeeded && waiting == 0 {
                Phase::Succeeded
            } else {
                Phase::Failed
            };
        }
        if pending || waiting > 0 {
            return Phase::Pending;
        }
        if running > 0 || self.restart == Restart::Always {
            return Phase::Running;
        }
        if stopped == succeeded {
            return Phase::Succeeded;
        }
        if self.restart == Restart::Never {
            Phase::Failed
        } else {
            Phase::Running
        }
    }

    /// The status that takes the place of this one, whose other fields and conditions stay.
    pub(super) fn status(&self, old: &Value, now: Timestamp) -> Value {
        let phase = self.phase();
        // What has become of it shows in its conditions at once, and in its phase when the kubelet has cleared up.
        let clearing = self.over.is_some_and(|over| now < over);
        let over = self.end().is_some() && !clearing;
        let fields = old.as_object().into_iter().flatten();
        let others = fields.filter(|(name, _)| !MADE_ANEW.contains(&name.as_str()));
        let mut status: Value = others.map(|(name, value)| (name.clone(), value.clone())).collect();
        status["phase"] = match (clearing, phase) {
            (true, _) if self.containers.iter().any(|one| one.role == Role::App && began(one)) => "Running".into(),
            (true, _) => "Pending".into(),
            (false, phase) => format!("{phase:?}").into(),
        };
        if let Some((reason, message)) = self.failed.as_ref().filter(|_| phase == Phase::Failed) {
            status["reason"] = (*reason).into();
            status["message"] = message.as_str().into();
        }
        status["startTime"] = stamp(self.seen).into();
        if self.refused {
            // What a kubelet does not admit gets a phase and a reason, nothing else.
            return status;
        }
        status["observedGeneration"] = self.generation.into();
        status["hostIP"] = self.host_ip.as_str().into();
        status["hostIPs"] = json!([{"ip": self.host_ip}]);
        let sandboxed = self.sandboxed;
        if sandboxed {
            status["podIP"] = self.ip.as_str().into();
            status["podIPs"] = json!([{"ip": self.ip}]);
        }
        for (field, init) in [("initContainerStatuses", true), ("containerStatuses", false)] {
            let list: Vec<Value> = self
                .containers
                .iter()
                .filter(|container| (container.role != Role::App) == init)
                .map(|container| self.container(container))
                .collect();
            if !(init && list.is_empty()) {
                status[field] = list.into();
            }
        }
        for condition in self.conditions(phase, sandboxed && !over) {
            conditions::place(&mut status, condition, now);
        }
        status
    }

    fn has_inits(&self) -> bool {
        self.containers.iter().any(|container| container.role != Role::App)
    }

    fn conditions(&self, phase: Phase, sandbox: bool) -> Vec<Value> {
        let names = |filter: &dyn Fn(&&Container) -> bool| -> Vec<&str> {
            self.containers
                .iter()
                .filter(filter)
                .map(|container| container.name.as_str())
                .collect()
        };
        let incomplete = names(&|container| container.role != Role::App && !container.lets_on());
        let unready = names(&|container| container.role != Role::Init && !container.ready());
        let waiting = format!("containers with incomplete status: [{}]", incomplete.join(" "));
        let missing = format!("containers with unready status: [{}]", unready.join(" "));
        let initialized = if phase == Phase::Succeeded {
            ("True", "PodCompleted", "")
        } else if incomplete.is_empty() || self.containers.iter().any(|one| one.role == Role::App && began(one)) {
            ("True", "", "")
        } else {
            ("False", "ContainersNotInitialized", waiting.as_str())
        };
        let ready = match phase {
            Phase::Succeeded => ("False", "PodCompleted", ""),
            Phase::Failed => ("False", "PodFailed", ""),
            _ if !unready.is_empty() => ("False", "ContainersNotReady", missing.as_str()),
            _ => ("True", "", ""),
        };
        let gate = match self.closed_gate() {
            Some(gate) if ready.0 == "True" => Some(format!(
                "corresponding condition of pod readiness gate \"{gate}\" does not exist."
            )),
            _ => None,
        };
        let whole = match &gate {
            Some(message) => ("False", "ReadinessGatesNotReady", message.as_str()),
            None => ready,
        };
        let started = (if sandbox { "True" } else { "False" }, "", "");
        [
            ("PodReadyToStartContainers", started),
            ("Initialized", initialized),
            ("Ready", whole),
            ("ContainersReady", ready),
            ("PodScheduled", ("True", "", "")),
        ]
        .into_iter()
        .map(|(kind, (status, reason, message))| {
            let condition = Condition {
                kind,
                status,
                reason,
                message,
            };
            let mut value = condition.value();
            value["lastProbeTime"] = Value::Null;
            value["observedGeneration"] = self.generation.into();
            value
        })
        .collect()
    }

    /// `status` of one container.
    fn container(&self, container: &Container) -> Value {
        let mut state = shown(container, &self.words, self.has_inits());
        let mut last = container.last.clone();
        // Over, and it never ran or waited for its next start: what is left is its last run, or nothing.
        if self.stopped_for_good() && state["waiting"].is_object() {
            state = match container.last.clone() {
                Some(ended) => json!({"terminated": self.terminated(container, &ended)}),
                None => json!({"terminated": {
                    "exitCode": 137,
                    "reason": "ContainerStatusUnknown",
                    "message": "The container could not be located when the pod was terminated",
                    "startedAt": null,
                    "finishedAt": null,
                }}),
            };
        }
        match &container.state {
            // It shows as running until the turn that killed it is over.
            State::BackOff(ended) if container.killed => {
                state = json!({"running": {"startedAt": stamp(ended.started)}})
            }
            State::BackOff(ended) if self.stopped_for_good() => {
                state = json!({"terminated": self.terminated(container, ended)});
            }
            State::BackOff(ended) => last = Some(ended.clone()),
            State::Ended(ended) if state["waiting"].is_object() => last = Some(ended.clone()),
            State::Ended(ended) => state = json!({"terminated": self.terminated(container, ended)}),
            _ => {}
        }
        let pulled = !matches!(
            container.state,
            State::Waiting | State::NotPulled { .. } | State::Refused(..)
        ) || container.last.is_some();
        let mut status = json!({
            "name": container.name,
            "image": container.image,
            "imageID": if pulled { image_id(&container.image) } else { String::new() },
            "ready": container.ready(),
            "started": container.started(),
            "restartCount": container.restarts,
            "state": state,
            "lastState": match &last {
                Some(ended) => json!({"terminated": self.terminated(container, ended)}),
                None => json!({}),
            },
        });
        let run = match &container.state {
            State::Running { .. } => Some(container.restarts),
            State::Ended(ended) | State::BackOff(ended) => Some(ended.run),
            _ => container.last.as_ref().map(|ended| ended.run),
        };
        if let Some(run) = run {
            status["containerID"] = self.container_id(container, run).into();
        }
        if let Some(resources) = &container.resources {
            let resources: Value = serde_json::from_str(resources).expect("it was JSON");
            if resources["requests"].is_object() {
                status["allocatedResources"] = resources["requests"].clone();
            }
            status["resources"] = resources;
        }
        status
    }

    fn terminated(&self, container: &Container, ended: &Ended) -> Value {
        let mut terminated = json!({
            "exitCode": ended.code,
            "reason": ended.reason,
            "startedAt": stamp(ended.started),
            "finishedAt": stamp(ended.finished),
            "containerID": self.container_id(container, ended.run),
        });
        if let Some(error) = container.not_started.as_ref().filter(|_| ended.reason == "StartError") {
            terminated["message"] = error.as_str().into();
        }
        terminated
    }

    fn container_id(&self, container: &Container, run: u32) -> String {
        format!(
            "containerd://{}",
            digest(&format!("{}/{}/{run}", self.uid, container.name))
        )
    }
}

fn began(container: &Container) -> bool {
    container.last.is_some()
        || matches!(
            container.state,
            State::Running { .. } | State::Ended(_) | State::BackOff(_)
        )
}

/// `state`, but for one that has ended.
fn shown(container: &Container, pod: &str, has_inits: bool) -> Value {
    let waiting = |reason: &str, message: String| {
        if message.is_empty() {
            json!({"waiting": {"reason": reason}})
        } else {
            json!({"waiting": {"reason": reason, "message": message}})
        }
    };
    match &container.state {
        State::Waiting if has_inits => waiting("PodInitializing", String::new()),
        State::Waiting => waiting("ContainerCreating", String::new()),
        State::Refused(reason, message) => waiting(reason, message.clone()),
        State::NotPulled {
            error, shown: false, ..
        } => waiting("ErrImagePull", error.clone()),
        State::NotPulled { error, .. } => waiting(
            "ImagePullBackOff",
            format!("Back-off pulling image \"{}\": ErrImagePull: {error}", container.image),
        ),
        State::Running { since, .. } => json!({"running": {"startedAt": stamp(*since)}}),
        State::BackOff(_) => {
            let length = container.crash_back_off.length();
            waiting(
                "CrashLoopBackOff",
                format!(
                    "back-off {} restarting failed container={} pod={pod}",
                    in_go(length.as_secs()),
                    container.name
                ),
            )
        }
        State::Ended(_) => match &container.not_started {
            Some(error) if container.next.is_some() => waiting("RunContainerError", error.clone()),
            _ => json!({}),
        },
    }
}

/// Seconds as Go prints a duration.
pub(super) fn in_go(seconds: i64) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds % 3600 / 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, minutes) => format!("{minutes}m{rest}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{rest}s"),
    }
}

fn image_id(image: &str) -> String {
    let name = image.rsplit_once(':').map_or(image, |(name, _)| name);
    format!("{name}@sha256:{}", digest(image))
}

/// 64 hexadecimal digits: they stand for a digest, and only have to be the same each time.
fn digest(text: &str) -> String {
    let mut parts = String::new();
    for part in 0..4_u64 {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325 ^ part;
        for byte in text.bytes() {
            hash ^= u64::from(byte);
            hash = hash.wrapping_mul(0x0100_0000_01b3);
        }
        parts.push_str(&format!("{hash:016x}"));
    }
    parts
}
