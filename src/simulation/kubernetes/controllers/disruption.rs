//! PodDisruptionBudgets: how many pods may go, counted as the eviction API wants to know it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    conditions::{self, Condition},
    latency,
    own::MANAGER,
    pod,
    record::{About, Kind, Recorder},
    selector::{self, Selector},
    template,
    turns::Turns,
};
use crate::kubernetes::{
    resources::{
        DEPLOYMENTS, POD_DISRUPTION_BUDGETS, PODS, REPLICA_SETS, REPLICATION_CONTROLLERS, ResourceId, STATEFUL_SETS,
    },
    run::Controller,
    world::{Change, Due, Key, Object, World},
};

#[cfg(test)]
mod tests;

const NAME: &str = "controllermanager";

/// The disruption controller.
#[derive(Clone)]
pub struct Disruption {
    turns: Turns,
    events: Recorder,
    /// The budgets of each namespace, with what they select.
    budgets: BTreeMap<Key, Selector>,
    /// Budgets whose pods a workload's scale decides about.
    scaled: BTreeMap<Arc<str>, BTreeSet<Key>>,
}

impl Default for Disruption {
    fn default() -> Self {
        Self {
            turns: Turns::new("disruption"),
            events: Recorder::core(NAME, MANAGER),
            budgets: BTreeMap::new(),
            scaled: BTreeMap::new(),
        }
    }
}

impl Controller for Disruption {
    fn name(&self) -> &'static str {
        "disruption"
    }

    fn resources(&self) -> &[ResourceId] {
        &[
            POD_DISRUPTION_BUDGETS,
            PODS,
            DEPLOYMENTS,
            REPLICA_SETS,
            STATEFUL_SETS,
            REPLICATION_CONTROLLERS,
        ]
    }

    fn changed(&mut self, world: &mut World, changes: &[Change]) {
        for change in changes {
            match change.key.resource {
                POD_DISRUPTION_BUDGETS => {
                    match &change.after {
                        Some(budget) => {
                            let selector = Selector::parse(&budget.spec()["selector"]);
                            self.budgets.insert(change.key.clone(), selector);
                        }
                        None => {
                            self.budgets.remove(&change.key);
                        }
                    }
                    self.turns.ask(world, &change.key);
                }
                PODS => {
                    let pods: Vec<&Arc<Object>> = [&change.before, &change.after].into_iter().flatten().collect();
                    for budget in self.of_pods(&change.key.namespace, &pods) {
                        self.turns.ask(world, &budget);
                    }
                    if let Some(pod) = &change.after {
                        self.forgive_later(world, pod);
                    }
                }
                _ => {
                    let (before, after) = (change.before.as_ref(), change.after.as_ref());
                    let scaled = before.map(|object| object.generation()) != after.map(|object| object.generation());
                    let uid = after.or(before).map(|object| Arc::clone(object.uid()));
                    let budgets = uid.and_then(|uid| self.scaled.get(&uid)).filter(|_| scaled).cloned();
                    for budget in budgets.into_iter().flatten() {
                        self.turns.ask(world, &budget);
                    }
                }
            }
        }
    }

    fn due(&mut self, world: &mut World, due: &Due) {
        if due.what == "forgive" {
            if let Some(key) = &due.about {
                forgive(world, key);
            }
        } else if let Some(key) = self.turns.take(due)
            && let Some(budget) = world.get(&key).cloned()
        {
            self.sync(world, &budget);
        }
    }
}

impl Disruption {
    fn of_pods(&self, namespace: &Arc<str>, pods: &[&Arc<Object>]) -> Vec<Key> {
        let from = Key::new(POD_DISRUPTION_BUDGETS, namespace, "");
        self.budgets
            .range(from..)
            .take_while(|(key, _)| key.namespace == *namespace)
            .filter(|(_, selector)| pods.iter().any(|pod| selector.matches(pod)))
            .map(|(key, _)| key.clone())
            .collect()
    }

