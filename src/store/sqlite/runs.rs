//! Claiming runs and reading them.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{micros, moment, uuid, writer::Tx};
use crate::{
    domain::{
        alert::Labels,
        guard::Cancel,
        journal::{Entry, Recorded, UnknownEntry},
        next::after,
        run::{EpisodeId, Run, RunId, Track},
        runbook::Mode,
    },
    store::{Claim, Claimed, RunAlert, RunHistory, StoreError},
};

/// Claims runs that are due, oldest first.
pub(in crate::store) fn claim(
    tx: &Tx<'_>,
    owner: &str,
    lease: Duration,
    limit: usize,
) -> Result<Vec<Claim>, StoreError> {
    let mut statement = tx.prepare_cached(
        "UPDATE runs SET lease_owner = ?1, lease_until = ?2, epoch = epoch + 1
         WHERE id IN (SELECT id FROM runs INDEXED BY runs_due
                      WHERE finished_at IS NULL AND due_at <= ?3 AND lease_until <= ?3 ORDER BY due_at LIMIT ?4)
         RETURNING id, epoch",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![owner, micros(after(tx.now, lease)), micros(tx.now), limit])?;
    let mut claims = Vec::new();
    while let Some(row) = rows.next()? {
        claims.push(Claim {
            run: RunId(uuid(row, 0)?),
            epoch: row.get(1)?,
            lease,
        });
    }
    Ok(claims)
}

/// Holds a claim for longer; whether it is still ours.
pub(in crate::store) fn renew(tx: &Tx<'_>, claim: &Claim) -> Result<bool, StoreError> {
    let renewed = tx
        .prepare_cached("UPDATE runs SET lease_until = ?3 WHERE id = ?1 AND epoch = ?2 AND finished_at IS NULL")?
        .execute(params![
            claim.run.to_string(),
            claim.epoch,
            micros(after(tx.now, claim.lease))
        ])?;
    Ok(renewed > 0)
}

/// Gives a claim back without having done anything.
pub(in crate::store) fn release(tx: &Tx<'_>, claim: &Claim, due_at: Timestamp) -> Result<(), StoreError> {
    tx.prepare_cached(
        "UPDATE runs SET lease_until = 0, due_at = ?3 WHERE id = ?1 AND epoch = ?2 AND finished_at IS NULL",
    )?
    .execute(params![claim.run.to_string(), claim.epoch, micros(due_at)])?;
    Ok(())
}

/// When the next run is due that nobody holds at this moment.
pub(in crate::store) fn next_due(reader: &Connection, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    let due = reader
        .prepare_cached(
            "SELECT due_at FROM runs INDEXED BY runs_due WHERE finished_at IS NULL AND lease_until <= ?1
             ORDER BY due_at LIMIT 1",
        )?
        .query_row([micros(now)], |row| row.get(0))
        .optional()?;
    Ok(due.map(moment))
}

/// Reads a claimed run.
pub(in crate::store) fn load(reader: &Connection, claim: &Claim) -> Result<Claimed, StoreError> {
    let id = claim.run.to_string();
    let (run, track, settled, due_at) =
        row(reader, claim.run)?.ok_or_else(|| StoreError::Data(format!("there is no run {id}")))?;
    Ok(Claimed {
        claim: claim.clone(),
        run,
        track,
        settled,
        due_at,
        journal: journal(reader, &id)?,
        alerts: alerts(reader, &id)?,
        cancel: cancel(reader, &id)?,
    })
}

/// Reads a run, if it is still there.
pub(in crate::store) fn history(reader: &Connection, run: RunId) -> Result<Option<RunHistory>, StoreError> {
    let Some((read, ..)) = row(reader, run)? else {
        return Ok(None);
    };
    let id = run.to_string();
    Ok(Some(RunHistory {
        run: read,
        journal: journal(reader, &id)?,
        alerts: alerts(reader, &id)?,
    }))
}

type RunRow = (Run, Track, Timestamp, Timestamp);

fn row(reader: &Connection, id: RunId) -> Result<Option<RunRow>, StoreError> {
    let mut statement = reader.prepare_cached(
        "SELECT runbook, version, mode, object, opened_at, deadline, attempt, track, settled_at, due_at
         FROM runs WHERE id = ?1",
    )?;
    let read = |row: &Row<'_>| {
        let mode: String = row.get(2)?;
        let object: Option<String> = row.get(3)?;
        let run = Run {
            id,
            runbook: row.get(0)?,
            version: row.get(1)?,
            mode: match mode.as_str() {
                "enforce" => Mode::Enforce,
                "dryRun" => Mode::DryRun,
                // A word that we do not know never acts.
                _ => Mode::Shadow,
            },
            object: object.and_then(|object| serde_json::from_str(&object).ok()),
            opened_at: moment(row.get(4)?),
            deadline: moment(row.get(5)?),
            attempt: row.get(6)?,
        };
        Ok((run, Track(row.get(7)?), moment(row.get(8)?), moment(row.get(9)?)))
    };
    Ok(statement.query_row([id.to_string()], read).optional()?)
}

/// A run's journal, or the entry that this program cannot read.
pub(super) fn journal(reader: &Connection, id: &str) -> Result<Result<Vec<Recorded>, UnknownEntry>, StoreError> {
    let mut statement =
        reader.prepare_cached("SELECT n, at, v, kind, data FROM journal WHERE run_id = ?1 ORDER BY n")?;
    let mut rows = statement.query([id])?;
    let mut journal = Vec::new();
    while let Some(row) = rows.next()? {
        let (kind, data): (String, String) = (row.get(3)?, row.get(4)?);
        match Entry::read(row.get(0)?, row.get(2)?, &kind, &data) {
            Ok(entry) => journal.push(Recorded {
                at: moment(row.get(1)?),
                entry,
            }),
            Err(unknown) => return Ok(Err(unknown)),
        }
    }
    Ok(Ok(journal))
}

fn alerts(reader: &Connection, id: &str) -> Result<Vec<RunAlert>, StoreError> {
    let mut statement = reader.prepare_cached(
        "SELECT e.id, e.labels, e.annotations, e.started_at, e.told_at FROM run_alerts a
         JOIN episodes e ON e.id = a.episode_id WHERE a.run_id = ?1 ORDER BY e.id",
    )?;
    let mut rows = statement.query([id])?;
    let mut alerts = Vec::new();
    while let Some(row) = rows.next()? {
        alerts.push(RunAlert {
            episode: EpisodeId(uuid(row, 0)?),
            labels: labels(row, 1)?,
            annotations: labels(row, 2)?,
            started: moment(row.get(3)?),
            firing: row.get::<_, Option<i64>>(4)?.is_none(),
        });
    }
    Ok(alerts)
}

/// A person's request to end the run, the first one.
pub(super) fn cancel(connection: &Connection, id: &str) -> Result<Option<Cancel>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT who, why FROM requests WHERE run_id = ?1 AND kind = 'cancel' ORDER BY id LIMIT 1")?;
    let read = |row: &Row<'_>| {
        Ok(Cancel {
            who: row.get(0)?,
            why: row.get(1)?,
        })
    };
    Ok(statement.query_row([id], read).optional()?)
}

pub(super) fn labels(row: &Row<'_>, column: usize) -> Result<Labels, StoreError> {
    let text = row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?;
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(format!("labels: {error}")))
}
