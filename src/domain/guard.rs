//! Whether a run may act now, judged on the durable record in the same transaction that starts the action.

use jiff::Timestamp;
use serde::Serialize;

use super::{
    duration,
    next::after,
    reason::Reason,
    run::{Run, RunId},
    runbook::Guards,
    state::State,
};

/// How long a run that waits for something without a known end waits before it looks again.
pub const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_secs(10);

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Act.
    Allow,
    /// Not now.
    Defer {
        /// Why.
        reason: Reason,
        /// In words.
        detail: String,
        /// When to ask again.
        until: Timestamp,
    },
    /// Not in this run.
    Suppress {
        /// Why.
        reason: Reason,
        /// In words.
        detail: String,
    },
}

/// What the cluster says of the objects that are about to be touched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The protected namespace in which one of them stands.
    pub protected: Option<String>,
    /// The object that carries the opt-out annotation.
    pub opted_out: Option<String>,
}

/// What the store says, read in the transaction that starts the action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// A request to cancel this run.
    pub cancel: Option<Cancel>,
    /// The pauses in force that concern this run.
    pub pauses: Vec<Pause>,
    /// Whether any of its alerts still fires.
    pub firing: bool,
    /// Another run that has started on the root and not finished.
    pub busy: Option<RunId>,
    /// Since when the root has not been quiet.
    pub incident: Timestamp,
    /// The other runs of this runbook that acted on the root, latest first.
    pub attempts: Vec<Attempt>,
}

/// A person's request to end a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cancel {
    /// Who.
    pub who: String,
    /// Why.
    pub why: String,
}

/// A person's order to hold still.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pause {
    /// What it concerns, in words: `everything`, `runbook NAME`, `namespace NAME`.
    pub scope: String,
    /// Who.
    pub who: String,
    /// Why.
    pub why: String,
    /// Until when, if it ends by itself.
    pub until: Option<Timestamp>,
}

/// A run that acted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The run.
    pub run: RunId,
    /// Its first real mutation.
    pub at: Timestamp,
}

/// Judges.
pub fn judge(run: &Run, guards: &Guards, state: &State, facts: &Facts, ledger: &Ledger, now: Timestamp) -> Verdict {
    if let Some(namespace) = &facts.protected {
        return suppress(
            Reason::ProtectedNamespace,
            format!("namespace {namespace} is protected by the configuration"),
        );
    }
    if let Some(object) = &facts.opted_out {
        return suppress(
            Reason::OptedOut,
            format!("{object} carries the annotation selfhealer.dev/ignore"),
        );
    }
    // Our own action may have cleared the alert, so this stops a run only before its first mutation.
    if !ledger.firing && !state.sent {
        return suppress(Reason::Resolved, "the alert has resolved".to_owned());
    }
    if let Some(pause) = ledger.pauses.first() {
        let look = after(now, LOOK_AGAIN);
        return Verdict::Defer {
            reason: Reason::Paused,
            detail: format!("{} is paused by {}: {}", pause.scope, pause.who, pause.why),
            until: pause.until.map_or(look, |until| until.min(look)),
        };
    }
    // The limits count runs: one that has acted is not limited by itself.
    if state.sent {
        return Verdict::Allow;
    }
    if let Some(other) = ledger.busy {
        return Verdict::Defer {
            reason: Reason::RootBusy,
            detail: format!("run {other} is acting on the same root"),
            until: after(now, LOOK_AGAIN),
        };
    }
    limits(run, guards, ledger, now)
}

fn limits(run: &Run, guards: &Guards, ledger: &Ledger, now: Timestamp) -> Verdict {
    let in_incident = ledger
        .attempts
        .iter()
        .filter(|attempt| attempt.at >= ledger.incident)
        .count();
    if in_incident >= guards.max_attempts as usize {
        return suppress(
            Reason::MaxAttempts,
            format!(
                "{in_incident} of {} allowed runs have acted on this root since {}",
                guards.max_attempts, ledger.incident
            ),
        );
    }
    let free = |at: Timestamp, period| after(at, period);
    if let Some(last) = ledger.attempts.first()
        && free(last.at, guards.cooldown) > now
    {
        let detail = format!(
            "run {} acted on this root at {}; the cooldown is {}",
            last.run,
            last.at,
            duration::format(guards.cooldown)
        );
        return defer_or_suppress(run, Reason::Cooldown, detail, free(last.at, guards.cooldown));
    }
    let window = ledger
        .attempts
        .iter()
        .filter(|attempt| free(attempt.at, guards.rate.per) > now)
        .collect::<Vec<_>>();
    if window.len() >= guards.rate.count as usize {
        let detail = format!(
            "{} runs have acted on this root within {}; {} are allowed",
            window.len(),
            duration::format(guards.rate.per),
            guards.rate.count
        );
        // The attempt whose leaving the window makes room.
        let room = window
            .get((guards.rate.count as usize).saturating_sub(1))
            .map_or(Timestamp::MAX, |attempt| free(attempt.at, guards.rate.per));
        return defer_or_suppress(run, Reason::Rate, detail, room);
    }
    Verdict::Allow
}

/// Waiting past the run's deadline would be refusing later, so it is refused at once.
fn defer_or_suppress(run: &Run, reason: Reason, detail: String, until: Timestamp) -> Verdict {
    if until >= run.deadline {
        suppress(reason, detail)
    } else {
        Verdict::Defer { reason, detail, until }
    }
}

