//! Delivering: the right to it, and what came of it.

use std::time::Duration;

use rusqlite::{OptionalExtension, params};

use super::{NewMessage, insert, owe::GATHER};
use crate::{
    domain::{next::after, notify::Sink},
    store::{
        About, Delivery, MessageClaim, StoreError,
        sqlite::{micros, writer::Tx},
    },
};

/// Claims a message for one delivery; `None` when somebody else was faster. From here on it counts as perhaps posted.
pub(in crate::store) fn claim(
    tx: &Tx<'_>,
    message: &str,
    owner: &str,
    lease: Duration,
) -> Result<Option<MessageClaim>, StoreError> {
    let epoch = tx
        .prepare_cached(
            "UPDATE messages SET lease_owner = ?1, lease_until = ?2, epoch = epoch + 1,
             posting_at = CASE WHEN remote_ts IS NULL THEN COALESCE(posting_at, ?3) ELSE posting_at END
             WHERE id = ?4 AND due_at <= ?3 AND lease_until <= ?3 AND digest_id IS NULL RETURNING epoch",
        )?
        .query_row(
            params![owner, micros(after(tx.now, lease)), micros(tx.now), message],
            |row| row.get(0),
        )
        .optional()?;
    Ok(epoch.map(|epoch| MessageClaim {
        id: message.to_owned(),
        epoch,
    }))
}

/// Records what came of a delivery. What came late, after somebody else had claimed the message, changes nothing.
pub(in crate::store) fn record(
    tx: &Tx<'_>,
    claim: &MessageClaim,
    sink: Sink,
    delivery: &Delivery,
) -> Result<(), StoreError> {
    let now = micros(tx.now);
    let (id, epoch) = (&claim.id, claim.epoch);
    let recorded = match delivery {
        Delivery::Told { told, posted, .. } => tx
            .prepare_cached(
                "UPDATE messages SET told = ?3, due_at = CASE WHEN wanted > ?3 THEN ?4 ELSE NULL END, posting_at = NULL,
                 remote_channel = COALESCE(?5, remote_channel), remote_ts = COALESCE(?6, remote_ts), attempts = 0,
                 failure = NULL, lease_until = 0 WHERE id = ?1 AND epoch = ?2",
            )?
            .execute(params![
                id,
                epoch,
                told,
                micros(after(tx.now, GATHER)),
                posted.as_ref().map(|posted| &posted.channel),
                posted.as_ref().map(|posted| &posted.ts)
            ])?,
        Delivery::PutOff {
            until,
            perhaps_posted,
            failed,
        } => tx
            .prepare_cached(
                "UPDATE messages SET due_at = ?3, posting_at = CASE WHEN ?4 THEN posting_at ELSE NULL END,
                 attempts = attempts + ?5, lease_until = 0 WHERE id = ?1 AND epoch = ?2",
            )?
            .execute(params![id, epoch, micros(*until), perhaps_posted, failed])?,
        Delivery::Renew => tx
            .prepare_cached(
                "UPDATE messages SET remote_channel = NULL, remote_ts = NULL, posting_at = NULL, told = 0, renewed = 1,
                 due_at = ?3, lease_until = 0 WHERE id = ?1 AND epoch = ?2",
            )?
            .execute(params![id, epoch, now])?,
        Delivery::Plain => tx
            .prepare_cached(
                "UPDATE messages SET plain = 1, posting_at = NULL, due_at = ?3, lease_until = 0
                 WHERE id = ?1 AND epoch = ?2",
            )?
            .execute(params![id, epoch, now])?,
        Delivery::GivenUp { failure } => tx
            .prepare_cached(
                "UPDATE messages SET due_at = NULL, posting_at = NULL, failure = ?3, lease_until = 0
                 WHERE id = ?1 AND epoch = ?2",
            )?
            .execute(params![id, epoch, failure])?,
    };
    match delivery {
        Delivery::Told { replies, .. } if recorded > 0 && !replies.is_empty() => owe_replies(tx, id, sink, replies),
        _ => Ok(()),
    }
}

/// A reply counts against the limits of the channel that its message stands in, under the same name.
fn owe_replies(tx: &Tx<'_>, message: &str, sink: Sink, replies: &[About]) -> Result<(), StoreError> {
    let channel: String = tx
        .prepare_cached("SELECT channel FROM messages WHERE id = ?1")?
        .query_row([message], |row| row.get(0))?;
    for reply in replies {
        let (kind, run, entry) = match reply {
            About::Evidence { run, entry } => ("evidence", run, *entry),
            About::Mention { run } => ("mention", run, 0),
            About::Run(_) | About::Digest => continue,
        };
        insert(
            tx,
            &NewMessage {
                id: &tx.ids.next().to_string(),
                kind,
                run: Some(*run),
                entry,
                sink,
                channel: &channel,
            },
        )?;
    }
    Ok(())
}
