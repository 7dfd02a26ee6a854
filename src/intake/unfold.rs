//! Unfolding: posts from the inbox, in order and many at a time, become episodes and runs.
//!
//! It may be repeated at will: a post is marked in the transaction that writes what it came to. Nothing of the cluster is
//! asked here.

use std::{
    collections::BTreeSet,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Metrics;
use crate::{
    clock::Clock,
    domain::alert::{Fingerprint, Notification},
    ids::Ids,
    readiness::Handle,
    runbooks::registry::Registry,
    store::{Store, StoreError, StoredPost},
};

mod fold;
mod matching;

use fold::Fold;
use matching::{Candidate, candidates};

/// Alerts that one transaction takes at the most, unless a single post has more. Acknowledgements wait for it.
const BATCH: u32 = 1_000;
/// Alerts a second beyond which unfolding leaves its time to posts that keep coming: above the 10,000 that are promised.
const RATE_BESIDE_POSTS: f64 = 10_500.0;
/// How long a failed batch waits, and how long a missed wake-up can cost.
const RETRY_DELAY: Duration = Duration::from_secs(2);

/// What unfolding needs to know of the configuration.
#[derive(Clone, Debug)]
pub struct Options {
    /// The label that tells the cluster, and its value here, if configured.
    pub cluster_label: String,
    /// Whose alerts are ours; absent: any, until two values are seen.
    pub cluster_value: Option<String>,
    /// How long a run waits for the rest of a crowd.
    pub settle: Duration,
}

/// The task that unfolds.
pub struct Unfolder {
    /// The store.
    pub store: Store,
    /// The runbooks.
    pub registry: Registry,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where ids come from.
    pub ids: Arc<Ids>,
    /// What is counted.
    pub metrics: Metrics,
    /// Settings.
    pub options: Options,
    /// Alerts in the inbox.
    pub waiting: Arc<AtomicU64>,
    /// Told when a post was committed.
    pub arrived: Arc<Notify>,
    /// Told when a run was opened.
    pub wake: Arc<Notify>,
    /// Says when alerts of several clusters come and nobody has said which is ours.
    pub health: Handle,
}

/// A post with what its alerts match.
struct Post {
    stored: StoredPost,
    notification: Notification,
    candidates: Vec<Vec<Candidate>>,
}

/// How long to leave the connection to posts that keep coming, after a batch that took so long: as long, or until no more
/// than [`RATE_BESIDE_POSTS`] is kept.
fn breath(took: Duration, alerts: u64) -> Duration {
    let due = Duration::from_secs_f64(alerts as f64 / RATE_BESIDE_POSTS);
    took.max(due.saturating_sub(took))
}

impl Unfolder {
    /// Unfolds until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let (begun, before) = (self.clock.monotonic(), self.waiting.load(Ordering::Relaxed));
            match self.batch().await {
                Ok(0) => {}
                Ok(unfolded) => {
                    // Posts came meanwhile: they are committed by the same connection, and go first.
                    if self.waiting.load(Ordering::Relaxed) + unfolded > before {
                        let took = self.clock.monotonic() - begun;
                        self.clock.sleep(breath(took, unfolded)).await;
                    }
                    continue;
                }
                Err(error) => {
                    tracing::error!(reason = error.reason(), error = %error, "posts could not be unfolded; they are kept");
                    self.pause(&stop).await;
                    continue;
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.arrived.notified() => {}
                () = self.clock.sleep(RETRY_DELAY) => {}
            }
        }
    }

    async fn pause(&self, stop: &CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.clock.sleep(RETRY_DELAY) => {}
        }
    }

    /// Unfolds one batch; how many alerts there were.
    pub async fn batch(&self) -> Result<u64, StoreError> {
        let stored = self.store.waiting_posts(BATCH).await?;
        if stored.is_empty() {
            return Ok(0);
        }
        let alerts = stored.iter().map(|post| u64::from(post.alerts)).sum();
        let snapshot = self.registry.snapshot();
        let mut posts = Vec::with_capacity(stored.len());
        for stored in stored {
            match serde_json::from_slice::<Notification>(&stored.body) {
                Ok(notification) => {
                    let candidates = candidates(&self.registry, &snapshot, &notification);
                    posts.push(Post {
                        stored: StoredPost {
                            body: Vec::new(),
                            ..stored
                        },
                        notification,
                        candidates,
                    });
                }
                Err(error) => self.set_aside(&stored, &error.to_string()).await?,
            }
        }
        let posts = Arc::new(posts);
        match self.unfold(&posts, 0..posts.len()).await {
            Ok(()) => {}
            // One bad post must not hold up the others: each gets a transaction of its own.
            Err(StoreError::Data(_)) => {
                for (index, post) in posts.iter().enumerate() {
                    match self.unfold(&posts, index..index + 1).await {
                        Ok(()) => {}
                        Err(StoreError::Data(error)) => self.set_aside(&post.stored, &error).await?,
                        Err(error) => return Err(error),
                    }
                }
            }
            Err(error) => return Err(error),
        }
        Ok(alerts)
    }

    async fn set_aside(&self, post: &StoredPost, reason: &str) -> Result<(), StoreError> {
        tracing::error!(
            post = post.id,
            error = reason,
            "a post cannot be unfolded; it is kept with this reason"
        );
        self.store.set_aside(post.id, reason).await?;
        self.leave(post.alerts.into());
        Ok(())
    }

    /// Alerts of several clusters: nothing is done for any until somebody says which is ours.
    fn tell_clusters(&self, clusters: &BTreeSet<String>) {
        if clusters.len() < 2 {
            self.health.ok();
            return;
        }
        let values: Vec<&str> = clusters.iter().map(String::as_str).collect();
        self.health.warn(format!(
            "alerts carry several values of the label {:?}: {}. Nothing is done for them until cluster.value says which is ours",
            self.options.cluster_label,
            values.join(", ")
        ));
    }

    /// So many alerts have left the inbox.
    fn leave(&self, alerts: u64) {
        let before = self.waiting.fetch_sub(alerts, Ordering::Relaxed);
        self.metrics.waiting(before.saturating_sub(alerts));
    }

    /// Unfolds some of these posts.
    async fn unfold(&self, posts: &Arc<Vec<Post>>, some: Range<usize>) -> Result<(), StoreError> {
        let these = &posts[some.clone()];
        let fingerprints: BTreeSet<Fingerprint> = these
            .iter()
            .flat_map(|post| &post.notification.alerts)
            .map(|alert| alert.fingerprint)
            .collect();
        let object_keys: BTreeSet<String> = these
            .iter()
            .flat_map(|post| post.candidates.iter().flatten())
            .filter_map(|candidate| candidate.object_key.clone())
            .collect();
        let decide = {
            let (posts, options) = (Arc::clone(posts), self.options.clone());
            let (ids, clock) = (Arc::clone(&self.ids), Arc::clone(&self.clock));
            move |known| {
                let mut fold = Fold::new(known, &options, &ids, clock.now());
                for post in &posts[some.clone()] {
                    fold.post(post);
                }
                fold.finish()
            }
        };
        let alerts = these.iter().map(|post| u64::from(post.stored.alerts)).sum();
        let folded = self
            .store
            .unfold(
                fingerprints.into_iter().collect(),
                object_keys.into_iter().collect(),
                decide,
            )
            .await?;
        for (result, count) in folded.counts {
            self.metrics.alert(result, count);
        }
        self.tell_clusters(&folded.clusters);
        self.leave(alerts);
        self.wake.notify_one();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
