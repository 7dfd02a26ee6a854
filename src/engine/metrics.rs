//! What is counted of runs and their steps.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

use crate::{
    domain::{reason::Reason, run::Outcome, step::StepName},
    metrics::label_values,
    steps::AnswerKind,
};

/// The metrics of the engine.
#[derive(Clone, Debug)]
pub struct Metrics {
    runs: Family<RunLabels, Counter>,
    suppressed: Family<ReasonLabels, Counter>,
    steps: Family<AnswerLabels, Counter>,
    step_duration: Family<StepLabels, Histogram>,
    /// Pods whose eviction ended in a verified recovery.
    pub(super) pods_healed: Counter,
    /// Pods whose eviction failed, or was followed by no recovery.
    pub(super) pods_failed: Counter,
    /// How long the oldest due run has waited for a worker.
    pub(super) oldest_due_run_age: Gauge,
    /// Kubernetes Events that could not be posted.
    pub(super) events_failed: Counter,
}

label_values!(Outcome, Reason, StepName, AnswerKind);

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RunLabels {
    runbook: String,
    outcome: Outcome,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReasonLabels {
    reason: Reason,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StepLabels {
    step: StepName,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct AnswerLabels {
    step: StepName,
    result: AnswerKind,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            runs: Family::default(),
            suppressed: Family::default(),
            steps: Family::default(),
            step_duration: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.005, 2.0, 14))),
            pods_healed: Counter::default(),
            pods_failed: Counter::default(),
            oldest_due_run_age: Gauge::default(),
            events_failed: Counter::default(),
        }
    }
}

impl Metrics {
    /// Puts them on a page, at zero.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("runs", "Finished runs by runbook and outcome", self.runs.clone());
        registry.register(
            "runs_suppressed",
            "Runs that sent no mutation, by reason",
            self.suppressed.clone(),
        );
        registry.register("steps", "Ends of steps' actions", self.steps.clone());
        registry.register(
            "step_duration_seconds",
            "From the start of a step's action to its answer",
            self.step_duration.clone(),
        );
        registry.register(
            "pods_healed",
            "Evicted pods whose workload was seen healthy afterwards",
            self.pods_healed.clone(),
        );
        registry.register(
            "pods_failed",
            "Pods whose eviction failed or was not followed by recovery",
            self.pods_failed.clone(),
        );
        registry.register(
            "oldest_due_run_age_seconds",
            "How long the oldest due run has waited for a worker",
            self.oldest_due_run_age.clone(),
        );
        registry.register(
            "events_failed",
            "Kubernetes Events that could not be posted",
            self.events_failed.clone(),
        );
        self.start_at_zero();
    }

    fn start_at_zero(&self) {
        for reason in Reason::ALL {
            drop(self.suppressed.get_or_create(&ReasonLabels { reason: *reason }));
        }
        for step in StepName::ALL {
            drop(self.step_duration.get_or_create(&StepLabels { step: *step }));
            for result in AnswerKind::ALL {
                let labels = AnswerLabels {
                    step: *step,
                    result: *result,
                };
                drop(self.steps.get_or_create(&labels));
            }
        }
    }

    /// Lets a runbook's runs begin at zero.
    pub fn known_runbook(&self, runbook: &str) {
        for outcome in Outcome::ALL {
            let labels = RunLabels {
                runbook: runbook.to_owned(),
                outcome: *outcome,
            };
            drop(self.runs.get_or_create(&labels));
        }
    }

    /// Counts the end of a run.
    pub(super) fn run_finished(&self, runbook: &str, outcome: Outcome, reason: Reason) {
        let labels = RunLabels {
            runbook: runbook.to_owned(),
            outcome,
        };
        self.runs.get_or_create(&labels).inc();
        if outcome == Outcome::Suppressed {
            self.suppressed.get_or_create(&ReasonLabels { reason }).inc();
        }
    }

    /// Counts the end of a step's action.
    pub(super) fn step(&self, step: StepName, result: AnswerKind, seconds: f64) {
        self.steps.get_or_create(&AnswerLabels { step, result }).inc();
        self.step_duration.get_or_create(&StepLabels { step }).observe(seconds);
    }
}
