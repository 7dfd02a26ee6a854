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
        return Next::Finish(Finish::new(Outcome::Suppressed, reason, &state.step_detail));
    }
    let Some(until) = state.verify_until else {
        return Next::BeginVerify {
            until: after(now, runbook.verify.within),
        };
    };
    let looked = state.observed_at.unwrap_or(Timestamp::MIN);
    match (state.observed, state.healthy_since) {
        // Only a look can tell: time that passed since the last healthy one proves nothing.
        (Some(Some(true)), Some(since)) if looked >= after(since, runbook.verify.stable_for) => {
            Next::Finish(Finish::new(Outcome::Succeeded, Reason::Healthy, &state.observed_detail))
        }
        // What is healthy at the deadline is given the time to prove it, and no more.
        (Some(Some(false)), _) if looked >= until => {
            Next::Finish(Finish::new(Outcome::Failed, Reason::NotHealthy, &state.observed_detail))
        }
        (Some(None), _) if looked >= until => Next::Finish(Finish::new(
            Outcome::Inconclusive,
            Reason::NotSeen,
            &state.observed_detail,
        )),
        _ => Next::Observe,
    }
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

/// The moment so long before.
pub fn before(at: Timestamp, duration: Duration) -> Timestamp {
    SignedDuration::try_from(duration)
        .ok()
        .and_then(|duration| at.checked_sub(duration).ok())
        .unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::{
        journal::{Entry, Recorded},
        notify::Notify,
        run::{Binding, BoundAlert, EpisodeId, RunId},
        runbook::{Guards, TargetTemplate, Text, Verify},
        step::{Evict, Step, StepAction},
        target::{ObjectRef, Root, Target},
    };

    const DEADLINE: i64 = 1800;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).expect("a valid second")
    }

    fn runbook(timeout: Option<u64>) -> Runbook {
        let text = Text {
            source: "x".to_owned(),
            line: 1,
            column: 1,
        };
        Runbook {
            name: "r".to_owned(),
            description: None,
            priority: 0,
            matchers: Vec::new(),
            continue_matching: false,
            target: TargetTemplate {
                api_version: "v1".to_owned(),
                kind: "Pod".to_owned(),
                namespace: None,
                name: text,
            },
            conditions: Vec::new(),
            mode: Mode::Enforce,
            guards: Guards::default(),
            steps: vec![Step {
                action: StepAction::Evict(Evict { limit: 1 }),
                timeout: timeout.map(Duration::from_secs),
            }],
            verify: Verify {
                within: Duration::from_secs(300),
                stable_for: Duration::from_secs(30),
                expect: Vec::new(),
            },
            deadline: Duration::from_secs(DEADLINE as u64),
            notify: Notify::default(),
        }
    }

    fn run(mode: Mode) -> Run {
        Run {
            id: RunId(Uuid::from_u128(1)),
            runbook: "r".to_owned(),
            version: "v".to_owned(),
            mode,
            object: None,
            opened_at: at(0),
            deadline: at(DEADLINE),
            attempt: 1,
        }
    }

    fn target() -> Target {
        let object = ObjectRef {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            namespace: Some("shop".to_owned()),
            name: "cart".to_owned(),
        };
        Target {
            object,
            uid: "u".to_owned(),
        }
    }

    fn bound() -> Entry {
        Entry::Bound(Binding {
            alerts: vec![BoundAlert {
                episode: EpisodeId(Uuid::from_u128(2)),
                target: target(),
            }],
            root: Root(target().object),
            workload: None,
        })
    }

    fn intent() -> Intent {
        Intent::Evict { target: target() }
    }

    fn started() -> Entry {
        Entry::Started {
            step: 0,
            intent: intent(),
            dry_run: false,
            ready_after: None,
        }
    }

    fn done() -> Entry {
        Entry::Done {
            step: 0,
            result: serde_json::Value::Null,
        }
    }

    fn step_done() -> Entry {
        Entry::StepDone {
            step: 0,
            detail: String::new(),
        }
    }

    fn refused(until: i64) -> Entry {
        Entry::Refused {
            step: 0,
            reason: Reason::DisruptionBudget,
            detail: "b".to_owned(),
            until: at(until),
        }
    }

    fn deferred(until: i64) -> Entry {
        Entry::Deferred {
            reason: Reason::Paused,
            detail: "p".to_owned(),
            until: at(until),
        }
    }

    fn observed(healthy: Option<bool>) -> Entry {
        Entry::Observed {
            healthy,
            detail: "seen".to_owned(),
        }
    }

    /// What comes next after these entries, each with the second of its recording.
    fn after_entries(mode: Mode, timeout: Option<u64>, entries: &[(i64, Entry)], now: i64) -> Next {
        let journal: Vec<_> = entries
            .iter()
            .map(|(second, entry)| Recorded {
                at: at(*second),
                entry: entry.clone(),
            })
            .collect();
        next(&run(mode), &runbook(timeout), &State::fold(&journal), at(10), at(now))
    }

    fn ends(next: Next) -> String {
        match next {
            Next::Finish(finish) => format!("{} {}", finish.outcome.as_str(), finish.reason),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_run_looks_first_then_lets_the_crowd_arrive_then_plans() {
        let enforce = |entries: &[(i64, Entry)], now| after_entries(Mode::Enforce, None, entries, now);
        assert_eq!(enforce(&[], 0), Next::Resolve);
        assert_eq!(enforce(&[(0, bound())], 1), Next::Wait(at(10)));
        assert_eq!(enforce(&[(0, bound())], 10), Next::Plan { step: 0 });
        assert_eq!(enforce(&[(0, bound()), (10, deferred(20))], 15), Next::Wait(at(20)));
        assert_eq!(enforce(&[(0, bound()), (10, deferred(20))], 20), Next::Plan { step: 0 });
    }

    #[test]
    fn an_open_request_is_sent_again_and_after_the_deadline_only_looked_up() {
        let entries = [(0, bound()), (10, started())];
        let act = Next::Act {
            intent: intent(),
            dry_run: false,
        };
        assert_eq!(after_entries(Mode::Enforce, None, &entries, 11), act);
        let unanswered = Entry::Unanswered {
            step: 0,
            detail: String::new(),
        };
        let entries = [(0, bound()), (10, started()), (12, unanswered)];
        assert_eq!(after_entries(Mode::Enforce, None, &entries, 20), act);
        assert_eq!(
            after_entries(Mode::Enforce, None, &entries, DEADLINE),
            Next::LookUp { intent: intent() }
        );
        assert_eq!(
            after_entries(Mode::Enforce, Some(60), &entries, 70),
            Next::LookUp { intent: intent() }
        );
    }

    #[test]
    fn a_refused_request_is_judged_anew_until_the_steps_time_is_over() {
        let entries = [(0, bound()), (10, started()), (11, refused(16))];
        let after = |timeout, now| after_entries(Mode::Enforce, timeout, &entries, now);
        assert_eq!(after(None, 12), Next::Wait(at(16)));
        assert_eq!(after(None, 16), Next::Plan { step: 0 });
        assert_eq!(ends(after(None, DEADLINE)), "failed disruption_budget");
        assert_eq!(after(Some(60), 69), Next::Plan { step: 0 });
        assert_eq!(ends(after(Some(60), 70)), "failed disruption_budget");
    }

    #[test]
    fn whoever_is_refused_again_and_again_waits_longer() {
        let mut state = State::default();
        let second = Duration::from_secs;
        let mut waits = Vec::new();
        for _ in 0..5 {
            waits.push(state.wait_after_refusal(second(5)).as_secs());
            state.apply(at(10), &started());
            state.apply(at(11), &refused(16));
        }
        assert_eq!(waits, [5, 10, 20, 30, 30]);
        assert_eq!(
            state.wait_after_refusal(second(120)),
            second(120),
            "as the API server asks"
        );
        state.apply(at(20), &started());
        state.apply(at(21), &done());
        assert_eq!(state.wait_after_refusal(second(5)), second(5), "for the next pod");
    }

    #[test]
    fn a_run_that_only_waited_is_suppressed_with_what_it_waited_for() {
        let entries = [(0, bound()), (10, deferred(20))];
        assert_eq!(
            ends(after_entries(Mode::Enforce, None, &entries, DEADLINE)),
            "suppressed paused"
        );
        assert_eq!(
            ends(after_entries(Mode::Enforce, None, &[], DEADLINE)),
            "suppressed deadline"
        );
    }

    #[test]
    fn what_only_looked_ends_without_verification() {
        let would = Entry::WouldStart {
            step: 0,
            intent: intent(),
        };
        let entries = [(0, bound()), (10, would), (10, step_done())];
        assert_eq!(
            ends(after_entries(Mode::Shadow, None, &entries, 11)),
            "suppressed shadow"
        );
        let dry = Entry::Started {
            step: 0,
            intent: intent(),
            dry_run: true,
            ready_after: None,
        };
        let entries = [(0, bound()), (10, dry), (10, done()), (10, step_done())];
        assert_eq!(
            ends(after_entries(Mode::DryRun, None, &entries, 11)),
            "suppressed dry_run"
        );
    }

    #[test]
    fn a_failed_step_fails_the_run() {
        let failed = Entry::StepFailed {
            step: 0,
            reason: Reason::Forbidden,
            detail: "needs create".to_owned(),
        };
        let entries = [(0, bound()), (10, started()), (11, failed)];
        assert_eq!(
            ends(after_entries(Mode::Enforce, None, &entries, 12)),
            "failed forbidden"
        );
    }

    #[test]
    fn verification_needs_health_without_a_break_and_ends_at_its_deadline() {
        let verifying = [(0, bound()), (10, started()), (11, done()), (12, step_done())];
        let until = Next::BeginVerify { until: at(20 + 300) };
        assert_eq!(after_entries(Mode::Enforce, None, &verifying, 20), until);

        let seen = |observations: &[(i64, Option<bool>)], now: i64| {
            let mut entries = verifying.to_vec();
            entries.push((20, Entry::Verifying { until: at(320) }));
            entries.extend(
                observations
                    .iter()
                    .map(|(second, healthy)| (*second, observed(*healthy))),
            );
            ends(after_entries(Mode::Enforce, None, &entries, now))
        };
        let (well, sick, unseen) = (Some(true), Some(false), None);
        assert_eq!(seen(&[], 21), "Observe");
        assert_eq!(seen(&[(21, well)], 1000), "Observe", "time alone proves nothing");
        assert_eq!(seen(&[(21, well), (50, well)], 50), "Observe");
        assert_eq!(seen(&[(21, well), (51, well)], 51), "succeeded healthy");
        assert_eq!(seen(&[(21, well), (30, sick), (31, well), (60, well)], 60), "Observe");
        assert_eq!(seen(&[(21, well), (30, unseen), (31, well), (60, well)], 60), "Observe");
        assert_eq!(
            seen(&[(21, well), (30, sick), (31, well), (61, well)], 61),
            "succeeded healthy"
        );
        assert_eq!(
            seen(&[(21, sick)], 400),
            "Observe",
            "the last look is made at the deadline"
        );
        assert_eq!(seen(&[(21, sick), (320, sick)], 320), "failed not_healthy");
        assert_eq!(seen(&[(21, sick), (320, unseen)], 320), "inconclusive not_seen");
        assert_eq!(seen(&[(320, well)], 320), "Observe", "it is given time to prove it");
        assert_eq!(seen(&[(320, well), (340, sick)], 340), "failed not_healthy");
        assert_eq!(seen(&[(320, well), (350, well)], 350), "succeeded healthy");
    }

    #[test]
    fn what_has_ended_stays_so() {
        let finished = Entry::Finished(Finish::new(Outcome::Canceled, Reason::Canceled, ""));
        assert_eq!(
            after_entries(Mode::Enforce, None, &[(0, bound()), (1, finished)], 5000),
            Next::Over
        );
    }
}
