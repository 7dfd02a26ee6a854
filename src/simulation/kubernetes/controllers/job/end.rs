//! How a Job ends: when it has failed or is done, when the last of its pods has ended, and when it goes itself.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{Jobs, Turn, policy, tracked, untrack};
use crate::kubernetes::{
    controllers::{
        conditions, pod,
        record::{About, Kind},
    },
    world::{DeleteOptions, Object, Propagation, World, stamp},
};

impl Jobs {
    /// Whether it has failed or is done, before all of its pods are.
    pub(super) fn judge(&mut self, world: &mut World, turn: &mut Turn) {
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
        let (lost, done) = (turn.lost.len(), turn.indexes.len());
        let most_lost = turn
            .spec("maxFailedIndexes")
            .and_then(|most| usize::try_from(most).ok())
            .unwrap_or(usize::MAX);
        let all = turn.completions().and_then(|all| usize::try_from(all).ok());
        let failure = if let Some(why) = &turn.fatal {
            Some(("PodFailurePolicy", why.as_str()))
        } else if turn.failed > limit || on_failure && restarts > 0 && restarts >= limit {
            Some(("BackoffLimitExceeded", "Job has reached the specified backoff limit"))
        } else if deadline.is_some_and(|deadline| deadline <= turn.now) {
            Some(("DeadlineExceeded", "Job was active longer than specified deadline"))
        } else if lost > most_lost {
            let message = "Job has exceeded the specified maximal number of failed indexes";
            Some(("MaxFailedIndexesExceeded", message))
        } else if lost > 0 && all.is_some_and(|all| lost + done >= all) {
            Some(("FailedIndexes", "Job has failed indexes"))
        } else {
            None
        };
        if let Some((reason, message)) = failure {
            let message = message.to_owned();
            turn.note(("FailureTarget", "True"), reason, &message);
            return;
        }
        if let Some(deadline) = deadline {
            self.turns.ask_at(world, turn.job.key(), deadline);
        }
        if let Some(message) = policy::of_success(&turn.value, &turn.indexes).filter(|_| turn.indexed) {
            turn.note(("SuccessCriteriaMet", "True"), "SuccessPolicy", &message);
            return;
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

    /// Brings it to its end, if that is what it has come to. Returns whether it has.
    pub(super) fn finish(&mut self, world: &mut World, turn: &mut Turn) -> bool {
        let about = About::object(&turn.job);
        if turn.is("FailureTarget") {
            let pods = std::mem::take(&mut turn.active);
            for pod in &pods {
                self.delete(world, turn, pod);
            }
            // When it has failed, so has every pod that has not ended.
            let held = std::mem::take(&mut turn.last);
            let held: Vec<_> = held.into_values().filter(|(_, counts)| *counts).collect();
            for pod in pods.iter().chain(held.iter().map(|(pod, _)| pod)) {
                turn.failed += i64::from(tracked(pod));
                untrack(world, pod.key());
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
        for pod in std::mem::take(&mut turn.active) {
            self.delete(world, turn, &pod);
        }
        if left(world, turn).is_empty() {
            let met = conditions::find(&turn.status, "SuccessCriteriaMet")
                .cloned()
                .unwrap_or_default();
            let text = |field: &str| met[field].as_str().unwrap_or_default().to_owned();
            turn.note(("Complete", "True"), &text("reason"), &text("message"));
            turn.status["completionTime"] = stamp(turn.now).into();
            self.events
                .record(world, &about, Kind::Normal, "Completed", "Job completed");
        }
        true
    }

    /// A Job that has finished goes after its time to live.
    pub(super) fn expire(&mut self, world: &mut World, turn: &Turn) {
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
