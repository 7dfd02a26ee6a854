//! DaemonSets: a pod on every node on which one may be. `maxSurge` is left out: it counts as 0.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    node::{self, Taint, Toleration},
    own::{self, MANAGER},
    pod::{self, Phase},
    record::{About, Kind, Recorder},
    revisions::{self, Revision},
    selector::Selector,
    template::{self, REVISION_LABEL},
    turns::Turns,
};
use crate::simulation::kubernetes::{
    resources::{DAEMON_SETS, NODES, PODS, ResourceId},
    run::Controller,
    world::{Change, ChangeKind, DeleteOptions, Due, Key, Object, World},
};

#[cfg(test)]
mod tests;

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

/// What every pod of a DaemonSet tolerates.
fn tolerated(host_network: bool) -> Vec<Value> {
    let mut all = vec![
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    ];
    if host_network {
        all.push(("network-unavailable", "NoSchedule"));
    }
    all.into_iter()
        .map(
            |(key, effect)| json!({"key": format!("node.kubernetes.io/{key}"), "operator": "Exists", "effect": effect}),
        )
        .collect()
}

/// The pod's tolerations with those of every daemon.
fn tolerations(spec: &Value) -> Vec<Value> {
    let mut all = spec["tolerations"].as_array().cloned().unwrap_or_default();
    for one in tolerated(spec["hostNetwork"] == true) {
        if !all
            .iter()
            .any(|other| other["key"] == one["key"] && other["effect"] == one["effect"])
        {
            all.push(one);
        }
    }
    all
}

/// What a template asks of the nodes on which its pods are.
struct Wish {
    labels: Selector,
    terms: Option<Vec<(Selector, Selector)>>,
    tolerations: Vec<Toleration>,
}

impl Wish {
    fn read(spec: &Value) -> Self {
        let required = &spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
        let terms = required["nodeSelectorTerms"].as_array();
        let read = |term: &Value| {
            (
                Selector::expressions(&term["matchExpressions"]),
                Selector::expressions(&term["matchFields"]),
            )
        };
        Self {
            labels: Selector::labels(&spec["nodeSelector"]),
            terms: terms.map(|terms| terms.iter().map(read).collect()),
            tolerations: tolerations(spec)
                .into_iter()
                .filter_map(|one| serde_json::from_value(one).ok())
                .collect(),
        }
    }

