//! The closed set of steps, with their parameters.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One part of a runbook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it does.
    pub action: StepAction,
    /// How long it may take, waiting for a disruption budget included; absent: until the run's deadline.
    pub timeout: Option<Duration>,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepAction {
    /// Keep evidence in the journal before anything is changed.
    Collect(Collect),
    /// Evict the alerted pods through the eviction API, one at a time.
    Evict(Evict),
}

/// Parameters of `collect`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collect {
    /// What is kept.
    pub evidence: Evidence,
    /// Whether messages carry the evidence too; otherwise it stays in the journal.
    pub share: bool,
}

/// Which parts of the evidence `collect` keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The Kubernetes Events that name the target.
    pub events: bool,
    /// The target's own YAML, redacted.
    pub yaml: bool,
    /// What its containers printed. Absent in journals of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs: Option<Logs>,
}

/// Which logs of a pod's containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logs {
    /// Also of the run before the present one.
    pub previous: bool,
    /// So many lines, from the end.
    pub tail_lines: u32,
}

/// Parameters of `evict`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evict {
    /// At most so many pods in one run; the next only when the last one's replacement is ready.
    pub limit: u32,
}

/// A step's name, without parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StepName {
    /// [`StepAction::Evict`].
    Evict,
    /// [`StepAction::Collect`].
    Collect,
}

impl StepName {
    /// All of them, so that metrics exist before their first use and runbooks can name them.
    pub const ALL: &[Self] = &[Self::Evict, Self::Collect];

    /// The word in YAML, journal, metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Evict => "evict",
            Self::Collect => "collect",
        }
    }
}

impl StepAction {
    /// The step's name in YAML, journal and metrics.
    pub fn name(&self) -> &'static str {
        let name = match self {
            Self::Collect(_) => StepName::Collect,
            Self::Evict(_) => StepName::Evict,
        };
        name.as_str()
    }

    /// Whether it changes the cluster.
    pub fn is_mutation(&self) -> bool {
        match self {
            Self::Collect(_) => false,
            Self::Evict(_) => true,
        }
    }
}
