//! The closed set of steps, with their parameters.

use std::time::Duration;

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
    /// The Kubernetes Events that name the target or its root.
    pub events: bool,
    /// The target's own YAML, redacted.
    pub yaml: bool,
    /// Whether messages carry the evidence too; otherwise it stays in the journal.
    pub share: bool,
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
