//! Whose turn it is to write.
//!
//! SQLite lets one connection write at a time, and who finds it taken sleeps before it looks again. Here everybody waits in line
//! instead, and goes on at the moment at which the one before is done.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};

use sqlx::{Any, AnyConnection, Transaction};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::StoreError;

/// How long a writer waits for its turn before the post is answered with 503.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The line.
#[derive(Clone, Debug)]
pub(super) struct Turns(Arc<Semaphore>);

/// The right to write, until it is dropped.
pub(super) struct Turn {
    _permit: OwnedSemaphorePermit,
}

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

impl Turns {
    pub(super) async fn next(&self) -> Result<Turn, StoreError> {
        let busy = |why: &str| StoreError::Busy(why.to_owned());
        let permit = timeout(PATIENCE, self.0.clone().acquire_owned())
            .await
            .map_err(|_| busy("others have been writing for too long"))?
            .map_err(|_| busy("it is closed"))?;
        Ok(Turn { _permit: permit })
    }
}

/// A transaction that writes. Dropped before it is committed, it is rolled back.
pub(super) struct Writing {
    pub(super) transaction: Transaction<'static, Any>,
    /// Given on when the transaction is over.
    pub(super) turn: Turn,
}

impl Writing {
    pub(super) async fn commit(self) -> Result<(), StoreError> {
        let committed = self.transaction.commit().await;
        drop(self.turn);
        Ok(committed?)
    }
}

impl Deref for Writing {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.transaction
    }
}

impl DerefMut for Writing {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.transaction
    }
}
