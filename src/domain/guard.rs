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
pub struct History {
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
    /// The other runs of this runbook that acted on the root, latest first: as many as [`Guards::attempts`] says.
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

/// What a guard is asked: whether this run may act now.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The run.
    pub run: &'a Run,
    /// Its limits.
    pub guards: &'a Guards,
    /// Where it stands.
    pub state: &'a State,
    /// What the cluster says.
    pub facts: &'a Facts,
    /// What the store says.
    pub history: &'a History,
    /// The moment.
    pub now: Timestamp,
}

/// One reason not to act.
#[derive(Clone, Copy, Debug)]
pub struct Guard {
    /// What it is called; the reason that it gives, where it has only one.
    pub name: &'static str,
    /// Answers, and changes nothing.
    pub judge: fn(&Question<'_>) -> Verdict,
}

/// All of them, in the order in which they are asked. What holds for ever goes before what ends, and what a person ordered before
/// what is counted.
pub const GUARDS: &[Guard] = &[
    guard("protected_namespace", protected_namespace),
    guard("opted_out", opted_out),
    guard("resolved", resolved),
    guard("paused", paused),
    guard("root_busy", root_busy),
    guard("max_attempts", max_attempts),
    guard("cooldown", cooldown),
    guard("rate", rate),
];

const fn guard(name: &'static str, judge: fn(&Question<'_>) -> Verdict) -> Guard {
    Guard { name, judge }
}

/// The answer of the first guard that does not allow it.
pub fn judge(guards: &[Guard], question: &Question<'_>) -> Verdict {
    let mut verdicts = guards.iter().map(|guard| (guard.judge)(question));
    verdicts
        .find(|verdict| *verdict != Verdict::Allow)
        .unwrap_or(Verdict::Allow)
}

fn protected_namespace(question: &Question<'_>) -> Verdict {
    match &question.facts.protected {
        Some(namespace) => suppress(
            Reason::ProtectedNamespace,
            format!("namespace {namespace} is protected by the configuration"),
        ),
        None => Verdict::Allow,
    }
}

fn opted_out(question: &Question<'_>) -> Verdict {
    match &question.facts.opted_out {
        Some(object) => suppress(
            Reason::OptedOut,
            format!("{object} carries the annotation selfhealer.dev/ignore"),
        ),
        None => Verdict::Allow,
    }
}

/// Our own action may have cleared the alert, so this stops a run only before its first mutation.
fn resolved(question: &Question<'_>) -> Verdict {
    if question.history.firing || question.state.sent {
        return Verdict::Allow;
    }
    suppress(Reason::Resolved, "the alert has resolved".to_owned())
}

fn paused(question: &Question<'_>) -> Verdict {
    let Some(pause) = question.history.pauses.first() else {
        return Verdict::Allow;
    };
    let look = after(question.now, LOOK_AGAIN);
    Verdict::Defer {
        reason: Reason::Paused,
        detail: format!("{} is paused by {}: {}", pause.scope, pause.who, pause.why),
        until: pause.until.map_or(look, |until| until.min(look)),
    }
}

fn root_busy(question: &Question<'_>) -> Verdict {
    match question.history.busy {
        Some(other) if !question.state.sent => Verdict::Defer {
            reason: Reason::RootBusy,
            detail: format!("run {other} is acting on the same root"),
            until: after(question.now, LOOK_AGAIN),
        },
        _ => Verdict::Allow,
    }
}

/// The limits count runs: one that has acted is not limited by itself.
fn max_attempts(question: &Question<'_>) -> Verdict {
    let (history, most) = (question.history, question.guards.max_attempts);
    let in_incident = history
        .attempts
        .iter()
        .filter(|attempt| attempt.at >= history.incident)
        .count();
    if question.state.sent || in_incident < most as usize {
        return Verdict::Allow;
    }
    suppress(
        Reason::MaxAttempts,
        format!(
            "{in_incident} of {most} allowed runs have acted on this root since {}",
            history.incident
        ),
    )
}

fn cooldown(question: &Question<'_>) -> Verdict {
    let cooldown = question.guards.cooldown;
    match question.history.attempts.first() {
        Some(last) if !question.state.sent && after(last.at, cooldown) > question.now => {
            let detail = format!(
                "run {} acted on this root at {}; the cooldown is {}",
                last.run,
                last.at,
                duration::format(cooldown)
            );
            defer_or_suppress(question.run, Reason::Cooldown, detail, after(last.at, cooldown))
        }
        _ => Verdict::Allow,
    }
}

fn rate(question: &Question<'_>) -> Verdict {
    if question.state.sent {
        return Verdict::Allow;
    }
    // Of the rates that bind, the one whose window makes room last.
    let full = question.guards.rates.iter().filter_map(|rate| {
        let oldest = question.history.attempts.get(rate.count.checked_sub(1)? as usize)?;
        let room = after(oldest.at, rate.per);
        (room > question.now).then_some((room, rate))
    });
    let Some((room, rate)) = full.max_by_key(|(room, _)| *room) else {
        return Verdict::Allow;
    };
    let detail = format!(
        "{} runs have acted on this root within {}; {} are allowed",
        rate.count,
        duration::format(rate.per),
        rate.count
    );
    defer_or_suppress(question.run, Reason::Rate, detail, room)
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
mod tests;
