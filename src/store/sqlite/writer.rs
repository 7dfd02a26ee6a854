//! The one thread that writes: it carries out owned closures in the order in which they came, and commits what waits together.
//!
//! SQLite lets one connection write at a time, and an fsync costs more than all the rows of a batch. So whoever writes hands a
//! closure over and waits; what waits when the thread is free goes into one transaction, a savepoint each: a closure that fails
//! takes back its own and no other's. Nobody is answered before the commit, and a commit that fails is everybody's failure.

use std::{
    ops::Deref,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use jiff::Timestamp;
use rusqlite::Connection;
use tokio::{sync::oneshot, time::timeout};

use super::{checkpoint::Checkpointer, inbox::Appending};
use crate::{
    clock::Clock,
    failpoint::Observer,
    ids::Ids,
    store::{Batch, StoreError},
};

/// How long a writer waits for its answer. Real time: it is the disk that is waited for.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// Closures that one transaction takes at the most.
const BATCH: usize = 256;

/// What a closure writes through: the connection inside a transaction, the moment, and new ids.
pub(in crate::store) struct Tx<'a> {
    connection: &'a Connection,
    /// When the transaction began: the clock that leases are counted in.
    pub now: Timestamp,
    pub ids: &'a Ids,
}

impl Deref for Tx<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

/// An error that the store itself may be the cause of.
pub(in crate::store) trait Failure: From<StoreError> + Send + 'static {
    fn cause(&self) -> Option<&StoreError>;
}

/// The way to the thread. It ends when it is closed, or when every copy of this is dropped.
#[derive(Clone)]
pub(in crate::store) struct Writer {
    queue: mpsc::Sender<Message>,
    /// What was handed over and is not answered yet.
    waiting: Arc<AtomicUsize>,
}

enum Message {
    Work(Box<dyn Work>),
    Close(oneshot::Sender<()>),
}

/// A closure on its way through a transaction.
pub(super) trait Work: Send {
    /// Whether anybody waits for what comes of it.
    fn is_wanted(&self) -> bool;
    /// Whether it writes so much that whoever came before must not wait for it.
    fn is_long(&self) -> bool {
        false
    }
    /// Writes; what it wrote is taken back when it fails.
    fn write(&mut self, tx: &Tx<'_>) -> Result<(), Option<StoreError>>;
    /// Answers, after the commit or what came instead of it.
    fn end(self: Box<Self>, committed: Result<(), StoreError>);
}

impl Writer {
    /// Begins the thread on a connection of its own.
    pub(super) fn start(
        connection: Connection,
        clock: Arc<dyn Clock>,
        ids: Arc<Ids>,
        checkpointer: Checkpointer,
    ) -> Result<Self, StoreError> {
        let (queue, received) = mpsc::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let writer = Self {
            queue,
            waiting: Arc::clone(&waiting),
        };
        let thread = Thread {
            connection,
            clock,
            ids,
            checkpointer,
            waiting,
        };
        thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || thread.serve(&received))
            .map_err(|error| StoreError::Io(format!("no thread for writing: {error}")))?;
        Ok(writer)
    }

