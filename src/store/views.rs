//! What pages and the API show: pages of alerts and runs, newest first, and a run with its journal.

use jiff::Timestamp;
use serde::Serialize;

use crate::domain::{alert::Labels, journal::Recorded, target::ObjectRef};

/// Some items, and where the next ones begin.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Pass it as `cursor` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// An episode and what came of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertView {
    /// The episode's id.
    pub id: String,
    /// Alertmanager's identity of the alert.
    pub fingerprint: String,
    /// `firing` or `resolved`, as we were last told.
    pub status: &'static str,
    /// When it began.
    pub starts_at: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// When a post first spoke of it.
    pub first_seen_at: Timestamp,
    /// When a post last spoke of it.
    pub last_seen_at: Timestamp,
    /// Its labels.
    pub labels: Labels,
    /// Its annotations.
    pub annotations: Labels,
    /// Where the rule can be seen.
    #[serde(rename = "generatorURL")]
    pub generator_url: String,
    /// The runs that hold it.
    pub runs: Vec<String>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A run as lists show it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunView {
    /// Its id.
    pub id: String,
    /// The runbook's name.
    pub runbook: String,
    /// The version of the runbook that it executes.
    pub runbook_version: String,
    /// `shadow`, `dryRun` or `enforce`.
    pub mode: String,
    /// Which attempt at its alert it is.
    pub attempt: i64,
    /// The alerted object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetView>,
    /// What its limits count on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<ObjectRef>,
    /// `pending`, `running`, `verifying` or `finished`.
    pub phase: String,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Why it ended so, or what it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it will look again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// When waiting and acting end.
    pub deadline: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

/// The alerted object, with its uid once it was seen.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetView {
    /// By name.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// The one that was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}

/// A run with its alerts and its journal.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunDetail {
    /// What lists show.
    #[serde(flatten)]
    pub run: RunView,
    /// Its alerts.
    pub alerts: Vec<AlertView>,
    /// What happened, in order.
    pub journal: JournalView,
}

/// A journal, or why it cannot be read.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum JournalView {
    /// The entries.
    Entries(Vec<Recorded>),
    /// What stands in the way.
    Unreadable {
        /// In words.
        unreadable: String,
    },
}

/// Which runs a page shows.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    /// Of this runbook.
    pub runbook: Option<String>,
    /// In this phase.
    pub phase: Option<String>,
    /// With this outcome.
    pub outcome: Option<String>,
    /// With this target's or root's namespace.
    pub namespace: Option<String>,
}

/// Which alerts a page shows.
#[derive(Clone, Debug, Default)]
pub struct AlertFilter {
    /// Of this name.
    pub alertname: Option<String>,
    /// Firing, or ended.
    pub firing: Option<bool>,
}
