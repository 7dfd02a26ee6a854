//! What a run does next: a function of its runbook, its journal and the moment, and of nothing else.
//!
//! There is no recovery code: after a crash the engine folds the journal and asks here, as it does after every entry.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{
    journal::Intent,
    reason::Reason,
    run::{Finish, Outcome, Run},
    runbook::{Mode, Runbook},
    state::State,
};

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Find the target, take its uid, and find its root.
    Resolve,
    /// Look again then.
    Wait(Timestamp),
    /// Gather facts for this step, judge, and start its next action.
    Plan {
        /// Index of the step.
        step: usize,
    },
    /// A `started` has no end: send the request (again).
    Act {
        /// The request.
        intent: Intent,
        /// With `dryRun=All`.
        dry_run: bool,
    },
    /// A `started` has no end and the run's time is over: look whether it was carried out, send nothing.
    LookUp {
        /// The request.
        intent: Intent,
    },
    /// All steps are done: watch until then.
    BeginVerify {
        /// The deadline.
        until: Timestamp,
    },
    /// Look whether the cluster is as expected.
    Observe,
    /// End the run.
    Finish(Finish),
    /// It has ended.
    Over,
}

/// Asks what to do now. `settled` is when the crowd around the first alert has arrived.
pub fn next(run: &Run, runbook: &Runbook, state: &State, settled: Timestamp, now: Timestamp) -> Next {
    if state.finished.is_some() {
        return Next::Over;
    }
    let deadline = step_deadline(run, runbook, state);
    if let Some(open) = &state.open {
        let intent = open.intent.clone();
        return if now < deadline {
            Next::Act {
                intent,
                dry_run: open.dry_run,
            }
        } else {
            Next::LookUp { intent }
        };
    }
    if let Some((reason, detail)) = &state.failed {
        return Next::Finish(Finish::new(Outcome::Failed, *reason, detail));
    }
    if state.step >= runbook.steps.len() {
        return verify(run, runbook, state, now);
    }
    if now >= deadline {
        return Next::Finish(give_up(state));
    }
    if let Some(waiting) = state.waiting.as_ref().filter(|waiting| waiting.until > now) {
        return Next::Wait(waiting.until.min(deadline));
    }
    if state.binding.is_none() {
        return Next::Resolve;
    }
    if settled > now && state.step_started.is_none() && state.step == 0 {
        return Next::Wait(settled.min(deadline));
    }
    Next::Plan { step: state.step }
}

/// When waiting for this step ends.
pub fn step_deadline(run: &Run, runbook: &Runbook, state: &State) -> Timestamp {
    let timeout = runbook.steps.get(state.step).and_then(|step| step.timeout);
    match (state.step_started, timeout) {
        (Some(started), Some(timeout)) => run.deadline.min(after(started, timeout)),
        _ => run.deadline,
    }
}

fn verify(run: &Run, runbook: &Runbook, state: &State, now: Timestamp) -> Next {
    if !state.acted {
        let reason = match run.mode {
            Mode::Shadow => Reason::Shadow,
            Mode::DryRun => Reason::DryRun,
            Mode::Enforce => Reason::EvidenceOnly,
        };
        return Next::Finish(Finish::new(Outcome::Suppressed, reason, ""));
    }
    let Some(until) = state.verify_until else {
        return Next::BeginVerify {
            until: after(now, runbook.verify.within),
        };
    };
    if let Some(since) = state.healthy_since
        && now >= after(since, runbook.verify.stable_for)
    {
        return Next::Finish(Finish::new(Outcome::Succeeded, Reason::Healthy, &state.observed_detail));
    }
    // Something that became healthy shortly before the deadline is given the time to prove it, and no more.
    if now >= until && state.healthy_since.is_none_or(|since| since >= until) {
        let (outcome, reason) = match state.observed {
            Some(Some(_)) => (Outcome::Failed, Reason::NotHealthy),
            Some(None) | None => (Outcome::Inconclusive, Reason::NotSeen),
        };
        return Next::Finish(Finish::new(outcome, reason, &state.observed_detail));
    }
    Next::Observe
}

/// The end of a run whose time is over before its steps were done.
fn give_up(state: &State) -> Finish {
    let (reason, detail) = match &state.waiting {
        Some(waiting) => (waiting.reason, waiting.detail.clone()),
        None => (Reason::Deadline, "the run's time is over".to_owned()),
    };
    let outcome = if state.sent {
        Outcome::Failed
    } else {
        Outcome::Suppressed
    };
    Finish::new(outcome, reason, detail)
}

/// A moment so much later.
pub fn after(at: Timestamp, duration: Duration) -> Timestamp {
    SignedDuration::try_from(duration)
        .ok()
        .and_then(|duration| at.checked_add(duration).ok())
        .unwrap_or(Timestamp::MAX)
}
