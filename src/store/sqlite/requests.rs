//! Pauses and cancels.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{audit, json, micros, moment, writer::Tx};
use crate::{
    domain::run::RunId,
    store::{Audit, NewPause, PauseRow, PauseScope, RequestError, StoreError},
};

/// Orders a pause. When this is committed, no mutation that it concerns will be started.
pub(in crate::store) fn pause(tx: &Tx<'_>, pause: &NewPause) -> Result<PauseRow, StoreError> {
    let (scope, name) = match &pause.scope {
        PauseScope::All => ("all", ""),
        PauseScope::Runbook(name) => ("runbook", name.as_str()),
        PauseScope::Namespace(name) => ("namespace", name.as_str()),
    };
    let row = PauseRow {
        id: tx.ids.next().to_string(),
        scope: scope.to_owned(),
        name: name.to_owned(),
        who: pause.who.clone(),
        why: pause.why.clone(),
        created_at: moment(micros(tx.now)),
        until: pause.until.map(|until| moment(micros(until))),
    };
    tx.prepare_cached(
        "INSERT INTO pauses (id, scope, name, who, source, why, created_at, until) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        row.id,
        scope,
        name,
        pause.who,
        pause.source,
        pause.why,
        micros(tx.now),
        pause.until.map(micros)
    ])?;
    let entry = Audit {
        kind: "pause",
        who: format!("{} from {}", pause.who, pause.source),
        data: serde_json::from_str(&json(&row)).unwrap_or_default(),
    };
    audit::append(tx, None, &entry)?;
    Ok(row)
}

/// Ends a pause.
pub(in crate::store) fn resume(tx: &Tx<'_>, id: &str, who: &str, source: &str) -> Result<(), RequestError> {
    let ended = tx
        .prepare_cached("UPDATE pauses SET ended_at = ?2, ended_by = ?3 WHERE id = ?1 AND ended_at IS NULL")?
        .execute(params![id, micros(tx.now), who])?;
    if ended == 0 {
        return Err(RequestError::NotFound);
    }
    // Who waited for it need not wait for the next look.
    tx.prepare_cached(
        "UPDATE runs SET due_at = ?1 WHERE id IN (SELECT id FROM runs INDEXED BY runs_due
         WHERE finished_at IS NULL AND due_at > ?1 AND reason = 'paused')",
    )?
    .execute([micros(tx.now)])?;
    let entry = Audit {
        kind: "resume",
        who: format!("{who} from {source}"),
        data: serde_json::json!({"pause": id}),
    };
    audit::append(tx, None, &entry)?;
    Ok(())
}

/// The pauses in force, oldest first.
pub(in crate::store) fn pauses(reader: &Connection, now: Timestamp) -> Result<Vec<PauseRow>, StoreError> {
    let mut statement = reader.prepare_cached(
        "SELECT id, scope, name, who, why, created_at, until FROM pauses INDEXED BY pauses_in_force
         WHERE ended_at IS NULL AND (until IS NULL OR until > ?1) ORDER BY id",
    )?;
    let rows = statement.query_map([micros(now)], |row| {
        Ok(PauseRow {
            id: row.get(0)?,
            scope: row.get(1)?,
            name: row.get(2)?,
            who: row.get(3)?,
            why: row.get(4)?,
            created_at: moment(row.get(5)?),
            until: row.get::<_, Option<i64>>(6)?.map(moment),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Orders the end of a run. It takes effect before its next mutation.
pub(in crate::store) fn cancel(
    tx: &Tx<'_>,
    run: RunId,
    who: &str,
    source: &str,
    why: &str,
) -> Result<(), RequestError> {
    let id = run.to_string();
    // Due at once; if somebody works on it, it is seen when the next action is judged, or when the run is given back.
    let due = tx
        .prepare_cached("UPDATE runs SET due_at = ?2 WHERE id = ?1 AND finished_at IS NULL")?
        .execute(params![id, micros(tx.now)])?;
    if due == 0 {
        let known = tx
            .prepare_cached("SELECT 1 FROM runs WHERE id = ?1")?
            .query_row([&id], |_| Ok(()))
            .optional()?;
        return Err(known.map_or(RequestError::NotFound, |()| RequestError::Finished));
    }
    tx.prepare_cached(
        "INSERT INTO requests (id, run_id, kind, who, source, why, at) VALUES (?, ?, 'cancel', ?, ?, ?, ?)",
    )?
    .execute(params![tx.ids.next().to_string(), id, who, source, why, micros(tx.now)])?;
    let entry = Audit {
        kind: "cancel",
        who: format!("{who} from {source}"),
        data: serde_json::json!({"why": why}),
    };
    audit::append(tx, Some(run), &entry)?;
    Ok(())
}
