//! Which runbooks an alert is for, on which object: a function of its labels and of the runbooks in force.

use std::sync::Arc;

use crate::{
    domain::{
        alert::{Alert, Notification, Status},
        reason::Reason,
        run::Track,
        runbook::Mode,
        target::ObjectRef,
    },
    runbooks::Compiled,
    runbooks::registry::{Registry, Snapshot},
};

/// A runbook that an alert is for.
pub(super) struct Candidate {
    pub runbook: Arc<Compiled>,
    pub mode: Mode,
    pub track: Track,
    /// The alerted object, or why it cannot be told.
    pub object: Result<ObjectRef, (Reason, String)>,
    /// Alerts with the same key are about the same object, for the same runbook, in the same track.
    pub object_key: Option<String>,
}

/// The candidates of each alert of a post, in order; none for alerts that do not fire.
pub(super) fn candidates(registry: &Registry, snapshot: &Snapshot, notification: &Notification) -> Vec<Vec<Candidate>> {
    let of = |alert: &Alert| match alert.status {
        Status::Firing => chosen(registry, snapshot, alert),
        Status::Resolved => Vec::new(),
    };
    notification.alerts.iter().map(of).collect()
}

/// The first match wins unless it says `continue`; what only looks ends nothing.
fn chosen(registry: &Registry, snapshot: &Snapshot, alert: &Alert) -> Vec<Candidate> {
    let mut chosen = Vec::new();
    for runbook in snapshot.set.matching(&alert.labels) {
        let mode = registry.mode(snapshot, runbook);
        chosen.push(candidate(runbook, mode, alert));
        if mode == Mode::Enforce && !runbook.runbook.continue_matching {
            break;
        }
    }
    chosen
}

fn candidate(runbook: &Arc<Compiled>, mode: Mode, alert: &Alert) -> Candidate {
    let track = Track::of(mode, &runbook.runbook.name);
    let object = runbook.object(alert);
    let object_key = object
        .as_ref()
        .ok()
        .map(|object| format!("{}|{}|{}|{object}", track.0, runbook.version, object.api_version));
    Candidate {
        runbook: runbook.clone(),
        mode,
        track,
        object,
        object_key,
    }
}