    fn sync(&mut self, world: &mut World, budget: &Arc<Object>) {
        let value = budget.bare();
        let spec = &value["spec"];
        let about = About::object(budget);
        let Some(selector) = self.budgets.get(budget.key()).cloned() else {
            return;
        };
        // No selector selects nothing, an empty one everything.
        let pods: Vec<Arc<Object>> = if spec["selector"].is_null() {
            Vec::new()
        } else {
            world
                .labelled(PODS, budget.namespace(), &selector.equalities())
                .filter(|pod| selector.matches(pod))
                .cloned()
                .collect()
        };
        if pods.is_empty() {
            self.events
                .record(world, &about, Kind::Normal, "NoPods", "No matching pods found");
        }
        let (now, generation) = (world.now(), budget.generation());
        let (expected, desired) = match self.expected(world, budget, spec, &pods) {
            Ok(counts) => counts,
            Err(message) => {
                let message = format!("Failed to calculate the number of expected pods: {message}");
                self.events.record(
                    world,
                    &about,
                    Kind::Warning,
                    "CalculateExpectedPodCountFailed",
                    &message,
                );
                let message = message.as_str();
                world
                    .update_status(budget.key(), MANAGER, |status| {
                        status["disruptionsAllowed"] = 0.into();
                        set_condition(status, generation, ("False", "SyncFailed", message), now);
                    })
                    .ok();
                return;
            }
        };
        let (disrupted, again) = self.disrupted(world, budget, &value, &pods);
        let healthy = pods
            .iter()
            .filter(|pod| !pod.deleting() && pod::facts(pod).ready && disrupted[pod.name()].is_null())
            .count();
        let healthy = i64::try_from(healthy).unwrap_or_default();
        let allowed = if expected > 0 { (healthy - desired).max(0) } else { 0 };
        world
            .update_status(budget.key(), MANAGER, |status| {
                let conditions = status["conditions"].take();
                *status = json!({
                    "currentHealthy": healthy,
                    "desiredHealthy": desired,
                    "disruptionsAllowed": allowed,
                    "expectedPods": expected,
                    "observedGeneration": generation,
                });
                if disrupted.as_object().is_some_and(|pods| !pods.is_empty()) {
                    status["disruptedPods"] = disrupted;
                }
                if conditions.is_array() {
                    status["conditions"] = conditions;
                }
                let condition = if allowed > 0 {
                    ("True", "SufficientPods", "")
                } else {
                    ("False", "InsufficientPods", "")
                };
                set_condition(status, generation, condition, now);
            })
            .ok();
        if let Some(at) = again {
            self.turns.ask_at(world, budget.key(), at + latency::SLACK);
        }
    }

    /// How many pods there should be, and how many of them have to be healthy.
    fn expected(
        &mut self,
        world: &mut World,
        budget: &Object,
        spec: &Value,
        pods: &[Arc<Object>],
    ) -> Result<(i64, i64), String> {
        let (most, least) = (&spec["maxUnavailable"], &spec["minAvailable"]);
        if most.is_null() && least.is_i64() {
            let count = i64::try_from(pods.len()).unwrap_or_default();
            return Ok((count, least.as_i64().unwrap_or_default()));
        }
        if most.is_null() && least.is_null() {
            return Ok((0, 0));
        }
        let mut scales = BTreeMap::new();
        let mut unmanaged = false;
        for pod in pods {
            let Some(owner) = pod.controller().cloned() else {
                unmanaged = true;
                continue;
            };
            if scales.contains_key(&owner) {
                continue;
            }
            let (uid, scale) =
                scale_of(world, pod).ok_or_else(|| format!("found no controllers for pod \"{}\"", pod.name()))?;
            for one in [&owner, &uid] {
                self.scaled
                    .entry(Arc::clone(one))
                    .or_default()
                    .insert(budget.key().clone());
            }
            scales.insert(owner, (uid, scale));
        }
        if unmanaged {
            let message = format!(
                "Pods selected by this PodDisruptionBudget (selector: {}) were found to be unmanaged. As a result, the status of \
                 the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please \
                 set \".spec.minAvailable\" field of the PDB to an integer value.",
                selector::in_go(&spec["selector"])
            );
            self.events
                .record(world, &About::object(budget), Kind::Warning, "UnmanagedPods", &message);
        }
        // Several ReplicaSets of one Deployment have its scale together.
        let by_top: BTreeMap<Arc<str>, i64> = scales.into_values().collect();
        let expected: i64 = by_top.values().sum();
        if most.is_null() {
            return Ok((expected, template::share(least, expected, true).unwrap_or_default()));
        }
        let unavailable = template::share(most, expected, true).unwrap_or_default();
        Ok((expected, (expected - unavailable).max(0)))
    }

