//! The operations of the store. Each is one transaction or reads one snapshot, takes what it needs as owned values, and says
//! nothing of the database behind it: what another one must do is what `contract` asks of it.

use std::{path::Path, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    Admission, Admitted, AlertFilter, AlertView, Batch, Change, Claim, Claimed, CommitError, Delivery, DueMessage,
    Known, MessageClaim, NewPause, NewPost, OpenError, Page, PauseRow, RequestError, RunDetail, RunFilter, RunHistory,
    RunView, Store, StoreError, StoredPost, Unfolded,
    sqlite::{Sqlite, admission, inbox, messages, pages, record, requests, retention, runbooks, runs, unfold},
};
use crate::{
    clock::Clock,
    domain::{alert::Fingerprint, journal::Entry, notify::Sink, run::RunId},
    ids::Ids,
};

/// A database that is opened and closed.
impl Store {
    /// Opens the database at this path, creating it when it is missing.
    pub async fn open(file: &Path, clock: Arc<dyn Clock>, ids: Arc<Ids>) -> Result<Self, OpenError> {
        let (path, time) = (file.to_owned(), clock.clone());
        let opened = tokio::task::spawn_blocking(move || Sqlite::open(&path, time, ids)).await;
        let sqlite = opened.map_err(|error| OpenError::Unusable {
            file: file.to_owned(),
            source: StoreError::Statement(error.to_string()),
        })??;
        Ok(Self {
            sqlite: Arc::new(sqlite),
            clock,
        })
    }

    /// Writes nothing more and lets the file go.
    pub async fn close(&self) {
        self.sqlite.close().await;
    }

    /// Whether a post could be committed now, for `/readyz`: by committing something.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.sqlite
            .writer
            .write(|tx| {
                let at = tx.now.as_microsecond();
                tx.execute("UPDATE identity SET pinged_at = ?1", [at])?;
                Ok(())
            })
            .await
    }

    /// How much was handed over to be written and is not answered yet.
    pub fn waiting_writes(&self) -> usize {
        self.sqlite.writer.waiting()
    }

    /// The clock that leases are counted in: the database is in this process, so its time is ours.
    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// Inbox and unfolding.
impl Store {
    /// Appends the posts that the batch hands over when its turn has come, and tells it what came of them.
    pub fn append(&self, batch: Box<dyn Batch>) {
        self.sqlite.writer.append(batch);
    }

    /// Appends these posts: when it returns, they are on the disk.
    pub async fn append_all(&self, posts: Vec<NewPost>) -> Result<(), StoreError> {
        let (answer, answered) = tokio::sync::oneshot::channel();
        self.append(Box::new(Fixed { posts, answer }));
        answered
            .await
            .unwrap_or_else(|_| Err(StoreError::Busy("it is closed".to_owned())))
    }

    /// How many alerts wait in the inbox.
    pub async fn waiting_alerts(&self) -> Result<u64, StoreError> {
        self.sqlite.readers.read(inbox::waiting_alerts).await
    }

    /// The next posts in order: at least one if any waits, otherwise as many as stay within `alerts`.
    pub async fn waiting_posts(&self, alerts: u32) -> Result<Vec<StoredPost>, StoreError> {
        self.sqlite
            .readers
            .read(move |reader| inbox::waiting_posts(reader, alerts))
            .await
    }

    /// Reads what is known of these fingerprints and objects, asks `decide`, and writes its answer. `decide` is pure: a store
    /// may have to ask again.
    pub async fn unfold<T: Send + 'static>(
        &self,
        fingerprints: Vec<Fingerprint>,
        object_keys: Vec<String>,
        decide: impl Fn(Known) -> (Unfolded, T) + Send + 'static,
    ) -> Result<T, StoreError> {
        let unfolded = self
            .sqlite
            .writer
            .write_much(move |tx| {
                let known = unfold::known(tx, &fingerprints, &object_keys)?;
                let (unfolded, told) = decide(known);
                unfold::write(tx, &unfolded)?;
                failpoint!(UnfoldBeforeCommit, blocking);
                Ok::<_, StoreError>(told)
            })
            .await?;
        failpoint!(UnfoldAfterCommit);
        Ok(unfolded)
    }

    /// Sets a post aside that cannot be unfolded: it is kept with its reason and holds up no other.
    pub async fn set_aside(&self, post: i64, reason: &str) -> Result<(), StoreError> {
        let reason = reason.to_owned();
        self.sqlite
            .writer
            .write(move |tx| unfold::set_aside(tx, post, &reason))
            .await
    }
}

