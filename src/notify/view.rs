//! What a template sees of a run: everything that a person woken at night asks, as texts that are ready to be shown.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    domain::{
        duration,
        journal::{Entry, Recorded},
        notify::worth_telling,
        reason::Reason,
        run::{Finish, Outcome, Phase},
        runbook::Runbook,
        state::State,
        target::ObjectRef,
    },
    store::{RunAlert, RunHistory},
};

/// Alerts that a message shows; it tells how many there are.
const ALERTS: usize = 20;

/// A run as messages tell it.
#[derive(Clone, Debug)]
pub struct View {
    /// Where it stands.
    pub state: State,
    /// Its phase.
    pub phase: Phase,
    /// A sign for its outcome.
    pub emoji: &'static str,
    /// What happens, or happened, in a line; not escaped.
    pub headline: String,
    /// Entries of its journal: what a message has told.
    pub entries: i64,
    /// Whether it is worth a message at all.
    pub worth_telling: bool,
    values: Value,
}

#[derive(Serialize)]
struct Step {
    mark: &'static str,
    name: &'static str,
    state: &'static str,
    detail: String,
}

impl View {
    /// A run, its runbook if it can still be read, and where its link begins.
    pub fn new(history: &RunHistory, journal: &[Recorded], runbook: Option<&Runbook>, base: Option<&str>) -> Self {
        let state = State::fold(journal);
        let phase = state.phase();
        let object = history.run.object.as_ref();
        let name = object.map_or_else(|| "an unknown target".to_owned(), named);
        let (emoji, headline) = headline(&state, &name);
        let first = history.alerts.first();
        let end = journal.last().filter(|_| state.finished.is_some()).map(|last| last.at);
        let run = &history.run;
        let finish = state.finished.as_ref();
        let mut values = json!({
            "headline": headline,
            "emoji": emoji,
            "firedAt": first.map(|alert| time(alert.started)),
            "alertname": first.and_then(|alert| alert.labels.get("alertname")),
            "labels": first.map(|alert| &alert.labels),
            "annotations": first.map(|alert| &alert.annotations),
            "alerts": history.alerts.iter().take(ALERTS).map(alert).collect::<Vec<_>>(),
            "alertCount": history.alerts.len(),
            "more": history.alerts.len().saturating_sub(1),
            "run": {
                "id": run.id,
                "runbook": run.runbook,
                "description": runbook.and_then(|runbook| runbook.description.as_ref()),
                "mode": run.mode.as_str(),
                "phase": phase.as_str(),
                "outcome": finish.map(|finish| finish.outcome.as_str()),
                "reason": finish.map(|finish| finish.reason.as_str()),
                "detail": finish.map(|finish| &finish.detail).filter(|detail| !detail.is_empty()),
                "attempt": run.attempt,
                "link": base.map(|base| format!("{base}/api/v1/runs/{}", run.id)),
                "openedAt": time(run.opened_at),
                "finishedAt": end.map(time),
                "took": end.map(|end| took(run.opened_at, end)),
            },
            "target": object.map(named_parts),
            "root": state.binding.as_ref().map(|binding| named_parts(&binding.root.0)),
            "steps": runbook.map(|runbook| steps(runbook, &state, journal)),
            "waiting": state.waiting.as_ref().filter(|_| finish.is_none()).map(|waiting| json!({
                "reason": waiting.reason,
                "detail": waiting.detail,
                "until": time(waiting.until),
            })),
            "verification": state.verify_until.map(|until| json!({
                "healthy": match state.observed.flatten() {
                    Some(true) => "yes",
                    Some(false) => "no",
                    None => "unknown",
                },
                "detail": Some(&state.observed_detail).filter(|detail| !detail.is_empty()),
                "until": time(until),
            })),
        });
        without_nulls(&mut values);
        Self {
            worth_telling: runbook.is_none_or(|runbook| worth_telling(&state, &runbook.notify)),
            state,
            phase,
            emoji,
            headline,
            entries: i64::try_from(journal.len()).unwrap_or(i64::MAX),
            values,
        }
    }

    /// What a template sees, each text passed through `escape`.
    pub fn values(&self, escape: impl Fn(&str) -> String + Copy) -> Value {
        escaped(&self.values, escape)
    }

    /// Whether somebody has to look: the run acted, or tried to, and did not heal.
    pub fn needs_help(&self) -> bool {
        let outcome = self.state.finished.as_ref().map(|finish| finish.outcome);
        matches!(outcome, Some(Outcome::Failed | Outcome::Inconclusive))
    }

