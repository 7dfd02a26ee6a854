//! ReplicaSets: as many pods as are wanted, and which of them go first.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    conditions::{self, Condition},
    own::{self, MANAGER},
    pod::{self, Phase},
    record::{Kind, Recorder},
    selector::Selector,
    turns::Turns,
};
use crate::kubernetes::{
    resources::{PODS, REPLICA_SETS, ResourceId},
    run::Controller,
    world::{Change, DeleteOptions, Due, Key, Object, World},
};

const NAME: &str = "replicaset-controller";
/// Pods that are made or deleted in one turn.
const BURST: usize = 500;

/// The controller of ReplicaSets.
#[derive(Clone)]
pub struct ReplicaSets {
    turns: Turns,
    events: Recorder,
}

impl Default for ReplicaSets {
    fn default() -> Self {
        Self {
            turns: Turns::new(NAME),
            events: Recorder::core(NAME, MANAGER),
        }
    }
}

impl Controller for ReplicaSets {
    fn name(&self) -> &'static str {
        NAME
    }

    fn resources(&self) -> &[ResourceId] {
        &[REPLICA_SETS, PODS]
    }

    fn changed(&mut self, world: &mut World, changes: &[Change]) {
        for change in changes {
            if change.key.resource == REPLICA_SETS {
                self.turns.ask(world, &change.key);
                continue;
            }
            let mut found = false;
            for pod in [&change.before, &change.after].into_iter().flatten() {
                if let Some(key) = own::controller_key(world, pod, REPLICA_SETS) {
                    found = true;
                    self.turns.ask(world, &key);
                }
            }
            if let Some(pod) = change.after.as_ref().filter(|pod| !found && pod.controller().is_none()) {
                for key in selecting(world, pod) {
                    self.turns.ask(world, &key);
                }
            }
        }
    }

    fn due(&mut self, world: &mut World, due: &Due) {
        if let Some(key) = self.turns.take(due)
            && let Some(set) = world.get(&key).cloned()
        {
            self.sync(world, &set);
        }
    }
}

