//! What the status of a Deployment says: counters, availability, and whether it gets on.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    Deployment, Deployments, counted,
    sets::{self, Set},
    wanted,
};
use crate::kubernetes::{
    controllers::{conditions, latency, replica_set::counter},
    world::World,
};

const PROGRESSING: &str = "Progressing";
const AVAILABLE: &str = "NewReplicaSetAvailable";
const TIMED_OUT: &str = "ProgressDeadlineExceeded";

/// Whether a status is that of a complete rollout.
pub(super) fn complete(deployment: &Deployment, status: &Value) -> bool {
    let all = deployment.replicas;
    counter(status, "updatedReplicas") == all
        && counter(status, "replicas") == all
        && counter(status, "availableReplicas") == all
        && counter(status, "observedGeneration") >= deployment.object.generation()
}

/// Writes down that a Deployment is paused or goes on, so that the pause is not taken for lack of progress.
pub(super) fn note_pause(world: &mut World, deployment: &mut Deployment) {
    if deployment.deadline.is_none() || conditions::reason(deployment.status(), PROGRESSING) == TIMED_OUT {
        return;
    }
    let noted = conditions::reason(deployment.status(), PROGRESSING) == "DeploymentPaused";
    let (reason, message) = match (deployment.paused, noted) {
        (true, false) => ("DeploymentPaused", "Deployment is paused"),
        (false, true) => ("DeploymentResumed", "Deployment is resumed"),
        _ => return,
    };
    let now = world.now();
    deployment.write(world, |deployment| {
        sets::condition(
            &mut deployment["status"],
            (PROGRESSING, "Unknown", reason),
            message,
            now,
        );
    });
}

/// The status that these ReplicaSets make.
fn status(deployment: &Deployment, new: Option<&Set>, old: &[Set], now: Timestamp) -> Value {
    let all = || old.iter().chain(new);
    let available = counted(all(), "availableReplicas");
    let mut status = json!({"observedGeneration": deployment.object.generation()});
    for (field, count) in [
        ("replicas", counted(all(), "replicas")),
        ("updatedReplicas", counted(new, "replicas")),
        ("readyReplicas", counted(all(), "readyReplicas")),
        ("availableReplicas", available),
        ("unavailableReplicas", (wanted(all()) - available).max(0)),
    ] {
        if count > 0 {
            status[field] = count.into();
        }
    }
    // Known only when every ReplicaSet says it.
    if all().all(|set| set.value["status"]["terminatingReplicas"].is_i64()) {
        status["terminatingReplicas"] = counted(all(), "terminatingReplicas").into();
    }
    for field in ["conditions", "collisionCount"] {
        if !deployment.status()[field].is_null() {
            status[field] = deployment.status()[field].clone();
        }
    }
    let (value, reason, message) = if available >= deployment.replicas - deployment.unavailable {
        (
            "True",
            "MinimumReplicasAvailable",
            "Deployment has minimum availability.",
        )
    } else {
        (
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
        )
    };
    sets::condition(&mut status, ("Available", value, reason), message, now);
    status
}

impl Deployments {
    /// Only the counters and availability.
    pub(super) fn report_size(
        &mut self,
        world: &mut World,
        deployment: &mut Deployment,
        new: Option<&Set>,
        old: &[Set],
    ) {
        let status = status(deployment, new, old, world.now());
        if status != *deployment.status() {
            deployment.write_status(world, status);
        }
    }

    /// All of it, and another look when the deadline passes.
    pub(super) fn report(&mut self, world: &mut World, deployment: &mut Deployment, new: Option<&Set>, old: &[Set]) {
        let now = world.now();
        let mut status = status(deployment, new, old, now);
        match deployment.deadline {
            None => conditions::remove(&mut status, PROGRESSING),
            Some(deadline) => judge(deployment, &mut status, new, (deadline, now)),
        }
        note_failure(&mut status, new, old);
        if status != *deployment.status() {
            deployment.write_status(world, status);
        } else {
            self.wait(world, deployment);
        }
    }

    fn wait(&mut self, world: &mut World, deployment: &Deployment) {
        let status = deployment.status();
        let (Some(deadline), Some(condition)) = (deployment.deadline, conditions::find(status, PROGRESSING)) else {
            return;
        };
        if complete(deployment, status) || condition["reason"] == TIMED_OUT {
            return;
        }
        let at = updated(condition) + SignedDuration::from_secs(deadline) + latency::SLACK;
        let soon = world.now() + latency::SLACK;
        self.turns.ask_at(world, deployment.key(), at.max(soon));
    }
}

fn updated(condition: &Value) -> Timestamp {
    let at = condition["lastUpdateTime"].as_str();
    at.and_then(|at| at.parse().ok()).unwrap_or_default()
}

fn judge(deployment: &Deployment, status: &mut Value, new: Option<&Set>, (deadline, now): (i64, Timestamp)) {
    let before = deployment.status();
    let current = conditions::find(before, PROGRESSING).cloned();
    let of = |field| counter(status, field);
    if of("replicas") == of("updatedReplicas")
        && current
            .as_ref()
            .is_some_and(|condition| condition["reason"] == AVAILABLE)
    {
        return;
    }
    let subject = match new {
        Some(set) => format!("ReplicaSet \"{}\"", set.object.name()),
        None => format!("Deployment \"{}\"", deployment.name()),
    };
    let was = |field| counter(before, field);
    let moved = of("updatedReplicas") > was("updatedReplicas")
        || of("replicas") - of("updatedReplicas") < was("replicas") - was("updatedReplicas")
        || of("readyReplicas") > was("readyReplicas")
        || of("availableReplicas") > was("availableReplicas");
    if complete(deployment, status) {
        let message = format!("{subject} has successfully progressed.");
        sets::condition(status, (PROGRESSING, "True", AVAILABLE), &message, now);
    } else if moved {
        let message = format!("{subject} is progressing.");
        sets::renew(status, (PROGRESSING, "True", "ReplicaSetUpdated"), &message, now);
    } else if let Some(condition) = current
        && condition["reason"] != AVAILABLE
        && (condition["reason"] == TIMED_OUT || updated(&condition) + SignedDuration::from_secs(deadline) < now)
    {
        let message = format!("{subject} has timed out progressing.");
        sets::condition(status, (PROGRESSING, "False", TIMED_OUT), &message, now);
    }
}

/// A ReplicaSet that cannot make pods shows in its Deployment.
fn note_failure(status: &mut Value, new: Option<&Set>, old: &[Set]) {
    let failure = new
        .into_iter()
        .chain(old)
        .find_map(|set| conditions::find(&set.value["status"], "ReplicaFailure"));
    conditions::remove(status, "ReplicaFailure");
    if let (Some(failure), Some(conditions)) = (failure, status.get_mut("conditions").and_then(Value::as_array_mut)) {
        let mut failure = failure.clone();
        failure["lastUpdateTime"] = failure["lastTransitionTime"].clone();
        conditions.push(failure);
    }
}
