//! Connections that only read, each used by one at a time, on threads that may block.
//!
//! The engine and the pages have some each, so that whoever looks at pages never keeps the engine from its runs.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rusqlite::Connection;
use tokio::{sync::Semaphore, time::timeout};

use super::open::settled;
use crate::store::StoreError;

#[derive(Clone)]
pub(in crate::store) struct Readers(Arc<Pool>);

struct Pool {
    file: PathBuf,
    /// One permit for each connection; none are given any more when it is closed.
    free: Arc<Semaphore>,
    count: u32,
    /// Those that nobody uses. They are opened when they are needed first.
    idle: Mutex<Vec<Connection>>,
    /// How long a read may take, with the wait for a connection. Real time: it is the disk that is waited for.
    patience: Duration,
}

impl Readers {
    pub(super) fn new(file: &Path, count: u32, patience: Duration) -> Self {
        Self(Arc::new(Pool {
            file: file.to_owned(),
            free: Arc::new(Semaphore::new(count as usize)),
            count,
            idle: Mutex::default(),
            patience,
        }))
    }

    /// Reads in one snapshot. A read that takes too long is broken off.
    pub(in crate::store) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let slow = || StoreError::Busy("a read took too long".to_owned());
        let pool = Arc::clone(&self.0);
        let interrupt = Arc::new(Mutex::new(None));
        let interrupted = Arc::clone(&interrupt);
        let reading = async {
            let permit = Arc::clone(&pool.free).acquire_owned().await;
            let permit = permit.map_err(|_| StoreError::Busy("it is closed".to_owned()))?;
            tokio::task::spawn_blocking(move || {
                let _permit = permit;
                let mut connection = pool.take()?;
                *lock(&interrupt) = Some(connection.get_interrupt_handle());
                let read = connection
                    .transaction()
                    .map_err(StoreError::from)
                    .and_then(|snapshot| work(&snapshot));
                // From here on it may be somebody else's.
                *lock(&interrupt) = None;
                lock(&pool.idle).push(connection);
                read
            })
            .await
            .map_err(|error| StoreError::Statement(format!("a read panicked: {error}")))?
        };
        match timeout(self.0.patience, reading).await {
            Ok(read) => read,
            Err(_) => {
                if let Some(handle) = lock(&interrupted).take() {
                    handle.interrupt();
                }
                Err(slow())
            }
        }
    }

    /// Returns when every connection is closed.
    pub(super) async fn close(&self) {
        if let Ok(all) = self.0.free.acquire_many(self.0.count).await {
            all.forget();
        }
        self.0.free.close();
        lock(&self.0.idle).clear();
    }
}

impl Pool {
    fn take(&self) -> Result<Connection, StoreError> {
        if let Some(connection) = lock(&self.idle).pop() {
            return Ok(connection);
        }
        let connection = settled(&self.file)?;
        connection.execute_batch("PRAGMA query_only = ON")?;
        Ok(connection)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
