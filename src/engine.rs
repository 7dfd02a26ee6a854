//! The run engine: claims runs that are due and works on several at once, each one turn at a time.
//!
//! A [`turn`] asks [`crate::domain::next`] what to do, does it through [`crate::steps`], and records it, until the run
//! waits or ends. A turn that dies is picked up from the journal when its lease has run out.

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
mod report;
mod resolve;
mod safeguards;
mod turn;
mod verify;

pub use metrics::Metrics;
pub use safeguards::{LeaseCheck, Safeguards, outlasts};

/// The longest sleep: whatever is missed is found after it.
const LOOK: Duration = Duration::from_secs(5);

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

    /// Works until `stop`, then finishes the turns that are under way.
    pub async fn run(&self, stop: CancellationToken) {
        let mut turns = JoinSet::new();
        while !stop.is_cancelled() {
            self.heartbeat.beat();
            while let Some(ended) = turns.try_join_next() {
                note(ended);
            }
            let free = self.options.workers.saturating_sub(turns.len());
            let sleep = if free > 0 {
                self.claim(free, &mut turns).await
            } else {
                LOOK
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.wake.notified() => {}
                Some(ended) = turns.join_next(), if !turns.is_empty() => note(ended),
                () = self.clock.sleep(sleep) => {}
            }
        }
        while let Some(ended) = turns.join_next().await {
            note(ended);
        }
    }

    /// Works on what is due now, one turn after the other, until nothing is; tells when something is due again. For a
    /// story whose time stands meanwhile: [`Engine::run`] works on several at once.
    pub async fn work(&self) -> Result<Option<Timestamp>, StoreError> {
        loop {
            let begun = self.clock.monotonic();
            let claims = self.store.claim(&self.options.owner, self.options.lease, 1).await?;
            if claims.is_empty() {
                return self.store.next_due().await;
            }
            for claim in claims {
                self.turn(claim, begun).await;
            }
        }
    }

    /// Starts turns for due runs; tells how long there is nothing to claim.
    async fn claim(&self, free: usize, turns: &mut JoinSet<()>) -> Duration {
        let begun = self.clock.monotonic();
        match self.store.claim(&self.options.owner, self.options.lease, free).await {
            Ok(claims) => {
                let all = claims.len() == free;
                for claim in claims {
                    let engine = self.clone();
                    turns.spawn(async move { engine.turn(claim, begun).await });
                }
                if all {
                    return LOOK;
                }
            }
            Err(error) => {
                tracing::error!(reason = error.reason(), error = %error, "due runs could not be claimed");
                return LOOK;
            }
        }
        match self.store.next_due().await {
            Ok(next) => {
                let now = self.clock.now();
                let waiting = next.map_or(0, |next| now.duration_since(next).as_secs().max(0));
                self.metrics.oldest_due_run_age.set(waiting);
                let until = next.map(|next| Duration::try_from(next.duration_since(now)).unwrap_or_default());
                until.map_or(LOOK, |until| until.min(LOOK))
            }
            Err(error) => {
                tracing::error!(reason = error.reason(), error = %error, "the next due run could not be read");
                LOOK
            }
        }
    }
}

fn note(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(error = %error, "a turn panicked; its run goes on when the lease has run out");
    }
}
