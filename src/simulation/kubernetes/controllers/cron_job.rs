//! CronJobs: Jobs at the times of a [`schedule`].

use std::{cmp::Reverse, sync::Arc};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use super::{
    conditions,
    own::{self, MANAGER},
    pod,
    record::{About, Kind, Recorder},
    turns::Turns,
};
use crate::kubernetes::{
    resources::{CRON_JOBS, JOBS, ResourceId},
    run::Controller,
    world::{Change, DeleteOptions, Due, Object, Propagation, World, stamp},
};

pub mod schedule;
#[cfg(test)]
mod tests;

use schedule::Schedule;

const NAME: &str = "cronjob-controller";
/// What is added to a time, so that it has passed by then.
const SKEW: SignedDuration = SignedDuration::from_millis(100);
/// Times that may have been missed before somebody is told.
const MISSED: usize = 100;

/// The controller of CronJobs.
#[derive(Clone)]
pub struct CronJobs {
    turns: Turns,
    events: Recorder,
}

impl Default for CronJobs {
    fn default() -> Self {
        Self {
            turns: Turns::new(NAME),
            events: Recorder::core(NAME, MANAGER),
        }
    }
}

impl Controller for CronJobs {
    fn name(&self) -> &'static str {
        NAME
    }

    fn resources(&self) -> &[ResourceId] {
        &[CRON_JOBS, JOBS]
    }

    fn changed(&mut self, world: &mut World, changes: &[Change]) {
        for change in changes {
            if change.key.resource == CRON_JOBS {
                self.turns.ask(world, &change.key);
                continue;
            }
            for job in [&change.before, &change.after].into_iter().flatten() {
                if let Some(key) = own::controller_key(world, job, CRON_JOBS) {
                    self.turns.ask(world, &key);
                }
            }
        }
    }

    fn due(&mut self, world: &mut World, due: &Due) {
        if let Some(key) = self.turns.take(due)
            && let Some(cron) = world.get(&key).cloned()
        {
            self.sync(world, &cron);
        }
    }
}

/// How a Job has ended; `None` while it has not.
fn finished(job: &Value) -> Option<&'static str> {
    let is = |kind| conditions::status(&job["status"], kind) == "True";
    ["Complete", "Failed"].into_iter().find(|kind| is(kind))
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

impl CronJobs {
    fn tell(&mut self, world: &mut World, cron: &Object, kind: Kind, reason: &str, message: &str) {
        self.events.record(world, &About::object(cron), kind, reason, message);
    }

    fn sync(&mut self, world: &mut World, cron: &Arc<Object>) {
        let value = cron.bare();
        let mut status = if value["status"].is_object() {
            value["status"].clone()
        } else {
            json!({})
        };
        let mut jobs: Vec<(Arc<Object>, Value)> = world
            .owned_by(cron.uid())
            .filter(|object| object.key().resource == JOBS && object.controller() == Some(cron.uid()))
            .map(|job| (Arc::clone(job), job.bare()))
            .collect();
        jobs.sort_by_key(|(job, value)| (time(&value["metadata"]["creationTimestamp"]), job.name().to_owned()));
        self.tidy(world, cron, &value, &jobs);
        self.count(world, cron, &mut status, &jobs);
        if !cron.deleting() && value["spec"]["suspend"] != true {
            self.start(world, cron, &value, &mut status);
        }
        if status != value["status"] && status.as_object().is_some_and(|fields| !fields.is_empty()) {
            world.write_status(cron.key(), MANAGER, |_| status).ok();
        }
    }

    /// Who runs, who has ended, who went missing.
    fn count(&mut self, world: &mut World, cron: &Object, status: &mut Value, jobs: &[(Arc<Object>, Value)]) {
        let mut active = status["active"].as_array().cloned().unwrap_or_default();
        let before = active.clone();
        for (job, value) in jobs {
            let known = before.iter().any(|one| one["uid"] == **job.uid());
            match finished(value) {
                Some(how) if known => {
                    active.retain(|one| one["uid"] != **job.uid());
                    let message = format!("Saw completed job: {}, condition: {how}", job.name());
                    self.tell(world, cron, Kind::Normal, "SawCompletedJob", &message);
                }
                None if !known => {
                    let message = format!("Saw a job that the controller did not create or forgot: {}", job.name());
                    self.tell(world, cron, Kind::Warning, "UnexpectedJob", &message);
                }
                _ => {}
            }
            if finished(value) == Some("Complete") {
                let (last, ended) = (
                    time(&status["lastSuccessfulTime"]),
                    time(&value["status"]["completionTime"]),
                );
                if ended > last {
                    status["lastSuccessfulTime"] = value["status"]["completionTime"].clone();
                }
            }
        }
        active.retain(|one| {
            let there = jobs.iter().any(|(job, _)| one["uid"] == **job.uid());
            if !there {
                let message = format!("Active job went missing: {}", one["name"].as_str().unwrap_or_default());
                self.events
                    .record(world, &About::object(cron), Kind::Normal, "MissingJob", &message);
            }
            there
        });
        set_active(status, active);
    }