/// Runs.
impl Store {
    /// Claims runs that are due, oldest first.
    pub async fn claim(&self, owner: &str, lease: Duration, limit: usize) -> Result<Vec<Claim>, StoreError> {
        let owner = owner.to_owned();
        let claims: Vec<Claim> = self
            .sqlite
            .writer
            .write(move |tx| runs::claim(tx, &owner, lease, limit))
            .await?;
        if !claims.is_empty() {
            failpoint!(ClaimAfterCommit);
        }
        Ok(claims)
    }

    /// Holds a claim for longer; whether it is still ours.
    pub async fn renew(&self, claim: &Claim) -> Result<bool, StoreError> {
        let claim = claim.clone();
        self.sqlite.writer.write(move |tx| runs::renew(tx, &claim)).await
    }

    /// Gives a claim back without having done anything.
    pub async fn release(&self, claim: &Claim, due_at: Timestamp) -> Result<(), StoreError> {
        let claim = claim.clone();
        self.sqlite
            .writer
            .write(move |tx| runs::release(tx, &claim, due_at))
            .await
    }

    /// When the next run is due that nobody holds.
    pub async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let now = self.now();
        self.sqlite
            .readers
            .read(move |reader| runs::next_due(reader, now))
            .await
    }

    /// Reads a claimed run.
    pub async fn load(&self, claim: &Claim) -> Result<Claimed, StoreError> {
        let claim = claim.clone();
        self.sqlite.readers.read(move |reader| runs::load(reader, &claim)).await
    }

    /// Reads a run, if it is still there.
    pub async fn history(&self, run: RunId) -> Result<Option<RunHistory>, StoreError> {
        self.sqlite.readers.read(move |reader| runs::history(reader, run)).await
    }

    /// Binds and starts: reads the history of the root, asks `admission.decide`, and commits its answer. After a pause was
    /// acknowledged no start can slip through.
    pub async fn admit(&self, admission: Admission) -> Result<Admitted, CommitError> {
        let admitted = self
            .sqlite
            .writer
            .write(move |tx| admission::admit(tx, &admission))
            .await?;
        match &admitted {
            Admitted::Merged { .. } => failpoint!(MergeAfterCommit),
            Admitted::Committed(change) => match change.entries.last() {
                Some(Entry::Started { .. }) => failpoint!(StartAfterCommit),
                Some(Entry::Bound(_)) => failpoint!(BindAfterCommit),
                _ => failpoint!(RecordAfterCommit),
            },
        }
        Ok(admitted)
    }

    /// Commits what happened. `seen` is the length of the journal that the change was decided on.
    pub async fn record(&self, claim: &Claim, seen: usize, change: Change) -> Result<(), CommitError> {
        let claim = claim.clone();
        self.sqlite
            .writer
            .write(move |tx| record::record(tx, &claim, seen, &change))
            .await?;
        failpoint!(RecordAfterCommit);
        Ok(())
    }
}

/// What people ask for.
impl Store {
    /// Orders a pause. When this returns, no mutation that it concerns will be started.
    pub async fn pause(&self, pause: &NewPause) -> Result<PauseRow, StoreError> {
        let pause = pause.clone();
        self.sqlite.writer.write(move |tx| requests::pause(tx, &pause)).await
    }

