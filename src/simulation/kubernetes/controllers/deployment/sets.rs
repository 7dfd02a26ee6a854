//! The ReplicaSets of a Deployment: whose they are, which is the new one, and their revisions.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::Deployment;
use crate::kubernetes::{
    controllers::{
        conditions::{self, Condition},
        own::{self, MANAGER},
        pod,
        record::{Kind, Recorder},
        replica_set::annotations,
        selector::Selector,
        template::{self, HASH_LABEL},
    },
    resources::REPLICA_SETS,
    world::{Key, Object, World, stamp},
};

pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const MAX: &str = "deployment.kubernetes.io/max-replicas";
/// What a ReplicaSet does not take over from its Deployment.
const OWN: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    DESIRED,
    MAX,
    "deprecated.deployment.rollback.to",
];
/// The longest history.
const LONGEST: usize = 2000;

/// A ReplicaSet, read.
#[derive(Clone)]
pub(super) struct Set {
    pub(super) object: Arc<Object>,
    /// Without the template.
    pub(super) value: Arc<Value>,
    pub(super) replicas: i64,
    pub(super) created: Timestamp,
}

impl Set {
    pub(super) fn read(object: &Arc<Object>) -> Self {
        let value = object.outline();
        let created = value["metadata"]["creationTimestamp"].as_str();
        Self {
            replicas: pod::number(&value["spec"]["replicas"], 1),
            created: created.and_then(|at| at.parse().ok()).unwrap_or_default(),
            object: Arc::clone(object),
            value: value.into(),
        }
    }

    fn annotation(&self, name: &str) -> Option<&str> {
        self.value["metadata"]["annotations"][name].as_str()
    }

    pub(super) fn revision(&self) -> i64 {
        self.annotation(REVISION)
            .and_then(|text| text.parse().ok())
            .unwrap_or_default()
    }

    /// How many pods its Deployment wanted when it was scaled last.
    pub(super) fn desired(&self) -> Option<i64> {
        self.annotation(DESIRED)?.parse().ok()
    }

    /// How many pods its Deployment might have had then.
    pub(super) fn max(&self) -> Option<i64> {
        self.annotation(MAX)?.parse().ok()
    }

    pub(super) fn available(&self) -> i64 {
        self.value["status"]["availableReplicas"].as_i64().unwrap_or_default()
    }

    pub(super) fn uid(&self) -> &str {
        self.object.uid()
    }

    /// Oldest first.
    pub(super) fn age(&self) -> (Timestamp, &str) {
        (self.created, self.object.name())
    }
}

/// The ReplicaSets that are this Deployment's: adopted and released by labels.
pub(super) fn claim(world: &mut World, deployment: &Deployment) -> Vec<Set> {
    let owner = &deployment.object;
    let selector = Selector::parse(&deployment.value["spec"]["selector"]);
    let owned: Vec<_> = world
        .owned_by(owner.uid())
        .filter(|set| set.key().resource == REPLICA_SETS && set.controller() == Some(owner.uid()))
        .cloned()
        .collect();
    let (mut mine, strangers): (Vec<_>, Vec<_>) = owned.into_iter().partition(|set| selector.matches(set));
    for set in strangers.iter().filter(|set| !set.deleting()) {
        own::release(world, set.key(), owner.uid());
    }
    if !owner.deleting() {
        let orphans: Vec<_> = world
            .labelled(REPLICA_SETS, owner.namespace(), &selector.equalities())
            .filter(|set| set.controller().is_none() && !set.deleting() && selector.matches(set))
            .map(|set| set.key().clone())
            .collect();
        let reference = own::reference(world, owner);
        for key in orphans {
            mine.extend(own::adopt(world, &key, &reference));
        }
    }
    mine.iter().map(Set::read).collect()
}

/// Which ReplicaSets have the template of their Deployment. Both are read again only when one of them has been given another
/// specification.
#[derive(Clone, Default)]
pub(super) struct Templates(HashMap<Key, Compared>);

/// The specifications of a Deployment and of a ReplicaSet.
#[derive(Clone)]
struct Compared {
    deployment: Option<Arc<str>>,
    set: Option<Arc<str>>,
    same: bool,
}

impl Templates {
    /// The one with this template, the oldest if there are several, and all others.
    pub(super) fn split(&mut self, deployment: &Deployment, mut sets: Vec<Set>) -> (Option<Set>, Vec<Set>) {
        sets.sort_by(|left, right| left.age().cmp(&right.age()));
        let at = sets.iter().position(|set| self.same(&deployment.object, &set.object));
        let new = at.map(|at| sets.remove(at));
        (new, sets)
    }

