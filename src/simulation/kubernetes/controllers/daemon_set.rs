//! DaemonSets: a pod on every node on which one may be ([`wish`]), and how old ones are replaced ([`rollout`]).

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    node,
    own::{self, MANAGER},
    pod::{self, Phase},
    record::{About, Kind, Recorder},
    revisions::{self, Revision},
    selector::Selector,
    template::REVISION_LABEL,
    turns::Turns,
};
use crate::kubernetes::{
    resources::{DAEMON_SETS, NODES, PODS, ResourceId},
    run::Controller,
    world::{Change, ChangeKind, DeleteOptions, Due, Key, Object, World},
};

mod rollout;
#[cfg(test)]
mod tests;
mod wish;

use rollout::Rollout;
use wish::{Wish, tolerations};

const NAME: &str = "daemonset-controller";
/// Between two tries on a node where pods of it fail.
const FAILED_AGAIN: SignedDuration = SignedDuration::from_secs(10);

/// The controller of DaemonSets.
#[derive(Clone)]
pub struct DaemonSets {
    turns: Turns,
    events: Recorder,
    /// When a pod that failed was taken off a node.
    failed: BTreeMap<(Arc<str>, String), Timestamp>,
}

impl Default for DaemonSets {
    fn default() -> Self {
        Self {
            turns: Turns::new(NAME),
            events: Recorder::core(NAME, MANAGER),
            failed: BTreeMap::new(),
        }
    }
}

