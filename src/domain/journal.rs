//! The record of a run: what was seen, decided, sent and answered, in order, never rewritten.
//!
//! Every decision about a run is a function of these entries (see [`super::next`]), so a restart asks the same question
//! that an undisturbed process asks. Each entry is stored as `{v, kind, at, data}`; an entry whose `v` or `kind` is
//! unknown was written by a newer program and stops that run.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    reason::Reason,
    run::{Binding, BoundAlert, Finish, RunId},
    step::{Evidence, StepName},
    target::Target,
};

/// The version of the entries that this program writes.
pub const VERSION: i64 = 1;

/// An entry with the moment of its recording.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recorded {
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub entry: Entry,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub enum Entry {
    /// The run looked for the first time and took the uids that it may touch.
    Bound(Binding),
    /// A sibling on the same root ended, and its alerts are this run's now.
    Joined {
        /// The sibling.
        from: RunId,
        /// Its alerts.
        alerts: Vec<BoundAlert>,
    },
    /// Nothing can or may be done now.
    Deferred {
        /// Why.
        reason: Reason,
        /// In words.
        detail: String,
        /// When to look again.
        until: Timestamp,
    },
    /// Judged and allowed; from here on the request may have been sent.
    Started {
        /// Index of the step.
        step: usize,
        /// The exact request, absolute, so that a repeat sends the same.
        intent: Intent,
        /// Sent with `dryRun=All`.
        dry_run: bool,
        /// For steps that wait for a replacement: how many ready replicas of the root mean that it is there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ready_after: Option<i64>,
    },
    /// What would have been started, were the runbook not in shadow.
    WouldStart {
        /// Index of the step.
        step: usize,
        /// The request that was not sent.
        intent: Intent,
    },
    /// The last `started` was carried out.
    Done {
        /// Index of the step.
        step: usize,
        /// What came of it.
        result: serde_json::Value,
    },
    /// The last `started` was not carried out, for certain; it may be judged and started again.
    Refused {
        /// Index of the step.
        step: usize,
        /// Why.
        reason: Reason,
        /// In words.
        detail: String,
        /// When to try again.
        until: Timestamp,
    },
    /// The last `started` got no answer that tells whether it was carried out; the same request is repeated.
    Unanswered {
        /// Index of the step.
        step: usize,
        /// What was seen instead of an answer.
        detail: String,
    },
    /// Nothing is left to do for this step.
    StepDone {
        /// Index of the step.
        step: usize,
        /// In words.
        detail: String,
    },
    /// This step will not succeed.
    StepFailed {
        /// Index of the step.
        step: usize,
        /// Why.
        reason: Reason,
        /// In words.
        detail: String,
    },
    /// All steps are done; the cluster is watched until then.
    Verifying {
        /// The deadline.
        until: Timestamp,
    },
    /// What verification saw, whenever it changes.
    Observed {
        /// Whether it is what the runbook expects; `None` when nothing could be seen.
        healthy: Option<bool>,
        /// In words.
        detail: String,
    },
    /// Over.
    Finished(Finish),
}

/// An exact request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Intent {
    /// `POST …/pods/NAME/eviction` with the uid as precondition.
    Evict {
        /// The pod.
        target: Target,
    },
    /// Reads only.
    Collect {
        /// The object.
        target: Target,
        /// What is kept of it.
        #[serde(flatten)]
        evidence: Evidence,
    },
}

impl Intent {
    /// Whose action it is.
    pub fn step(&self) -> StepName {
        match self {
            Self::Evict { .. } => StepName::Evict,
            Self::Collect { .. } => StepName::Collect,
        }
    }

    /// The object that is touched.
    pub fn target(&self) -> &Target {
        match self {
            Self::Evict { target } | Self::Collect { target, .. } => target,
        }
    }

    /// Whether it changes the cluster.
    pub fn is_mutation(&self) -> bool {
        match self {
            Self::Evict { .. } => true,
            Self::Collect { .. } => false,
        }
    }
}

/// An entry that cannot be read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("journal entry {n} has version {version} and kind {kind:?}, which this program does not know: {message}")]
pub struct UnknownEntry {
    /// Its number.
    pub n: i64,
    /// Its version.
    pub version: i64,
    /// Its kind.
    pub kind: String,
    /// What the parser said.
    pub message: String,
}

impl Entry {
    /// The word in storage, API and logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bound(_) => "bound",
            Self::Joined { .. } => "joined",
            Self::Deferred { .. } => "deferred",
            Self::Started { .. } => "started",
            Self::WouldStart { .. } => "would_start",
            Self::Done { .. } => "done",
            Self::Refused { .. } => "refused",
            Self::Unanswered { .. } => "unanswered",
            Self::StepDone { .. } => "step_done",
            Self::StepFailed { .. } => "step_failed",
            Self::Verifying { .. } => "verifying",
            Self::Observed { .. } => "observed",
            Self::Finished(_) => "finished",
        }
    }

    /// The part that is stored beside the kind.
    pub fn data(&self) -> serde_json::Value {
        serde_json::to_value(self)
            .ok()
            .and_then(|mut value| value.get_mut("data").map(serde_json::Value::take))
            .unwrap_or_default()
    }

    /// Reads a stored entry.
    pub fn read(n: i64, version: i64, kind: &str, data: &str) -> Result<Self, UnknownEntry> {
        let unknown = |message: String| UnknownEntry {
            n,
            version,
            kind: kind.to_owned(),
            message,
        };
        if version != VERSION {
            return Err(unknown(format!("expected version {VERSION}")));
        }
        let data: serde_json::Value = serde_json::from_str(data).map_err(|error| unknown(error.to_string()))?;
        serde_json::from_value(serde_json::json!({"kind": kind, "data": data}))
            .map_err(|error| unknown(error.to_string()))
    }
}