    /// The pods whose eviction the API server let through and that are still there.
    fn disrupted(
        &mut self,
        world: &mut World,
        budget: &Object,
        value: &Value,
        pods: &[Arc<Object>],
    ) -> (Value, Option<Timestamp>) {
        let mut kept = json!({});
        let mut again: Option<Timestamp> = None;
        for pod in pods.iter().filter(|pod| !pod.deleting()) {
            let since = &value["status"]["disruptedPods"][pod.name()];
            let Some(at) = since.as_str().and_then(|at| at.parse::<Timestamp>().ok()) else {
                continue;
            };
            let end = at + latency::DISRUPTION_TIMEOUT;
            if end < world.now() {
                let place = budget.namespace();
                let message = format!("Pod was expected by PDB {place}/{place} to be deleted but it wasn't");
                self.events
                    .record(world, &About::object(pod), Kind::Warning, "NotDeleted", &message);
            } else {
                again = Some(again.map_or(end, |other| other.min(end)));
                kept[pod.name()] = since.clone();
            }
        }
        (kept, again)
    }

    /// A pod that was to be disrupted and is still there is looked at again.
    fn forgive_later(&self, world: &mut World, pod: &Object) {
        let text = pod.status_text();
        let marked = !pod.deleting() && pod::facts(pod).running_or_coming() && text.contains("DisruptionTarget");
        if marked {
            let at = world.now() + latency::STALE_DISRUPTION;
            world.schedule(at, Due::about("disruption", "forgive", pod.key().clone()));
        }
    }
}

/// A disruption that came to nothing is not a condition any more.
fn forgive(world: &mut World, key: &Key) {
    let now = world.now();
    let Some(pod) = world.get(key).cloned() else { return };
    if pod.deleting() {
        return;
    }
    let status = pod.status();
    let Some(condition) = conditions::find(&status, "DisruptionTarget") else {
        return;
    };
    let at = condition["lastTransitionTime"]
        .as_str()
        .and_then(|at| at.parse::<Timestamp>().ok());
    let stale = at.is_some_and(|at| now.duration_since(at) >= latency::STALE_DISRUPTION);
    if condition["status"] != "True" || condition["reason"] == "TerminationByKubelet" || !stale {
        return;
    }
    world
        .update_status(key, MANAGER, |status| {
            let condition = Condition {
                kind: "DisruptionTarget",
                status: "False",
                reason: "",
                message: "",
            };
            conditions::set(status, condition, now);
        })
        .ok();
}

fn set_condition(status: &mut Value, generation: i64, (said, reason, message): (&str, &str, &str), now: Timestamp) {
    let condition = json!({
        "type": "DisruptionAllowed",
        "status": said,
        "reason": reason,
        "message": message,
        "observedGeneration": generation,
    });
    conditions::place(status, condition, now);
}

/// The workload that decides how many pods there are, and how many.
fn scale_of(world: &World, pod: &Object) -> Option<(Arc<str>, i64)> {
    let read = |object: &Object| (Arc::clone(object.uid()), pod::number(&object.spec()["replicas"], 1));
    for resource in [REPLICA_SETS, STATEFUL_SETS, REPLICATION_CONTROLLERS] {
        if let Some(set) = super::own::controller_key(world, pod, resource).and_then(|key| world.get(&key)) {
            let top = super::own::controller_key(world, set, DEPLOYMENTS).and_then(|key| world.get(&key));
            return Some(read(top.unwrap_or(set)));
        }
    }
    // Anything else with a `/scale`, which is what the real one asks for.
    let owner = pod.owners().iter().find(|owner| owner.controller)?;
    let resource = world.resources().of_kind(&owner.api_version, &owner.kind)?.clone();
    resource.subresource("scale")?;
    let object = world.find(resource.id, pod.namespace(), &owner.name)?;
    Some(read(object))
}
