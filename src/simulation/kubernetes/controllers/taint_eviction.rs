//! Pods on nodes with NoExecute taints: gone at once, after as long as they tolerate it, or never.

use std::{collections::HashMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{
    conditions,
    node::{self, Taint, Toleration},
    own::MANAGER,
    pod,
    record::{About, Kind, Recorder},
};
use crate::kubernetes::{
    resources::{NODES, PODS, ResourceId},
    run::Controller,
    world::{Change, DeleteOptions, Due, Key, Object, World},
};

const NAME: &str = "taint-eviction-controller";

/// A pod that is to be deleted.
#[derive(Clone)]
struct Marked {
    uid: Arc<str>,
    since: Timestamp,
    at: Timestamp,
}

/// The taint eviction controller.
#[derive(Clone)]
pub struct TaintEviction {
    marked: HashMap<Key, Marked>,
    events: Recorder,
}

impl Default for TaintEviction {
    fn default() -> Self {
        Self {
            marked: HashMap::new(),
            events: Recorder::core(NAME, MANAGER),
        }
    }
}

impl Controller for TaintEviction {
    fn name(&self) -> &'static str {
        NAME
    }

    fn resources(&self) -> &[ResourceId] {
        &[NODES, PODS]
    }

    fn changed(&mut self, world: &mut World, changes: &[Change]) {
        for change in changes {
            let Some(object) = &change.after else {
                self.marked.remove(&change.key);
                continue;
            };
            if change.key.resource == PODS {
                let bound = object.node().is_some()
                    && change.before.as_ref().is_none_or(|before| {
                        before.node() != object.node() || before.generation() != object.generation()
                    });
                if bound && let Some(node) = object.node().and_then(|node| world.find(NODES, "", node)).cloned() {
                    let taints = executing(&node);
                    if !taints.is_empty() || self.marked.contains_key(object.key()) {
                        self.judge(world, object, &taints);
                    }
                }
                continue;
            }
            let taints = executing(object);
            if change
                .before
                .as_ref()
                .map(|before| executing(before))
                .unwrap_or_default()
                == taints
            {
                continue;
            }
            let pods: Vec<Arc<Object>> = world.pods_on(object.name()).cloned().collect();
            for pod in pods {
                self.judge(world, &pod, &taints);
            }
        }
    }

    fn due(&mut self, world: &mut World, due: &Due) {
        let Some(key) = &due.about else { return };
        let Some(pod) = world.get(key).cloned() else { return };
        let now = world.now();
        if self
            .marked
            .get(key)
            .is_some_and(|marked| marked.uid == *pod.uid() && marked.at <= now)
        {
            self.marked.remove(key);
            self.end(world, &pod);
        }
    }
}

fn executing(node: &Object) -> Vec<Taint> {
    let taints = &node::facts(node).taints;
    taints
        .iter()
        .filter(|taint| taint.effect == "NoExecute")
        .cloned()
        .collect()
}

impl TaintEviction {
    fn judge(&mut self, world: &mut World, pod: &Arc<Object>, taints: &[Taint]) {
        let now = world.now();
        if taints.is_empty() {
            self.cancel(world, pod);
            return;
        }
        if pod.deleting() {
            return;
        }
        let tolerations = node::tolerations(&pod.bare());
        let mut used: Vec<&Toleration> = Vec::new();
        for taint in taints {
            let Some(toleration) = tolerations.iter().find(|toleration| toleration.tolerates(taint)) else {
                self.marked.remove(pod.key());
                self.end(world, pod);
                return;
            };
            used.push(toleration);
        }
        let Some(seconds) = used.iter().filter_map(|toleration| toleration.toleration_seconds).min() else {
            self.cancel(world, pod);
            return;
        };
        if seconds <= 0 {
            self.end(world, pod);
            return;
        }
        // Who is marked already goes no later than it would have.
        let since = self.marked.get(pod.key()).map_or(now, |marked| marked.since);
        let at = since + SignedDuration::from_secs(seconds);
        if self
            .marked
            .get(pod.key())
            .is_some_and(|marked| marked.at <= at && marked.uid == *pod.uid())
        {
            return;
        }
        let marked = Marked {
            uid: Arc::clone(pod.uid()),
            since,
            at,
        };
        self.marked.insert(pod.key().clone(), marked);
        world.schedule(at, Due::about(NAME, "delete", pod.key().clone()));
    }

    fn cancel(&mut self, world: &mut World, pod: &Object) {
        if self.marked.remove(pod.key()).is_some() && !pod.deleting() {
            let message = format!("Cancelling deletion of Pod {}/{}", pod.namespace(), pod.name());
            let about = About::object(pod);
            self.events
                .record(world, &about, Kind::Normal, "TaintManagerEviction", &message);
        }
    }

    fn end(&mut self, world: &mut World, pod: &Object) {
        if pod.deleting() && pod::facts(pod).deleted.is_some() {
            return;
        }
        let message = format!("Marking for deletion Pod {}/{}", pod.namespace(), pod.name());
        let about = About::object(pod);
        self.events
            .record(world, &about, Kind::Normal, "TaintManagerEviction", &message);
        let (now, seen) = (world.now(), pod.generation());
        world
            .update_status(pod.key(), MANAGER, |status| {
                let condition = json!({
                    "type": "DisruptionTarget",
                    "status": "True",
                    "observedGeneration": seen,
                    "reason": "DeletionByTaintManager",
                    "message": "Taint manager: deleting due to NoExecute taint",
                });
                conditions::place(status, condition, now);
            })
            .ok();
        world.delete(pod.key(), &DeleteOptions::default()).ok();
    }
}
