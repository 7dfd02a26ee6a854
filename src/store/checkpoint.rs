//! Moving pages from the write-ahead log into the database, beside those who write.
//!
//! SQLite does it at the end of a commit that finds the log long, and 20 to 30 ms pass in which nobody else may commit. Here a
//! thread of its own copies while others go on writing (`PASSIVE`: <https://sqlite.org/wal.html#ckpt>). The log begins anew only
//! when all of it is copied, so now and then the rest is copied while nobody writes.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    thread,
};

use rusqlite::Connection;
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};

use super::{StoreError, open, turn::Turns};

/// Pages in the log that are not in the database yet, 16 MiB, beyond which they are moved.
const LONG: i64 = 4_000;
/// Pages in the log, moved or not, beyond which it is to begin anew. It cannot while somebody writes.
const WHOLE: i64 = 12_000;

/// The bytes of a page.
const PAGE: u64 = 4_096;

/// The way to the thread. It ends when told to, or when every copy of this is dropped.
#[derive(Clone)]
pub(super) struct Checkpointer {
    orders: mpsc::Sender<Order>,
}

enum Order {
    Look,
    Close(oneshot::Sender<()>),
}

impl Checkpointer {
    /// Begins the thread. It opens its connection when the log is long for the first time, which most stores never live to see.
    pub(super) fn start(file: &Path, turns: Turns) -> Result<Self, StoreError> {
        let (orders, received) = mpsc::channel(1);
        let runtime = Handle::current();
        let file = file.to_owned();
        thread::Builder::new()
            .name("checkpoint".to_owned())
            .spawn(move || serve(&file, &turns, &runtime, received))
            .map_err(|error| StoreError::Io(format!("no thread for checkpoints: {error}")))?;
        Ok(Self { orders })
    }

    /// Something was committed: the log may be long.
    pub(super) fn look(&self) {
        // One that is on its way already looks at this commit too.
        let _ = self.orders.try_send(Order::Look);
    }

    /// Returns when the connection is closed.
    pub(super) async fn close(&self) {
        let (answer, answered) = oneshot::channel();
        if self.orders.send(Order::Close(answer)).await.is_ok() {
            let _ = answered.await;
        }
    }
}

fn serve(file: &Path, turns: &Turns, runtime: &Handle, mut orders: mpsc::Receiver<Order>) {
    let mut connection = None;
    while let Some(order) = orders.blocking_recv() {
        match order {
            Order::Look => {
                if let Err(error) = look(file, &mut connection, turns, runtime) {
                    // Nothing is lost: the log keeps what it has, and whoever commits next is told what is wrong.
                    tracing::warn!(reason = error.reason(), error = %error, "the write-ahead log could not be shortened");
                }
            }
            Order::Close(answer) => {
                drop(connection);
                let _ = answer.send(());
                return;
            }
        }
    }
}

fn look(file: &Path, connection: &mut Option<Connection>, turns: &Turns, runtime: &Handle) -> Result<(), StoreError> {
    let connection = match connection {
        Some(connection) => connection,
        None if !may_be_long(file) => return Ok(()),
        None => connection.insert(open::settled(file)?),
    };
    shorten(connection, turns, runtime)
}

/// The size of the file tells how long the log was at its longest.
fn may_be_long(file: &Path) -> bool {
    let mut log = OsString::from(file);
    log.push("-wal");
    let size = PathBuf::from(log).metadata().map_or(0, |log| log.len());
    size >= LONG.unsigned_abs() * PAGE
}

fn shorten(connection: &Connection, turns: &Turns, runtime: &Handle) -> Result<(), StoreError> {
    let log = checkpoint(connection, "PRAGMA wal_checkpoint(NOOP)")?;
    if log.left < LONG {
        return Ok(());
    }
    checkpoint(connection, "PRAGMA wal_checkpoint(PASSIVE)")?;
    if log.pages >= WHOLE {
        let _turn = runtime.block_on(turns.next())?;
        checkpoint(connection, "PRAGMA wal_checkpoint(PASSIVE)")?;
    }
    Ok(())
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