fn suppress(reason: Reason, detail: String) -> Verdict {
    Verdict::Suppress { reason, detail }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;
    use crate::domain::runbook::Mode;

    const MINUTE: i64 = 60;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).expect("a valid second")
    }

    fn id(n: u128) -> RunId {
        RunId(Uuid::from_u128(n))
    }

    fn run() -> Run {
        Run {
            id: id(1),
            runbook: "r".to_owned(),
            version: "v".to_owned(),
            mode: Mode::Enforce,
            object: None,
            opened_at: at(0),
            deadline: at(30 * MINUTE),
            attempt: 1,
        }
    }

    fn quiet() -> Ledger {
        Ledger {
            cancel: None,
            pauses: Vec::new(),
            firing: true,
            busy: None,
            incident: at(-MINUTE),
            attempts: Vec::new(),
        }
    }

    fn attempts(ages: &[i64]) -> Vec<Attempt> {
        let attempt = |(n, age): (u128, &i64)| Attempt {
            run: id(n),
            at: at(-age),
        };
        (10..).zip(ages).map(attempt).collect()
    }

    fn pause(until: Option<Timestamp>) -> Pause {
        let text = str::to_owned;
        Pause {
            scope: text("everything"),
            who: text("ann"),
            why: text("release"),
            until,
        }
    }

    fn verdict(guards: &Guards, sent: bool, facts: &Facts, ledger: &Ledger) -> String {
        let state = State {
            sent,
            ..State::default()
        };
        match judge(&run(), guards, &state, facts, ledger, at(0)) {
            Verdict::Allow => "allow".to_owned(),
            Verdict::Defer { reason, until, .. } => {
                format!("defer {reason} {}s", until.duration_since(at(0)).as_secs())
            }
            Verdict::Suppress { reason, .. } => format!("suppress {reason}"),
        }
    }

    #[test]
    fn each_guard_holds_before_the_first_mutation_and_only_some_after_it() {
        let generous = Guards {
            max_attempts: 100,
            ..Guards::default()
        };
        let protected = Facts {
            protected: Some("kube-system".to_owned()),
            opted_out: None,
        };
        let opted_out = Facts {
            protected: None,
            opted_out: Some("shop/Deployment/cart".to_owned()),
        };
        let none = Facts::default();
        let resolved = Ledger {
            firing: false,
            ..quiet()
        };
        let paused = Ledger {
            pauses: vec![pause(None)],
            ..quiet()
        };
        let paused_briefly = Ledger {
            pauses: vec![pause(Some(at(3)))],
            ..quiet()
        };
        let busy = Ledger {
            busy: Some(id(2)),
            ..quiet()
        };
        let earlier = Ledger {
            incident: at(-60),
            attempts: attempts(&[50]),
            ..quiet()
        };
        let before_the_incident = Ledger {
            incident: at(-60),
            attempts: attempts(&[40 * MINUTE]),
            ..quiet()
        };
        let cooling = Ledger {
            attempts: attempts(&[20 * MINUTE]),
            ..quiet()
        };
        let cooling_for_long = Ledger {
            attempts: attempts(&[0]),
            ..quiet()
        };
        let four = [31, 60, 90, 23 * 60 + 50].map(|minutes| minutes * MINUTE);
        let often = Ledger {
            attempts: attempts(&four),
            ..quiet()
        };
        let four_long_ago = [40, 60, 90, 24 * 60 + 1].map(|minutes| minutes * MINUTE);
        let often_long_ago = Ledger {
            attempts: attempts(&four_long_ago),
            ..quiet()
        };
        let defaults = &Guards::default();
        let cases = [
            ("nothing", defaults, &none, quiet(), "allow", "allow"),
            (
                "protected",
                defaults,
                &protected,
                quiet(),
                "suppress protected_namespace",
                "suppress protected_namespace",
            ),
            (
                "opted out",
                defaults,
                &opted_out,
                quiet(),
                "suppress opted_out",
                "suppress opted_out",
            ),
            ("resolved", defaults, &none, resolved, "suppress resolved", "allow"),
            (
                "paused",
                defaults,
                &none,
                paused,
                "defer paused 10s",
                "defer paused 10s",
            ),
            (
                "a pause that ends",
                defaults,
                &none,
                paused_briefly,
                "defer paused 3s",
                "defer paused 3s",
            ),
            ("busy", defaults, &none, busy, "defer root_busy 10s", "allow"),
            (
                "an attempt in this incident",
                defaults,
                &none,
                earlier,
                "suppress max_attempts",
                "allow",
            ),
            ("one before it", defaults, &none, before_the_incident, "allow", "allow"),
            (
                "cooling down",
                &generous,
                &none,
                cooling,
                "defer cooldown 600s",
                "allow",
            ),
            (
                "beyond the deadline",
                &generous,
                &none,
                cooling_for_long,
                "suppress cooldown",
                "allow",
            ),
            ("too often", &generous, &none, often, "defer rate 600s", "allow"),
            (
                "once not in the window",
                &generous,
                &none,
                often_long_ago,
                "allow",
                "allow",
            ),
        ];
        for (name, guards, facts, ledger, before, after) in cases {
            assert_eq!(
                verdict(guards, false, facts, &ledger),
                before,
                "{name}, before the first mutation"
            );
            assert_eq!(verdict(guards, true, facts, &ledger), after, "{name}, after it");
        }
    }

    #[test]
    fn no_cooldown_is_no_cooldown() {
        let guards = Guards {
            cooldown: Duration::ZERO,
            max_attempts: 100,
            ..Guards::default()
        };
        let ledger = Ledger {
            attempts: attempts(&[0]),
            ..quiet()
        };
        assert_eq!(verdict(&guards, false, &Facts::default(), &ledger), "allow");
    }
}