/// The labels that its pods are given.
#[derive(Default, Deserialize)]
#[serde(default)]
struct SpecView {
    template: TemplateView,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TemplateView {
    metadata: MetadataView,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MetadataView {
    labels: Value,
}

/// The ReplicaSets that select a pod that nobody controls.
fn selecting(world: &World, pod: &Object) -> Vec<Key> {
    world
        .list(REPLICA_SETS, Some(pod.namespace()))
        .filter(|set| {
            let selector = Selector::parse(&set.spec()["selector"]);
            !selector.is_empty() && selector.matches(pod)
        })
        .map(|set| set.key().clone())
        .collect()
}

impl ReplicaSets {
    fn sync(&mut self, world: &mut World, set: &Arc<Object>) {
        let value = set.outline();
        let selector = Selector::parse(&value["spec"]["selector"]);
        let pods = own::claim(world, set, &selector);
        let (active, rest): (Vec<_>, Vec<_>) = pods.into_iter().partition(|pod| pod::facts(pod).active());
        let terminating = rest
            .iter()
            .filter(|pod| pod.deleting() && pod::facts(pod).running_or_coming())
            .count();
        let failure = if set.deleting() {
            None
        } else {
            self.scale(world, set, &value, &active).err()
        };
        self.report(world, set, &value, (&active, terminating), failure);
    }

    /// Makes what is missing, deletes what is too much.
    fn scale(
        &mut self,
        world: &mut World,
        set: &Arc<Object>,
        value: &Value,
        active: &[Arc<Object>],
    ) -> Result<(), (&'static str, String)> {
        let wanted = usize::try_from(pod::number(&value["spec"]["replicas"], 1)).unwrap_or_default();
        if active.len() < wanted {
            let template = set.template();
            for _ in 0..(wanted - active.len()).min(BURST) {
                let made = own::create(world, PODS, own::pod_from(&template, set), set);
                let (kind, reason, message) = match &made {
                    Ok(pod) => (Kind::Normal, "SuccessfulCreate", format!("Created pod: {}", pod.name())),
                    Err(refusal) => (Kind::Warning, "FailedCreate", format!("Error creating: {refusal}")),
                };
                self.events.record(world, &own::about(set), kind, reason, &message);
                if let Err(refusal) = made {
                    return Err(("FailedCreate", refusal.message));
                }
            }
        } else if active.len() > wanted {
            let count = (active.len() - wanted).min(BURST);
            for pod in first_to_go(world, set, active, count) {
                if world.delete(pod.key(), &DeleteOptions::default()).is_ok() {
                    let message = format!("Deleted pod: {}", pod.name());
                    self.events
                        .record(world, &own::about(set), Kind::Normal, "SuccessfulDelete", &message);
                }
            }
        }
        Ok(())
    }

    fn report(
        &mut self,
        world: &mut World,
        set: &Arc<Object>,
        value: &Value,
        (active, terminating): (&[Arc<Object>], usize),
        failure: Option<(&'static str, String)>,
    ) {
        let now = world.now();
        let wait = pod::number(&value["spec"]["minReadySeconds"], 0);
        let SpecView { template } = set.view_spec();
        let labels = Selector::labels(&template.metadata.labels);
        let ready: Vec<_> = active.iter().filter(|pod| pod::facts(pod).ready).collect();
        let available = ready.iter().filter(|pod| pod::facts(pod).available(wait, now)).count();
        let mut status = json!({"replicas": active.len(), "observedGeneration": set.generation()});
        let labelled = active.iter().filter(|pod| labels.matches(pod)).count();
        for (field, count) in [
            ("fullyLabeledReplicas", labelled),
            ("readyReplicas", ready.len()),
            ("availableReplicas", available),
        ] {
            if count > 0 {
                status[field] = count.into();
            }
        }
        status["terminatingReplicas"] = terminating.into();
        if value["status"]["conditions"].is_array() {
            status["conditions"] = value["status"]["conditions"].clone();
        }
        match &failure {
            Some((reason, message)) => {
                if conditions::reason(&status, "ReplicaFailure") != *reason {
                    let condition = Condition {
                        kind: "ReplicaFailure",
                        status: "True",
                        reason,
                        message,
                    };
                    conditions::set(&mut status, condition, now);
                }
                self.turns.ask_at(world, set.key(), now + SignedDuration::from_secs(10));
            }
            None => conditions::remove(&mut status, "ReplicaFailure"),
        }
        if status["conditions"].as_array().is_some_and(Vec::is_empty)
            && let Value::Object(fields) = &mut status
        {
            fields.remove("conditions");
        }
        if value["status"] != status {
            world.write_status(set.key(), MANAGER, |_| status).ok();
        }
        // Whoever is ready but not long enough is looked at again when it is.
        let next = ready
            .iter()
            .filter(|pod| !pod::facts(pod).available(wait, now))
            .filter_map(|pod| pod::facts(pod).ready_since)
            .min();
        if let Some(since) = next {
            self.turns
                .ask_at(world, set.key(), since + SignedDuration::from_secs(wait));
        }
    }
}

// === which pods go first ===

/// The pods of which a ReplicaSet rids itself first, as many as are too many.
fn first_to_go(world: &World, set: &Object, active: &[Arc<Object>], count: usize) -> Vec<Arc<Object>> {
    let neighbours = neighbours(world, set);
    let now = world.now();
    let crowd = |pod: &Object| {
        pod.node()
            .and_then(|node| neighbours.get(node))
            .copied()
            .unwrap_or_default()
    };
    let mut ranked: Vec<_> = active.iter().collect();
    ranked.sort_by(|left, right| rank(left, right, (crowd(left), crowd(right)), now));
    ranked.into_iter().take(count).cloned().collect()
}

/// How many pods of the same Deployment, or of this ReplicaSet alone, each node has.
fn neighbours(world: &World, set: &Object) -> BTreeMap<Arc<str>, usize> {
    let mut nodes = BTreeMap::new();
    let mut count = |uid: &str| {
        for pod in pod::owned(world, uid) {
            if let Some(node) = pod.node().filter(|_| pod::facts(&pod).active()) {
                *nodes.entry(Arc::clone(node)).or_default() += 1;
            }
        }
    };
    match set.controller() {
        Some(owner) => {
            let siblings: Vec<_> = world.owned_by(owner).map(|sibling| Arc::clone(sibling.uid())).collect();
            for sibling in siblings {
                count(&sibling);
            }
        }
        None => count(set.uid()),
    }
    nodes
}

/// The order of the real one: unscheduled, pending, not ready, cheap, crowded, just ready, often restarted, new.
fn rank(left: &Object, right: &Object, crowds: (usize, usize), now: Timestamp) -> Ordering {
    let order = |phase: Phase| match phase {
        Phase::Pending => 0,
        Phase::Unknown => 1,
        _ => 2,
    };
    let (one, other) = (pod::facts(left), pod::facts(right));
    // Time counts in powers of two, so that of those who came about as early any is as likely to go.
    let log = |since: Timestamp| {
        let nanoseconds = now.duration_since(since).as_nanos().max(0);
        nanoseconds.checked_ilog2().map_or(-1, i64::from)
    };
    let by_age = |one: Timestamp, other: Timestamp| {
        if one == other {
            return Ordering::Equal;
        }
        log(one).cmp(&log(other)).then_with(|| left.uid().cmp(right.uid()))
    };
    left.node()
        .is_some()
        .cmp(&right.node().is_some())
        .then(order(one.phase).cmp(&order(other.phase)))
        .then(one.ready.cmp(&other.ready))
        .then(one.deletion_cost.cmp(&other.deletion_cost))
        .then(crowds.1.cmp(&crowds.0))
        .then_with(|| {
            if one.ready && other.ready {
                by_age(one.ready_since.unwrap_or(now), other.ready_since.unwrap_or(now))
            } else {
                Ordering::Equal
            }
        })
        .then(other.restarts.cmp(&one.restarts))
        .then_with(|| by_age(one.created, other.created))
        .then_with(|| left.uid().cmp(right.uid()))
}

/// `status` without the conditions, for whoever compares counters.
pub(super) fn counter(status: &Value, field: &str) -> i64 {
    status[field].as_i64().unwrap_or_default()
}

/// The annotations of an object, empty without any.
pub(super) fn annotations(value: &Value) -> Map<String, Value> {
    value["metadata"]["annotations"]
        .as_object()
        .cloned()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
