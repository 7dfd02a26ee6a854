//! Opening: the lock, the settings that durability rests on, migrations, and what a restart may assume.

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rusqlite::{Connection, params};

use super::{Sqlite, checkpoint::Checkpointer, micros, readers::Readers, schema, writer::Writer};
use crate::{
    clock::Clock,
    ids::Ids,
    store::{OpenError, StoreError},
};

/// Connections that read for the engine and for messages, and for pages and the API.
const READERS: u32 = 2;
const PAGES: u32 = 2;
/// How long the engine waits for what it reads, and a page.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
const PAGE_TIMEOUT: Duration = Duration::from_secs(10);
/// Prepared statements that a connection keeps: more than there are.
const STATEMENTS: usize = 128;
/// What each connection is told. WAL, so that readers never wait; FULL, so that a commit is on the disk; little cache, since
/// memory is promised small; a commit moves the log into the database only where [`checkpoint`](super::checkpoint) is far behind.
const SETTINGS: &str = "
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = OFF;
    PRAGMA cache_size = -4096;
    PRAGMA temp_store = MEMORY;
    PRAGMA busy_timeout = 5000;
    PRAGMA wal_autocheckpoint = 16000;
    PRAGMA journal_size_limit = 67108864;
";

impl Sqlite {
    /// Opens the database at this path, creating it when it is missing.
    pub(in crate::store) fn open(file: &Path, clock: Arc<dyn Clock>, ids: Arc<Ids>) -> Result<Self, OpenError> {
        let lock = lock(file)?;
        let unusable = |source: StoreError| OpenError::Unusable {
            file: file.to_owned(),
            source,
        };
        let mut connection = settled(file).map_err(unusable)?;
        connection
            .pragma_update(None, "journal_mode", "WAL")
            .map_err(|error| unusable(error.into()))?;
        schema::migrate(&mut connection, file)?;
        take_over(&mut connection, clock.as_ref(), &ids).map_err(unusable)?;
        let checkpointer = Checkpointer::start(file).map_err(unusable)?;
        let writer = Writer::start(connection, clock, ids, checkpointer.clone()).map_err(unusable)?;
        Ok(Self {
            writer,
            readers: Readers::new(file, READERS, READ_TIMEOUT),
            pages: Readers::new(file, PAGES, PAGE_TIMEOUT),
            checkpointer,
            _lock: lock,
        })
    }

    /// Writes nothing more and lets the file go.
    pub(in crate::store) async fn close(&self) {
        self.pages.close().await;
        self.readers.close().await;
        self.checkpointer.close().await;
        // Last, so that SQLite moves the log into the database and removes it.
        self.writer.close().await;
    }
}

/// A connection with our settings.
pub(super) fn settled(file: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(file)?;
    connection.execute_batch(SETTINGS)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// The lock on the file proves that no other process holds a lease, so what the last one held ends now.
///
/// Its last request may still be on the way: a run with an open `started` waits for that in the engine.
fn take_over(connection: &mut Connection, clock: &dyn Clock, ids: &Ids) -> Result<(), StoreError> {
    let tx = connection.transaction()?;
    tx.execute(
        "INSERT INTO identity (id, created_at, pinged_at) SELECT ?1, ?2, ?2 WHERE NOT EXISTS (SELECT 1 FROM identity)",
        params![ids.next().to_string(), micros(clock.now())],
    )?;
    tx.execute(
        "UPDATE runs SET lease_until = 0 WHERE finished_at IS NULL AND lease_until > 0",
        [],
    )?;
    tx.execute(
        "UPDATE messages SET lease_until = 0 WHERE due_at IS NOT NULL AND lease_until > 0",
        [],
    )?;
    Ok(tx.commit()?)
}

fn lock(file: &Path) -> Result<File, OpenError> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    let failed = |source| OpenError::Folder {
        folder: folder.to_owned(),
        source,
    };
    let mut name = file.as_os_str().to_owned();
    name.push(".lock");
    let lock = File::options()
        .create(true)
        .write(true)
        .truncate(false)
        .open(PathBuf::from(name))
        .map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { file: file.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}
