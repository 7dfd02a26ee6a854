//! Judge and start in one transaction: what the guards look at is read where the answer is written. One writes at a time, so what
//! was read holds until the commit.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

use super::{
    count, micros, moment,
    record::{insert_entries, merged, write},
    runs::cancel,
    uuid,
    writer::Tx,
};
use crate::{
    domain::{
        guard::{Attempt, History, Pause},
        journal::Entry,
        next::before,
        run::{Phase, RunId},
    },
    store::{Admission, Admitted, Change, Claim, CommitError, StoreError},
};

/// Binds the run, reads the history of its root, asks for the decision, and writes it: after a pause was acknowledged no start can
/// slip through.
pub(in crate::store) fn admit(tx: &Tx<'_>, admission: &Admission) -> Result<Admitted, CommitError> {
    let run = Row::read(tx, admission)?;
    let incident = incident(tx, &run)?;
    let mut started = incident.unwrap_or(Timestamp::MIN);
    if admission.unsaved {
        if let Some(into) = survivor(tx, &run)? {
            merge(tx, admission, into)?;
            failpoint!(MergeBeforeCommit, blocking);
            return Ok(Admitted::Merged { into });
        }
        if incident.is_none() || !is_restless(tx, admission, &run)? {
            open_incident(tx, &run)?;
            started = tx.now;
        }
    }
    let history = History {
        cancel: cancel(tx, &run.id)?,
        pauses: pauses(tx, admission, &run)?,
        firing: is_firing(tx, &run)?,
        busy: busy(tx, &run)?,
        incident: started,
        attempts: attempts(tx, admission, &run)?,
    };
    let change = (admission.decide)(&history, tx.now);
    write(tx, &admission.claim, admission.seen, &change, Some(&admission.scope))?;
    if change
        .entries
        .iter()
        .any(|entry| matches!(entry, Entry::Started { .. }))
    {
        failpoint!(StartBeforeCommit, blocking);
    } else {
        failpoint!(RecordBeforeCommit, blocking);
    }
    Ok(Admitted::Committed(change))
}

/// Of the run's own row, what the questions about its root begin with.
struct Row {
    id: String,
    track: String,
    runbook: String,
    root: String,
}

impl Row {
    fn read(tx: &Tx<'_>, admission: &Admission) -> Result<Self, CommitError> {
        let id = admission.claim.run.to_string();
        let found = tx
            .prepare_cached("SELECT track, runbook FROM runs WHERE id = ?1")?
            .query_row([&id], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        // A run that is gone was finished by somebody else, and is old.
        let (track, runbook) = found.ok_or(CommitError::LeaseLost)?;
        Ok(Self {
            id,
            track,
            runbook,
            root: admission.binding.root.key(),
        })
    }
}

/// A run on the same root that has not acted: alerts that come before `started` are its own.
fn survivor(tx: &Tx<'_>, run: &Row) -> Result<Option<RunId>, StoreError> {
    on_root(
        tx,
        "SELECT id FROM runs WHERE root_key = ?1 AND track = ?2 AND finished_at IS NULL AND sent = 0 AND id <> ?3
         ORDER BY id LIMIT 1",
        run,
    )
}

/// Another run that has started on the root and not finished.
fn busy(tx: &Tx<'_>, run: &Row) -> Result<Option<RunId>, StoreError> {
    on_root(
        tx,
        "SELECT id FROM runs WHERE root_key = ?1 AND track = ?2 AND finished_at IS NULL AND sent = 1 AND id <> ?3
         LIMIT 1",
        run,
    )
}

fn on_root(tx: &Tx<'_>, sql: &str, run: &Row) -> Result<Option<RunId>, StoreError> {
    let mut statement = tx.prepare_cached(sql)?;
    let mut rows = statement.query(params![run.root, run.track, run.id])?;
    rows.next()?.map(|row| Ok(RunId(uuid(row, 0)?))).transpose()
}

fn is_firing(tx: &Tx<'_>, run: &Row) -> Result<bool, StoreError> {
    let mut statement =
        tx.prepare_cached("SELECT EXISTS (SELECT 1 FROM run_alerts WHERE run_id = ?1 AND told_at IS NULL)")?;
    Ok(statement.query_row([&run.id], |row| row.get(0))?)
}

fn incident(tx: &Tx<'_>, run: &Row) -> Result<Option<Timestamp>, StoreError> {
    let mut statement =
        tx.prepare_cached("SELECT started_at FROM incidents WHERE root_key = ?1 AND track = ?2 AND runbook = ?3")?;
    let started = statement.query_row(params![run.root, run.track, run.runbook], |row| row.get(0));
    Ok(started.optional()?.map(moment))
}

/// An incident goes on while the root has alerts, and until it has been quiet for long enough. Other tracks do not count: what a
/// runbook in shadow sees must change nothing for one that acts.
fn is_restless(tx: &Tx<'_>, admission: &Admission, run: &Row) -> Result<bool, StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM run_alerts
                        WHERE root_key = ?1 AND track = ?2 AND told_at IS NULL AND run_id <> ?3)
             OR EXISTS (SELECT 1 FROM run_alerts
                        WHERE root_key = ?1 AND track = ?2 AND told_at > ?4 AND run_id <> ?3)",
    )?;
    let since = micros(before(tx.now, admission.guards.quiet));
    Ok(statement.query_row(params![run.root, run.track, run.id, since], |row| row.get(0))?)
}

