//! Appending posts: one connection of its own, one transaction a batch, no thread between.
//!
//! Every other statement goes through `sqlx`, which takes it to a thread of its own, value by value, each copied. Whoever
//! sends a post waits for its commit, so here it is carried out where it is asked for and bodies are bound where they lie.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::{Connection, TransactionBehavior, params};

use super::{NewPost, StoreError, micros, open};

const INSERT: &str = "INSERT INTO posts (received_at, source, alerts, state, body) VALUES (?, ?, ?, 0, ?)";

/// The connection; none when it is closed.
#[derive(Clone)]
pub(super) struct Appender(Arc<Mutex<Option<Connection>>>);

impl Appender {
    /// Opens the connection to a database that has its tables.
    pub(super) fn open(file: &Path) -> Result<Self, StoreError> {
        Ok(Self(Arc::new(Mutex::new(Some(open::settled(file)?)))))
    }

    /// Commits these posts together: when it returns, they are on the disk. The caller has the right to write.
    pub(super) fn append(&self, posts: &[NewPost]) -> Result<(), StoreError> {
        let mut connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(connection) = connection.as_mut() else {
            return Err(StoreError::Busy("it is closed".to_owned()));
        };
        // Dropped on the way out by an error, it rolls back, unless SQLite has done so already.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut insert = transaction.prepare_cached(INSERT)?;
        for post in posts {
            insert.execute(params![
                micros(post.received_at),
                post.source,
                post.alerts,
                &post.body[..]
            ])?;
        }
        drop(insert);
        Ok(transaction.commit()?)
    }

    /// Closes the connection.
    pub(super) fn close(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
