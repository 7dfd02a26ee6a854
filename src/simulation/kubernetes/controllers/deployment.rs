//! Deployments: one ReplicaSet for each template, and how one takes the place of another.
//!
//! [`sets`] finds and makes ReplicaSets and numbers them, [`rollout`] moves pods from the old ones to the new one,
//! [`progress`] says in the status how far it is.

use std::sync::Arc;

use serde_json::Value;

use super::{
    own::{self, MANAGER},
    pod,
    record::Recorder,
    selector::Selector,
    template,
    turns::Turns,
};
use crate::kubernetes::{
    resources::{DEPLOYMENTS, PODS, REPLICA_SETS, ResourceId},
    run::Controller,
    world::{Change, ChangeKind, Due, Key, Object, World},
};

mod progress;
mod rollout;
mod sets;
#[cfg(test)]
mod tests;

use sets::{Set, Templates};

const NAME: &str = "deployment-controller";
/// What stands for "no deadline" and "all revisions".
const UNLIMITED: i64 = i32::MAX as i64;

/// The controller of Deployments.
#[derive(Clone)]
pub struct Deployments {
    turns: Turns,
    templates: Templates,
    events: Recorder,
}

impl Default for Deployments {
    fn default() -> Self {
        Self {
            turns: Turns::new(NAME),
            templates: Templates::default(),
            events: Recorder::core(NAME, MANAGER),
        }
    }
}

impl Controller for Deployments {
    fn name(&self) -> &'static str {
        NAME
    }

    fn resources(&self) -> &[ResourceId] {
        &[DEPLOYMENTS, REPLICA_SETS, PODS]
    }

    fn changed(&mut self, world: &mut World, changes: &[Change]) {
        for change in changes {
            let object = change.after.as_ref().or(change.before.as_ref());
            let Some(object) = object else { continue };
            match change.key.resource {
                DEPLOYMENTS => self.turns.ask(world, &change.key),
                REPLICA_SETS => {
                    if change.after.is_none() {
                        self.templates.forget(&change.key);
                    }
                    if let Some(key) = own::controller_key(world, object, DEPLOYMENTS) {
                        self.turns.ask(world, &key);
                    } else if object.controller().is_none() && change.after.is_some() {
                        for key in selecting(world, object) {
                            self.turns.ask(world, &key);
                        }
                    }
                }
                // Only the end of a pod matters here: Recreate waits for the last of the old ones.
                _ if change.kind == ChangeKind::Deleted => {
                    let set = own::controller_key(world, object, REPLICA_SETS);
                    let owner = set
                        .and_then(|key| world.get(&key).cloned())
                        .and_then(|set| own::controller_key(world, &set, DEPLOYMENTS));
                    if let Some(key) = owner
                        && world
                            .get(&key)
                            .is_some_and(|found| found.spec()["strategy"]["type"] == "Recreate")
                    {
                        self.turns.ask(world, &key);
                    }
                }
                _ => {}
            }
        }
    }

    fn due(&mut self, world: &mut World, due: &Due) {
        if let Some(key) = self.turns.take(due)
            && let Some(object) = world.get(&key).cloned()
        {
            // A refusal of a write is met by another turn: whoever caused it has changed something.
            self.sync(world, &object);
        }
    }
}

/// The Deployments that select a ReplicaSet that nobody controls.
fn selecting(world: &World, set: &Object) -> Vec<Key> {
    world
        .list(DEPLOYMENTS, Some(set.namespace()))
        .filter(|deployment| {
            let selector = Selector::parse(&deployment.spec()["selector"]);
            !selector.is_empty() && selector.matches(set)
        })
        .map(|deployment| deployment.key().clone())
        .collect()
}

/// A Deployment, read.
struct Deployment {
    object: Arc<Object>,
    /// Without the template.
    value: Value,
    replicas: i64,
    surge: i64,
    unavailable: i64,
    recreate: bool,
    paused: bool,
    /// Seconds; absent: none.
    deadline: Option<i64>,
    /// Revisions that are kept; absent: all.
    history: Option<i64>,
    min_ready: i64,
}

