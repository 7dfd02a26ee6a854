//! The metrics of all subsystems, and the page that shows them.

use crate::{engine, http, intake, metrics::Page, notify, runbooks};

/// All metrics of the service. Each part is given its own.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// What Prometheus scrapes.
    pub page: Page,
    /// Of the listeners.
    pub http: http::Metrics,
    /// Of the way from posts to runs.
    pub intake: intake::Metrics,
    /// Of runs.
    pub engine: engine::Metrics,
    /// Of messages.
    pub notify: notify::Metrics,
    /// Of runbooks.
    pub runbooks: runbooks::Metrics,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Metrics at zero.
    pub fn new() -> Self {
        let http = http::Metrics::default();
        let intake = intake::Metrics::default();
        let engine = engine::Metrics::default();
        let notify = notify::Metrics::default();
        let runbooks = runbooks::Metrics::default();
        let page = Page::new(|registry| {
            http.register(registry);
            intake.register(registry);
            engine.register(registry);
            notify.register(registry);
            runbooks.register(registry);
        });
        Self {
            page,
            http,
            intake,
            engine,
            notify,
            runbooks,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{domain::reason::Reason, runbooks::registry::Snapshot};

    #[test]
    fn the_page_has_each_family_once_with_all_its_series() {
        let metrics = Metrics::new();
        metrics.runbooks.loaded(&Snapshot::default());
        metrics.engine.known_runbook("web");
        let text = metrics.page.encode().unwrap();
        let mut families: Vec<&str> = text.lines().filter(|line| line.starts_with("# ")).collect();
        families.sort_unstable();
        insta::assert_snapshot!(families.join("\n"));
        // Each series that a rule may ask for is there at zero.
        let series = |name: &str| text.lines().filter(|line| line.starts_with(name)).count();
        assert_eq!(series("selfhealer_runs_suppressed_total{reason="), Reason::ALL.len());
        assert_eq!(series("selfhealer_runs_total{runbook=\"web\",outcome="), 5);
        assert_eq!(series("selfhealer_notifications_total{result="), 10);
        assert_eq!(series("selfhealer_alerts_total{result="), 7);
        assert_eq!(series("selfhealer_messages_total{sink=\"teams\",result="), 14);
        assert_eq!(series("selfhealer_steps_total{step=\"evict\",result="), 4);
        assert_eq!(series("selfhealer_step_duration_seconds_count{step="), 2);
        assert_eq!(series("selfhealer_runbooks{state="), 2);
    }
}
