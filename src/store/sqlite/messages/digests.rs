//! Digests: what a crowd of runs is told in, so that a storm is one message and not a flood.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{NewMessage, insert};
use crate::{
    domain::{
        next::{after, before},
        notify::Sink,
    },
    store::{
        StoreError,
        sqlite::{micros, writer::Tx},
    },
};

/// The same for a digest, which many runs change.
pub(super) const GATHER_DIGEST: Duration = Duration::from_secs(5);
/// Runs that wait for a first message in one channel: more become digests.
const CROWD: i64 = 10;
/// How long runs join a digest that was made in their channel.
const STORM: Duration = Duration::from_secs(10 * 60);
/// Runs that one digest tells of.
const DIGEST: i64 = 50;

/// Of a message `m`: about a run of which nothing was ever posted, and nothing is under way. `?1` is the service, `?2` is now.
macro_rules! waiting {
    () => {
        "m.sink = ?1 AND m.kind = 'run' AND m.due_at IS NOT NULL AND m.remote_ts IS NULL AND m.told = 0
         AND m.posting_at IS NULL AND m.lease_until <= ?2 AND m.renewed = 0"
    };
}

/// Runs that wait in a channel, and the digest that they join; none: a new one.
#[derive(Clone, Debug)]
pub(in crate::store) struct Gathering {
    channel: String,
    digest: Option<String>,
    room: i64,
}

/// Where runs wait that can join a digest which was made there lately, and where so many wait that they become one.
///
/// Looked up without the writer first: there is hardly ever a crowd.
pub(in crate::store) fn crowds(reader: &Connection, sink: Sink, now: Timestamp) -> Result<Vec<Gathering>, StoreError> {
    let mut open = reader.prepare_cached(concat!(
        "SELECT d.id, d.channel, (SELECT COUNT(*) FROM messages r WHERE r.digest_id = d.id AND r.kind = 'run')
         FROM messages d INDEXED BY messages_digests WHERE d.sink = ?1 AND d.kind = 'digest' AND d.opened_at > ?3
         AND d.failure IS NULL AND EXISTS (SELECT 1 FROM messages m INDEXED BY messages_due WHERE m.channel = d.channel AND ",
        waiting!(),
        ") ORDER BY d.id"
    ))?;
    let since = micros(before(now, STORM));
    let rows = open.query_map(params![sink.as_str(), micros(now), since], |row| {
        Ok(Gathering {
            digest: row.get(0)?,
            channel: row.get(1)?,
            room: DIGEST - row.get::<_, i64>(2)?,
        })
    })?;
    let mut found: Vec<Gathering> = rows.collect::<Result<_, _>>()?;
    found.retain(|open| open.room > 0);
    if !found.is_empty() {
        return Ok(found);
    }
    let mut crowded = reader.prepare_cached(concat!(
        "SELECT m.channel FROM messages m INDEXED BY messages_due WHERE ",
        waiting!(),
        " GROUP BY m.channel HAVING COUNT(*) > ?3"
    ))?;
    let rows = crowded.query_map(params![sink.as_str(), micros(now), CROWD], |row| {
        Ok(Gathering {
            digest: None,
            channel: row.get(0)?,
            room: DIGEST,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Puts runs that wait in a channel into a digest; how many.
pub(in crate::store) fn gather(tx: &Tx<'_>, sink: Sink, gathering: &Gathering) -> Result<usize, StoreError> {
    let id = gathering.digest.clone().unwrap_or_else(|| tx.ids.next().to_string());
    let gathered = tx
        .prepare_cached(concat!(
            "UPDATE messages SET digest_id = ?4, due_at = NULL WHERE id IN (
             SELECT m.id FROM messages m INDEXED BY messages_due WHERE m.channel = ?3 AND ",
            waiting!(),
            " ORDER BY m.id LIMIT ?5)"
        ))?
        .execute(params![
            sink.as_str(),
            micros(tx.now),
            gathering.channel,
            id,
            gathering.room
        ])?;
    match &gathering.digest {
        _ if gathered == 0 => {}
        None => insert(
            tx,
            &NewMessage {
                id: &id,
                kind: "digest",
                run: None,
                entry: 0,
                sink,
                channel: &gathering.channel,
            },
        )?,
        Some(_) => {
            tx.prepare_cached("UPDATE messages SET wanted = wanted + 1, due_at = COALESCE(due_at, ?2) WHERE id = ?1")?
                .execute(params![id, micros(after(tx.now, GATHER_DIGEST))])?;
        }
    }
    Ok(gathered)
}
