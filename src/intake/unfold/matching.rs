//! Which runbooks an alert is for, on which object: a function of its labels and of the runbooks in force.

use std::sync::Arc;

use crate::{
    books::{Books, InForce},
    domain::{
        alert::{Alert, Notification, Status},
        reason::Reason,
        run::Lane,
        runbook::Mode,
        target::ObjectRef,
    },
    runbooks::Compiled,
};

/// A runbook that an alert is for.
pub(super) struct Candidate {
    pub runbook: Arc<Compiled>,
    pub mode: Mode,
    pub lane: Lane,
    /// The alerted object, or why it cannot be told.
    pub object: Result<ObjectRef, (Reason, String)>,
    /// Alerts with the same key are about the same object, for the same runbook, in the same lane.
    pub object_key: Option<String>,
}

/// The candidates of each alert of a post, in order; none for alerts that do not fire.
pub(super) fn candidates(books: &Books, in_force: &InForce, notification: &Notification) -> Vec<Vec<Candidate>> {
    let of = |alert: &Alert| match alert.status {
        Status::Firing => chosen(books, in_force, alert),
        Status::Resolved => Vec::new(),
    };
    notification.alerts.iter().map(of).collect()
}

/// The first match wins unless it says `continue`; what only looks ends nothing.
fn chosen(books: &Books, in_force: &InForce, alert: &Alert) -> Vec<Candidate> {
    let mut chosen = Vec::new();
    for runbook in in_force.set.matching(&alert.labels) {
        let mode = books.mode(in_force, runbook);
        chosen.push(candidate(runbook, mode, alert));
        if mode == Mode::Enforce && !runbook.runbook.continue_matching {
            break;
        }
    }
    chosen
}

fn candidate(runbook: &Arc<Compiled>, mode: Mode, alert: &Alert) -> Candidate {
    let lane = Lane::of(mode, &runbook.runbook.name);
    let object = runbook.object(alert);
    let object_key = object
        .as_ref()
        .ok()
        .map(|object| format!("{}|{}|{}|{object}", lane.0, runbook.version, object.api_version));
    Candidate {
        runbook: runbook.clone(),
        mode,
        lane,
        object,
        object_key,
    }
}