    /// Carries out a closure in a transaction. When it returns `Ok`, what was written is on the disk.
    ///
    /// Whoever gives up waiting is skipped if its turn has not come; else what it wrote may be kept all the same.
    pub(in crate::store) async fn write<T, E>(
        &self,
        work: impl FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: Failure,
    {
        self.call(work, false).await
    }

    /// The same of a closure that writes much: it begins a transaction, so that those before it are not kept waiting. Those
    /// behind it go along.
    pub(in crate::store) async fn write_much<T, E>(
        &self,
        work: impl FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: Failure,
    {
        self.call(work, true).await
    }

    async fn call<T, E>(
        &self,
        work: impl FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
        is_long: bool,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: Failure,
    {
        let (answer, answered) = oneshot::channel();
        self.send(Box::new(Call {
            work: Some(work),
            result: None,
            answer,
            observer: Observer::current(),
            is_long,
        }))?;
        let busy = |why: &str| E::from(StoreError::Busy(why.to_owned()));
        match timeout(WRITE_TIMEOUT, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(busy("it is closed")),
            Err(_) => Err(busy("others have been writing for too long")),
        }
    }

    /// Appends what the batch hands over when its turn has come.
    pub(in crate::store) fn append(&self, batch: Box<dyn Batch>) {
        if let Err(mpsc::SendError(Message::Work(work))) = self.queue_work(Box::new(Appending(batch))) {
            work.end(Err(StoreError::Busy("it is closed".to_owned())));
        }
    }

    /// How much was handed over and is not answered yet.
    pub(in crate::store) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Returns when everything that was handed over is answered and the connection is closed.
    pub(super) async fn close(&self) {
        let (answer, answered) = oneshot::channel();
        if self.queue.send(Message::Close(answer)).is_ok() {
            let _ = answered.await;
        }
    }

    fn send(&self, work: Box<dyn Work>) -> Result<(), StoreError> {
        self.queue_work(work)
            .map_err(|_| StoreError::Busy("it is closed".to_owned()))
    }

    fn queue_work(&self, work: Box<dyn Work>) -> Result<(), mpsc::SendError<Message>> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.queue.send(Message::Work(work)).inspect_err(|_| {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        })
    }
}

/// A closure, and who waits for its answer.
struct Call<F, T, E> {
    work: Option<F>,
    result: Option<Result<T, E>>,
    answer: oneshot::Sender<Result<T, E>>,
    /// Whoever watches the failpoints of the caller sees those of the closure.
    observer: Observer,
    is_long: bool,
}

impl<F, T, E> Work for Call<F, T, E>
where
    F: FnOnce(&Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: Failure,
{
    fn is_wanted(&self) -> bool {
        !self.answer.is_closed()
    }

    fn is_long(&self) -> bool {
        self.is_long
    }

    fn write(&mut self, tx: &Tx<'_>) -> Result<(), Option<StoreError>> {
        let Some(work) = self.work.take() else { return Ok(()) };
        let observer = self.observer.clone();
        let result = catch_unwind(AssertUnwindSafe(|| observer.watch(|| work(tx))))
            .unwrap_or_else(|_| Err(StoreError::Statement("a transaction panicked".to_owned()).into()));
        let failed = result.as_ref().err().map(|error| error.cause().cloned());
        self.result = Some(result);
        failed.map_or(Ok(()), Err)
    }

    fn end(self: Box<Self>, committed: Result<(), StoreError>) {
        let result = match (self.result, committed) {
            (Some(Err(error)), _) => Err(error),
            (_, Err(error)) => Err(error.into()),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => return,
        };
        // Whoever gave up meanwhile learns of it when it looks again.
        let _ = self.answer.send(result);
    }
}

struct Thread {
    connection: Connection,
    clock: Arc<dyn Clock>,
    ids: Arc<Ids>,
    checkpointer: Checkpointer,
    waiting: Arc<AtomicUsize>,
}

impl Thread {
    fn serve(self, queue: &mpsc::Receiver<Message>) {
        while let Ok(first) = queue.recv() {
            let mut together: Vec<Box<dyn Work>> = Vec::new();
            let mut next = Some(first);
            while let Some(Message::Work(work)) = next {
                if work.is_long() {
                    self.commit(std::mem::take(&mut together));
                }
                together.push(work);
                next = (together.len() < BATCH).then(|| queue.try_recv().ok()).flatten();
            }
            self.commit(together);
            if let Some(Message::Close(answer)) = next {
                drop(self.connection);
                let _ = answer.send(());
                return;
            }
        }
    }

    /// Commits what waits together, and answers everybody.
    fn commit(&self, together: Vec<Box<dyn Work>>) {
        let came = together.len();
        let mut rest: Vec<_> = together.into_iter().filter(|work| work.is_wanted()).collect();
        while !rest.is_empty() {
            rest = self.transaction(rest);
        }
        if came > 0 {
            self.waiting.fetch_sub(came, Ordering::Relaxed);
            self.checkpointer.look(&self.connection);
        }
    }

    /// One transaction; comes back with whatever found no place in it.
    fn transaction(&self, together: Vec<Box<dyn Work>>) -> Vec<Box<dyn Work>> {
        if let Err(error) = self.run("BEGIN IMMEDIATE") {
            end(together, &Err(error));
            return Vec::new();
        }
        let tx = Tx {
            connection: &self.connection,
            now: self.clock.now(),
            ids: &self.ids,
        };
        let (mut done, mut rest) = (Vec::new(), together.into_iter());
        for mut work in rest.by_ref() {
            let written = self.one(&tx, work.as_mut());
            done.push(work);
            if let Err(error) = written {
                // SQLite has rolled all of it back by itself, as it does when the disk is full.
                end(done, &Err(error));
                return rest.collect();
            }
        }
        let committed = self.run("COMMIT");
        if committed.is_err() && !self.connection.is_autocommit() {
            let _ = self.run("ROLLBACK");
        }
        end(done, &committed);
        Vec::new()
    }

    /// One closure within the transaction. An error is the end of the transaction.
    fn one(&self, tx: &Tx<'_>, work: &mut dyn Work) -> Result<(), StoreError> {
        self.run("SAVEPOINT work")?;
        let written = work.write(tx);
        if self.connection.is_autocommit() {
            let gone = || StoreError::Busy("the transaction was rolled back".to_owned());
            return Err(written.err().flatten().unwrap_or_else(gone));
        }
        if written.is_err() {
            self.run("ROLLBACK TO work")?;
        }
        self.run("RELEASE work")
    }

    fn run(&self, statement: &str) -> Result<(), StoreError> {
        self.connection.prepare_cached(statement)?.execute([])?;
        Ok(())
    }
}

fn end(works: Vec<Box<dyn Work>>, committed: &Result<(), StoreError>) {
    for work in works {
        work.end(committed.clone());
    }
}