    /// Where a pod of the set is to be, and where one may go on being.
    fn may(&self, node: &Object) -> (bool, bool) {
        if !self.labels.matches(node) {
            return (false, false);
        }
        if let Some(terms) = &self.terms {
            let field = json!({"metadata.name": node.name()});
            let fits = |(labels, fields): &(Selector, Selector)| labels.matches(node) && fields.matches_value(&field);
            if !terms.iter().any(fits) {
                return (false, false);
            }
        }
        let stands = |taint: &Taint| self.tolerations.iter().any(|toleration| toleration.tolerates(taint));
        let taints = &node::facts(node).taints;
        let of = |effects: &[&str]| {
            taints
                .iter()
                .filter(|taint| effects.contains(&taint.effect.as_str()))
                .all(stands)
        };
        (of(&["NoSchedule", "NoExecute"]), of(&["NoExecute"]))
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
        let nodes: Vec<Arc<Object>> = world.list(NODES, None).cloned().collect();
        let wish = Wish::read(&value["spec"]["template"]["spec"]);
        for node in &nodes {
            let (to_be, stays) = wish.may(node);
            let here = by_node.get(node.name()).map(Vec::as_slice).unwrap_or_default();
            if to_be && here.is_empty() {
                self.make(world, object, &value, &update, node.name());
            } else if stays {
                self.tidy(world, object, node.name(), here);
            } else {
                for pod in here.iter().filter(|pod| !pod.deleting()) {
                    self.delete(world, object, pod);
                }
            }
        }
        if value["spec"]["updateStrategy"]["type"] != "OnDelete" {
            let nodes: Vec<&str> = nodes
                .iter()
                .filter(|node| wish.may(node).0)
                .map(|node| node.name())
                .collect();
            self.roll(world, object, &value, &update, &nodes, &by_node);
        }
        self.report(world, object, &value, &update, (&nodes, &wish));
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

    /// Of several pods on a node the oldest stays; those that have ended make room.
    fn tidy(&mut self, world: &mut World, set: &Arc<Object>, node: &str, here: &[Arc<Object>]) {
        let now = world.now();
        let mut running = Vec::new();
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
                    running.push(pod);
                    continue;
                }
            };
            self.events.record(world, &About::object(set), kind, reason, &message);
            self.delete(world, set, pod);
        }
        running.sort_by_key(|pod| (pod.node().is_none(), pod::facts(pod).created));
        for pod in running.into_iter().skip(1) {
            self.delete(world, set, pod);
        }
    }

    fn delete(&mut self, world: &mut World, set: &Arc<Object>, pod: &Object) {
        if world.delete(pod.key(), &DeleteOptions::default()).is_ok() {
            let message = format!("Deleted pod: {}", pod.name());
            self.events
                .record(world, &About::object(set), Kind::Normal, "SuccessfulDelete", &message);
        }
    }

    #[allow(clippy::too_many_arguments, reason = "what one turn has gathered, for its last part")]
    /// Deletes old pods: those that are not available at once, of the others as many as may be missing.
    fn roll(
        &mut self,
        world: &mut World,
        set: &Arc<Object>,
        value: &Value,
        update: &Revision,
        nodes: &[&str],
        by_node: &BTreeMap<String, Vec<Arc<Object>>>,
    ) {
        let now = world.now();
        let wait = pod::number(&value["spec"]["minReadySeconds"], 0);
        let desired = nodes.len();
        let share = &value["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"];
        let one = Value::from(1);
        let share = if share.is_null() { &one } else { share };
        let most = template::share(share, i64::try_from(desired).unwrap_or_default(), true).unwrap_or(1);
        let mut most = usize::try_from(most.max(0)).unwrap_or_default();
        if most == 0 {
            most = 1;
        }
        let (mut missing, mut old_sick, mut old_well) = (0, Vec::new(), Vec::new());
        for node in nodes {
            let here: Vec<_> = by_node
                .get(*node)
                .into_iter()
                .flatten()
                .filter(|pod| !pod.deleting() && world.get(pod.key()).is_some())
                .collect();
            let well = here.iter().any(|pod| pod::facts(pod).available(wait, now));
            if !well {
                missing += 1;
            }
            for pod in here {
                if pod.label(REVISION_LABEL) == Some(update.hash.as_str()) {
                    continue;
                }
                if pod::facts(pod).available(wait, now) {
                    &mut old_well
                } else {
                    &mut old_sick
                }
                .push(Arc::clone(pod));
            }
        }
        for pod in old_sick {
            self.delete(world, set, &pod);
        }
        for pod in old_well.into_iter().take(most.saturating_sub(missing)) {
            self.delete(world, set, &pod);
        }
    }

    fn report(
        &mut self,
        world: &mut World,
        set: &Arc<Object>,
        value: &Value,
        update: &Revision,
        (nodes, wish): (&[Arc<Object>], &Wish),
    ) {
        let now = world.now();
        let wait = pod::number(&value["spec"]["minReadySeconds"], 0);
        let mut by_node: BTreeMap<String, Vec<Arc<Object>>> = BTreeMap::new();
        for pod in pod::owned(world, set.uid()) {
            by_node.entry(place(&pod)).or_default().push(pod);
        }
        let (mut desired, mut scheduled, mut misplaced, mut ready, mut available, mut updated) = (0, 0, 0, 0, 0, 0);
        let mut soon: Option<Timestamp> = None;
        for node in nodes {
            let here = by_node.get_mut(node.name());
            let (to_be, _) = wish.may(node);
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
            world.update_status(set.key(), MANAGER, |old| *old = status).ok();
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