    /// Ends a pause.
    pub async fn resume(&self, id: &str, who: &str, source: &str) -> Result<(), RequestError> {
        let (id, who, source) = (id.to_owned(), who.to_owned(), source.to_owned());
        self.sqlite
            .writer
            .write(move |tx| requests::resume(tx, &id, &who, &source))
            .await
    }

    /// Orders the end of a run. It takes effect before its next mutation.
    pub async fn cancel(&self, run: RunId, who: &str, source: &str, why: &str) -> Result<(), RequestError> {
        let (who, source, why) = (who.to_owned(), source.to_owned(), why.to_owned());
        self.sqlite
            .writer
            .write(move |tx| requests::cancel(tx, run, &who, &source, &why))
            .await
    }
}

/// The outbox.
impl Store {
    /// Messages of a service that are due and that nobody delivers now: ends first, then the oldest.
    pub async fn due_messages(&self, sink: Sink, limit: usize) -> Result<Vec<DueMessage>, StoreError> {
        let now = self.now();
        self.sqlite
            .readers
            .read(move |reader| messages::due(reader, sink, now, limit))
            .await
    }

    /// When the next message of a service is due that nobody delivers then.
    pub async fn next_message_due(&self, sink: Sink) -> Result<Option<Timestamp>, StoreError> {
        self.sqlite
            .readers
            .read(move |reader| messages::next_due(reader, sink))
            .await
    }

    /// How many messages of a service are owed.
    pub async fn owed_messages(&self, sink: Sink) -> Result<i64, StoreError> {
        self.sqlite
            .readers
            .read(move |reader| messages::owed(reader, sink))
            .await
    }

    /// The runs that a digest tells of.
    pub async fn digest_runs(&self, digest: &str) -> Result<Vec<RunId>, StoreError> {
        let digest = digest.to_owned();
        self.sqlite
            .readers
            .read(move |reader| messages::digest_runs(reader, &digest))
            .await
    }

    /// A channel's id, if anything was ever posted there.
    pub async fn channel_id(&self, sink: Sink, channel: &str) -> Result<Option<String>, StoreError> {
        let channel = channel.to_owned();
        self.sqlite
            .readers
            .read(move |reader| messages::channel_id(reader, sink, &channel))
            .await
    }

    /// Claims a message for one delivery; `None` when somebody else was faster. From here on it counts as perhaps posted.
    pub async fn claim_message(
        &self,
        message: &DueMessage,
        owner: &str,
        lease: Duration,
    ) -> Result<Option<MessageClaim>, StoreError> {
        let (id, owner) = (message.id.clone(), owner.to_owned());
        self.sqlite
            .writer
            .write(move |tx| messages::claim(tx, &id, &owner, lease))
            .await
    }

    /// Records what came of a delivery. What came late, after somebody else had claimed the message, changes nothing.
    pub async fn record_delivery(
        &self,
        claim: &MessageClaim,
        sink: Sink,
        delivery: &Delivery,
    ) -> Result<(), StoreError> {
        let (claim, delivery) = (claim.clone(), delivery.clone());
        self.sqlite
            .writer
            .write(move |tx| messages::record(tx, &claim, sink, &delivery))
            .await
    }

    /// Makes digests where many runs wait for their first message in a channel, and adds those that wait to a digest that was
    /// made there lately: a storm is told once.
    pub async fn gather_digests(&self, sink: Sink) -> Result<(), StoreError> {
        loop {
            let now = self.now();
            let crowds = self
                .sqlite
                .readers
                .read(move |reader| messages::crowds(reader, sink, now))
                .await?;
            let mut gathered = 0;
            for crowd in crowds {
                gathered += self
                    .sqlite
                    .writer
                    .write(move |tx| messages::gather(tx, sink, &crowd))
                    .await?;
            }
            if gathered == 0 {
                return Ok(());
            }
        }
    }

    /// Keeps what a service has forbidden until then.
    pub async fn hold(&self, scope: &str, until: Timestamp) -> Result<(), StoreError> {
        let scope = scope.to_owned();
        self.sqlite
            .writer
            .write(move |tx| messages::hold(tx, &scope, until))
            .await
    }

