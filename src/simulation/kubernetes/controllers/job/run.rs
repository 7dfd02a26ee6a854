//! The pods of a Job: as many as are wanted, later when others have failed.

use std::{cmp::Reverse, collections::BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    Jobs, TRACKING, Turn,
    indexes::{self, INDEX, index},
    untrack,
};
use crate::kubernetes::{
    controllers::{
        latency, own, pod,
        record::{About, Kind},
    },
    resources::PODS,
    world::{DeleteOptions, Object, World},
};

impl Jobs {
    /// As many pods as are wanted and needed.
    pub(super) fn keep_running(&mut self, world: &mut World, turn: &mut Turn, last_failure: Option<Timestamp>) {
        let active = i64::try_from(turn.active.len()).unwrap_or_default();
        let wanted = match turn.completions() {
            None if turn.succeeded > 0 => active,
            None => turn.parallelism(),
            Some(completions) => {
                let lost = i64::try_from(turn.lost.len()).unwrap_or_default();
                turn.parallelism().min((completions - turn.succeeded - lost).max(0))
            }
        };
        if active > wanted {
            let mut pods = turn.active.clone();
            pods.sort_by_key(|pod| {
                let facts = pod::facts(pod);
                (
                    pod.node().is_some(),
                    facts.phase,
                    facts.ready,
                    Reverse(facts.created),
                    pod.key().clone(),
                )
            });
            for pod in pods.iter().take(usize::try_from(active - wanted).unwrap_or_default()) {
                self.dismiss(world, turn, pod);
                turn.active.retain(|other| other.uid() != pod.uid());
            }
            return;
        }
        if active == wanted {
            return;
        }
        // Pods that fail one after the other come back later each time.
        if let Some(last) = last_failure.filter(|_| turn.failed > 0 && turn.limit.is_none()) {
            let until = last + back_off(turn.failed);
            if until > turn.now {
                self.turns.ask_at(world, turn.job.key(), until);
                return;
            }
        }
        let taken: BTreeSet<i64> = turn.active.iter().filter_map(|pod| index(pod)).collect();
        let mut free = (0..turn.completions().unwrap_or_default())
            .filter(|index| {
                ![&taken, &turn.indexes, &turn.lost]
                    .iter()
                    .any(|set| set.contains(index))
            })
            .filter(|index| {
                let Some((last, _)) = turn.last.get(index) else {
                    return true;
                };
                let since = pod::facts(last).ready_since.unwrap_or(turn.now);
                let until = since + back_off(indexes::failures(&last.bare()) + 1);
                if until > turn.now {
                    self.turns.ask_at(world, turn.job.key(), until);
                }
                until <= turn.now
            })
            .collect::<Vec<_>>()
            .into_iter();
        for _ in active..wanted {
            let number = free.next();
            if turn.indexed && number.is_none() {
                break;
            }
            let pod = new_pod(turn, number.filter(|_| turn.indexed));
            let about = About::object(&turn.job);
            match own::create(world, PODS, pod, &turn.job) {
                Ok(pod) => {
                    let message = format!("Created pod: {}", pod.name());
                    self.events
                        .record(world, &about, Kind::Normal, "SuccessfulCreate", &message);
                    turn.active.push(pod);
                }
                Err(refusal) => {
                    let message = format!("Error creating: {refusal}");
                    self.events
                        .record(world, &about, Kind::Warning, "FailedCreate", &message);
                    self.turns
                        .ask_at(world, turn.job.key(), turn.now + latency::JOB_BACK_OFF.0);
                    return;
                }
            }
        }
    }

    /// Deletes a pod that is not wanted any more: it counts as nothing.
    pub(super) fn dismiss(&mut self, world: &mut World, turn: &Turn, pod: &Object) {
        untrack(world, pod.key());
        self.delete(world, turn, pod);
    }

    pub(super) fn delete(&mut self, world: &mut World, turn: &Turn, pod: &Object) {
        if world.delete(pod.key(), &DeleteOptions::default()).is_ok() {
            let message = format!("Deleted pod: {}", pod.name());
            let about = About::object(&turn.job);
            self.events
                .record(world, &about, Kind::Normal, "SuccessfulDelete", &message);
        }
    }
}

/// How long the next one waits after so many failures.
fn back_off(failures: i64) -> SignedDuration {
    let (first, longest) = latency::JOB_BACK_OFF;
    let doubled = i32::try_from((failures - 1).clamp(0, 10)).unwrap_or_default();
    (first * 2_i32.pow(doubled.unsigned_abs())).min(longest)
}

fn new_pod(turn: &Turn, index: Option<i64>) -> Value {
    let mut pod = own::pod_from(&turn.value["spec"]["template"], &turn.job);
    let (name, uid) = (turn.job.name(), &**turn.job.uid());
    for (label, value) in [
        ("batch.kubernetes.io/controller-uid", uid),
        ("batch.kubernetes.io/job-name", name),
        ("controller-uid", uid),
        ("job-name", name),
    ] {
        pod["metadata"]["labels"][label] = value.into();
    }
    pod["metadata"]["finalizers"] = json!([TRACKING]);
    if let Some(index) = index {
        pod["metadata"]["generateName"] = format!("{name}-{index}-").into();
        pod["metadata"]["labels"][INDEX] = index.to_string().into();
        pod["metadata"]["annotations"][INDEX] = index.to_string().into();
        pod["spec"]["hostname"] = format!("{name}-{index}").into();
        if turn.limit.is_some() {
            let last = turn.last.get(&index).map(|(pod, counts)| (pod.bare(), *counts));
            indexes::note_failures(&mut pod, last.as_ref().map(|(pod, counts)| (pod, *counts)));
        }
    }
    pod
}