fn open_incident(tx: &Tx<'_>, run: &Row) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT INTO incidents (root_key, track, runbook, started_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (root_key, track, runbook) DO UPDATE SET started_at = excluded.started_at",
    )?
    .execute(params![run.root, run.track, run.runbook, micros(tx.now)])?;
    Ok(())
}

/// As many of the latest as guards look back on, however long the history is.
fn attempts(tx: &Tx<'_>, admission: &Admission, run: &Row) -> Result<Vec<Attempt>, StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT run_id, at FROM attempts WHERE root_key = ?1 AND track = ?2 AND runbook = ?3 AND run_id <> ?4
         ORDER BY at DESC LIMIT ?5",
    )?;
    let most = admission.guards.attempts();
    let mut rows = statement.query(params![run.root, run.track, run.runbook, run.id, most])?;
    let mut attempts = Vec::new();
    while let Some(row) = rows.next()? {
        attempts.push(Attempt {
            run: RunId(uuid(row, 0)?),
            at: moment(row.get(1)?),
        });
    }
    Ok(attempts)
}

fn pauses(tx: &Tx<'_>, admission: &Admission, run: &Row) -> Result<Vec<Pause>, StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT scope, name, who, why, until FROM pauses INDEXED BY pauses_in_force
         WHERE ended_at IS NULL AND (until IS NULL OR until > ?1) ORDER BY id",
    )?;
    let mut rows = statement.query([micros(tx.now)])?;
    let objects = || {
        let alerts = admission.binding.alerts.iter();
        alerts
            .map(|alert| &alert.target.object)
            .chain([&admission.binding.root.0])
    };
    let mut pauses = Vec::new();
    while let Some(row) = rows.next()? {
        let (scope, name): (String, String) = (row.get(0)?, row.get(1)?);
        let (concerns, scope) = match scope.as_str() {
            "runbook" => (name == run.runbook, format!("runbook {name}")),
            "namespace" => (
                objects().any(|object| object.namespace.as_deref() == Some(&name)),
                format!("namespace {name}"),
            ),
            // A scope that we do not know holds everything.
            _ => (true, "everything".to_owned()),
        };
        if concerns {
            pauses.push(Pause {
                scope,
                who: row.get(2)?,
                why: row.get(3)?,
                until: row.get::<_, Option<i64>>(4)?.map(moment),
            });
        }
    }
    Ok(pauses)
}

/// Gives the alerts to a sibling, and ends the run.
fn merge(tx: &Tx<'_>, admission: &Admission, into: RunId) -> Result<(), CommitError> {
    let Admission {
        claim: Claim { run: id, .. },
        binding,
        ..
    } = admission;
    let change = Change {
        entries: vec![Entry::Bound(binding.clone()), Entry::Finished(merged(into))],
        phase: Phase::Finished,
        due_at: None,
        audit: Vec::new(),
        owed: None,
    };
    write(tx, &admission.claim, admission.seen, &change, Some(&admission.scope))?;
    let entries = tx
        .prepare_cached("UPDATE runs SET entries = entries + 1 WHERE id = ?1 RETURNING entries")?
        .query_row([into.to_string()], |row| Ok(count(row, 0)))??;
    let joined = Entry::Joined {
        from: *id,
        alerts: binding.alerts.clone(),
    };
    insert_entries(tx, into, entries.saturating_sub(1), tx.now, &[joined])?;
    tx.prepare_cached(
        "INSERT INTO run_alerts (run_id, episode_id, track, root_key, told_at)
         SELECT ?1, episode_id, track, root_key, told_at FROM run_alerts WHERE run_id = ?2 ON CONFLICT DO NOTHING",
    )?
    .execute([into.to_string(), id.to_string()])?;
    tx.prepare_cached("DELETE FROM run_alerts WHERE run_id = ?1")?
        .execute([id.to_string()])?;
    Ok(())
}