    /// What services have forbidden and until when.
    pub async fn holds(&self) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let now = self.now();
        self.sqlite
            .readers
            .read(move |reader| messages::holds(reader, now))
            .await
    }
}

/// Runbooks and retention.
impl Store {
    /// Keeps these versions of a file's runbooks `(name, version, source)`: runs name them, and a later broken edit of the file
    /// falls back on them.
    pub async fn keep_runbooks(&self, file: &str, runbooks: &[(String, String, String)]) -> Result<(), StoreError> {
        let (file, runbooks) = (file.to_owned(), runbooks.to_vec());
        self.sqlite
            .writer
            .write(move |tx| runbooks::keep(tx, &file, &runbooks))
            .await
    }

    /// The source of a version.
    pub async fn runbook_source(&self, version: &str) -> Result<Option<String>, StoreError> {
        let version = version.to_owned();
        self.sqlite
            .readers
            .read(move |reader| runbooks::source(reader, &version))
            .await
    }

    /// The sources that a file held when it was last read without an error.
    pub async fn last_good(&self, file: &str) -> Result<Vec<String>, StoreError> {
        let file = file.to_owned();
        self.sqlite
            .readers
            .read(move |reader| runbooks::last_good(reader, &file))
            .await
    }

    /// Deletes some of what is old, in a short transaction for each kind; tells how many rows' keys went.
    pub async fn purge(&self, ended: Timestamp, posts: Timestamp) -> Result<usize, StoreError> {
        let ages = retention::Ages {
            ended,
            posts,
            now: self.now(),
        };
        let bites = self
            .sqlite
            .readers
            .read(move |reader| retention::find(reader, &ages))
            .await?;
        let mut gone = 0;
        for bite in bites {
            gone += self.sqlite.writer.write(move |tx| retention::delete(tx, &bite)).await?;
        }
        Ok(gone)
    }
}

/// Pages and the API: they have readers of their own.
impl Store {
    /// Episodes, newest first.
    pub async fn alerts(
        &self,
        filter: &AlertFilter,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<AlertView>, StoreError> {
        let (filter, cursor) = (filter.clone(), cursor.map(str::to_owned));
        self.sqlite
            .pages
            .read(move |reader| pages::alerts(reader, &filter, cursor.as_deref(), limit))
            .await
    }

    /// Runs, newest first.
    pub async fn runs(
        &self,
        filter: &RunFilter,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<RunView>, StoreError> {
        let (filter, cursor) = (filter.clone(), cursor.map(str::to_owned));
        self.sqlite
            .pages
            .read(move |reader| pages::runs(reader, &filter, cursor.as_deref(), limit))
            .await
    }

    /// One run, if there is one.
    pub async fn run(&self, id: RunId) -> Result<Option<RunDetail>, StoreError> {
        self.sqlite.pages.read(move |reader| pages::run(reader, id)).await
    }

    /// The audit rows of a run `(at, kind, who, data)`, in order.
    pub async fn audit_of(&self, run: RunId) -> Result<Vec<(Timestamp, String, String, String)>, StoreError> {
        self.sqlite.pages.read(move |reader| pages::audit_of(reader, run)).await
    }

    /// The pauses in force, oldest first.
    pub async fn pauses(&self) -> Result<Vec<PauseRow>, StoreError> {
        let now = self.now();
        self.sqlite
            .pages
            .read(move |reader| requests::pauses(reader, now))
            .await
    }
}

/// Posts that are known beforehand, and one who waits for them.
struct Fixed {
    posts: Vec<NewPost>,
    answer: tokio::sync::oneshot::Sender<Result<(), StoreError>>,
}

impl Batch for Fixed {
    fn take(&mut self) -> Vec<NewPost> {
        std::mem::take(&mut self.posts)
    }

    fn watch(&self, failpoint: &mut dyn FnMut()) {
        failpoint();
    }

    fn committed(self: Box<Self>, result: Result<(), StoreError>) {
        let _ = self.answer.send(result);
    }
}
