//! Judge and start in one transaction: what the guards look at is read where the answer is written.

use jiff::Timestamp;
use sqlx::{AnyConnection, Row};

use super::{
    Change, Claimed, CommitError, Store, StoreError, micros, moment,
    record::{insert_entries, merged, write},
    runs::cancel,
    unfold::uuid,
};
use crate::domain::{
    guard::{Attempt, Ledger, Pause},
    journal::Entry,
    next::before,
    run::{Binding, Phase, RunId},
    runbook::{Guards, RATE_COUNT},
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
            owed: None,
        };
        let judged = self
            .judge(claimed, seen, Some(binding), binding, guards, |_| change)
            .await?;
        failpoint!(BindAfterCommit);
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
        let mut root = look(&mut tx, claimed, binding, guards, now).await?;
        if let Some(unsaved) = unsaved {
            if let Some(into) = root.survivor {
                merge(&mut tx, claimed, seen, unsaved, into, now).await?;
                failpoint!(MergeBeforeCommit);
                tx.commit().await?;
                failpoint!(MergeAfterCommit);
                return Ok(Judged::Merged { into });
            }
            if root.quiet {
                open_incident(&mut tx, claimed, unsaved, now).await?;
                root.ledger.incident = now;
            }
        }
        let change = decide(&root.ledger);
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
        self.owe(&mut tx, claimed.claim.run, seen, &change, now).await?;
        let started = change
            .entries
            .iter()
            .any(|entry| matches!(entry, Entry::Started { .. }));
        if started {
            failpoint!(StartBeforeCommit);
        } else {
            failpoint!(RecordBeforeCommit);
        }
        tx.commit().await?;
        if started {
            failpoint!(StartAfterCommit);
        } else {
            failpoint!(RecordAfterCommit);
        }
        Ok(Judged::Committed(change))
    }
}

/// What is known of a root, as a run on it sees it.
struct RootLook {
    /// A run on the same root that has not acted: alerts that come before `started` are its own.
    survivor: Option<RunId>,
    /// No incident is open, or it has been quiet for long enough to end it.
    quiet: bool,
    ledger: Ledger,
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
        owed: None,
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
    insert_entries(tx, into, n, now, &[joined]).await?;
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

async fn open_incident(
    tx: &mut AnyConnection,
    claimed: &Claimed,
    binding: &Binding,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO incidents (root_key, lane, runbook, started_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (root_key, lane, runbook) DO UPDATE SET started_at = excluded.started_at",
    )
    .bind(binding.root.key())
    .bind(claimed.lane.0.clone())
    .bind(claimed.run.runbook.clone())
    .bind(micros(now))
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Everything in one statement that a first run on a root needs: each statement delays an action by the way to the
/// connection's thread and back. Pauses and earlier attempts are fetched where there are any.
///
/// An incident goes on while the root has alerts, and until it has been quiet for long enough. Other lanes do not count:
/// what a runbook in shadow sees must change nothing for one that acts.
async fn look(
    tx: &mut AnyConnection,
    claimed: &Claimed,
    binding: &Binding,
    guards: &Guards,
    now: Timestamp,
) -> Result<RootLook, StoreError> {
    let row = sqlx::query(
        "SELECT
         (SELECT COUNT(*) FROM run_alerts a JOIN episodes e ON e.id = a.episode_id
          WHERE a.run_id = $1 AND e.told_at IS NULL),
         (SELECT id FROM runs
          WHERE root_key = $2 AND lane = $3 AND finished_at IS NULL AND sent = 1 AND id <> $1 LIMIT 1),
         (SELECT MIN(id) FROM runs
          WHERE root_key = $2 AND lane = $3 AND finished_at IS NULL AND sent = 0 AND id <> $1),
         (SELECT started_at FROM incidents WHERE root_key = $2 AND lane = $3 AND runbook = $4),
         (SELECT COUNT(*) FROM run_alerts a JOIN episodes e ON e.id = a.episode_id JOIN runs o ON o.id = a.run_id
          WHERE a.root_key = $2 AND a.run_id <> $1 AND o.lane = $3 AND (e.told_at IS NULL OR e.told_at > $5)),
         (SELECT COUNT(*) FROM attempts WHERE root_key = $2 AND lane = $3 AND runbook = $4 AND run_id <> $1),
         (SELECT COUNT(*) FROM pauses WHERE ended_at IS NULL),
         q.who, q.why
         FROM runs r LEFT JOIN requests q ON q.id =
         (SELECT MIN(id) FROM requests WHERE run_id = r.id AND kind = 'cancel') WHERE r.id = $1",
    )
    .bind(claimed.run.id.to_string())
    .bind(binding.root.key())
    .bind(claimed.lane.0.clone())
    .bind(claimed.run.runbook.clone())
    .bind(micros(before(now, guards.quiet)))
    .fetch_one(&mut *tx)
    .await?;
    let firing: i64 = row.try_get(0)?;
    let (busy, survivor): (Option<String>, Option<String>) = (row.try_get(1)?, row.try_get(2)?);
    let (incident, restless): (Option<i64>, i64) = (row.try_get(3)?, row.try_get(4)?);
    let (attempted, paused): (i64, i64) = (row.try_get(5)?, row.try_get(6)?);
    let run = |id: Option<String>| id.map(uuid).transpose().map(|id| id.map(RunId));
    let ledger = Ledger {
        cancel: cancel(&row, 7)?,
        pauses: match paused {
            0 => Vec::new(),
            _ => pauses(tx, claimed, binding, now).await?,
        },
        firing: firing > 0,
        busy: run(busy)?,
        incident: incident.map_or(Timestamp::MIN, moment),
        attempts: match attempted {
            0 => Vec::new(),
            _ => attempts(tx, claimed, binding).await?,
        },
    };
    Ok(RootLook {
        survivor: run(survivor)?,
        quiet: incident.is_none() || restless == 0,
        ledger,
    })
}

async fn attempts(tx: &mut AnyConnection, claimed: &Claimed, binding: &Binding) -> Result<Vec<Attempt>, StoreError> {
    let rows = sqlx::query(
        "SELECT run_id, at FROM attempts WHERE root_key = $1 AND lane = $2 AND runbook = $3 AND run_id <> $4
         ORDER BY at DESC LIMIT $5",
    )
    .bind(binding.root.key())
    .bind(claimed.lane.0.clone())
    .bind(claimed.run.runbook.clone())
    .bind(claimed.run.id.to_string())
    .bind(i64::from(RATE_COUNT))
    .fetch_all(&mut *tx)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Attempt {
                run: RunId(uuid(row.try_get(0)?)?),
                at: moment(row.try_get(1)?),
            })
        })
        .collect()
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
