//! Jobs: pods that run to their end, as often as it takes.
//!
//! Every pod carries the tracking finalizer until it is counted, as the real ones do. [`policy`] says what a failure is,
//! [`indexes`] tells the pods of an indexed Job apart.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    conditions,
    own::{self, MANAGER},
    pod::{self, Phase},
    record::{About, Kind, Recorder},
    turns::Turns,
};
use crate::kubernetes::{
    resources::{JOBS, PODS, ResourceId},
    run::Controller,
    world::{Change, Due, Key, Object, World, stamp},
};

mod end;
mod indexes;
mod policy;
mod run;
#[cfg(test)]
mod tests;

use indexes::{index, ranges, unranged};
use policy::Verdict;

const NAME: &str = "job-controller";
const TRACKING: &str = "batch.kubernetes.io/job-tracking";

/// The controller of Jobs.
#[derive(Clone)]
pub struct Jobs {
    turns: Turns,
    events: Recorder,
}

impl Default for Jobs {
    fn default() -> Self {
        Self {
            turns: Turns::new(NAME),
            events: Recorder::core(NAME, MANAGER),
        }
    }
}

impl Controller for Jobs {
    fn name(&self) -> &'static str {
        NAME
    }

    fn resources(&self) -> &[ResourceId] {
        &[JOBS, PODS]
    }

    fn changed(&mut self, world: &mut World, changes: &[Change]) {
        for change in changes {
            if change.key.resource == JOBS {
                self.turns.ask(world, &change.key);
                continue;
            }
            let mut owned = false;
            for pod in [&change.before, &change.after].into_iter().flatten() {
                if let Some(key) = own::controller_key(world, pod, JOBS) {
                    owned = true;
                    self.turns.ask(world, &key);
                }
            }
            // The Job is gone: nobody will count its pods any more.
            if let Some(pod) = change.after.as_ref().filter(|pod| !owned && !pod.finalized()) {
                untrack(world, pod.key());
            }
        }
    }

    fn due(&mut self, world: &mut World, due: &Due) {
        if let Some(key) = self.turns.take(due)
            && let Some(job) = world.get(&key).cloned()
        {
            self.sync(world, &job);
        }
    }
}

/// Takes the tracking finalizer away.
fn untrack(world: &mut World, key: &Key) {
    if world.get(key).is_some_and(|pod| tracked(pod)) {
        world
            .update(key, MANAGER, |pod| {
                let metadata = &mut pod["metadata"];
                if let Some(finalizers) = metadata.get_mut("finalizers").and_then(Value::as_array_mut) {
                    finalizers.retain(|finalizer| finalizer != TRACKING);
                    if finalizers.is_empty()
                        && let Some(fields) = metadata.as_object_mut()
                    {
                        fields.remove("finalizers");
                    }
                }
            })
            .ok();
    }
}

fn tracked(pod: &Object) -> bool {
    !pod.finalized() && pod.metadata()["finalizers"].to_string().contains(TRACKING)
}

/// A Job's turn.
struct Turn {
    job: Arc<Object>,
    value: Value,
    status: Value,
    active: Vec<Arc<Object>>,
    succeeded: i64,
    failed: i64,
    indexes: BTreeSet<i64>,
    indexed: bool,
    /// How often an index may fail, where that is limited.
    limit: Option<i64>,
    /// Indices that have failed for good.
    lost: BTreeSet<i64>,
    /// The pod of an index that failed and is to be replaced, and whether that counts.
    last: BTreeMap<i64, (Arc<Object>, bool)>,
    /// A failure that is the end of it.
    fatal: Option<String>,
    now: Timestamp,
}

impl Turn {
    fn spec(&self, field: &str) -> Option<i64> {
        self.value["spec"][field].as_i64()
    }

    fn parallelism(&self) -> i64 {
        self.spec("parallelism").unwrap_or(1)
    }

    /// Absent: one success ends it.
    fn completions(&self) -> Option<i64> {
        let neither = self.value["spec"]["completions"].is_null() && self.value["spec"]["parallelism"].is_null();
        self.spec("completions").or(neither.then_some(1))
    }

    /// Whether a pod that is going counts as failed at once.
    fn gone_is_failed(&self) -> bool {
        let policy = &self.value["spec"]["podReplacementPolicy"];
        *policy != "Failed" && self.value["spec"]["podFailurePolicy"].is_null()
    }

    fn suspended(&self) -> bool {
        self.value["spec"]["suspend"] == true
    }

    fn is(&self, kind: &str) -> bool {
        conditions::status(&self.status, kind) == "True"
    }

    fn note(&mut self, (kind, status): (&str, &str), reason: &str, message: &str) {
        let condition = json!({
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastProbeTime": stamp(self.now),
        });
        conditions::place(&mut self.status, condition, self.now);
    }

    fn started(&self) -> Option<Timestamp> {
        self.status["startTime"].as_str()?.parse().ok()
    }
}