impl Deployment {
    fn read(object: &Arc<Object>) -> Self {
        let value = object.outline();
        let spec = &value["spec"];
        let replicas = pod::number(&spec["replicas"], 1);
        let recreate = spec["strategy"]["type"] == "Recreate";
        let rolling = &spec["strategy"]["rollingUpdate"];
        let quarter = Value::from("25%");
        let or_quarter = |value: &Value| {
            if value.is_null() {
                quarter.clone()
            } else {
                value.clone()
            }
        };
        let (mut surge, mut unavailable) = (0, 0);
        if !recreate {
            surge = template::share(&or_quarter(&rolling["maxSurge"]), replicas, true).unwrap_or_default();
            unavailable = template::share(&or_quarter(&rolling["maxUnavailable"]), replicas, false).unwrap_or_default();
            if surge == 0 && unavailable == 0 {
                unavailable = 1;
            }
            unavailable = unavailable.min(replicas);
        }
        let limited = |value: &Value, default| Some(pod::number(value, default)).filter(|limit| *limit < UNLIMITED);
        Self {
            replicas,
            surge,
            unavailable,
            recreate,
            paused: spec["paused"] == true,
            deadline: limited(&spec["progressDeadlineSeconds"], 600),
            history: limited(&spec["revisionHistoryLimit"], 10),
            min_ready: pod::number(&spec["minReadySeconds"], 0),
            object: Arc::clone(object),
            value,
        }
    }

    fn key(&self) -> &Key {
        self.object.key()
    }

    fn name(&self) -> &str {
        self.object.name()
    }

    fn status(&self) -> &Value {
        &self.value["status"]
    }

    /// Writes another status; what was read of the rest holds still.
    fn write_status(&mut self, world: &mut World, status: Value) {
        if let Ok(object) = world.write_status(self.object.key(), MANAGER, |_| status) {
            self.value["status"] = object.status();
            self.object = object;
        }
    }

    /// Writes another status and, with it, annotations; reads itself anew.
    fn write(&mut self, world: &mut World, change: impl FnOnce(&mut Value)) {
        if let Ok(Some(object)) = world.update_with_status(self.object.key(), MANAGER, change) {
            *self = Self::read(&object);
        }
    }
}

impl Deployments {
    fn sync(&mut self, world: &mut World, object: &Arc<Object>) {
        let mut deployment = Deployment::read(object);
        if Selector::parse(&deployment.value["spec"]["selector"]).is_empty() {
            return;
        }
        let sets = sets::claim(world, &deployment);
        if object.deleting() {
            let (new, old) = self.templates.split(&deployment, sets);
            self.report_size(world, &mut deployment, new.as_ref(), &old);
            return;
        }
        progress::note_pause(world, &mut deployment);
        if deployment.paused {
            self.resize(world, &mut deployment, sets);
            return;
        }
        let (new, old) = self.number(world, &mut deployment, sets.clone(), false);
        let resized = old
            .iter()
            .chain(&new)
            .filter(|set| set.replicas > 0)
            .any(|set| set.desired().is_some_and(|desired| desired != deployment.replicas));
        if resized {
            self.resize(world, &mut deployment, sets);
        } else if deployment.recreate {
            self.recreate(world, &mut deployment, sets);
        } else {
            self.roll(world, &mut deployment, sets);
        }
    }

    /// Finds the new ReplicaSet and the old ones, gives the new one the highest number, makes it if it should.
    fn number(
        &mut self,
        world: &mut World,
        deployment: &mut Deployment,
        sets: Vec<Set>,
        make: bool,
    ) -> (Option<Set>, Vec<Set>) {
        let (new, old) = self.templates.split(deployment, sets);
        let revision = old.iter().map(Set::revision).max().unwrap_or_default() + 1;
        let new = match new {
            Some(set) => Some(sets::renumber(world, deployment, set, revision)),
            None if make => sets::make(world, &mut self.events, deployment, &old, revision),
            None => None,
        };
        (new, old)
    }
}

/// Pods that are wanted by some ReplicaSets.
fn wanted<'a>(sets: impl IntoIterator<Item = &'a Set>) -> i64 {
    sets.into_iter().map(|set| set.replicas).sum()
}

/// Pods that are there, ready, available, as their statuses say.
fn counted<'a>(sets: impl IntoIterator<Item = &'a Set>, field: &str) -> i64 {
    sets.into_iter()
        .map(|set| super::replica_set::counter(&set.value["status"], field))
        .sum()
}
