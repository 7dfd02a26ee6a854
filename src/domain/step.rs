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

impl StepAction {
    /// The step's name in YAML, journal and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Collect(_) => "collect",
            Self::Evict(_) => "evict",
        }
    }

    /// Whether it changes the cluster.
    pub fn is_mutation(&self) -> bool {
        match self {
            Self::Collect(_) => false,
            Self::Evict(_) => true,
        }
    }
}
