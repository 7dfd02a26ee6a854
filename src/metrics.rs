//! What `/metrics` shows. Label sets exist before their first use, so that `rate()` works from zero; no label is
//! unbounded.

use std::{fmt, sync::Arc};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::Registry,
};

use crate::domain::{notify::Sink, reason::Reason, run::Outcome};

/// The content type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers to `POST /alertmanager`, each a value of the label `result`.
pub const NOTIFICATION_RESULTS: [&str; 10] = [
    "accepted",
    "malformed",
    "unauthenticated",
    "forbidden",
    "too_large",
    "too_slow",
    "incomplete",
    "overloaded",
    "store_unavailable",
    "draining",
];

/// What unfolding made of an alert, each a value of the label `result`.
pub const ALERT_RESULTS: [&str; 7] = [
    "opened",
    "repeated",
    "reopened",
    "resolved",
    "resolved_unseen",
    "stale_firing",
    "stale_resolved",
];

/// Ends of a step's action, each a value of the label `result`.
pub const STEP_RESULTS: [&str; 4] = ["done", "refused", "unanswered", "failed"];

/// What came of deliveries, each a value of the label `result`: told or later, then the reasons for giving up.
pub const MESSAGE_RESULTS: [&str; 14] = [
    "told",
    "found",
    "nothing_to_tell",
    "rate_limited",
    "unavailable",
    "renewed",
    "refused",
    "unauthorized",
    "missing_permission",
    "channel_unavailable",
    "message_gone",
    "content_refused",
    "secret_unreadable",
    "rejected",
];

/// The steps there are, each a value of the label `step`.
pub const STEPS: [&str; 2] = ["collect", "evict"];

