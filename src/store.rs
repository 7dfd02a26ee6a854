//! The durable record: inbox, episodes, runs, journals, audit. The one user of `sqlx`, and of `rusqlite` (in [`append`] and
//! [`checkpoint`]).
//!
//! One writes at a time ([`turn`]), transactions begin as writers, WAL with `synchronous = FULL`: what `commit` returned
//! from survives a power cut. The SQL is what SQLite and PostgreSQL share (`$1`, `RETURNING`, `ON CONFLICT`); what
//! differs stands in the folders of [`migrations`].

use std::sync::Arc;

use jiff::Timestamp;
use sqlx::AnyPool;

use crate::{clock::Clock, ids::Ids};

mod append;
mod audit;
mod bulk;
mod checkpoint;
mod error;
mod inbox;
mod ledger;
mod messages;
mod migrations;
mod open;
mod orders;
mod read;
mod record;
mod retention;
mod runbooks;
mod runs;
mod turn;
mod unfold;

use append::Appender;
pub use audit::Audit;
use checkpoint::Checkpointer;
pub use error::{OpenError, StoreError};
pub use inbox::{NewPost, StoredPost};
pub use ledger::Judged;
pub use messages::{About, Delivery, DueMessage, MessageClaim, Owed, Posted};
pub use orders::{NewPause, OrderError, PauseRow, PauseScope};
pub use read::{AlertView, JournalView, Page, RunDetail, RunFilter, RunView};
pub use record::{Change, CommitError};
pub use runs::{Claim, Claimed, RunAlert, Story};
use turn::{Turns, Writing};
pub use unfold::{Known, KnownEpisode, LastRun, NewEpisode, NewRun, SeenEpisode, Unfolded, WaitingRun};

/// The store.
#[derive(Clone)]
pub struct Store {
    writer: AnyPool,
    readers: AnyPool,
    turns: Turns,
    appender: Appender,
    checkpointer: Checkpointer,
    clock: Arc<dyn Clock>,
    ids: Arc<Ids>,
    /// Held as long as the store lives: a second process on the same file must not start.
    _lock: Option<Arc<std::fs::File>>,
}

impl Store {
    /// A transaction that holds the write lock from its first statement on.
    ///
    /// A deferred one that reads first fails with "database is locked" when it comes to write.
    async fn begin(&self) -> Result<Writing, StoreError> {
        let turn = self.turns.next().await?;
        let transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        Ok(Writing { transaction, turn })
    }

    /// The clock that leases are counted in: the database is in this process, so its time is ours.
    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// Microseconds since 1970.
fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// The moment of so many microseconds since 1970; what was written by [`micros`] is always in range.
fn moment(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
