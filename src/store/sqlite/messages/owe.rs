//! Owing: which messages a change of a run makes due.

use std::time::Duration;

use rusqlite::params;

use super::digests::GATHER_DIGEST;
use crate::{
    domain::{next::after, run::RunId},
    store::{
        Owed, StoreError,
        sqlite::{micros, writer::Tx},
    },
};

/// How long changes gather before a message is edited; the end is told at once.
pub(super) const GATHER: Duration = Duration::from_secs(2);

/// Owes the messages of a run, in the transaction that records what they should tell.
pub(in crate::store::sqlite) fn owe(tx: &Tx<'_>, run: RunId, entries: usize, owed: &Owed) -> Result<(), StoreError> {
    let mut insert = tx.prepare_cached(
        "INSERT INTO messages (id, kind, run_id, entry, sink, channel, opened_at, wanted, told, last, due_at, renewed,
         plain, attempts, lease_until, epoch)
         VALUES (?1, 'run', ?2, 0, ?3, ?4, ?5, ?6, 0, ?7, ?5, 0, 0, 0, 0, 0)
         ON CONFLICT (run_id, sink, kind, entry) WHERE run_id IS NOT NULL DO UPDATE SET
         wanted = excluded.wanted, last = excluded.last, failure = NULL,
         due_at = CASE WHEN messages.digest_id IS NOT NULL THEN NULL
             WHEN messages.due_at IS NOT NULL AND (messages.attempts > 0 OR excluded.last = 0) THEN messages.due_at
             WHEN excluded.last = 1 THEN excluded.due_at ELSE ?8 END",
    )?;
    for to in &owed.to {
        insert.execute(params![
            tx.ids.next().to_string(),
            run.to_string(),
            to.sink.as_str(),
            to.channel,
            micros(tx.now),
            i64::try_from(entries).unwrap_or(i64::MAX),
            owed.last,
            micros(after(tx.now, GATHER)),
        ])?;
    }
    tx.prepare_cached(
        "UPDATE messages SET wanted = wanted + 1, due_at = COALESCE(due_at, ?2), failure = NULL
         WHERE id IN (SELECT digest_id FROM messages WHERE run_id = ?1 AND digest_id IS NOT NULL)",
    )?
    .execute(params![run.to_string(), micros(after(tx.now, GATHER_DIGEST))])?;
    Ok(())
}
