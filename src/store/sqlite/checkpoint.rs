//! Moving pages from the write-ahead log into the database, beside whoever writes.
//!
//! SQLite does it at the end of a commit that finds the log long, and 20 to 30 ms pass in which nobody else may commit. Here a
//! thread of its own copies while others go on writing (`PASSIVE`: <https://sqlite.org/wal.html#ckpt>). The log begins anew only
//! when all of it is copied, so now and then the writing thread copies the little that is left between two transactions.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, SyncSender},
    },
    thread,
};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::open::settled;
use crate::store::StoreError;

/// Pages in the log that are not in the database yet, 16 MiB, beyond which they are moved.
const LONG: i64 = 4_000;
/// Pages in the log, moved or not, beyond which it is to begin anew. It cannot while somebody writes.
const WHOLE: i64 = 12_000;
/// The bytes of a page.
const PAGE: u64 = 4_096;

/// The way to the thread. It ends when told to, or when every copy of this is dropped.
#[derive(Clone)]
pub(super) struct Checkpointer {
    orders: SyncSender<Order>,
    /// The log is whole and to begin anew: the writer's to do, after its next commit.
    whole: Arc<AtomicBool>,
}

enum Order {
    Look,
    Close(oneshot::Sender<()>),
}

impl Checkpointer {
    /// Begins the thread. It opens its connection when the log is long for the first time, which most stores never live to see.
    pub(super) fn start(file: &Path) -> Result<Self, StoreError> {
        let (orders, received) = mpsc::sync_channel(1);
        let whole = Arc::new(AtomicBool::new(false));
        let (file, told) = (file.to_owned(), Arc::clone(&whole));
        thread::Builder::new()
            .name("checkpoint".to_owned())
            .spawn(move || serve(&file, &told, &received))
            .map_err(|error| StoreError::Io(format!("no thread for checkpoints: {error}")))?;
        Ok(Self { orders, whole })
    }

    /// The writer has committed something, and holds still: the log may be long.
    pub(super) fn look(&self, writer: &Connection) {
        if self.whole.swap(false, Ordering::Relaxed) {
            report(checkpoint(writer, PASSIVE).map(|_| ()));
        }
        // One that is on its way already looks at this commit too.
        let _ = self.orders.try_send(Order::Look);
    }

    /// Returns when the connection is closed.
    pub(super) async fn close(&self) {
        let (answer, answered) = oneshot::channel();
        let orders = self.orders.clone();
        let sent = tokio::task::spawn_blocking(move || orders.send(Order::Close(answer))).await;
        if matches!(sent, Ok(Ok(()))) {
            let _ = answered.await;
        }
    }
}

const PASSIVE: &str = "PRAGMA wal_checkpoint(PASSIVE)";

fn serve(file: &Path, whole: &AtomicBool, orders: &Receiver<Order>) {
    let mut connection = None;
    while let Ok(order) = orders.recv() {
        match order {
            Order::Look => report(look(file, &mut connection, whole)),
            Order::Close(answer) => {
                drop(connection);
                let _ = answer.send(());
                return;
            }
        }
    }
}

/// Nothing is lost: the log keeps what it has, and whoever commits next is told what is wrong.
fn report(checkpoint: Result<(), StoreError>) {
    if let Err(error) = checkpoint {
        tracing::warn!(reason = error.reason(), error = %error, "the write-ahead log could not be shortened");
    }
}

fn look(file: &Path, connection: &mut Option<Connection>, whole: &AtomicBool) -> Result<(), StoreError> {
    let connection = match connection {
        Some(connection) => connection,
        None if !may_be_long(file) => return Ok(()),
        None => connection.insert(settled(file)?),
    };
    let log = checkpoint(connection, "PRAGMA wal_checkpoint(NOOP)")?;
    if log.left < LONG {
        return Ok(());
    }
    checkpoint(connection, PASSIVE)?;
    if log.pages >= WHOLE {
        whole.store(true, Ordering::Relaxed);
    }
    Ok(())
}

/// The size of the file tells how long the log was at its longest.
fn may_be_long(file: &Path) -> bool {
    let mut log = OsString::from(file);
    log.push("-wal");
    let size = PathBuf::from(log).metadata().map_or(0, |log| log.len());
    size >= LONG.unsigned_abs() * PAGE
}

/// The log, in pages.
struct Log {
    pages: i64,
    /// Those that are not in the database.
    left: i64,
}

fn checkpoint(connection: &Connection, pragma: &str) -> Result<Log, StoreError> {
    let mut statement = connection.prepare_cached(pragma)?;
    let log = statement.query_row([], |row| {
        let (pages, moved): (i64, i64) = (row.get(1)?, row.get(2)?);
        let left = pages - moved;
        Ok(Log { pages, left })
    })?;
    Ok(log)
}