    /// The run in a line of a digest; not escaped.
    pub fn line(&self) -> String {
        let took = self.values["run"]["took"].as_str();
        match (took, &self.state.finished) {
            (Some(took), Some(_)) => format!("{} {} ({took})", self.emoji, self.headline),
            _ => format!("{} {}", self.emoji, self.headline),
        }
    }
}

fn headline(state: &State, name: &str) -> (&'static str, String) {
    let Some(Finish { outcome, reason, .. }) = &state.finished else {
        return if state.verify_until.is_some() {
            ("👀", format!("Checking whether {name} healed"))
        } else if state.waiting.is_some() {
            ("⏳", format!("Waiting to heal {name}"))
        } else {
            ("🔧", format!("Healing {name}"))
        };
    };
    match (outcome, reason) {
        (Outcome::Succeeded, _) => ("✅", format!("Healed {name}")),
        (Outcome::Failed, _) => ("❌", format!("Not healed: {name}")),
        (Outcome::Inconclusive, _) => ("❓", format!("Cannot tell whether {name} healed")),
        (Outcome::Canceled, _) => ("🛑", format!("Canceled: {name}")),
        (Outcome::Suppressed, Reason::Shadow) => ("👥", format!("Would have healed {name} (shadow)")),
        (Outcome::Suppressed, Reason::DryRun) => ("🧪", format!("Dry run on {name}: nothing was changed")),
        (Outcome::Suppressed, _) => ("🚫", format!("Left alone: {name}")),
    }
}

/// `Pod shop/cart-1`, on one line and not endless.
pub(super) fn named(object: &ObjectRef) -> String {
    let name = match &object.namespace {
        Some(namespace) => format!("{} {namespace}/{}", object.kind, object.name),
        None => format!("{} {}", object.kind, object.name),
    };
    super::text::cut(&name.split_whitespace().collect::<Vec<_>>().join(" "), 110)
}

fn named_parts(object: &ObjectRef) -> Value {
    json!({"kind": object.kind, "namespace": object.namespace, "name": object.name, "text": named(object)})
}

fn alert(alert: &RunAlert) -> Value {
    json!({
        "alertname": alert.labels.get("alertname"),
        "labels": alert.labels,
        "annotations": alert.annotations,
        "startsAt": time(alert.started),
        "firing": alert.firing,
    })
}

fn steps(runbook: &Runbook, state: &State, journal: &[Recorded]) -> Vec<Step> {
    let over = state.finished.is_some();
    runbook
        .steps
        .iter()
        .enumerate()
        .map(|(index, step)| {
            let last = journal
                .iter()
                .rev()
                .find_map(|recorded| of_step(&recorded.entry, index));
            let (mark, word) = match last {
                Some(("done", _)) => ("✔", "done"),
                Some(("failed", _)) => ("✘", "failed"),
                _ if over => ("–", "not done"),
                Some((state, _)) => ("…", state),
                None => ("·", "pending"),
            };
            Step {
                mark,
                name: step.action.name(),
                state: word,
                detail: last.map(|(_, detail)| detail.to_owned()).unwrap_or_default(),
            }
        })
        .collect()
}

/// What an entry says of a step, if it is about it.
fn of_step(entry: &Entry, index: usize) -> Option<(&'static str, &str)> {
    match entry {
        Entry::StepDone { step, detail } if *step == index => Some(("done", detail)),
        Entry::StepFailed { step, detail, .. } if *step == index => Some(("failed", detail)),
        Entry::Refused { step, detail, .. } if *step == index => Some(("waiting", detail)),
        Entry::Unanswered { step, detail } if *step == index => Some(("unanswered", detail)),
        Entry::Started { step, .. } | Entry::Done { step, .. } if *step == index => Some(("running", "")),
        Entry::WouldStart { step, .. } if *step == index => Some(("would run", "")),
        _ => None,
    }
}

/// To the second, in UTC.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn took(from: Timestamp, until: Timestamp) -> String {
    let seconds = until.duration_since(from).as_secs().max(0);
    duration::format(Duration::from_secs(u64::try_from(seconds).unwrap_or_default()))
}

/// In a template, what is not there is absent.
fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

fn escaped(value: &Value, escape: impl Fn(&str) -> String + Copy) -> Value {
    match value {
        Value::String(text) => Value::String(escape(text)),
        Value::Array(items) => items.iter().map(|item| escaped(item, escape)).collect(),
        Value::Object(fields) => {
            let fields: Map<_, _> = fields
                .iter()
                .map(|(name, value)| (name.clone(), escaped(value, escape)))
                .collect();
            Value::Object(fields)
        }
        other => other.clone(),
    }
}
