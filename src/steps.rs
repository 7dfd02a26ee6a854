//! What each step does: which request comes next, how it is sent, and what its answer means.
//!
//! A step is planned anew before every action, from the live cluster and the journal; it never remembers anything.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    cluster::{Cluster, ClusterError, Owners},
    domain::{
        guard::Facts,
        journal::Intent,
        reason::Reason,
        run::{Binding, EpisodeId, Run},
        state::State,
        step::StepAction,
        target::Target,
    },
    runbooks::Compiled,
    store::RunAlert,
};

pub mod collect;
pub mod conditions;
pub mod evict;
mod send;

pub use send::Sender;

/// What planning looks at.
pub struct Scene<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// The run.
    pub run: &'a Run,
    /// The runbook, in the version that the run executes.
    pub runbook: &'a Compiled,
    /// Where the run stands.
    pub state: &'a State,
    /// What it may touch.
    pub binding: &'a Binding,
    /// Its alerts.
    pub alerts: &'a [RunAlert],
    /// The moment.
    pub now: Timestamp,
    /// What was read of the cluster in the same breath, to find the target.
    pub seen: Option<&'a Seen>,
}

/// An alerted object and what is above it, as they have just been read.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The object.
    pub target: Target,
    /// Live.
    pub live: Value,
    /// And what controls it.
    pub owners: Owners,
}

/// What a step wants.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// Send this, if the guards allow.
    Act {
        /// The request.
        intent: Intent,
        /// Ready replicas of the root that mean that the replacement is there.
        ready_after: Option<i64>,
        /// What the guards should know.
        facts: Facts,
    },
    /// Look again soon.
    Wait {
        /// Why.
        reason: Reason,
        /// In words.
        detail: String,
        /// In how long.
        again: Duration,
    },
    /// Nothing is left to do.
    Complete {
        /// In words.
        detail: String,
    },
    /// It must not be done.
    Refuse {
        /// Why.
        reason: Reason,
        /// In words.
        detail: String,
    },
}

/// What an answer means.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Carried out.
    Done {
        /// What came of it.
        result: Value,
    },
    /// Not carried out, for certain; it may be tried again.
    Refused {
        /// Why.
        reason: Reason,
        /// In words.
        detail: String,
        /// In how long.
        again: Duration,
    },
    /// Not carried out, for certain, and trying again will not help.
    Failed {
        /// Why.
        reason: Reason,
        /// In words.
        detail: String,
    },
    /// Nobody knows; the same request is repeated.
    Unanswered {
        /// What was seen instead.
        detail: String,
    },
}

/// An [`Answer`] without what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AnswerKind {
    /// [`Answer::Done`].
    Done,
    /// [`Answer::Refused`].
    Refused,
    /// [`Answer::Failed`].
    Failed,
    /// [`Answer::Unanswered`].
    Unanswered,
}

/// How long to wait before the API server is asked again.
pub const RETRY_DELAY: Duration = Duration::from_secs(5);

/// Plans the next action of a step.
pub async fn plan(scene: &Scene<'_>, step: &StepAction) -> Result<Plan, ClusterError> {
    match step {
        StepAction::Collect(collect) => Ok(collect::plan(scene, collect)),
        StepAction::Evict(evict) => evict::plan(scene, evict).await,
    }
}

impl Scene<'_> {
    /// The alert behind a bound object.
    fn alert(&self, episode: EpisodeId) -> Option<&RunAlert> {
        self.alerts.iter().find(|alert| alert.episode == episode)
    }
}

impl AnswerKind {
    /// All of them, so that metrics exist before their first use.
    pub const ALL: &[Self] = &[Self::Done, Self::Refused, Self::Failed, Self::Unanswered];

    /// The word in metrics, logs and the audit log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Unanswered => "unanswered",
        }
    }
}

impl Answer {
    /// Which of them it is.
    pub fn kind(&self) -> AnswerKind {
        match self {
            Self::Done { .. } => AnswerKind::Done,
            Self::Refused { .. } => AnswerKind::Refused,
            Self::Failed { .. } => AnswerKind::Failed,
            Self::Unanswered { .. } => AnswerKind::Unanswered,
        }
    }

    /// What an error means for any request: each step handles before this what means something else for it.
    fn from_error(error: &ClusterError) -> Self {
        let detail = error.to_string();
        let reason = error.reason();
        match error {
            ClusterError::Unavailable { .. } => Self::Unanswered { detail },
            ClusterError::Overloaded { retry_after, .. } | ClusterError::Budget { retry_after, .. } => Self::Refused {
                reason,
                detail,
                again: retry_after.unwrap_or(RETRY_DELAY),
            },
            ClusterError::NotFound { .. } | ClusterError::Conflict { .. } => Self::Refused {
                reason,
                detail,
                again: Duration::from_secs(1),
            },
            ClusterError::Forbidden { .. } | ClusterError::Rejected { .. } | ClusterError::UnknownKind { .. } => {
                Self::Failed { reason, detail }
            }
        }
    }
}
