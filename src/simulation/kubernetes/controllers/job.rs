//! Jobs: pods that run to their end, as often as it takes.
//!
//! Every pod carries the tracking finalizer until it is counted, as the real ones do. Pod failure policies, success
//! policies and limits per index are left out.

use std::{cmp::Reverse, collections::BTreeSet, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    conditions, latency,
    own::{self, MANAGER},
    pod::{self, Phase},
    record::{About, Kind, Recorder},
    turns::Turns,
};
use crate::simulation::kubernetes::{
    resources::{JOBS, PODS, ResourceId},
    run::Controller,
    world::{Change, DeleteOptions, Due, Key, Object, Propagation, World, stamp},
};

#[cfg(test)]
mod tests;

const NAME: &str = "job-controller";
const TRACKING: &str = "batch.kubernetes.io/job-tracking";
const INDEX: &str = "batch.kubernetes.io/job-completion-index";

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
    let tracked = world
        .get(key)
        .is_some_and(|pod| !pod.finalized() && pod.bare()["metadata"]["finalizers"].to_string().contains(TRACKING));
    if tracked {
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
    !pod.finalized() && pod.bare()["metadata"]["finalizers"].to_string().contains(TRACKING)
}

/// Numbers as a list of ranges: `0-2,5`.
fn ranges(numbers: &BTreeSet<i64>) -> String {
    let mut parts: Vec<(i64, i64)> = Vec::new();
    for number in numbers {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => parts.push((*number, *number)),
        }
    }
    let words: Vec<String> = parts
        .iter()
        .map(|(first, last)| match last - first {
            0 => first.to_string(),
            1 => format!("{first},{last}"),
            _ => format!("{first}-{last}"),
        })
        .collect();
    words.join(",")
}

