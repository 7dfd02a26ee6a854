//! Opening: the lock, the settings that durability rests on, migrations, and what a restart may assume.

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    sync::Arc,
};

use sqlx::{
    AnyConnection, AnyPool, ConnectOptions, Connection, Executor, Row,
    any::{AnyConnectOptions, AnyPoolOptions},
    migrate::MigrateError,
};

use super::{
    OpenError, Store, StoreError,
    append::Appender,
    checkpoint::Checkpointer,
    micros, migrations,
    turn::{self, Turns},
};
use crate::{clock::Clock, ids::Ids};

/// Connections that only read: pages and the API never wait for a writer.
const READERS: u32 = 4;
/// What each connection is told. WAL, so that readers never wait; FULL, so that a commit is on the disk; little cache, since
/// memory is promised small; a commit moves the log into the database only where [`checkpoint`](super::checkpoint) is far behind.
const SETTINGS: [&str; 7] = [
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = OFF",
    "PRAGMA cache_size = -4096",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA busy_timeout = 5000",
    "PRAGMA wal_autocheckpoint = 16000",
    "PRAGMA journal_size_limit = 67108864",
];

impl Store {
    /// Opens the database at this path, creating it when it is missing.
    pub async fn open(file: &Path, clock: Arc<dyn Clock>, ids: Arc<Ids>) -> Result<Self, OpenError> {
        let lock = lock(file)?;
        sqlx::any::install_default_drivers();
        let unusable = |source: StoreError| OpenError::Unusable {
            file: file.to_owned(),
            source,
        };
        let writer = pool(file, 1, true).await.map_err(unusable)?;
        refuse_newer(&writer, file).await?;
        migrations::sqlite().run(&writer).await.map_err(|error| match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => unusable(error.into()),
            other => OpenError::Migration {
                file: file.to_owned(),
                message: other.to_string(),
            },
        })?;
        let readers = pool(file, READERS, false).await.map_err(unusable)?;
        let appender = Appender::open(file).map_err(unusable)?;
        let turns = Turns::default();
        let checkpointer = Checkpointer::start(file, turns.clone()).map_err(unusable)?;
        let store = Self {
            writer,
            readers,
            turns,
            appender,
            checkpointer,
            clock,
            ids,
            _lock: Some(Arc::new(lock)),
        };
        store.take_over().await.map_err(unusable)?;
        Ok(store)
    }

    /// Writes nothing more and lets the file go.
    pub async fn close(&self) {
        self.appender.close();
        self.checkpointer.close().await;
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Whether a post could be committed now, for `/readyz`: by committing something.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE identity SET pinged_at = $1")
            .bind(micros(self.now()))
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// The lock on the file proves that no other process holds a lease, so what the last one held ends now.
    ///
    /// Its last request may still be on the way: a run with an open `started` waits for that in the engine.
    async fn take_over(&self) -> Result<(), StoreError> {
        let now = micros(self.now());
        let mut tx = self.begin().await?;
        sqlx::query("INSERT INTO identity (id, created_at, pinged_at) SELECT $1, $2, $2 WHERE NOT EXISTS (SELECT 1 FROM identity)")
            .bind(self.ids.next().to_string())
            .bind(now)
            .execute(&mut *tx)
            .await?;
        sqlx::query("UPDATE runs SET lease_until = 0 WHERE finished_at IS NULL AND lease_until > 0")
            .execute(&mut *tx)
            .await?;
        sqlx::query("UPDATE messages SET lease_until = 0 WHERE due_at IS NOT NULL AND lease_until > 0")
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }
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

async fn pool(file: &Path, connections: u32, writes: bool) -> Result<AnyPool, StoreError> {
    let url = format!("sqlite://{}?mode=rwc", encode(file));
    let options: AnyConnectOptions = url.parse().map_err(StoreError::from)?;
    if writes {
        // A pool tries again for a while and then says that it was busy; a single connection says what is wrong. The writer's
        // is the first of all.
        let mut first = AnyConnection::connect_with(&options).await?;
        settle(&mut first, writes).await?;
        first.close().await?;
    }
    let pool = AnyPoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(turn::PATIENCE)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_connect(move |connection, _| Box::pin(settle(connection, writes)))
        .after_release(|connection, _| Box::pin(reusable(connection)))
        .connect_with(options.disable_statement_logging())
        .await?;
    Ok(pool)
}

async fn settle(connection: &mut AnyConnection, writes: bool) -> Result<(), sqlx::Error> {
    if writes {
        connection.execute("PRAGMA journal_mode = WAL").await?;
    }
    for setting in SETTINGS {
        connection.execute(setting).await?;
    }
    if !writes {
        connection.execute("PRAGMA query_only = ON").await?;
    }
    Ok(())
}

/// A connection besides sqlx's, to a database that has its tables.
pub(super) fn settled(file: &Path) -> Result<rusqlite::Connection, StoreError> {
    let connection = rusqlite::Connection::open(file)?;
    for setting in SETTINGS {
        connection.execute_batch(setting)?;
    }
    Ok(connection)
}

/// When a commit fails, for example on a full disk, SQLite has rolled back by itself and sqlx does not know: such a
/// connection would refuse every further transaction.
async fn reusable(connection: &mut AnyConnection) -> Result<bool, sqlx::Error> {
    if connection.is_in_transaction() {
        // A rollback that was only queued is carried out before this is answered.
        connection.ping().await?;
    }
    Ok(!connection.is_in_transaction())
}

async fn refuse_newer(writer: &AnyPool, file: &Path) -> Result<(), OpenError> {
    let known = sqlx::query("SELECT name FROM sqlite_master WHERE name = '_sqlx_migrations'")
        .fetch_optional(writer)
        .await
        .map_err(|error| OpenError::Unusable {
            file: file.to_owned(),
            source: error.into(),
        })?;
    if known.is_none() {
        return Ok(());
    }
    let found = sqlx::query("SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations")
        .fetch_one(writer)
        .await
        .and_then(|row| row.try_get::<i64, _>(0))
        .map_err(|error| OpenError::Unusable {
            file: file.to_owned(),
            source: error.into(),
        })?;
    if found > migrations::LATEST {
        return Err(OpenError::Newer {
            file: file.to_owned(),
            found,
            known: migrations::LATEST,
        });
    }
    Ok(())
}

/// Only what a URL would take for something else.
fn encode(file: &Path) -> String {
    let mut url = String::new();
    for c in file.to_string_lossy().chars() {
        match c {
            '%' => url.push_str("%25"),
            '?' => url.push_str("%3F"),
            '#' => url.push_str("%23"),
            ' ' => url.push_str("%20"),
            other => url.push(other),
        }
    }
    url
}