    /// Jobs that have ended go beyond their history.
    fn tidy(&mut self, world: &mut World, cron: &Object, value: &Value, jobs: &[(Arc<Object>, Value)]) {
        for (field, default, how) in [
            ("successfulJobsHistoryLimit", 3, "Complete"),
            ("failedJobsHistoryLimit", 1, "Failed"),
        ] {
            let limit = usize::try_from(pod::number(&value["spec"][field], default)).unwrap_or_default();
            let mut ended: Vec<_> = jobs.iter().filter(|(_, value)| finished(value) == Some(how)).collect();
            ended.sort_by_key(|(job, value)| Reverse((time(&value["status"]["startTime"]), job.name().to_owned())));
            for (job, _) in ended.into_iter().skip(limit) {
                self.delete(world, cron, job);
            }
        }
    }

    fn delete(&mut self, world: &mut World, cron: &Object, job: &Object) {
        let options = DeleteOptions {
            propagation: Some(Propagation::Background),
            ..DeleteOptions::default()
        };
        if !job.deleting() && world.delete(job.key(), &options).is_ok() {
            let message = format!("Deleted job {}", job.name());
            self.tell(world, cron, Kind::Normal, "SuccessfulDelete", &message);
        }
    }

    /// Starts a Job if it is time, and comes back when it is time next.
    fn start(&mut self, world: &mut World, cron: &Arc<Object>, value: &Value, status: &mut Value) {
        let now = world.now();
        let spec = &value["spec"];
        let text = spec["schedule"].as_str().unwrap_or_default();
        let schedule = match Schedule::parse(text) {
            Ok(schedule) => schedule,
            Err(error) => {
                let message = format!("unparseable schedule: \"{text}\" : {error}");
                self.tell(world, cron, Kind::Warning, "UnparseableSchedule", &message);
                return;
            }
        };
        let zone = match spec["timeZone"].as_str() {
            None => TimeZone::UTC,
            Some(name) => match TimeZone::get(name) {
                Ok(zone) => zone,
                Err(error) => {
                    let message = format!("invalid timeZone: \"{name}\": {error}");
                    self.tell(world, cron, Kind::Warning, "UnknownTimeZone", &message);
                    return;
                }
            },
        };
        if let Some(next) = schedule.next(now, &zone) {
            self.turns.ask_at(world, cron.key(), next + SKEW);
        }
        let deadline = spec["startingDeadlineSeconds"].as_i64().map(SignedDuration::from_secs);
        let mut from = time(&status["lastScheduleTime"])
            .or_else(|| time(&value["metadata"]["creationTimestamp"]))
            .unwrap_or(now);
        if let Some(deadline) = deadline {
            from = from.max(now - deadline);
        }
        let (mut missed, mut at) = (0, None);
        while let Some(next) = schedule.next(at.unwrap_or(from), &zone).filter(|next| *next <= now) {
            missed += 1;
            at = Some(next);
        }
        let Some(at) = at else { return };
        if missed > MISSED {
            let message = format!(
                "too many missed start times: {missed}. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
            );
            self.tell(world, cron, Kind::Warning, "TooManyMissedTimes", &message);
        }
        if deadline.is_some_and(|deadline| at + deadline < now) {
            let message = format!(
                "Missed scheduled time to start a job: {}",
                at.strftime("%a, %d %b %Y %H:%M:%S UTC")
            );
            self.tell(world, cron, Kind::Warning, "MissSchedule", &message);
            return;
        }
        let active = status["active"].as_array().cloned().unwrap_or_default();
        let policy = spec["concurrencyPolicy"].as_str().unwrap_or("Allow");
        if policy == "Forbid" && !active.is_empty() {
            let message = "Not starting job because prior execution is running and concurrency policy is Forbid";
            self.tell(world, cron, Kind::Normal, "JobAlreadyActive", message);
            return;
        }
        if policy == "Replace" {
            for one in &active {
                let name = one["name"].as_str().unwrap_or_default();
                if let Some(job) = world.find(JOBS, cron.namespace(), name).cloned() {
                    self.delete(world, cron, &job);
                }
            }
            set_active(status, Vec::new());
        }
        self.make(world, cron, value, status, at);
    }

    fn make(&mut self, world: &mut World, cron: &Arc<Object>, value: &Value, status: &mut Value, at: Timestamp) {
        let template = &value["spec"]["jobTemplate"];
        let mut job = json!({"metadata": {}, "spec": template["spec"]});
        for field in ["labels", "annotations"] {
            if template["metadata"][field].is_object() {
                job["metadata"][field] = template["metadata"][field].clone();
            }
        }
        job["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"] = stamp(at).into();
        job["metadata"]["name"] = format!("{}-{}", cron.name(), at.as_second() / 60).into();
        match own::create(world, JOBS, job, cron) {
            Ok(job) => {
                let message = format!("Created job {}", job.name());
                self.tell(world, cron, Kind::Normal, "SuccessfulCreate", &message);
                let mut active = status["active"].as_array().cloned().unwrap_or_default();
                active.push(json!({
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "name": job.name(),
                    "namespace": job.namespace(),
                    "uid": &**job.uid(),
                    "resourceVersion": job.revision().to_string(),
                }));
                set_active(status, active);
                status["lastScheduleTime"] = stamp(at).into();
            }
            // It was made in an earlier turn.
            Err(refusal) if refusal.reason == "AlreadyExists" => {}
            Err(refusal) => {
                let message = format!("Error creating job: {refusal}");
                self.tell(world, cron, Kind::Warning, "FailedCreate", &message);
            }
        }
    }
}

fn set_active(status: &mut Value, active: Vec<Value>) {
    if active.is_empty() {
        if let Some(fields) = status.as_object_mut() {
            fields.remove("active");
        }
    } else {
        status["active"] = active.into();
    }
}
