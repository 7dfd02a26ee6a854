//! Runbooks are read again when their files change. Other settings need a restart.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::Metrics;
use crate::{
    books::{Books, InForce},
    clock::Clock,
    readiness::Handle,
    runbooks::RunbookSet,
    store::Store,
};

/// How often the files are looked at; kubelet itself needs about a minute to bring a changed ConfigMap.
const EVERY: Duration = Duration::from_secs(5);

/// What reloading touches.
pub(super) struct Reload {
    pub paths: Vec<PathBuf>,
    pub books: Books,
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
            match self.books.load(&self.paths, &self.store).await {
                Ok(in_force) => {
                    self.stamp = stamp;
                    self.tell(&in_force);
                    tracing::info!(
                        loaded = in_force.set.len(),
                        broken = in_force.broken,
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
    pub fn tell(&self, in_force: &InForce) {
        for problem in &in_force.problems {
            tracing::warn!("runbook: {}", problem.render(false));
        }
        self.metrics.books.loaded(in_force);
        for compiled in in_force.set.iter() {
            self.metrics.engine.known_runbook(&compiled.runbook.name);
        }
        if in_force.broken == 0 {
            return self.health.ok();
        }
        let places = in_force.problems.iter();
        let places: Vec<_> = places
            .map(|problem| format!("{}:{}", problem.file, problem.line))
            .collect();
        self.health.warn(format!(
            "refused files: {}; what they last held runs in shadow: {}",
            in_force.broken,
            places.join(", ")
        ));
    }
}