type Labels = Vec<(&'static str, String)>;

/// All metrics of the service.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    notifications: Family<Labels, Counter>,
    truncated: Counter,
    alerts: Family<Labels, Counter>,
    runs: Family<Labels, Counter>,
    suppressed: Family<Labels, Counter>,
    steps: Family<Labels, Counter>,
    step_duration: Family<Labels, Histogram>,
    /// Pods whose eviction ended in a verified recovery.
    pub pods_healed: Counter,
    /// Pods whose eviction failed, or was followed by no recovery.
    pub pods_failed: Counter,
    /// Alerts in the inbox that are not unfolded yet.
    pub inbox_alerts: Gauge,
    /// How long the oldest due run has waited for a worker.
    pub oldest_due_run_age: Gauge,
    /// Runbooks in force, and runbook files that are refused.
    runbooks: Family<Labels, Gauge>,
    /// Kubernetes Events that could not be posted.
    pub events_failed: Counter,
    messages: Family<Labels, Counter>,
    messages_owed: Family<Labels, Gauge>,
    /// Messages for which a runbook's own template could not be used.
    pub templates_failed: Counter,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct BuildInfo {
    version: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Metrics at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("selfhealer");
        let metrics = Self {
            notifications: Family::default(),
            truncated: Counter::default(),
            alerts: Family::default(),
            runs: Family::default(),
            suppressed: Family::default(),
            steps: Family::default(),
            step_duration: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.005, 2.0, 14))),
            pods_healed: Counter::default(),
            pods_failed: Counter::default(),
            inbox_alerts: Gauge::default(),
            oldest_due_run_age: Gauge::default(),
            runbooks: Family::default(),
            events_failed: Counter::default(),
            messages: Family::default(),
            messages_owed: Family::default(),
            templates_failed: Counter::default(),
            registry: Arc::default(),
        };
        metrics.register(&mut registry);
        metrics.start_at_zero();
        Self {
            registry: Arc::new(registry),
            ..metrics
        }
    }

    fn register(&self, registry: &mut Registry) {
        let info = Info::new(BuildInfo {
            version: env!("CARGO_PKG_VERSION"),
        });
        registry.register("build", "The running version", info);
        registry.register(
            "notifications",
            "Posts to /alertmanager by answer",
            self.notifications.clone(),
        );
        registry.register(
            "truncated_alerts",
            "Alerts that Alertmanager left out of its posts because of max_alerts",
            self.truncated.clone(),
        );
        registry.register("alerts", "Alerts unfolded, by what they meant", self.alerts.clone());
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
            "inbox_alerts",
            "Accepted alerts that are not unfolded yet",
            self.inbox_alerts.clone(),
        );
        registry.register(
            "oldest_due_run_age_seconds",
            "How long the oldest due run has waited for a worker",
            self.oldest_due_run_age.clone(),
        );
        registry.register("runbooks", "Runbooks by state: loaded or broken", self.runbooks.clone());
        registry.register(
            "events_failed",
            "Kubernetes Events that could not be posted",
            self.events_failed.clone(),
        );
        registry.register(
            "messages",
            "Deliveries to Slack, Teams and webhooks by what came of them",
            self.messages.clone(),
        );
        registry.register(
            "messages_owed",
            "Messages that are not delivered yet",
            self.messages_owed.clone(),
        );
        registry.register(
            "message_templates_failed",
            "Messages for which the runbook's own template could not be used",
            self.templates_failed.clone(),
        );
    }

    fn start_at_zero(&self) {
        for result in NOTIFICATION_RESULTS {
            drop(self.notifications.get_or_create(&vec![("result", result.to_owned())]));
        }
        for result in ALERT_RESULTS {
            drop(self.alerts.get_or_create(&vec![("result", result.to_owned())]));
        }
        for reason in Reason::ALL {
            drop(self.suppressed.get_or_create(&vec![("reason", reason.to_string())]));
        }
        for sink in Sink::ALL {
            let sink = sink.as_str().to_owned();
            drop(self.messages_owed.get_or_create(&vec![("sink", sink.clone())]));
            for result in MESSAGE_RESULTS {
                let labels = vec![("sink", sink.clone()), ("result", result.to_owned())];
                drop(self.messages.get_or_create(&labels));
            }
        }
        for step in STEPS {
            drop(self.step_duration.get_or_create(&vec![("step", step.to_owned())]));
            for result in STEP_RESULTS {
                let labels = vec![("step", step.to_owned()), ("result", result.to_owned())];
                drop(self.steps.get_or_create(&labels));
            }
        }
    }

    /// Lets a runbook's runs begin at zero.
    pub fn known_runbook(&self, runbook: &str) {
        for outcome in Outcome::ALL {
            drop(self.runs.get_or_create(&run_labels(runbook, *outcome)));
        }
    }

    /// Counts an answer to Alertmanager.
    pub fn notification(&self, result: &'static str) {
        self.notifications
            .get_or_create(&vec![("result", result.to_owned())])
            .inc();
    }

    /// Counts alerts that Alertmanager left out.
    pub fn truncated(&self, alerts: u64) {
        self.truncated.inc_by(alerts);
    }

    /// Counts what alerts meant.
    pub fn alert(&self, result: &'static str, count: u64) {
        self.alerts
            .get_or_create(&vec![("result", result.to_owned())])
            .inc_by(count);
    }

    /// Counts the end of a run.
    pub fn run_finished(&self, runbook: &str, outcome: Outcome, reason: Reason) {
        self.runs.get_or_create(&run_labels(runbook, outcome)).inc();
        if outcome == Outcome::Suppressed {
            self.suppressed
                .get_or_create(&vec![("reason", reason.to_string())])
                .inc();
        }
    }

    /// Counts the end of a step's action.
    pub fn step(&self, step: &'static str, result: &'static str, seconds: f64) {
        let labels = vec![("step", step.to_owned()), ("result", result.to_owned())];
        self.steps.get_or_create(&labels).inc();
        self.step_duration
            .get_or_create(&vec![("step", step.to_owned())])
            .observe(seconds);
    }

    /// Counts what came of a delivery.
    pub fn message(&self, sink: Sink, result: &'static str) {
        let labels = vec![("sink", sink.as_str().to_owned()), ("result", result.to_owned())];
        self.messages.get_or_create(&labels).inc();
    }

    /// Tells how many messages are owed.
    pub fn messages_owed(&self, sink: Sink, count: i64) {
        let labels = vec![("sink", sink.as_str().to_owned())];
        self.messages_owed.get_or_create(&labels).set(count);
    }

    /// Tells how many runbooks are in force and how many files are refused.
    pub fn runbooks(&self, loaded: usize, broken: usize) {
        for (state, count) in [("loaded", loaded), ("broken", broken)] {
            let labels = vec![("state", state.to_owned())];
            self.runbooks
                .get_or_create(&labels)
                .set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// The text that Prometheus scrapes.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

fn run_labels(runbook: &str, outcome: Outcome) -> Labels {
    vec![
        ("runbook", runbook.to_owned()),
        ("outcome", outcome.as_str().to_owned()),
    ]
}
