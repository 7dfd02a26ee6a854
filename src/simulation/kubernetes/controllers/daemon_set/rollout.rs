//! How the pods of a DaemonSet are replaced, node by node.
//!
//! Without a surge just so many old pods are deleted that no more than `maxUnavailable` are missing, and new ones come where
//! they were. With a surge a new one comes beside an old one on `maxSurge` nodes, and the old one goes when it is available.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use serde_json::Value;

use crate::kubernetes::{
    controllers::{
        pod,
        revisions::Revision,
        template::{self, REVISION_LABEL},
    },
    world::{Object, World},
};

/// What may be missing and what may be too much in a turn.
pub(super) struct Rollout {
    now: Timestamp,
    hash: String,
    min_ready: i64,
    unavailable: usize,
    surge: usize,
    /// Where a pod is to be.
    wanted: BTreeSet<String>,
}

/// A new pod and an old one.
type Pair = (Option<Arc<Object>>, Option<Arc<Object>>);

impl Rollout {
    pub(super) fn read(world: &World, value: &Value, update: &Revision, wanted: BTreeSet<String>) -> Self {
        let total = i64::try_from(wanted.len()).unwrap_or_default();
        let rolling = &value["spec"]["updateStrategy"]["rollingUpdate"];
        let share = |field: &str, default: i64| {
            let share = match &rolling[field] {
                Value::Null => default,
                share => template::share(share, total, true).unwrap_or(default),
            };
            usize::try_from(share.max(0)).unwrap_or_default()
        };
        let (mut unavailable, surge) = (share("maxUnavailable", 1), share("maxSurge", 0));
        if unavailable == 0 && surge == 0 {
            unavailable = 1;
        }
        Self {
            now: world.now(),
            hash: update.hash.clone(),
            min_ready: pod::number(&value["spec"]["minReadySeconds"], 0),
            unavailable,
            surge,
            wanted,
        }
    }

    fn is_new(&self, pod: &Object) -> bool {
        pod.label(REVISION_LABEL) == Some(self.hash.as_str())
    }

    fn available(&self, pod: &Object) -> bool {
        pod::facts(pod).available(self.min_ready, self.now)
    }

    /// The new and the old pod of a node; `None` where there are more of them.
    fn pair(&self, here: &[Arc<Object>]) -> Option<Pair> {
        let (new, old): (Vec<_>, Vec<_>) = here
            .iter()
            .filter(|pod| !pod.deleting())
            .cloned()
            .partition(|pod| self.is_new(pod));
        (new.len() <= 1 && old.len() <= 1).then(|| (new.into_iter().next(), old.into_iter().next()))
    }

    /// Which of the pods that run on a node, oldest first, are too many.
    pub(super) fn too_many(&self, running: Vec<Arc<Object>>) -> Vec<Arc<Object>> {
        if self.surge == 0 || running.len() <= 1 {
            return running.into_iter().skip(1).collect();
        }
        let (mut new, mut old): (Vec<_>, Vec<_>) = running.into_iter().partition(|pod| self.is_new(pod));
        let mut spare: Vec<_> = new.drain(new.len().min(1)..).collect();
        spare.extend(old.drain(old.len().min(1)..));
        if let (Some(new), Some(old)) = (new.pop(), old.pop())
            && (!pod::facts(&old).ready || self.available(&new))
        {
            spare.push(old);
        }
        spare
    }

    /// The pods to delete now, and the nodes on which to make one.
    pub(super) fn step(&self, by_node: &BTreeMap<String, Vec<Arc<Object>>>) -> (Vec<Arc<Object>>, Vec<String>) {
        let mut here: BTreeMap<&str, Vec<Arc<Object>>> =
            self.wanted.iter().map(|node| (node.as_str(), Vec::new())).collect();
        for (node, pods) in by_node {
            let there = pods
                .iter()
                .filter(|pod| !pod.deleting() || pod::facts(pod).running_or_coming());
            here.insert(node, there.cloned().collect());
        }
        if self.surge == 0 {
            (self.thin_out(&here), Vec::new())
        } else {
            self.double(&here)
        }
    }

    fn thin_out(&self, here: &BTreeMap<&str, Vec<Arc<Object>>>) -> Vec<Arc<Object>> {
        let (mut missing, mut sick, mut well) = (0, Vec::new(), Vec::new());
        for pods in here.values() {
            match self.pair(pods) {
                Some((Some(new), None)) => missing += usize::from(!self.available(&new)),
                Some((None, Some(old))) if self.available(&old) => well.push(old),
                Some((None, Some(old))) => {
                    missing += 1;
                    sick.push(old);
                }
                _ => missing += 1,
            }
        }
        let more = self.unavailable.saturating_sub(missing);
        sick.into_iter().chain(well.into_iter().take(more)).collect()
    }

    fn double(&self, here: &BTreeMap<&str, Vec<Arc<Object>>>) -> (Vec<Arc<Object>>, Vec<String>) {
        let (mut surged, mut delete) = (0, Vec::new());
        let (mut at_once, mut others) = (Vec::new(), Vec::new());
        for (node, pods) in here {
            match self.pair(pods) {
                None => surged += 1,
                Some((Some(new), Some(old))) => {
                    if self.available(&new) {
                        delete.push(old);
                    } else {
                        surged += 1;
                    }
                }
                Some((None, Some(old))) => {
                    if !self.wanted.contains(*node) {
                        delete.push(old);
                    } else if self.available(&old) {
                        others.push((*node).to_owned());
                    } else {
                        at_once.push((*node).to_owned());
                    }
                }
                Some((_, None)) => {}
            }
        }
        let more = self.surge.saturating_sub(surged);
        at_once.extend(others.into_iter().take(more));
        (delete, at_once)
    }
}