    fn same(&mut self, deployment: &Object, set: &Object) -> bool {
        let unchanged = |before: &Option<Arc<str>>, now: Option<&Arc<str>>| match (before, now) {
            (Some(before), Some(now)) => Arc::ptr_eq(before, now),
            _ => false,
        };
        let known = self.0.get(set.key()).filter(|known| {
            unchanged(&known.deployment, deployment.spec_text()) && unchanged(&known.set, set.spec_text())
        });
        if let Some(known) = known {
            return known.same;
        }
        let same = template::same(&set.template(), &deployment.template());
        let compared = Compared {
            deployment: deployment.spec_text().cloned(),
            set: set.spec_text().cloned(),
            same,
        };
        self.0.insert(set.key().clone(), compared);
        same
    }

    /// A ReplicaSet is gone.
    pub(super) fn forget(&mut self, set: &Key) {
        self.0.remove(set);
    }
}

/// The annotations of the new ReplicaSet, if they differ from those before.
fn annotated(
    deployment: &Deployment,
    before: Map<String, Value>,
    revision: i64,
    fresh: bool,
) -> Option<Map<String, Value>> {
    let mut after = before.clone();
    for (name, value) in annotations(&deployment.value) {
        if !OWN.contains(&name.as_str()) {
            after.insert(name, value);
        }
    }
    let old = before.get(REVISION).and_then(Value::as_str).map(str::to_owned);
    let number: i64 = old.as_deref().and_then(|old| old.parse().ok()).unwrap_or_default();
    if number < revision {
        after.insert(REVISION.to_owned(), revision.to_string().into());
        if let Some(old) = old {
            let mut history = before
                .get(HISTORY)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned();
            while history.len() + old.len() + 1 > LONGEST {
                history = history
                    .split_once(',')
                    .map_or(String::new(), |(_, rest)| rest.to_owned());
            }
            let history = if history.is_empty() {
                old
            } else {
                format!("{history},{old}")
            };
            after.insert(HISTORY.to_owned(), history.into());
        }
    }
    if fresh {
        after.insert(DESIRED.to_owned(), deployment.replicas.to_string().into());
        after.insert(
            MAX.to_owned(),
            (deployment.replicas + deployment.surge).to_string().into(),
        );
    }
    (before != after).then_some(after)
}

/// Gives the new ReplicaSet its number, and the Deployment too.
pub(super) fn renumber(world: &mut World, deployment: &mut Deployment, set: Set, revision: i64) -> Set {
    let annotated = annotated(deployment, annotations(&set.value), revision, false);
    if annotated.is_some() || pod::number(&set.value["spec"]["minReadySeconds"], 0) != deployment.min_ready {
        let written = world.update(set.object.key(), MANAGER, |set| {
            if let Some(annotations) = annotated {
                set["metadata"]["annotations"] = annotations.into();
            }
            match set["spec"].as_object_mut() {
                Some(spec) if deployment.min_ready == 0 => drop(spec.remove("minReadySeconds")),
                _ => set["spec"]["minReadySeconds"] = deployment.min_ready.into(),
            }
        });
        return written.ok().flatten().map_or(set, |object| Set::read(&object));
    }
    let number = set.annotation(REVISION).unwrap_or_default().to_owned();
    let first = deployment.deadline.is_some() && conditions::find(deployment.status(), "Progressing").is_none();
    if first || deployment.value["metadata"]["annotations"][REVISION] != number.as_str() {
        let (now, message) = (world.now(), format!("Found new replica set \"{}\"", set.object.name()));
        deployment.write(world, |deployment| {
            deployment["metadata"]["annotations"][REVISION] = number.into();
            if first {
                condition(
                    &mut deployment["status"],
                    ("Progressing", "True", "FoundNewReplicaSet"),
                    &message,
                    now,
                );
            }
        });
    }
    set
}

