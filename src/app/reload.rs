//! Runbooks are read again when their files change. Other settings need a restart.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::Metrics;
use crate::{
    clock::Clock,
    readiness::Handle,
    runbooks::RunbookSet,
    runbooks::registry::{Registry, Snapshot},
    store::Store,
};

/// How often the files are looked at; kubelet itself needs about a minute to bring a changed ConfigMap.
const EVERY: Duration = Duration::from_secs(5);

/// What reloading touches.
pub(super) struct Reload {
    pub paths: Vec<PathBuf>,
    pub registry: Registry,
    pub store: Store,
    pub metrics: Metrics,
    pub clock: Arc<dyn Clock>,
    /// The stamp of the files as they were read at the start.
    pub stamp: u64,
    /// A file that is refused is a warning.
    pub health: Handle,
}

impl Reload {
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.clock.sleep(EVERY) => {}
            }
            let stamp = RunbookSet::stamp(&self.paths);
            if stamp == self.stamp {
                continue;
            }
            match self.registry.load(&self.paths, &self.store).await {
                Ok(snapshot) => {
                    self.stamp = stamp;
                    self.tell(&snapshot);
                    tracing::info!(
                        loaded = snapshot.set.len(),
                        broken = snapshot.broken,
                        "the runbooks were read again"
                    );
                }
                Err(error) => {
                    tracing::error!(
                        reason = error.reason(),
                        error = %error,
                        "the changed runbooks could not be kept; the old ones stay"
                    );
                }
            }
        }
    }

    /// Log, metrics and readiness of what was read.
    pub fn tell(&self, snapshot: &Snapshot) {
        for problem in &snapshot.problems {
            tracing::warn!("runbook: {}", problem.render(false));
        }
        self.metrics.runbooks.loaded(snapshot);
        for compiled in snapshot.set.iter() {
            self.metrics.engine.known_runbook(&compiled.runbook.name);
        }
        if snapshot.broken == 0 {
            return self.health.ok();
        }
        let places = snapshot.problems.iter();
        let places: Vec<_> = places
            .map(|problem| format!("{}:{}", problem.file, problem.line))
            .collect();
        self.health.warn(format!(
            "refused files: {}; what they last held runs in shadow: {}",
            snapshot.broken,
            places.join(", ")
        ));
    }
}