impl Jobs {
    fn sync(&mut self, world: &mut World, job: &Arc<Object>) {
        let value = job.bare();
        let status = if value["status"].is_object() {
            value["status"].clone()
        } else {
            json!({})
        };
        let now = world.now();
        let mut turn = Turn {
            job: Arc::clone(job),
            succeeded: pod::number(&status["succeeded"], 0),
            failed: pod::number(&status["failed"], 0),
            indexes: unranged(status["completedIndexes"].as_str().unwrap_or_default()),
            indexed: value["spec"]["completionMode"] == "Indexed",
            limit: value["spec"]["backoffLimitPerIndex"].as_i64(),
            lost: unranged(status["failedIndexes"].as_str().unwrap_or_default()),
            last: BTreeMap::new(),
            fatal: None,
            active: Vec::new(),
            value,
            status,
            now,
        };
        if turn.is("Complete") || turn.is("Failed") {
            for pod in pod::owned(world, job.uid()) {
                untrack(world, pod.key());
            }
            self.expire(world, &turn);
            return;
        }
        if turn.status["startTime"].is_null() && !turn.suspended() {
            turn.status["startTime"] = stamp(now).into();
        }
        let last_failure = self.count(world, &mut turn);
        if job.deleting() {
            return;
        }
        self.judge(world, &mut turn);
        if !self.finish(world, &mut turn) {
            if turn.suspended() {
                self.suspend(world, &mut turn);
            } else {
                self.keep_running(world, &mut turn, last_failure);
                self.resume(world, &mut turn);
            }
        }
        self.report(world, turn);
    }

    /// Counts the pods that have ended. Returns when the last one failed.
    fn count(&mut self, world: &mut World, turn: &mut Turn) -> Option<Timestamp> {
        let mut last_failure = None;
        let mut failed = Vec::new();
        for pod in pod::owned(world, turn.job.uid()) {
            let facts = pod::facts(&pod);
            match facts.phase {
                Phase::Succeeded => {
                    if !tracked(&pod) {
                        continue;
                    }
                    if turn.indexed {
                        turn.indexes.extend(index(&pod));
                        turn.succeeded = i64::try_from(turn.indexes.len()).unwrap_or_default();
                    } else {
                        turn.succeeded += 1;
                    }
                    untrack(world, pod.key());
                }
                Phase::Failed => failed.push(pod),
                _ if pod.deleting() => {
                    // Nobody ends one that is on no node.
                    if turn.gone_is_failed() || pod.node().is_none() {
                        failed.push(pod);
                    }
                }
                _ => turn.active.push(pod),
            }
        }
        let active: BTreeSet<i64> = turn.active.iter().filter_map(|pod| index(pod)).collect();
        for pod in failed {
            let facts = pod::facts(&pod);
            let ended = facts.ready_since.filter(|_| facts.phase == Phase::Failed);
            last_failure = last_failure.max(Some(ended.unwrap_or(turn.now)));
            if tracked(&pod) {
                self.count_failure(world, turn, &pod, &active);
            }
        }
        last_failure
    }

    fn count_failure(&mut self, world: &mut World, turn: &mut Turn, pod: &Arc<Object>, active: &BTreeSet<i64>) {
        let value = pod.bare();
        let verdict = policy::of_failure(&turn.value, &value);
        let counts = verdict != Verdict::Ignored;
        if let (Some(limit), Some(index)) = (turn.limit, index(pod)) {
            if verdict == Verdict::FailsIndex || counts && indexes::failures(&value) >= limit {
                turn.lost.insert(index);
            }
            // It is counted when there is another one, which says how often the index has failed.
            if !turn.lost.contains(&index) && !turn.indexes.contains(&index) && !active.contains(&index) {
                turn.last.insert(index, (Arc::clone(pod), counts));
                return;
            }
        }
        if let Verdict::FailsJob(why) = verdict {
            turn.fatal.get_or_insert(why);
        }
        turn.failed += i64::from(counts);
        untrack(world, pod.key());
    }

    fn suspend(&mut self, world: &mut World, turn: &mut Turn) {
        let pods = std::mem::take(&mut turn.active);
        for pod in &pods {
            self.dismiss(world, turn, pod);
        }
        if !turn.is("Suspended") {
            turn.note(("Suspended", "True"), "JobSuspended", "Job suspended");
            if let Some(fields) = turn.status.as_object_mut() {
                fields.remove("startTime");
            }
            let about = About::object(&turn.job);
            self.events
                .record(world, &about, Kind::Normal, "Suspended", "Job suspended");
        }
    }

    fn resume(&mut self, world: &mut World, turn: &mut Turn) {
        if turn.is("Suspended") {
            turn.note(("Suspended", "False"), "JobResumed", "Job resumed");
            turn.status["startTime"] = stamp(turn.now).into();
            let about = About::object(&turn.job);
            self.events
                .record(world, &about, Kind::Normal, "Resumed", "Job resumed");
        }
    }

    fn report(&mut self, world: &mut World, turn: Turn) {
        let going = pod::owned(world, turn.job.uid())
            .iter()
            .filter(|pod| pod.deleting() && pod::facts(pod).running_or_coming())
            .count();
        let ready = turn.active.iter().filter(|pod| pod::facts(pod).ready).count();
        let mut status = turn.status;
        let mut set = |field: &str, count: i64, always: bool| {
            if count > 0 || always {
                status[field] = count.into();
            } else if let Some(fields) = status.as_object_mut() {
                fields.remove(field);
            }
        };
        set("active", i64::try_from(turn.active.len()).unwrap_or_default(), false);
        set("succeeded", turn.succeeded, false);
        set("failed", turn.failed, false);
        set("ready", i64::try_from(ready).unwrap_or_default(), true);
        set("terminating", i64::try_from(going).unwrap_or_default(), true);
        status["uncountedTerminatedPods"] = json!({});
        if turn.indexed && !turn.indexes.is_empty() {
            status["completedIndexes"] = ranges(&turn.indexes).into();
        }
        if turn.limit.is_some() {
            status["failedIndexes"] = ranges(&turn.lost).into();
        }
        if status != turn.value["status"] {
            world.write_status(turn.job.key(), MANAGER, |_| status).ok();
        }
    }
}
