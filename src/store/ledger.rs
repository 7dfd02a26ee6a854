//! Judge and start in one transaction: what the guards look at is read where the answer is written.

use jiff::Timestamp;
use sqlx::{AnyConnection, Row};

use super::{
    Change, Claimed, CommitError, Store, StoreError, micros, moment,
    record::{insert_entry, merged, write},
    runs::read_cancel,
    unfold::uuid,
};
use crate::{
    crash_point::{CrashPoint, crash_point},
    domain::{
        guard::{Attempt, Ledger, Pause},
        journal::Entry,
        next::after,
        run::{Binding, Phase, RunId},
        runbook::Guards,
    },
};

/// What came of a judgement.
#[derive(Debug)]
pub enum Judged {
    /// The change was committed.
    Committed(Change),
    /// The alerts are another run's now, and this run has ended.
    Merged {
        /// The other run.
        into: RunId,
    },
}

impl Store {
    /// Binds the run to what it saw. A run that has not acted on the same root takes its alerts over instead.
    pub async fn bind(
        &self,
        claimed: &Claimed,
        seen: usize,
        binding: &Binding,
        guards: &Guards,
        due_at: Timestamp,
    ) -> Result<Judged, CommitError> {
        let change = Change {
            entries: vec![Entry::Bound(binding.clone())],
            phase: Phase::Pending,
            due_at: Some(due_at),
            audit: Vec::new(),
        };
        let judged = self
            .judge(claimed, seen, Some(binding), binding, guards, |_| change)
            .await?;
        crash_point(CrashPoint::BindAfterCommit);
        Ok(judged)
    }

    /// Reads the ledger, asks `decide`, and commits its answer: after a pause was acknowledged no start can slip through.
    ///
    /// `unsaved` is the binding when it was seen in this turn and is not in the journal yet; `decide` then answers with
    /// entries that begin with it.
    pub async fn judge(
        &self,
        claimed: &Claimed,
        seen: usize,
        unsaved: Option<&Binding>,
        binding: &Binding,
        guards: &Guards,
        decide: impl FnOnce(&Ledger) -> Change,
    ) -> Result<Judged, CommitError> {
        let now = self.now();
        let mut tx = self.begin().await?;
        if let Some(unsaved) = unsaved {
            if let Some(into) = survivor(&mut tx, claimed, unsaved).await? {
                merge(&mut tx, claimed, seen, unsaved, into, now).await?;
                tx.commit().await?;
                return Ok(Judged::Merged { into });
            }
            open_incident(&mut tx, claimed, unsaved, guards, now).await?;
        }
        let ledger = read(&mut tx, claimed, binding, now).await?;
        let change = decide(&ledger);
        write(
            &mut tx,
            &claimed.claim,
            &claimed.lane,
            &claimed.run.runbook,
            seen,
            &change,
            now,
        )
        .await?;
        let started = change
            .entries
            .iter()
            .any(|entry| matches!(entry, Entry::Started { .. }));
        if started {
            crash_point(CrashPoint::StartBeforeCommit);
        }
        tx.commit().await?;
        if started {
            crash_point(CrashPoint::StartAfterCommit);
        }
        Ok(Judged::Committed(change))
    }
}

/// A run on the same root that has not acted: alerts that come before `started` are its own.
async fn survivor(tx: &mut AnyConnection, claimed: &Claimed, binding: &Binding) -> Result<Option<RunId>, StoreError> {
    let row = sqlx::query(
        "SELECT id FROM runs WHERE root_key = $1 AND lane = $2 AND finished_at IS NULL AND sent = 0 AND id <> $3
         ORDER BY id LIMIT 1",
    )
    .bind(binding.root.key())
    .bind(claimed.lane.0.clone())
    .bind(claimed.run.id.to_string())
    .fetch_optional(&mut *tx)
    .await?;
    row.map(|row| Ok(RunId(uuid(row.try_get(0)?)?))).transpose()
}

async fn merge(
    tx: &mut AnyConnection,
    claimed: &Claimed,
    seen: usize,
    binding: &Binding,
    into: RunId,
    now: Timestamp,
) -> Result<(), CommitError> {
    let id = claimed.run.id;
    let change = Change {
        entries: vec![Entry::Bound(binding.clone()), Entry::Finished(merged(into))],
        phase: Phase::Finished,
        due_at: None,
        audit: Vec::new(),
    };
    write(
        tx,
        &claimed.claim,
        &claimed.lane,
        &claimed.run.runbook,
        seen,
        &change,
        now,
    )
    .await?;
    let row = sqlx::query("UPDATE runs SET entries = entries + 1 WHERE id = $1 RETURNING entries")
        .bind(into.to_string())
        .fetch_one(&mut *tx)
        .await?;
    let n = usize::try_from(row.try_get::<i64, _>(0)? - 1).unwrap_or_default();
    let joined = Entry::Joined {
        from: id,
        alerts: binding.alerts.clone(),
    };
    insert_entry(tx, into, n, micros(now), &joined).await?;
    sqlx::query(
        "INSERT INTO run_alerts (run_id, episode_id, root_key)
         SELECT $1, episode_id, root_key FROM run_alerts WHERE run_id = $2 ON CONFLICT DO NOTHING",
    )
    .bind(into.to_string())
    .bind(id.to_string())
    .execute(&mut *tx)
    .await?;
    sqlx::query("DELETE FROM run_alerts WHERE run_id = $1")
        .bind(id.to_string())
        .execute(&mut *tx)
        .await?;
    Ok(())
}

