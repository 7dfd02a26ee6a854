//! SQLite, embedded: the database is a file of ours, its time is our clock's, and one writes at a time. The one user of
//! `rusqlite`.
//!
//! WAL with `synchronous = FULL`: what was committed survives a power cut. The functions here are the SQL of the operations in
//! [`super::operations`], each on a transaction or a snapshot that it is given.

use std::fs::File;

use jiff::Timestamp;
use rusqlite::Row;
use uuid::Uuid;

use super::StoreError;

pub(super) mod admission;
mod audit;
mod checkpoint;
mod failure;
pub(super) mod inbox;
pub(super) mod messages;
mod open;
pub(super) mod pages;
mod readers;
pub(super) mod record;
pub(super) mod requests;
pub(super) mod retention;
pub(super) mod runbooks;
pub(super) mod runs;
mod schema;
pub(super) mod unfold;
mod writer;

use checkpoint::Checkpointer;
pub(super) use readers::Readers;
pub(super) use writer::Writer;

/// An open database.
pub(super) struct Sqlite {
    pub writer: Writer,
    /// For the engine and for messages.
    pub readers: Readers,
    /// For pages and the API: they may be slow, and keep nobody else waiting.
    pub pages: Readers,
    checkpointer: Checkpointer,
    /// Held as long as the store lives: a second process on the same file must not start.
    _lock: File,
}

/// Microseconds since 1970.
fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// The moment of so many microseconds since 1970; what was written by [`micros`] is always in range.
fn moment(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
}

/// Our own values always serialise.
fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// An id that was written by us.
fn uuid(row: &Row<'_>, column: usize) -> Result<Uuid, StoreError> {
    let text = row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?;
    text.parse()
        .map_err(|_| StoreError::Corrupt(format!("{text:?} is not an id")))
}

/// A count that was written by us.
fn count(row: &Row<'_>, column: usize) -> Result<usize, StoreError> {
    let count: i64 = row.get(column)?;
    Ok(usize::try_from(count).unwrap_or_default())
}

#[cfg(test)]
mod plans;
#[cfg(test)]
mod tests;
