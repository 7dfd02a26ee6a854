//! The durable record: inbox, episodes, runs, journals, outbox, audit.
//!
//! [`operations`] is all that can be asked of it: about a dozen transactions, and what is read. Values stand in the files beside
//! it; how a database carries the operations out is [`sqlite`]'s. What was committed survives a power cut.

use std::sync::Arc;

use crate::clock::Clock;

mod admission;
mod error;
mod inbox;
mod messages;
mod operations;
mod requests;
mod runs;
mod sqlite;
mod unfolding;
mod views;

pub use admission::{Admission, Admitted, Decide};
pub use error::{OpenError, StoreError};
pub use inbox::{Batch, NewPost, StoredPost};
pub use messages::{About, Delivery, DueMessage, MessageClaim, Owed, Posted};
pub use requests::{NewPause, PauseRow, PauseScope, RequestError};
pub use runs::{Audit, Change, Claim, Claimed, CommitError, RunAlert, RunHistory};
use sqlite::Sqlite;
pub use unfolding::{Attached, Known, KnownEpisode, LastRun, NewEpisode, NewRun, SeenEpisode, Unfolded, WaitingRun};
pub use views::{AlertFilter, AlertView, JournalView, Page, RunDetail, RunFilter, RunView, TargetView};

/// The store.
#[derive(Clone)]
pub struct Store {
    sqlite: Arc<Sqlite>,
    clock: Arc<dyn Clock>,
}

#[cfg(test)]
pub(crate) mod contract;