/// An incident goes on while the root has alerts, and until it has been quiet for long enough. Other lanes do not count:
/// what a runbook in shadow sees must change nothing for one that acts.
async fn open_incident(
    tx: &mut AnyConnection,
    claimed: &Claimed,
    binding: &Binding,
    guards: &Guards,
    now: Timestamp,
) -> Result<(), StoreError> {
    let key = binding.root.key();
    let last: Option<i64> = sqlx::query(
        "SELECT MAX(COALESCE(e.told_at, $3)) FROM run_alerts a
         JOIN episodes e ON e.id = a.episode_id JOIN runs r ON r.id = a.run_id
         WHERE a.root_key = $1 AND a.run_id <> $2 AND r.lane = $4",
    )
    .bind(key.clone())
    .bind(claimed.run.id.to_string())
    .bind(micros(now))
    .bind(claimed.lane.0.clone())
    .fetch_one(&mut *tx)
    .await?
    .try_get(0)?;
    let goes_on = last.is_some_and(|last| after(moment(last), guards.quiet) > now);
    let on_conflict = if goes_on {
        "NOTHING"
    } else {
        "UPDATE SET started_at = excluded.started_at"
    };
    sqlx::query(sqlx::AssertSqlSafe(format!(
        "INSERT INTO incidents (root_key, lane, runbook, started_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (root_key, lane, runbook) DO {on_conflict}"
    )))
    .bind(key)
    .bind(claimed.lane.0.clone())
    .bind(claimed.run.runbook.clone())
    .bind(micros(now))
    .execute(&mut *tx)
    .await?;
    Ok(())
}

async fn read(
    tx: &mut AnyConnection,
    claimed: &Claimed,
    binding: &Binding,
    now: Timestamp,
) -> Result<Ledger, StoreError> {
    let id = claimed.run.id.to_string();
    let key = binding.root.key();
    let firing = sqlx::query(
        "SELECT 1 FROM run_alerts a JOIN episodes e ON e.id = a.episode_id
         WHERE a.run_id = $1 AND e.told_at IS NULL LIMIT 1",
    )
    .bind(id.clone())
    .fetch_optional(&mut *tx)
    .await?
    .is_some();
    let busy = sqlx::query(
        "SELECT id FROM runs WHERE root_key = $1 AND lane = $2 AND finished_at IS NULL AND sent = 1 AND id <> $3 LIMIT 1",
    )
    .bind(key.clone())
    .bind(claimed.lane.0.clone())
    .bind(id.clone())
    .fetch_optional(&mut *tx)
    .await?
    .map(|row| Ok::<_, StoreError>(RunId(uuid(row.try_get(0)?)?)))
    .transpose()?;
    let incident: Option<i64> =
        sqlx::query("SELECT MAX(started_at) FROM incidents WHERE root_key = $1 AND lane = $2 AND runbook = $3")
            .bind(key.clone())
            .bind(claimed.lane.0.clone())
            .bind(claimed.run.runbook.clone())
            .fetch_one(&mut *tx)
            .await?
            .try_get(0)?;
    let attempts = sqlx::query(
        "SELECT run_id, at FROM attempts WHERE root_key = $1 AND lane = $2 AND runbook = $3 AND run_id <> $4
         ORDER BY at DESC LIMIT 100",
    )
    .bind(key)
    .bind(claimed.lane.0.clone())
    .bind(claimed.run.runbook.clone())
    .bind(id.clone())
    .fetch_all(&mut *tx)
    .await?
    .iter()
    .map(|row| {
        Ok(Attempt {
            run: RunId(uuid(row.try_get(0)?)?),
            at: moment(row.try_get(1)?),
        })
    })
    .collect::<Result<_, StoreError>>()?;
    Ok(Ledger {
        cancel: read_cancel(tx, &id).await?,
        pauses: pauses(tx, claimed, binding, now).await?,
        firing,
        busy,
        incident: incident.map_or(Timestamp::MIN, moment),
        attempts,
    })
}

async fn pauses(
    tx: &mut AnyConnection,
    claimed: &Claimed,
    binding: &Binding,
    now: Timestamp,
) -> Result<Vec<Pause>, StoreError> {
    let rows = sqlx::query(
        "SELECT scope, name, who, why, until FROM pauses
         WHERE ended_at IS NULL AND (until IS NULL OR until > $1) ORDER BY id",
    )
    .bind(micros(now))
    .fetch_all(&mut *tx)
    .await?;
    let mut pauses = Vec::new();
    for row in &rows {
        let (scope, name): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let objects = || {
            let targets = binding.alerts.iter().map(|alert| &alert.target.object);
            targets.chain([&binding.root.0])
        };
        let (concerns, scope) = match scope.as_str() {
            "runbook" => (name == claimed.run.runbook, format!("runbook {name}")),
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
                who: row.try_get(2)?,
                why: row.try_get(3)?,
                until: row.try_get::<Option<i64>, _>(4)?.map(moment),
            });
        }
    }
    Ok(pauses)
}