impl Controller for DaemonSets {
    fn name(&self) -> &'static str {
        NAME
    }

    fn resources(&self) -> &[ResourceId] {
        &[DAEMON_SETS, PODS, NODES]
    }

    fn changed(&mut self, world: &mut World, changes: &[Change]) {
        for change in changes {
            match change.key.resource {
                DAEMON_SETS => self.turns.ask(world, &change.key),
                NODES => {
                    let same = change.kind == ChangeKind::Modified
                        && change
                            .before
                            .as_ref()
                            .zip(change.after.as_ref())
                            .is_some_and(|(before, after)| {
                                let (old, new) = (node::facts(before), node::facts(after));
                                old.taints == new.taints
                                    && old.unschedulable == new.unschedulable
                                    && before.labels().eq(after.labels())
                            });
                    if !same {
                        let sets: Vec<Key> = world.list(DAEMON_SETS, None).map(|set| set.key().clone()).collect();
                        for key in sets {
                            self.turns.ask(world, &key);
                        }
                    }
                }
                _ => {
                    for pod in [&change.before, &change.after].into_iter().flatten() {
                        if let Some(key) = own::controller_key(world, pod, DAEMON_SETS) {
                            self.turns.ask(world, &key);
                        }
                    }
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

impl DaemonSets {
    fn sync(&mut self, world: &mut World, object: &Arc<Object>) {
        let value = object.bare();
        let selector = Selector::parse(&value["spec"]["selector"]);
        if selector.is_empty() {
            let message = "This daemon set is selecting all pods. A non-empty selector is required.";
            self.events
                .record(world, &About::object(object), Kind::Warning, "SelectingAll", message);
            return;
        }
        let pods = own::claim(world, object, &selector);
        if object.deleting() {
            return;
        }
        let Some(update) = revisions::current(world, object, &value) else {
            return;
        };
        let mut by_node: BTreeMap<String, Vec<Arc<Object>>> = BTreeMap::new();
        for pod in pods {
            by_node.entry(place(&pod)).or_default().push(pod);
        }
        let wish = Wish::read(&value["spec"]["template"]["spec"]);
        let nodes: Vec<(Arc<str>, (bool, bool))> = world
            .list(NODES, None)
            .map(|node| (Arc::clone(&node.key().name), wish.may(node)))
            .collect();
        let wanted = nodes.iter().filter(|(_, (to_be, _))| *to_be);
        let wanted = wanted.map(|(name, _)| name.to_string()).collect();
        let rollout = Rollout::read(world, &value, &update, wanted);
        let mut busy = false;
        for (node, (to_be, stays)) in &nodes {
            let here = by_node.get(&**node).map(Vec::as_slice).unwrap_or_default();
            if *to_be && here.is_empty() {
                self.make(world, object, &value, &update, node);
                busy = true;
            } else if *stays {
                busy |= self.tidy(world, object, &rollout, node, here);
            } else {
                for pod in here.iter().filter(|pod| !pod.deleting()) {
                    self.delete(world, object, pod);
                    busy = true;
                }
            }
        }
        // What was made and deleted just now is seen in the next turn.
        if value["spec"]["updateStrategy"]["type"] != "OnDelete" && !busy {
            let (delete, make) = rollout.step(&by_node);
            for pod in delete {
                self.delete(world, object, &pod);
            }
            for node in make {
                self.make(world, object, &value, &update, &node);
            }
        }
        self.report(world, object, &value, &update, &nodes);
        let limit = pod::number(&value["spec"]["revisionHistoryLimit"], 10);
        let mut used = vec![update.hash.clone()];
        used.extend(
            pod::owned(world, object.uid())
                .iter()
                .filter_map(|pod| pod.label(REVISION_LABEL).map(str::to_owned)),
        );
        let used: Vec<&str> = used.iter().map(String::as_str).collect();
        revisions::trim(world, object, &used, limit);
    }

    fn make(&mut self, world: &mut World, set: &Arc<Object>, value: &Value, update: &Revision, node: &str) {
        let mut pod = own::pod_from(&value["spec"]["template"], set);
        pod["metadata"]["labels"][REVISION_LABEL] = update.hash.as_str().into();
        let generation = value["metadata"]["annotations"]["deprecated.daemonset.template.generation"].as_str();
        pod["metadata"]["labels"]["pod-template-generation"] = generation.unwrap_or("1").into();
        pod["spec"]["tolerations"] = tolerations(&pod["spec"]).into();
        let field = json!([{"key": "metadata.name", "operator": "In", "values": [node]}]);
        let required = &mut pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
        match required.get_mut("nodeSelectorTerms").and_then(Value::as_array_mut) {
            Some(terms) => {
                for term in terms {
                    term["matchFields"] = field.clone();
                }
            }
            None => *required = json!({"nodeSelectorTerms": [{"matchFields": field}]}),
        }
        let (kind, reason, message) = match own::create(world, PODS, pod, set) {
            Ok(pod) => (Kind::Normal, "SuccessfulCreate", format!("Created pod: {}", pod.name())),
            Err(refusal) => (Kind::Warning, "FailedCreate", format!("Error creating: {refusal}")),
        };
        self.events.record(world, &About::object(set), kind, reason, &message);
    }

    /// Of several pods on a node one stays, or one of each revision; those that have ended make room. Returns whether any was
    /// deleted.
    fn tidy(
        &mut self,
        world: &mut World,
        set: &Arc<Object>,
        rollout: &Rollout,
        node: &str,
        here: &[Arc<Object>],
    ) -> bool {
        let now = world.now();
        let mut running = Vec::new();
        let mut deleted = false;
        for pod in here.iter().filter(|pod| !pod.deleting()) {
            let words = format!("daemon pod {}/{} on node {node}", pod.namespace(), pod.name());
            let (kind, reason, message) = match pod::facts(pod).phase {
                Phase::Failed => {
                    let place = (Arc::clone(set.uid()), node.to_owned());
                    let until = self.failed.get(&place).map(|at| *at + FAILED_AGAIN);
                    if let Some(until) = until.filter(|until| *until > now) {
                        self.turns.ask_at(world, set.key(), until);
                        continue;
                    }
                    self.failed.insert(place, now);
                    (
                        Kind::Warning,
                        "FailedDaemonPod",
                        format!("Found failed {words}, will try to kill it"),
                    )
                }
                Phase::Succeeded => {
                    let message = format!("Found succeeded {words}, will try to delete it");
                    (Kind::Normal, "SucceededDaemonPod", message)
                }
                _ => {
                    running.push(Arc::clone(pod));
                    continue;
                }
            };
            self.events.record(world, &About::object(set), kind, reason, &message);
            self.delete(world, set, pod);
            deleted = true;
        }
        running.sort_by_key(|pod| (pod.node().is_none(), pod::facts(pod).created));
        for pod in rollout.too_many(running) {
            self.delete(world, set, &pod);
            deleted = true;
        }
        deleted
    }

    fn delete(&mut self, world: &mut World, set: &Arc<Object>, pod: &Object) {
        if world.delete(pod.key(), &DeleteOptions::default()).is_ok() {
            let message = format!("Deleted pod: {}", pod.name());
            self.events
                .record(world, &About::object(set), Kind::Normal, "SuccessfulDelete", &message);
        }
    }

    fn report(
        &mut self,
        world: &mut World,
        set: &Arc<Object>,
        value: &Value,
        update: &Revision,
        nodes: &[(Arc<str>, (bool, bool))],
    ) {
        let now = world.now();
        let wait = pod::number(&value["spec"]["minReadySeconds"], 0);
        let mut by_node: BTreeMap<String, Vec<Arc<Object>>> = BTreeMap::new();
        for pod in pod::owned(world, set.uid()) {
            by_node.entry(place(&pod)).or_default().push(pod);
        }
        let (mut desired, mut scheduled, mut misplaced, mut ready, mut available, mut updated) = (0, 0, 0, 0, 0, 0);
        let mut soon: Option<Timestamp> = None;
        for (node, (to_be, _)) in nodes {
            let here = by_node.get_mut(&**node);
            if !to_be {
                misplaced += usize::from(here.is_some());
                continue;
            }
            desired += 1;
            let Some(here) = here else { continue };
            scheduled += 1;
            here.sort_by_key(|pod| (!pod::facts(pod).ready, pod::facts(pod).created));
            let Some(pod) = here.first() else { continue };
            let facts = pod::facts(pod);
            if facts.ready {
                ready += 1;
                if facts.available(wait, now) {
                    available += 1;
                } else {
                    soon = soon.into_iter().chain(facts.ready_since).min();
                }
            }
            updated += usize::from(pod.label(REVISION_LABEL) == Some(update.hash.as_str()));
        }
        let mut status = json!({
            "currentNumberScheduled": scheduled,
            "numberMisscheduled": misplaced,
            "desiredNumberScheduled": desired,
            "numberReady": ready,
            "observedGeneration": set.generation(),
        });
        for (field, count) in [
            ("updatedNumberScheduled", updated),
            ("numberAvailable", available),
            ("numberUnavailable", desired - available),
        ] {
            if count > 0 {
                status[field] = count.into();
            }
        }
        if value["status"] != status {
            world.write_status(set.key(), MANAGER, |_| status).ok();
        }
        if let Some(since) = soon {
            self.turns
                .ask_at(world, set.key(), since + SignedDuration::from_secs(wait));
        }
    }
}

/// The node of a pod, or the one that it waits for.
fn place(pod: &Object) -> String {
    match pod.node() {
        Some(node) => node.to_string(),
        None => pod::facts(pod).meant_for.as_deref().unwrap_or_default().to_owned(),
    }
}
