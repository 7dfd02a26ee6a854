//! One execution of one runbook on one target.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    reason::Reason,
    runbook::Mode,
    target::{ObjectRef, Root, Target},
};

/// A run's identity: a UUIDv7, so that ids grow with time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub Uuid);

/// An episode's identity: a UUIDv7.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EpisodeId(pub Uuid);

/// What is known of a run without its journal.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its identity.
    pub id: RunId,
    /// The runbook's name.
    pub runbook: String,
    /// The version of the runbook that it was opened with and executes.
    pub version: String,
    /// How far it may go: fixed when it was opened, lowered when the configuration says so later.
    pub mode: Mode,
    /// The alerted object by name; absent when the runbook's target could not be rendered.
    pub object: Option<ObjectRef>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When waiting and acting end.
    pub deadline: Timestamp,
    /// Which attempt at its episode it is; the first is 1.
    pub attempt: u32,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nothing has been done yet.
    Pending,
    /// A step was started.
    Running,
    /// All steps are done; the cluster is watched.
    Verifying,
    /// Over.
    Finished,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Seen healthy.
    Succeeded,
    /// A step failed, or the cluster was seen unhealthy at the deadline.
    Failed,
    /// Could not see, or an answer is unknown.
    Inconclusive,
    /// No mutation was sent.
    Suppressed,
    /// By a person.
    Canceled,
}

/// The alerted object of one episode, with the uid that was seen first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundAlert {
    /// The episode.
    pub episode: EpisodeId,
    /// Its object.
    pub target: Target,
}

/// What a run was bound to when it first looked. It never changes; siblings' alerts may join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The alerted objects.
    pub alerts: Vec<BoundAlert>,
    /// What the limits count on.
    pub root: Root,
    /// The topmost controller whose replicas can be counted; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<ObjectRef>,
}

/// Where a run's target stands, among what limits are counted on; its root, runbook and namespace are known besides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The node that it is, or that it runs on.
    pub node: Option<String>,
    /// The pool of that node, as far as anybody has read it.
    pub node_pool: Option<String>,
}

/// Which history a run counts in: what only looks must change nothing for what acts.
///
/// Runs that enforce share one track; those in shadow and dryRun have one per mode and runbook.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Track(pub String);

impl Track {
    /// The track of a runbook's runs in a mode.
    pub fn of(mode: Mode, runbook: &str) -> Self {
        match mode {
            Mode::Enforce => Self("enforce".to_owned()),
            Mode::Shadow | Mode::DryRun => Self(format!("{}:{runbook}", mode.as_str())),
        }
    }
}

impl Phase {
    /// The word in API, metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Verifying => "verifying",
            Self::Finished => "finished",
        }
    }
}

impl Outcome {
    /// All of them, so that metrics exist before their first use.
    pub const ALL: &[Self] = &[
        Self::Succeeded,
        Self::Failed,
        Self::Inconclusive,
        Self::Suppressed,
        Self::Canceled,
    ];

    /// The word in API, metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Inconclusive => "inconclusive",
            Self::Suppressed => "suppressed",
            Self::Canceled => "canceled",
        }
    }
}

/// An end: outcome, reason, and words for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finish {
    /// How it ended.
    pub outcome: Outcome,
    /// Why, by its stable name.
    pub reason: Reason,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

impl Finish {
    /// An end with words.
    pub fn new(outcome: Outcome, reason: Reason, detail: impl Into<String>) -> Self {
        Self {
            outcome,
            reason,
            detail: detail.into(),
        }
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for EpisodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for EpisodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