/// Makes the new ReplicaSet.
pub(super) fn make(
    world: &mut World,
    events: &mut Recorder,
    deployment: &mut Deployment,
    old: &[Set],
    revision: i64,
) -> Option<Set> {
    let collisions = pod::number(&deployment.status()["collisionCount"], 0);
    let mut template = deployment.object.template();
    let hash = template::hash(&template, collisions);
    let name = format!("{}-{hash}", deployment.name());
    template["metadata"]["labels"][HASH_LABEL] = hash.as_str().into();
    let mut selector = deployment.value["spec"]["selector"].clone();
    selector["matchLabels"][HASH_LABEL] = hash.as_str().into();
    let replicas = super::rollout::size_of_new(deployment, super::wanted(old), 0);
    let mut set = json!({
        "metadata": {"name": name, "labels": template["metadata"]["labels"]},
        "spec": {"replicas": replicas, "selector": selector, "template": template},
    });
    if deployment.min_ready > 0 {
        set["spec"]["minReadySeconds"] = deployment.min_ready.into();
    }
    if let Some(annotations) = annotated(deployment, Map::new(), revision, true) {
        set["metadata"]["annotations"] = annotations.into();
    }
    let now = world.now();
    match own::create(world, REPLICA_SETS, set, &deployment.object) {
        Ok(object) => {
            if replicas > 0 {
                let message = format!("Scaled up replica set {name} from 0 to {replicas}");
                events.record(
                    world,
                    &own::about(&deployment.object),
                    Kind::Normal,
                    "ScalingReplicaSet",
                    &message,
                );
            }
            let (message, watched) = (
                format!("Created new replica set \"{name}\""),
                deployment.deadline.is_some(),
            );
            deployment.write(world, |deployment| {
                deployment["metadata"]["annotations"][REVISION] = revision.to_string().into();
                if watched {
                    condition(
                        &mut deployment["status"],
                        ("Progressing", "True", "NewReplicaSetCreated"),
                        &message,
                        now,
                    );
                }
            });
            Some(Set::read(&object))
        }
        Err(refusal) if refusal.reason == "AlreadyExists" => {
            deployment.write(world, |deployment| {
                deployment["status"]["collisionCount"] = (collisions + 1).into()
            });
            None
        }
        Err(refusal) => {
            let message = format!("Failed to create new replica set \"{name}\": {refusal}");
            if deployment.deadline.is_some() {
                deployment.write(world, |deployment| {
                    condition(
                        &mut deployment["status"],
                        ("Progressing", "False", "ReplicaSetCreateError"),
                        &message,
                        now,
                    );
                });
            }
            let about = own::about(&deployment.object);
            events.record(world, &about, Kind::Warning, "ReplicaSetCreateError", &message);
            None
        }
    }
}

/// Sets a condition of a Deployment: one with the same status and reason stays as it is.
pub(super) fn condition(status: &mut Value, (kind, value, reason): (&str, &str, &str), message: &str, now: Timestamp) {
    if conditions::status(status, kind) == value && conditions::reason(status, kind) == reason {
        return;
    }
    renew(status, (kind, value, reason), message, now);
}

/// Sets a condition of a Deployment, with a new time of update.
pub(super) fn renew(status: &mut Value, (kind, value, reason): (&str, &str, &str), message: &str, now: Timestamp) {
    let condition = Condition {
        kind,
        status: value,
        reason,
        message,
    };
    conditions::set(status, condition, now);
    // What was written last stands last.
    if let Some(conditions) = status["conditions"].as_array_mut()
        && let Some(at) = conditions.iter().position(|condition| condition["type"] == kind)
    {
        let mut condition = conditions.remove(at);
        condition["lastUpdateTime"] = stamp(now).into();
        conditions.push(condition);
    }
}

/// Scales a ReplicaSet and writes down for how many. Returns whether its size differs, and what it is now.
pub(super) fn scale(
    world: &mut World,
    events: &mut Recorder,
    deployment: &Deployment,
    set: &Set,
    (replicas, forced): (i64, bool),
) -> (bool, Set) {
    let (desired, max) = (deployment.replicas, deployment.replicas + deployment.surge);
    let resized = set.replicas != replicas;
    let noted = set.desired() == Some(desired) && set.max() == Some(max);
    if !(resized || forced && !noted) {
        return (false, set.clone());
    }
    let key: &Key = set.object.key();
    let written = world.update(key, MANAGER, |set| {
        set["spec"]["replicas"] = replicas.into();
        set["metadata"]["annotations"][DESIRED] = desired.to_string().into();
        set["metadata"]["annotations"][MAX] = max.to_string().into();
    });
    let Ok(Some(object)) = written else {
        return (false, set.clone());
    };
    if resized {
        let direction = if set.replicas < replicas { "up" } else { "down" };
        let message = format!(
            "Scaled {direction} replica set {} from {} to {replicas}",
            set.object.name(),
            set.replicas
        );
        events.record(
            world,
            &own::about(&deployment.object),
            Kind::Normal,
            "ScalingReplicaSet",
            &message,
        );
    }
    (resized, Set::read(&object))
}
