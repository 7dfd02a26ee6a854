//! The outbox: what is due, and where it was posted.

mod delivery;
mod digests;
mod owe;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{count, micros, moment, uuid, writer::Tx};
use crate::{
    domain::{notify::Sink, run::RunId},
    store::{About, DueMessage, Posted, StoreError},
};

pub(super) use self::owe::owe;
pub(in crate::store) use self::{
    delivery::{claim, record},
    digests::{crowds, gather},
};

/// A reply's parent is the message of its run, or the digest that tells of it instead.
const DUE: &str =
    "SELECT m.id, m.kind, m.run_id, m.entry, m.channel, m.opened_at, m.wanted, m.told, m.last, m.posting_at,
     m.renewed, m.plain, m.attempts, m.remote_channel, m.remote_ts, p.remote_channel, p.remote_ts
     FROM messages m INDEXED BY messages_due
     LEFT JOIN messages r ON r.run_id = m.run_id AND r.sink = m.sink AND r.kind = 'run' AND m.kind <> 'run'
     LEFT JOIN messages p ON p.id = COALESCE(r.digest_id, r.id)
     WHERE m.sink = ?1 AND m.due_at <= ?2 AND m.lease_until <= ?2 ORDER BY m.last DESC, m.due_at, m.id LIMIT ?3";

/// Messages of a service that are due and that nobody delivers now: ends first, then the oldest.
pub(in crate::store) fn due(
    reader: &Connection,
    sink: Sink,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<DueMessage>, StoreError> {
    let mut statement = reader.prepare_cached(DUE)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![sink.as_str(), micros(now), limit])?;
    let mut due = Vec::new();
    while let Some(row) = rows.next()? {
        due.push(read(row)?);
    }
    Ok(due)
}

/// When the next message of a service is due that nobody delivers then.
pub(in crate::store) fn next_due(reader: &Connection, sink: Sink) -> Result<Option<Timestamp>, StoreError> {
    let mut statement = reader.prepare_cached(
        "SELECT MIN(CASE WHEN lease_until > due_at THEN lease_until ELSE due_at END) FROM messages INDEXED BY messages_due
         WHERE sink = ?1 AND due_at IS NOT NULL",
    )?;
    let due: Option<i64> = statement.query_row([sink.as_str()], |row| row.get(0))?;
    Ok(due.map(moment))
}

/// How many messages of a service are owed.
pub(in crate::store) fn owed(reader: &Connection, sink: Sink) -> Result<i64, StoreError> {
    let mut statement =
        reader.prepare_cached("SELECT COUNT(*) FROM messages WHERE sink = ?1 AND due_at IS NOT NULL")?;
    Ok(statement.query_row([sink.as_str()], |row| row.get(0))?)
}

/// The runs that a digest tells of.
pub(in crate::store) fn digest_runs(reader: &Connection, digest: &str) -> Result<Vec<RunId>, StoreError> {
    let mut statement =
        reader.prepare_cached("SELECT run_id FROM messages WHERE digest_id = ?1 AND kind = 'run' ORDER BY id")?;
    let mut rows = statement.query([digest])?;
    let mut runs = Vec::new();
    while let Some(row) = rows.next()? {
        runs.push(RunId(uuid(row, 0)?));
    }
    Ok(runs)
}

/// A channel's id, if anything was ever posted there.
pub(in crate::store) fn channel_id(
    reader: &Connection,
    sink: Sink,
    channel: &str,
) -> Result<Option<String>, StoreError> {
    let mut statement = reader.prepare_cached(
        "SELECT remote_channel FROM messages WHERE sink = ?1 AND channel = ?2 AND remote_channel IS NOT NULL
         ORDER BY id DESC LIMIT 1",
    )?;
    let id = statement.query_row([sink.as_str(), channel], |row| row.get(0));
    Ok(id.optional()?)
}

/// Keeps what a service has forbidden until then.
pub(in crate::store) fn hold(tx: &Tx<'_>, scope: &str, until: Timestamp) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT INTO holds (scope, until) VALUES (?1, ?2) ON CONFLICT (scope) DO UPDATE SET until = excluded.until",
    )?
    .execute(params![scope, micros(until)])?;
    Ok(())
}

/// What services have forbidden and until when.
pub(in crate::store) fn holds(reader: &Connection, now: Timestamp) -> Result<Vec<(String, Timestamp)>, StoreError> {
    let mut statement = reader.prepare_cached("SELECT scope, until FROM holds WHERE until > ?1")?;
    let rows = statement.query_map([micros(now)], |row| Ok((row.get(0)?, moment(row.get(1)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A message that is owed from its first moment on: a digest, or a reply.
struct NewMessage<'a> {
    id: &'a str,
    kind: &'static str,
    run: Option<RunId>,
    /// The entry of the run's journal that it is about.
    entry: usize,
    sink: Sink,
    channel: &'a str,
}

fn insert(tx: &Tx<'_>, new: &NewMessage<'_>) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT INTO messages (id, kind, run_id, entry, sink, channel, opened_at, wanted, told, last, due_at, renewed,
         plain, attempts, lease_until, epoch) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, 0, 1, ?7, 0, 0, 0, 0, 0)
         ON CONFLICT DO NOTHING",
    )?
    .execute(params![
        new.id,
        new.kind,
        new.run.map(|run| run.to_string()),
        i64::try_from(new.entry).unwrap_or(i64::MAX),
        new.sink.as_str(),
        new.channel,
        micros(tx.now)
    ])?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<DueMessage, StoreError> {
    let kind: String = row.get(1)?;
    let run = match row.get_ref(2)? {
        rusqlite::types::ValueRef::Null => None,
        _ => Some(RunId(uuid(row, 2)?)),
    };
    let entry = count(row, 3)?;
    let about = match (kind.as_str(), run) {
        ("run", Some(run)) => About::Run(run),
        ("digest", _) => About::Digest,
        ("evidence", Some(run)) => About::Evidence { run, entry },
        ("mention", Some(run)) => About::Mention { run },
        _ => return Err(StoreError::Corrupt(format!("a message of the kind {kind:?}"))),
    };
    let posted = |column: usize| -> Result<Option<Posted>, StoreError> {
        let (channel, ts): (Option<String>, Option<String>) = (row.get(column)?, row.get(column + 1)?);
        Ok(channel.zip(ts).map(|(channel, ts)| Posted { channel, ts }))
    };
    Ok(DueMessage {
        id: row.get(0)?,
        posted: match about {
            About::Run(_) | About::Digest => posted(13)?,
            About::Evidence { .. } | About::Mention { .. } => posted(15)?,
        },
        about,
        channel: row.get(4)?,
        opened_at: moment(row.get(5)?),
        wanted: row.get(6)?,
        told: row.get(7)?,
        last: row.get(8)?,
        posting: row.get::<_, Option<i64>>(9)?.map(moment),
        renewed: row.get(10)?,
        plain: row.get(11)?,
        attempts: row.get(12)?,
    })
}
