//! StatefulSets: pods with names that stay, one after the other.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    own::{self, MANAGER},
    pod::{self, Phase},
    record::{About, Kind, Recorder},
    revisions::{self, Revision},
    selector::Selector,
    template::REVISION_LABEL,
    turns::Turns,
};
use crate::kubernetes::{
    resources::{PERSISTENT_VOLUME_CLAIMS, PODS, ResourceId, STATEFUL_SETS},
    run::Controller,
    world::{Change, DeleteOptions, Due, Key, Object, World},
};

#[cfg(test)]
mod tests;

const NAME: &str = "statefulset-controller";
const ORDINAL: &str = "apps.kubernetes.io/pod-index";
const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";

/// The controller of StatefulSets.
#[derive(Clone)]
pub struct StatefulSets {
    turns: Turns,
    events: Recorder,
}

impl Default for StatefulSets {
    fn default() -> Self {
        Self {
            turns: Turns::new(NAME),
            events: Recorder::core(NAME, MANAGER),
        }
    }
}

impl Controller for StatefulSets {
    fn name(&self) -> &'static str {
        NAME
    }

    fn resources(&self) -> &[ResourceId] {
        &[STATEFUL_SETS, PODS]
    }

    fn changed(&mut self, world: &mut World, changes: &[Change]) {
        for change in changes {
            if change.key.resource == STATEFUL_SETS {
                self.turns.ask(world, &change.key);
                continue;
            }
            for pod in [&change.before, &change.after].into_iter().flatten() {
                if let Some(key) = own::controller_key(world, pod, STATEFUL_SETS) {
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

/// A StatefulSet, read.
struct Set {
    object: Arc<Object>,
    value: Value,
    replicas: i64,
    start: i64,
    /// Whether one waits for the other.
    ordered: bool,
    on_delete: bool,
    partition: Option<i64>,
    min_ready: i64,
    current: Revision,
    update: Revision,
}

impl Set {
    fn available(&self, pod: &Object, now: Timestamp) -> bool {
        running_and_ready(pod) && pod::facts(pod).available(self.min_ready, now)
    }

    fn healthy(&self, pod: &Object, now: Timestamp) -> bool {
        self.available(pod, now) && !pod.deleting()
    }

    /// The revision that a pod of this ordinal is made with.
    fn revision_for(&self, ordinal: i64) -> &Revision {
        let current = pod::number(&self.value["status"]["currentReplicas"], 0);
        let old = match self.partition {
            Some(partition) => ordinal < self.start + partition,
            None => !self.on_delete && ordinal < self.start + current,
        };
        if old { &self.current } else { &self.update }
    }
}

fn running_and_ready(pod: &Object) -> bool {
    let facts = pod::facts(pod);
    facts.phase == Phase::Running && facts.ready
}

fn ordinal(set: &Object, pod: &Object) -> Option<i64> {
    let (name, number) = pod.name().rsplit_once('-')?;
    (name == set.name()).then(|| number.parse().ok()).flatten()
}

impl StatefulSets {
    fn sync(&mut self, world: &mut World, object: &Arc<Object>) {
        let value = object.bare();
        let selector = Selector::parse(&value["spec"]["selector"]);
        let pods: BTreeMap<i64, Arc<Object>> = own::claim(world, object, &selector)
            .into_iter()
            .filter_map(|pod| ordinal(object, &pod).map(|number| (number, pod)))
            .collect();
        let Some(update) = revisions::current(world, object, &value) else {
            return;
        };
        let name = value["status"]["currentRevision"].as_str().unwrap_or_default();
        let current = revisions::all(world, object)
            .into_iter()
            .find(|revision| revision.name == name)
            .unwrap_or_else(|| update.clone());
        let strategy = &value["spec"]["updateStrategy"];
        let set = Set {
            replicas: pod::number(&value["spec"]["replicas"], 1),
            start: pod::number(&value["spec"]["ordinals"]["start"], 0),
            ordered: value["spec"]["podManagementPolicy"] != "Parallel",
            on_delete: strategy["type"] == "OnDelete",
            // The API server's defaults write a partition of 0.
            partition: (strategy["type"] != "OnDelete")
                .then(|| pod::number(&strategy["rollingUpdate"]["partition"], 0)),
            min_ready: pod::number(&value["spec"]["minReadySeconds"], 0),
            object: Arc::clone(object),
            current,
            update,
            value,
        };
        if !object.deleting() {
            self.advance(world, &set, &pods);
        }
        self.report(world, &set);
        let limit = pod::number(&set.value["spec"]["revisionHistoryLimit"], 10);
        let mut used = vec![set.current.name.as_str(), set.update.name.as_str()];
        used.extend(pods.values().filter_map(|pod| pod.label(REVISION_LABEL)));
        revisions::trim(world, object, &used, limit);
    }

    fn advance(&mut self, world: &mut World, set: &Set, pods: &BTreeMap<i64, Arc<Object>>) {
        let now = world.now();
        let wanted = set.start..set.start + set.replicas;
        let first_unhealthy = wanted
            .clone()
            .find(|number| pods.get(number).is_none_or(|pod| !set.healthy(pod, now)))
            .or_else(|| {
                let mut condemned = pods.iter().filter(|(number, _)| !wanted.contains(*number));
                condemned
                    .find(|(_, pod)| !set.healthy(pod, now))
                    .map(|(number, _)| *number)
            });
        for number in wanted.clone() {
            match pods.get(&number) {
                None => {
                    self.make(world, set, number);
                    if set.ordered {
                        return;
                    }
                }
                Some(pod) if !pod::facts(pod).running_or_coming() => {
                    if !pod.deleting() {
                        self.delete(world, set, pod);
                    }
                    if set.ordered {
                        return;
                    }
                }
                Some(pod) => {
                    if set.ordered && (pod.deleting() || !set.available(pod, now)) {
                        return;
                    }
                }
            }
        }
        for (number, pod) in pods.iter().rev().filter(|(number, _)| !wanted.contains(*number)) {
            if pod.deleting() {
                if set.ordered {
                    return;
                }
                continue;
            }
            if set.ordered && !set.available(pod, now) && first_unhealthy != Some(*number) {
                return;
            }
            self.delete(world, set, pod);
            if set.ordered {
                return;
            }
        }
        if set.on_delete {
            return;
        }
        let least = set.partition.unwrap_or_default();
        for number in wanted.rev().take_while(|number| number - set.start >= least) {
            // What was made just now is not among the pods yet, and not healthy either.
            let Some(pod) = pods.get(&number) else { return };
            if pod.label(REVISION_LABEL) != Some(set.update.name.as_str()) && !pod.deleting() {
                self.delete(world, set, pod);
                return;
            }
            if !set.healthy(pod, now) {
                return;
            }
        }
    }

    fn make(&mut self, world: &mut World, set: &Set, number: i64) {
        let revision = set.revision_for(number);
        let mut pod = own::pod_from(&revision.template, &set.object);
        let name = format!("{}-{number}", set.object.name());
        pod["metadata"]["name"] = name.as_str().into();
        for (label, value) in [
            (POD_NAME, name.as_str()),
            (ORDINAL, &number.to_string()),
            (REVISION_LABEL, &revision.name),
        ] {
            pod["metadata"]["labels"][label] = value.into();
        }
        pod["spec"]["hostname"] = name.as_str().into();
        if let Some(service) = set.value["spec"]["serviceName"].as_str() {
            pod["spec"]["subdomain"] = service.into();
        }
        for claim in set.value["spec"]["volumeClaimTemplates"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let volume = claim["metadata"]["name"].as_str().unwrap_or_default();
            let claimed = format!("{volume}-{name}");
            self.claim(world, set, claim, &claimed);
            let volumes = &mut pod["spec"]["volumes"];
            if !volumes.is_array() {
                *volumes = json!([]);
            }
            if let Some(volumes) = volumes.as_array_mut() {
                volumes.retain(|other| other["name"] != volume);
                volumes.push(json!({"name": volume, "persistentVolumeClaim": {"claimName": claimed}}));
            }
        }
        let made = own::create(world, PODS, pod, &set.object);
        let outcome = made.map_err(|refusal| refusal.to_string());
        self.tell(world, set, "Create", &name, outcome.err());
    }

    /// The claim of a pod; there is a provisioner that binds everything.
    fn claim(&mut self, world: &mut World, set: &Set, template: &Value, name: &str) {
        let key = Key::new(PERSISTENT_VOLUME_CLAIMS, set.object.namespace(), name);
        if world.get(&key).is_some() {
            return;
        }
        let mut claim = json!({"metadata": template["metadata"], "spec": template["spec"]});
        claim["metadata"]["name"] = name.into();
        claim["metadata"]["namespace"] = set.object.namespace().into();
        claim["metadata"]["labels"] = set.value["spec"]["selector"]["matchLabels"].clone();
        if own::create_free(world, PERSISTENT_VOLUME_CLAIMS, claim).is_ok() {
            world
                .update_status(&key, MANAGER, |status| {
                    *status = json!({
                        "phase": "Bound",
                        "accessModes": template["spec"]["accessModes"],
                        "capacity": template["spec"]["resources"]["requests"],
                    });
                })
                .ok();
        }
    }

    fn delete(&mut self, world: &mut World, set: &Set, pod: &Object) {
        let deleted = world.delete(pod.key(), &DeleteOptions::default());
        let error = deleted.err().map(|refusal| refusal.to_string());
        self.tell(world, set, "Delete", pod.name(), error);
    }

    fn tell(&mut self, world: &mut World, set: &Set, verb: &str, pod: &str, error: Option<String>) {
        let name = set.object.name();
        let about = About::object(&set.object);
        match error {
            None => {
                let message = format!("{verb} Pod {pod} in StatefulSet {name} successful");
                self.events
                    .record(world, &about, Kind::Normal, &format!("Successful{verb}"), &message);
            }
            Some(error) => {
                let message = format!("{verb} Pod {pod} in StatefulSet {name} failed error: {error}");
                self.events
                    .record(world, &about, Kind::Warning, &format!("Failed{verb}"), &message);
            }
        }
    }

    fn report(&mut self, world: &mut World, set: &Set) {
        let now = world.now();
        let pods = pod::owned(world, set.object.uid());
        let count = |which: &dyn Fn(&Object) -> bool| pods.iter().filter(|pod| which(pod)).count();
        let of = |revision: &Revision| {
            count(&|pod: &Object| !pod.deleting() && pod.label(REVISION_LABEL) == Some(revision.name.as_str()))
        };
        let (replicas, ready) = (pods.len(), count(&|pod: &Object| running_and_ready(pod)));
        let updated = of(&set.update);
        let (mut current, mut current_name) = (of(&set.current), set.current.name.clone());
        if !set.on_delete && updated == replicas && ready == replicas {
            (current, current_name) = (updated, set.update.name.clone());
        }
        let mut status = json!({
            "observedGeneration": set.object.generation(),
            "replicas": replicas,
            "availableReplicas": count(&|pod: &Object| set.available(pod, now)),
            "currentRevision": current_name,
            "updateRevision": set.update.name,
            "collisionCount": 0,
        });
        for (field, count) in [
            ("readyReplicas", ready),
            ("currentReplicas", current),
            ("updatedReplicas", updated),
        ] {
            if count > 0 {
                status[field] = count.into();
            }
        }
        if set.value["status"] != status {
            world.write_status(set.object.key(), MANAGER, |_| status).ok();
        }
        let soon = pods
            .iter()
            .filter(|pod| running_and_ready(pod) && !set.available(pod, now));
        if let Some(since) = soon.filter_map(|pod| pod::facts(pod).ready_since).min() {
            let at = since + SignedDuration::from_secs(set.min_ready);
            self.turns.ask_at(world, set.object.key(), at);
        }
    }
}
