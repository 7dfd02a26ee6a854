//! What must hold of every run, whatever happened.

use jiff::Timestamp;
use selfhealer::{
    domain::journal::{Entry, Recorded},
    store::RunDetail,
};

/// From the answer to a pause to its end.
pub type Pause = (Timestamp, Timestamp);

/// The rules that a run breaks, in words. `intents`: how many requests the audit announces.
pub fn broken(run: &RunDetail, journal: &[Recorded], intents: usize, pauses: &[Pause]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut bound = Vec::new();
    let (mut open, mut started, mut finished) = (false, 0, 0);
    for recorded in journal {
        if finished > 0 {
            broken.push(format!("{:?} after the end", recorded.entry));
        }
        match &recorded.entry {
            Entry::Bound(binding) => bound.extend(binding.alerts.iter().map(|alert| alert.target.clone())),
            Entry::Joined { alerts, .. } => bound.extend(alerts.iter().map(|alert| alert.target.clone())),
            Entry::Started { intent, dry_run, .. } => {
                if open {
                    broken.push("a request was started while another was open".to_owned());
                }
                if !bound.contains(intent.target()) {
                    broken.push(format!("{} was never bound", intent.target().uid));
                }
                open = true;
                started += usize::from(intent.is_mutation() && !dry_run);
            }
            Entry::Done { .. } | Entry::Refused { .. } | Entry::StepFailed { .. } => open = false,
            Entry::Finished(_) => finished += 1,
            _ => {}
        }
    }
    if finished != 1 {
        broken.push(format!("{finished} ends"));
    }
    if intents != started {
        broken.push(format!("{intents} audit rows about {started} requests"));
    }
    broken.extend(begun_while_paused(journal, pauses));
    broken.extend(begun_after_the_end(run, journal));
    broken
        .into_iter()
        .map(|what| format!("run {}: {what}", run.run.id))
        .collect()
}

/// Nothing is changed while everything is paused.
fn begun_while_paused(journal: &[Recorded], pauses: &[Pause]) -> Vec<String> {
    let starts = journal
        .iter()
        .filter(|recorded| matches!(&recorded.entry, Entry::Started { intent, .. } if intent.is_mutation()));
    let paused = starts.filter(|start| pauses.iter().any(|(from, until)| *from < start.at && start.at < *until));
    paused
        .map(|start| format!("begun at {} while everything was paused", start.at))
        .collect()
}

/// Nothing is begun once all alerts have ended, unless something was done before.
fn begun_after_the_end(run: &RunDetail, journal: &[Recorded]) -> Option<String> {
    let over = run.alerts.iter().all(|alert| alert.status == "resolved");
    let told = run
        .alerts
        .iter()
        .map(|alert| alert.last_seen_at)
        .max()
        .filter(|_| over)?;
    let first = journal
        .iter()
        .find(|recorded| matches!(recorded.entry, Entry::Started { .. }))?;
    (first.at > told).then(|| format!("begun at {}, and its alerts had ended at {told}", first.at))
}
