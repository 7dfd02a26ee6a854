//! The run engine: claims runs that are due and reconciles several at once.
//!
//! To [`reconcile`] a run is to ask [`crate::domain::next`] what to do, do it through [`crate::steps`], and record it, until the run
//! waits or ends. A run whose process dies meanwhile is picked up from its journal when the lease has run out.

use std::{ops::Deref, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    cluster::Cluster,
    domain::notify::Routes,
    readiness::Heartbeat,
    runbooks::registry::Registry,
    store::{Store, StoreError},
};

mod act;
mod judge;
mod lease;
mod metrics;
mod reconcile;
mod report;
mod resolve;
mod safeguards;
mod verify;

pub use metrics::Metrics;
pub use safeguards::{LeaseCheck, Safeguards, outlasts};

/// The longest sleep: a wake-up that was missed costs no more.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// What the engine needs to know of the configuration.
#[derive(Clone, Debug)]
pub struct Options {
    /// Runs that are worked on at the same time.
    pub workers: usize,
    /// How long a claim holds without a commit.
    pub lease: Duration,
    /// Namespaces in which nothing is touched.
    pub protected: Vec<String>,
    /// A name for this process, for the leases.
    pub owner: String,
    /// Where runs are told of.
    pub routes: Routes,
}

/// What the engine is put together from.
pub struct Parts {
    /// Journals, claims, and what guards look back on.
    pub store: Store,
    /// What is looked at.
    pub cluster: Cluster,
    /// What keeps a run from doing harm.
    pub safeguards: Safeguards,
    /// The runbooks.
    pub registry: Registry,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// What is counted.
    pub metrics: Metrics,
    /// Settings.
    pub options: Options,
    /// Told when there may be a run to claim.
    pub wake: Arc<Notify>,
    /// Told when a message is owed.
    pub outbox: watch::Sender<()>,
    /// Beats each time the loop goes round.
    pub heartbeat: Heartbeat,
}

/// The engine.
#[derive(Clone)]
pub struct Engine(Arc<Parts>);

impl Deref for Engine {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Engine {
    /// An engine that does nothing until [`Engine::run`].
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Works until `stop`, then finishes what is under way.
    pub async fn run(&self, stop: CancellationToken) {
        let mut under_way = JoinSet::new();
        while !stop.is_cancelled() {
            self.heartbeat.beat();
            while let Some(ended) = under_way.try_join_next() {
                note(ended);
            }
            let free = self.options.workers.saturating_sub(under_way.len());
            let sleep = if free > 0 {
                self.claim(free, &mut under_way).await
            } else {
                POLL_INTERVAL
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.wake.notified() => {}
                Some(ended) = under_way.join_next(), if !under_way.is_empty() => note(ended),
                () = self.clock.sleep(sleep) => {}
            }
        }
        while let Some(ended) = under_way.join_next().await {
            note(ended);
        }
    }

    /// Works on what is due now, one run after the other, until nothing is; tells when something is due again. For a
    /// story whose time stands meanwhile: [`Engine::run`] works on several at once.
    pub async fn work(&self) -> Result<Option<Timestamp>, StoreError> {
        loop {
            let begun = self.clock.monotonic();
            let claims = self.store.claim(&self.options.owner, self.options.lease, 1).await?;
            if claims.is_empty() {
                return self.store.next_due().await;
            }
            for claim in claims {
                self.reconcile(claim, begun).await;
            }
        }
    }

    /// Begins to reconcile due runs; tells how long there is nothing to claim.
    async fn claim(&self, free: usize, under_way: &mut JoinSet<()>) -> Duration {
        let begun = self.clock.monotonic();
        match self.store.claim(&self.options.owner, self.options.lease, free).await {
            Ok(claims) => {
                let all = claims.len() == free;
                for claim in claims {
                    let engine = self.clone();
                    under_way.spawn(async move { engine.reconcile(claim, begun).await });
                }
                if all {
                    return POLL_INTERVAL;
                }
            }
            Err(error) => {
                tracing::error!(reason = error.reason(), error = %error, "due runs could not be claimed");
                return POLL_INTERVAL;
            }
        }
        match self.store.next_due().await {
            Ok(next) => {
                let now = self.clock.now();
                let waiting = next.map_or(0, |next| now.duration_since(next).as_secs().max(0));
                self.metrics.oldest_due_run_age.set(waiting);
                let until = next.map(|next| Duration::try_from(next.duration_since(now)).unwrap_or_default());
                until.map_or(POLL_INTERVAL, |until| until.min(POLL_INTERVAL))
            }
            Err(error) => {
                tracing::error!(reason = error.reason(), error = %error, "the next due run could not be read");
                POLL_INTERVAL
            }
        }
    }
}

fn note(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(error = %error, "work on a run panicked; it goes on when the lease has run out");
    }
}
