//! Accepting: check that it is a notification, append it, answer. Requests that wait commit together, so that one
//! fsync serves them all; whoever got an answer finds the post in the database after a power cut.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use tokio::sync::{Notify, oneshot};

use super::Metrics;
use crate::{
    clock::Clock,
    domain::alert::Outline,
    failpoint::Observer,
    store::{Batch, NewPost, Store, StoreError},
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

/// Whoever commits posts: the store.
pub trait Commits: Send + Sync {
    /// Commits what the batch hands over when its turn has come.
    fn append(&self, batch: Box<dyn Batch>);
}

impl Commits for Store {
    fn append(&self, batch: Box<dyn Batch>) {
        Store::append(self, batch);
    }
}

/// The way into the inbox, shared by all request handlers.
#[derive(Clone)]
pub struct Inbox(Arc<Shared>);

struct Shared {
    commits: Arc<dyn Commits>,
    line: Mutex<Line>,
    /// Alerts that are not unfolded yet.
    waiting: Arc<AtomicU64>,
    limit: u64,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    /// Told after each commit.
    arrived: Arc<Notify>,
}

/// Posts that wait for the next commit.
#[derive(Default)]
struct Line {
    posts: VecDeque<Waiting>,
    /// A batch is on its way that will take them.
    is_announced: bool,
}

struct Waiting {
    post: NewPost,
    answer: oneshot::Sender<Result<(), String>>,
    observer: Observer,
}

impl Inbox {
    /// An inbox of which `waiting` alerts are not unfolded yet. `arrived` is told after each commit.
    pub fn new(
        commits: Arc<dyn Commits>,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
        limit: u64,
        waiting: Arc<AtomicU64>,
        arrived: Arc<Notify>,
    ) -> Self {
        Self(Arc::new(Shared {
            commits,
            line: Mutex::default(),
            waiting,
            limit,
            clock,
            metrics,
            arrived,
        }))
    }

    /// Takes a post in. When this returns `Ok`, it is on the disk.
    pub async fn accept(&self, source: &str, body: Bytes) -> Result<u32, AcceptError> {
        let (alerts, truncated) = outline(&body)?;
        let waiting = self.0.waiting.load(Ordering::Relaxed);
        if waiting.saturating_add(u64::from(alerts)) > self.0.limit {
            return Err(AcceptError::Full { waiting });
        }
        let (answer, answered) = oneshot::channel();
        self.0.line_up(Waiting {
            post: NewPost {
                received_at: self.0.clock.now(),
                source: source.to_owned(),
                alerts,
                body,
            },
            answer,
            observer: Observer::current(),
        });
        // Whoever hangs up before its turn has come is skipped.
        answered
            .await
            .map_err(|_| AcceptError::Closing)?
            .map_err(AcceptError::Store)?;
        failpoint!(AcceptAfterCommit);
        self.0.metrics.truncated(truncated);
        Ok(alerts)
    }
}

impl Shared {
    fn line_up(self: &Arc<Self>, waiting: Waiting) {
        let announced = {
            let mut line = self.line();
            line.posts.push_back(waiting);
            std::mem::replace(&mut line.is_announced, true)
        };
        if !announced {
            self.announce();
        }
    }

    fn announce(self: &Arc<Self>) {
        self.commits.append(Box::new(Group {
            shared: Arc::clone(self),
            taken: None,
        }));
    }

    /// Takes the next posts of whoever waits still, as many as one commit may have.
    fn take(self: &Arc<Self>) -> Vec<Waiting> {
        let (mut taken, mut bytes) = (Vec::new(), 0);
        let more = {
            let mut line = self.line();
            while taken.len() < BATCH_POSTS && bytes < BATCH_BYTES {
                let Some(waiting) = line.posts.pop_front() else { break };
                if !waiting.answer.is_closed() {
                    bytes += waiting.post.body.len();
                    taken.push(waiting);
                }
            }
            line.is_announced = !line.posts.is_empty();
            line.is_announced
        };
        if more {
            self.announce();
        }
        taken
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many alerts are in the inbox, or are not after all.
    fn count(&self, change: impl FnOnce(&AtomicU64)) {
        change(&self.waiting);
        self.metrics.waiting(self.waiting.load(Ordering::Relaxed));
    }
}

/// Posts that are committed together.
struct Group {
    shared: Arc<Shared>,
    /// Who waits for them; none as long as its turn has not come.
    taken: Option<Taken>,
}

struct Taken {
    alerts: u64,
    answers: Vec<oneshot::Sender<Result<(), String>>>,
    /// Who watches those who wait.
    observers: Vec<Observer>,
}

impl Batch for Group {
    fn take(&mut self) -> Vec<NewPost> {
        let (mut posts, mut answers, mut observers) = (Vec::new(), Vec::new(), Vec::new());
        for waiting in self.shared.take() {
            posts.push(waiting.post);
            answers.push(waiting.answer);
            observers.push(waiting.observer);
        }
        let alerts = posts.iter().map(|post| u64::from(post.alerts)).sum();
        // Counted before they can be unfolded, so that the count never falls below zero.
        self.shared.count(|waiting| {
            waiting.fetch_add(alerts, Ordering::Relaxed);
        });
        self.taken = Some(Taken {
            alerts,
            answers,
            observers,
        });
        posts
    }

    fn watch(&self, failpoint: &mut dyn FnMut()) {
        for observer in self.taken.iter().flat_map(|taken| &taken.observers) {
            observer.watch(&mut *failpoint);
        }
    }

    fn committed(mut self: Box<Self>, result: Result<(), StoreError>) {
        if self.taken.is_none() {
            // Its turn never came: those who wait for it learn why.
            let _ = self.take();
        }
        let Some(taken) = self.taken.take() else { return };
        if let Err(error) = &result {
            self.shared.count(|waiting| {
                waiting.fetch_sub(taken.alerts, Ordering::Relaxed);
            });
            tracing::error!(
                reason = error.reason(),
                error = %error,
                posts = taken.answers.len(),
                "posts could not be committed; Alertmanager is told to send them again"
            );
        }
        for answer in taken.answers {
            // A caller that hung up will send again; the post is kept all the same.
            let _ = answer.send(result.as_ref().copied().map_err(StoreError::to_string));
        }
        if result.is_ok() {
            self.shared.arrived.notify_one();
        }
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
