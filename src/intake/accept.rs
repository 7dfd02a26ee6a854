//! Accepting: check that it is a notification, append it, answer. Requests that wait commit together, so that one
//! fsync serves them all; whoever got an answer finds the post in the database after a power cut.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::{
    clock::Clock,
    domain::alert::Outline,
    failpoint::Observer,
    metrics::Metrics,
    store::{NewPost, Store, StoreError},
};

/// Posts and bytes that one commit takes at the most: a batch must not delay the next one's start for long.
const BATCH_POSTS: usize = 512;
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// Why a post was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// It is not a notification: sending it again will not help.
    #[error("not an Alertmanager webhook notification: {0}")]
    Malformed(String),
    /// More alerts wait than `store.inbox` allows.
    #[error("the inbox is full: {waiting} alerts wait to be unfolded")]
    Full {
        /// How many.
        waiting: u64,
    },
    /// The store could not commit it.
    #[error("the store could not commit the post: {0}")]
    Store(String),
    /// The service is stopping.
    #[error("the service is stopping")]
    Closing,
}

/// The way into the inbox, shared by all request handlers.
#[derive(Clone)]
pub struct Inbox {
    queue: mpsc::Sender<Waiting>,
    waiting: Arc<AtomicU64>,
    limit: u64,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

/// The task that commits; it ends when every [`Inbox`] is dropped and everything that waited is answered.
pub struct Writer {
    queue: mpsc::Receiver<Waiting>,
    store: Store,
    arrived: Arc<Notify>,
    waiting: Arc<AtomicU64>,
    metrics: Metrics,
}

/// Posts that are committed together, and those who wait for it. Dropped unanswered, it answers [`AcceptError::Closing`].
#[derive(Default)]
pub struct Batch {
    /// The posts.
    pub posts: Vec<NewPost>,
    answers: Vec<oneshot::Sender<Result<(), String>>>,
    /// Who watches the requests that wait.
    observers: Vec<Observer>,
}

struct Waiting {
    post: NewPost,
    answer: oneshot::Sender<Result<(), String>>,
    observer: Observer,
}

/// An inbox and its writer. `arrived` is told after each commit; `waiting` counts alerts that are not unfolded yet.
pub fn inbox(
    store: Store,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    limit: u64,
    waiting: Arc<AtomicU64>,
    arrived: Arc<Notify>,
) -> (Inbox, Writer) {
    let (sender, receiver) = mpsc::channel(1024);
    let inbox = Inbox {
        queue: sender,
        waiting: waiting.clone(),
        limit,
        clock,
        metrics: metrics.clone(),
    };
    let writer = Writer {
        queue: receiver,
        store,
        arrived,
        waiting,
        metrics,
    };
    (inbox, writer)
}

impl Inbox {
    /// Takes a post in. When this returns `Ok`, it is on the disk.
    pub async fn accept(&self, source: &str, body: Bytes) -> Result<u32, AcceptError> {
        let (alerts, truncated) = outline(&body)?;
        let waiting = self.waiting.load(Ordering::Relaxed);
        if waiting.saturating_add(u64::from(alerts)) > self.limit {
            return Err(AcceptError::Full { waiting });
        }
        let (answer, answered) = oneshot::channel();
        let post = NewPost {
            received_at: self.clock.now(),
            source: source.to_owned(),
            alerts,
            body,
        };
        self.queue
            .send(Waiting {
                post,
                answer,
                observer: Observer::current(),
            })
            .await
            .map_err(|_| AcceptError::Closing)?;
        answered
            .await
            .map_err(|_| AcceptError::Closing)?
            .map_err(AcceptError::Store)?;
        failpoint!(AcceptAfterCommit);
        self.metrics.truncated(truncated);
        Ok(alerts)
    }
}

/// How many alerts a post has, and how many more Alertmanager left out.
fn outline(body: &[u8]) -> Result<(u32, u64), AcceptError> {
    let outline: Outline = serde_json::from_slice(body).map_err(|error| AcceptError::Malformed(error.to_string()))?;
    if outline.alerts.is_empty() {
        return Err(AcceptError::Malformed("`alerts` is empty".to_owned()));
    }
    let alerts = u32::try_from(outline.alerts.len()).unwrap_or(u32::MAX);
    Ok((alerts, outline.truncated_alerts))
}

impl Writer {
    /// Commits what waits until nobody can send any more. It blocks its thread while it commits, and should have one of its own.
    pub async fn run(mut self) {
        while let Some(batch) = self.next().await {
            for observer in &batch.observers {
                observer.follow(async { failpoint!(AcceptBeforeCommit) }).await;
            }
            // Counted before they can be unfolded, so that the count never falls below zero.
            let posts = batch.posts.len();
            let alerts = batch.posts.iter().map(|post| u64::from(post.alerts)).sum();
            self.waiting.fetch_add(alerts, Ordering::Relaxed);
            let committed = self.store.append(&batch.posts).await;
            if committed.is_err() {
                self.waiting.fetch_sub(alerts, Ordering::Relaxed);
            }
            let waiting = self.waiting.load(Ordering::Relaxed);
            self.metrics
                .inbox_alerts
                .set(i64::try_from(waiting).unwrap_or(i64::MAX));
            batch.answer(committed.as_ref().copied());
            match &committed {
                Ok(()) => self.arrived.notify_one(),
                Err(error) => tracing::error!(
                    reason = error.reason(),
                    error = %error,
                    posts,
                    "posts could not be committed; Alertmanager is told to send them again"
                ),
            }
        }
    }

    /// The posts that wait now, at least one; `None` when nobody can send any more.
    pub async fn next(&mut self) -> Option<Batch> {
        let mut batch = Batch::default();
        let mut bytes = batch.take(self.queue.recv().await?);
        while batch.posts.len() < BATCH_POSTS && bytes < BATCH_BYTES {
            let Ok(waiting) = self.queue.try_recv() else { break };
            bytes += batch.take(waiting);
        }
        Some(batch)
    }
}

impl Batch {
    /// Tells everybody who waits. A caller that hung up will send again; the post is kept all the same.
    pub fn answer(self, committed: Result<(), &StoreError>) {
        for answer in self.answers {
            let _ = answer.send(committed.map_err(StoreError::to_string));
        }
    }

    fn take(&mut self, waiting: Waiting) -> usize {
        let bytes = waiting.post.body.len();
        self.posts.push(waiting.post);
        self.answers.push(waiting.answer);
        self.observers.push(waiting.observer);
        bytes
    }
}
