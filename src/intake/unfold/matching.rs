//! Which runbooks an alert is for, on which object: a function of its labels and of the runbooks in force.

use std::sync::{Arc, LazyLock};

use regex::Regex;

use crate::{
    books::{Books, InForce},
    domain::{
        alert::{Alert, Notification, Status},
        reason::Reason,
        run::Lane,
        runbook::Mode,
        target::ObjectRef,
    },
    render::{RenderError, Template},
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

/// What Kubernetes allows as the name of most objects, and of all that we know: a DNS-1123 subdomain.
static NAME: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$").ok());
const LONGEST_NAME: usize = 253;

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
    let object = object(runbook, alert);
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

fn object(runbook: &Compiled, alert: &Alert) -> Result<ObjectRef, (Reason, String)> {
    let target = &runbook.runbook.target;
    let namespace = match &runbook.namespace {
        Some(template) => Some(name(template, "namespace", alert)?),
        None => None,
    };
    Ok(ObjectRef {
        api_version: target.api_version.clone(),
        kind: target.kind.clone(),
        namespace,
        name: name(&runbook.name, "name", alert)?,
    })
}

/// A label's value becomes part of a path: only what Kubernetes would accept as a name gets there.
fn name(template: &Template, field: &str, alert: &Alert) -> Result<String, (Reason, String)> {
    let text =
        template
            .render(&alert.labels, &alert.annotations)
            .map_err(|error @ RenderError::MissingValue { .. }| {
                (Reason::MissingLabel, format!("target.{field}: {error}"))
            })?;
    let valid = text.len() <= LONGEST_NAME && NAME.as_ref().is_some_and(|name| name.is_match(&text));
    if valid {
        return Ok(text);
    }
    let shown: String = text.chars().take(80).collect();
    Err((
        Reason::InvalidTarget,
        format!("target.{field}: {shown:?} is not a name that Kubernetes allows"),
    ))
}
