//! What is counted on the way from a post to runs.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::metrics::label;

/// The metrics of the intake.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    truncated: Counter,
    alerts: Family<AlertLabels, Counter>,
    inbox_alerts: Gauge,
}

label! {
    /// What unfolding made of an alert.
    pub(super) enum AlertResult {
        Opened = "opened",
        Repeated = "repeated",
        Reopened = "reopened",
        Resolved = "resolved",
        ResolvedUnseen = "resolved_unseen",
        StaleFiring = "stale_firing",
        StaleResolved = "stale_resolved",
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct AlertLabels {
    result: AlertResult,
}

impl Metrics {
    /// Puts them on a page, at zero.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "truncated_alerts",
            "Alerts that Alertmanager left out of its posts because of max_alerts",
            self.truncated.clone(),
        );
        registry.register("alerts", "Alerts unfolded, by what they meant", self.alerts.clone());
        registry.register(
            "inbox_alerts",
            "Accepted alerts that are not unfolded yet",
            self.inbox_alerts.clone(),
        );
        for result in AlertResult::ALL {
            drop(self.alerts.get_or_create(&AlertLabels { result: *result }));
        }
    }

    /// Tells how many alerts in the inbox are not unfolded yet.
    pub fn waiting(&self, alerts: u64) {
        self.inbox_alerts.set(i64::try_from(alerts).unwrap_or(i64::MAX));
    }

    /// Counts alerts that Alertmanager left out.
    pub(super) fn truncated(&self, alerts: u64) {
        self.truncated.inc_by(alerts);
    }

    /// Counts what alerts meant.
    pub(super) fn alert(&self, result: AlertResult, count: u64) {
        self.alerts.get_or_create(&AlertLabels { result }).inc_by(count);
    }
}