fn unranged(text: &str) -> BTreeSet<i64> {
    let mut numbers = BTreeSet::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<i64>(), last.parse::<i64>()) {
            numbers.extend(first..=last);
        }
    }
    numbers
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
                self.resume(world, &mut turn);
                self.keep_running(world, &mut turn, last_failure);
            }
        }
        self.report(world, turn);
    }

    /// Counts the pods that have ended. Returns when the last one failed.
    fn count(&mut self, world: &mut World, turn: &mut Turn) -> Option<Timestamp> {
        let mut last_failure = None;
        for pod in pod::owned(world, turn.job.uid()) {
            let facts = pod::facts(&pod);
            match facts.phase {
                Phase::Succeeded | Phase::Failed => {
                    let ended = facts.ready_since.unwrap_or(turn.now);
                    if facts.phase == Phase::Failed {
                        last_failure = last_failure.max(Some(ended));
                    }
                    if !tracked(&pod) {
                        continue;
                    }
                    if facts.phase == Phase::Failed {
                        turn.failed += 1;
                    } else if turn.indexed {
                        turn.indexes.extend(index(&pod));
                        turn.succeeded = i64::try_from(turn.indexes.len()).unwrap_or_default();
                    } else {
                        turn.succeeded += 1;
                    }
                    untrack(world, pod.key());
                }
                // One that goes before it has ended counts as failed; it is counted when it is through.
                _ if pod.deleting() => {
                    if tracked(&pod) && pod.node().is_none() {
                        turn.failed += 1;
                        untrack(world, pod.key());
                    }
                }
                _ => turn.active.push(pod),
            }
        }
        last_failure
    }

    /// Whether it has failed or is done, before all of its pods are.
    fn judge(&mut self, world: &mut World, turn: &mut Turn) {
        if turn.is("FailureTarget") || turn.is("SuccessCriteriaMet") {
            return;
        }
        let limit = turn.spec("backoffLimit").unwrap_or(6);
        let restarts: i64 = turn.active.iter().map(|pod| pod::facts(pod).restarts).sum();
        let on_failure = turn.value["spec"]["template"]["spec"]["restartPolicy"] == "OnFailure";
        let deadline = turn
            .spec("activeDeadlineSeconds")
            .filter(|_| !turn.suspended())
            .and_then(|seconds| Some(turn.started()? + SignedDuration::from_secs(seconds)));
        if turn.failed > limit || on_failure && restarts > 0 && restarts >= limit {
            let message = "Job has reached the specified backoff limit";
            turn.note(("FailureTarget", "True"), "BackoffLimitExceeded", message);
        } else if deadline.is_some_and(|deadline| deadline <= turn.now) {
            let message = "Job was active longer than specified deadline";
            turn.note(("FailureTarget", "True"), "DeadlineExceeded", message);
        } else {
            if let Some(deadline) = deadline {
                self.turns.ask_at(world, turn.job.key(), deadline);
            }
            let complete = match turn.completions() {
                Some(completions) => turn.succeeded >= completions && turn.active.is_empty(),
                None => turn.succeeded > 0 && turn.active.is_empty(),
            };
            if complete {
                let message = "Reached expected number of succeeded pods";
                turn.note(("SuccessCriteriaMet", "True"), "CompletionsReached", message);
            }
        }
    }

    /// Brings it to its end, if that is what it has come to. Returns whether it has.
    fn finish(&mut self, world: &mut World, turn: &mut Turn) -> bool {
        let about = About::object(&turn.job);
        if turn.is("FailureTarget") {
            let pods = std::mem::take(&mut turn.active);
            for pod in &pods {
                self.delete(world, turn, pod);
            }
            // It has failed only when the last of its pods has ended.
            if !left(world, turn).is_empty() {
                return true;
            }
            let target = conditions::find(&turn.status, "FailureTarget")
                .cloned()
                .unwrap_or_default();
            let text = |field: &str| target[field].as_str().unwrap_or_default().to_owned();
            let (reason, message) = (text("reason"), text("message"));
            turn.note(("Failed", "True"), &reason, &message);
            self.events.record(world, &about, Kind::Warning, &reason, &message);
            return true;
        }
        if !turn.is("SuccessCriteriaMet") {
            return false;
        }
        if left(world, turn).is_empty() {
            turn.note(
                ("Complete", "True"),
                "CompletionsReached",
                "Reached expected number of succeeded pods",
            );
            turn.status["completionTime"] = stamp(turn.now).into();
            self.events
                .record(world, &about, Kind::Normal, "Completed", "Job completed");
        }
        true
    }

    fn suspend(&mut self, world: &mut World, turn: &mut Turn) {
        let pods = std::mem::take(&mut turn.active);
        for pod in &pods {
            self.delete(world, turn, pod);
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

    /// As many pods as are wanted and needed.
    fn keep_running(&mut self, world: &mut World, turn: &mut Turn, last_failure: Option<Timestamp>) {
        let active = i64::try_from(turn.active.len()).unwrap_or_default();
        let wanted = match turn.completions() {
            None if turn.succeeded > 0 => active,
            None => turn.parallelism(),
            Some(completions) => turn.parallelism().min((completions - turn.succeeded).max(0)),
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
                self.delete(world, turn, pod);
                turn.active.retain(|other| other.uid() != pod.uid());
            }
            return;
        }
        if active == wanted {
            return;
        }
        // Pods that fail one after the other come back later each time.
        if let Some(last) = last_failure.filter(|_| turn.failed > 0) {
            let (first, longest) = latency::JOB_BACK_OFF;
            let doubled = i32::try_from((turn.failed - 1).min(10)).unwrap_or_default();
            let until = last + (first * 2_i32.pow(doubled.unsigned_abs())).min(longest);
            if until > turn.now {
                self.turns.ask_at(world, turn.job.key(), until);
                return;
            }
        }
        let taken: BTreeSet<i64> = turn.active.iter().filter_map(|pod| index(pod)).collect();
        let mut free = (0..turn.completions().unwrap_or_default())
            .filter(|index| !taken.contains(index) && !turn.indexes.contains(index))
            .collect::<Vec<_>>()
            .into_iter();
        for _ in active..wanted {
            let number = free.next();
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

    fn delete(&mut self, world: &mut World, turn: &Turn, pod: &Object) {
        if world.delete(pod.key(), &DeleteOptions::default()).is_ok() {
            let message = format!("Deleted pod: {}", pod.name());
            let about = About::object(&turn.job);
            self.events
                .record(world, &about, Kind::Normal, "SuccessfulDelete", &message);
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
        if status != turn.value["status"] {
            world.update_status(turn.job.key(), MANAGER, |old| *old = status).ok();
        }
    }

    /// A Job that has finished goes after its time to live.
    fn expire(&mut self, world: &mut World, turn: &Turn) {
        let Some(seconds) = turn.spec("ttlSecondsAfterFinished") else {
            return;
        };
        let finished = ["Complete", "Failed"].into_iter().find_map(|kind| {
            let condition = conditions::find(&turn.status, kind)?;
            condition["lastTransitionTime"].as_str()?.parse::<Timestamp>().ok()
        });
        let Some(finished) = finished.filter(|_| !turn.job.deleting()) else {
            return;
        };
        let end = finished + SignedDuration::from_secs(seconds);
        if end > turn.now {
            self.turns.ask_at(world, turn.job.key(), end);
            return;
        }
        let options = DeleteOptions {
            propagation: Some(Propagation::Foreground),
            uid: Some(turn.job.uid().to_string()),
            ..DeleteOptions::default()
        };
        world.delete(turn.job.key(), &options).ok();
    }
}

/// Its pods that have not ended yet.
fn left(world: &World, turn: &Turn) -> Vec<Arc<Object>> {
    let mut pods = pod::owned(world, turn.job.uid());
    pods.retain(|pod| pod::facts(pod).running_or_coming());
    pods
}

fn index(pod: &Object) -> Option<i64> {
    pod.label(INDEX)?.parse().ok()
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
    }
    pod
}
