//! A run's values: the right to work on it, what decides what it does next, and what is added to it.

use std::time::Duration;

use jiff::Timestamp;

use super::{Owed, StoreError};
use crate::domain::{
    alert::Labels,
    guard::Cancel,
    journal::{Entry, Recorded, UnknownEntry},
    run::{EpisodeId, Phase, Run, RunId, Track},
};

/// The right to work on a run for a while. Every commit names it, renews it, and fails when it is not ours any more.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The run.
    pub run: RunId,
    /// Grows with every claim: what an earlier holder writes late is refused.
    pub epoch: i64,
    /// How long a commit renews it for.
    pub lease: Duration,
}

/// A claimed run with everything that decides what it does next.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The right to work on it.
    pub claim: Claim,
    /// What it executes.
    pub run: Run,
    /// Which ledger it counts in.
    pub track: Track,
    /// When the crowd around its first alert has arrived.
    pub settled: Timestamp,
    /// When it was to be looked at.
    pub due_at: Timestamp,
    /// Its journal, or the entry that this program cannot read.
    pub journal: Result<Vec<Recorded>, UnknownEntry>,
    /// Its alerts.
    pub alerts: Vec<RunAlert>,
    /// A person's request to end it.
    pub cancel: Option<Cancel>,
}

/// An alert of a run.
#[derive(Clone, Debug)]
pub struct RunAlert {
    /// Its episode.
    pub episode: EpisodeId,
    /// Its labels.
    pub labels: Labels,
    /// Its annotations.
    pub annotations: Labels,
    /// When it began to fire.
    pub started: Timestamp,
    /// Whether it fires still, as far as we were told.
    pub firing: bool,
}

/// A run with its journal and its alerts, for whoever tells of it.
#[derive(Clone, Debug)]
pub struct RunHistory {
    /// What it executes.
    pub run: Run,
    /// Its journal, or the entry that this program cannot read.
    pub journal: Result<Vec<Recorded>, UnknownEntry>,
    /// Its alerts.
    pub alerts: Vec<RunAlert>,
}

/// What one commit adds to a run.
#[derive(Clone, Debug)]
pub struct Change {
    /// New entries of the journal.
    pub entries: Vec<Entry>,
    /// The phase with these entries.
    pub phase: Phase,
    /// When to look again; none: go on at once, and keep the lease.
    pub due_at: Option<Timestamp>,
    /// Rows for the audit log.
    pub audit: Vec<Audit>,
    /// Who is to be told of it.
    pub owed: Option<Owed>,
}

/// A commit that did not happen.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The lease ran out and somebody else has claimed the run.
    #[error("the lease on the run was lost")]
    LeaseLost,
    /// The journal has grown since it was read: siblings' alerts joined.
    #[error("the journal has grown since it was read")]
    Stale,
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A row of the audit log.
#[derive(Clone, Debug)]
pub struct Audit {
    /// `intent`, `result`, `cancel`, `pause`, `resume`.
    pub kind: &'static str,
    /// `selfhealer`, or the name of a token with the address that it came from.
    pub who: String,
    /// What exactly.
    pub data: serde_json::Value,
}
