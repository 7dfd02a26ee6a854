//! The engine's side: claim a run, load it, commit what happened, under lease and epoch.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::{AnyConnection, Row, any::AnyRow};

use super::{Audit, Store, StoreError, bulk, micros, moment, unfold::json, unfold::uuid};
use crate::{
    crash_point::{CrashPoint, crash_point},
    domain::{
        alert::Labels,
        guard::Cancel,
        journal::{self, Entry, Recorded},
        next::after,
        reason::Reason,
        run::{Binding, EpisodeId, Finish, Lane, Outcome, Phase, Run, RunId},
        runbook::Mode,
    },
};

/// The right to work on a run for a while. Every commit names it, renews it, and fails when it is not ours any more.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The run.
    pub run: RunId,
    /// Grows with every claim: what an earlier holder writes late is refused.
    pub epoch: i64,
    /// How long a commit renews it for.
    pub lease: Duration,
}

/// A claimed run with everything that decides what it does next.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The right to work on it.
    pub claim: Claim,
    /// What it executes.
    pub run: Run,
    /// Which ledger it counts in.
    pub lane: Lane,
    /// When the crowd around its first alert has arrived.
    pub settled: Timestamp,
    /// Its journal, or the entry that this program cannot read.
    pub journal: Result<Vec<Recorded>, journal::UnknownEntry>,
    /// Its alerts.
    pub alerts: Vec<RunAlert>,
    /// A person's request to end it.
    pub cancel: Option<Cancel>,
}

impl Clone for journal::UnknownEntry {
    fn clone(&self) -> Self {
        Self {
            n: self.n,
            version: self.version,
            kind: self.kind.clone(),
            message: self.message.clone(),
        }
    }
}

/// An alert of a run.
#[derive(Clone, Debug)]
pub struct RunAlert {
    /// Its episode.
    pub episode: EpisodeId,
    /// Its labels.
    pub labels: Labels,
    /// Its annotations.
    pub annotations: Labels,
    /// When it began to fire.
    pub started: Timestamp,
    /// Whether it fires still, as far as we were told.
    pub firing: bool,
}

/// What a turn adds to a run.
#[derive(Clone, Debug)]
pub struct Change {
    /// New entries of the journal.
    pub entries: Vec<Entry>,
    /// The phase with these entries.
    pub phase: Phase,
    /// When to look again; none: go on at once, and keep the lease.
    pub due_at: Option<Timestamp>,
    /// Rows for the audit log.
    pub audit: Vec<Audit>,
}

/// A commit that did not happen.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The lease ran out and somebody else has claimed the run.
    #[error("the lease on the run was lost")]
    LeaseLost,
    /// The journal has grown since it was read: siblings' alerts joined.
    #[error("the journal has grown since it was read")]
    Stale,
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for CommitError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Store {
    /// Claims runs that are due, oldest first.
    pub async fn claim(&self, owner: &str, lease: Duration, limit: usize) -> Result<Vec<Claim>, StoreError> {
        let now = self.now();
        let mut tx = self.begin().await?;
        let rows = sqlx::query(
            "UPDATE runs SET lease_owner = $1, lease_until = $2, epoch = epoch + 1
             WHERE id IN (SELECT id FROM runs WHERE finished_at IS NULL AND due_at <= $3 AND lease_until <= $4
                          ORDER BY due_at LIMIT $5)
             RETURNING id, epoch",
        )
        .bind(owner.to_owned())
        .bind(micros(after(now, lease)))
        .bind(micros(now))
        .bind(micros(now))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&mut *tx)
        .await?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        tx.commit().await?;
        crash_point(CrashPoint::ClaimAfterCommit);
        rows.iter()
            .map(|row| {
                Ok(Claim {
                    run: RunId(uuid(row.try_get(0)?)?),
                    epoch: row.try_get(1)?,
                    lease,
                })
            })
            .collect()
    }

    /// When the next run is due that nobody holds.
    pub async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let row = sqlx::query(
            "SELECT due_at FROM runs WHERE finished_at IS NULL AND lease_until <= $1 ORDER BY due_at LIMIT 1",
        )
        .bind(micros(self.now()))
        .fetch_optional(&self.readers)
        .await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?.map(moment))
    }

    /// Reads a claimed run.
    pub async fn load(&self, claim: &Claim) -> Result<Claimed, StoreError> {
        let id = claim.run.to_string();
        let mut reader = self.readers.acquire().await?;
        let row = sqlx::query(
            "SELECT runbook, version, mode, object, opened_at, deadline, attempt, lane, settled_at FROM runs WHERE id = $1",
        )
        .bind(id.clone())
        .fetch_one(&mut *reader)
        .await?;
        let run = read_run(claim.run, &row)?;
        let journal = read_journal(&mut reader, &id).await?;
        let alerts = read_alerts(&mut reader, &id).await?;
        let cancel = read_cancel(&mut reader, &id).await?;
        Ok(Claimed {
            claim: claim.clone(),
            run,
            lane: Lane(row.try_get(7)?),
            settled: moment(row.try_get(8)?),
            journal,
            alerts,
            cancel,
        })
    }

    /// Commits what happened. `seen` is the length of the journal that the change was decided on.
    pub async fn record(
        &self,
        claim: &Claim,
        lane: &Lane,
        runbook: &str,
        seen: usize,
        change: &Change,
    ) -> Result<(), CommitError> {
        let now = self.now();
        let mut tx = self.begin().await?;
        write(&mut tx, claim, lane, runbook, seen, change, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Gives a claim back without having done anything.
    pub async fn release(&self, claim: &Claim, due_at: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "UPDATE runs SET lease_until = 0, due_at = $3 WHERE id = $1 AND epoch = $2 AND finished_at IS NULL",
        )
        .bind(claim.run.to_string())
        .bind(claim.epoch)
        .bind(micros(due_at))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }
}

/// Writes a change inside a transaction; the run's row first, so that the epoch fences everything after it. A request
/// that came while the turn decided to wait is looked at at once.
pub(super) async fn write(
    tx: &mut AnyConnection,
    claim: &Claim,
    lane: &Lane,
    runbook: &str,
    seen: usize,
    change: &Change,
    now: Timestamp,
) -> Result<(), CommitError> {
    let id = claim.run.to_string();
    let finish = change.entries.iter().find_map(|entry| match entry {
        Entry::Finished(finish) => Some(finish),
        _ => None,
    });
    let sent = change
        .entries
        .iter()
        .any(|entry| matches!(entry, Entry::Started { intent, dry_run: false, .. } if intent.is_mutation()));
    let counts = sent
        || change.entries.iter().any(|entry| match entry {
            Entry::WouldStart { intent, .. } | Entry::Started { intent, .. } => {
                intent.is_mutation() && *lane != Lane::of(Mode::Enforce, runbook)
            }
            _ => false,
        });
    let (_, outcome, reason, detail, finished_at) = finish_columns(finish, now);
    let lease_until = match (finish, change.due_at) {
        (None, None) => micros(after(now, claim.lease)),
        _ => 0,
    };
    let updated = sqlx::query(
        "UPDATE runs SET phase = $4, outcome = $5, reason = COALESCE($6, reason), detail = COALESCE($7, detail),
         finished_at = $8, lease_until = $10, entries = entries + $11,
         sent = CASE WHEN $12 = 1 THEN 1 ELSE sent END,
         due_at = CASE WHEN EXISTS (SELECT 1 FROM requests WHERE run_id = $1) THEN $13 ELSE $9 END
         WHERE id = $1 AND epoch = $2 AND entries = $3 AND finished_at IS NULL",
    )
    .bind(id.clone())
    .bind(claim.epoch)
    .bind(i64::try_from(seen).unwrap_or(i64::MAX))
    .bind(change.phase.as_str())
    .bind(outcome)
    .bind(reason.or_else(|| waiting_reason(change)))
    .bind(detail.or_else(|| waiting_detail(change)))
    .bind(finished_at)
    .bind(micros(change.due_at.unwrap_or(now)))
    .bind(lease_until)
    .bind(i64::try_from(change.entries.len()).unwrap_or(i64::MAX))
    .bind(i64::from(sent))
    .bind(micros(now))
    .execute(&mut *tx)
    .await?;
    if updated.rows_affected() == 0 {
        return Err(why_not(tx, claim, seen).await?);
    }
    for (index, entry) in change.entries.iter().enumerate() {
        insert_entry(tx, claim.run, seen + index, micros(now), entry).await?;
        if let Entry::Bound(binding) = entry {
            write_binding(tx, claim.run, binding).await?;
        }
    }
    if counts {
        sqlx::query(
            "INSERT INTO attempts (run_id, lane, root_key, runbook, at)
             SELECT id, lane, root_key, runbook, $2 FROM runs WHERE id = $1 AND root_key IS NOT NULL
             ON CONFLICT DO NOTHING",
        )
        .bind(id)
        .bind(micros(now))
        .execute(&mut *tx)
        .await?;
    }
    for row in &change.audit {
        super::audit::append(tx, now, Some(claim.run), row).await?;
    }
    Ok(())
}

fn waiting_reason(change: &Change) -> Option<String> {
    change.entries.iter().rev().find_map(|entry| match entry {
        Entry::Deferred { reason, .. } | Entry::Refused { reason, .. } | Entry::StepFailed { reason, .. } => {
            Some(reason.as_str().to_owned())
        }
        _ => None,
    })
}

fn waiting_detail(change: &Change) -> Option<String> {
    change.entries.iter().rev().find_map(|entry| match entry {
        Entry::Deferred { detail, .. } | Entry::Refused { detail, .. } | Entry::StepFailed { detail, .. } => {
            Some(detail.clone())
        }
        _ => None,
    })
}

async fn why_not(tx: &mut AnyConnection, claim: &Claim, seen: usize) -> Result<CommitError, CommitError> {
    let row = sqlx::query("SELECT epoch, entries FROM runs WHERE id = $1")
        .bind(claim.run.to_string())
        .fetch_one(&mut *tx)
        .await?;
    let epoch: i64 = row.try_get(0)?;
    let entries: i64 = row.try_get(1)?;
    if epoch == claim.epoch && usize::try_from(entries).unwrap_or_default() != seen {
        Ok(CommitError::Stale)
    } else {
        Ok(CommitError::LeaseLost)
    }
}

/// The columns that an entry `bound` is looked up by.
pub(super) async fn write_binding(tx: &mut AnyConnection, run: RunId, binding: &Binding) -> Result<(), StoreError> {
    let key = binding.root.key();
    let uid = binding.alerts.first().map(|alert| alert.target.uid.clone());
    sqlx::query("UPDATE runs SET uid = $2, root = $3, root_key = $4 WHERE id = $1")
        .bind(run.to_string())
        .bind(uid)
        .bind(json(&binding.root))
        .bind(key.clone())
        .execute(&mut *tx)
        .await?;
    sqlx::query("UPDATE run_alerts SET root_key = $2 WHERE run_id = $1")
        .bind(run.to_string())
        .bind(key)
        .execute(&mut *tx)
        .await?;
    Ok(())
}

pub(super) async fn insert_entry(
    tx: &mut AnyConnection,
    run: RunId,
    n: usize,
    at: i64,
    entry: &Entry,
) -> Result<(), StoreError> {
    let row = [(run, n, at, entry)];
    bulk::insert(
        tx,
        "INSERT INTO journal (run_id, n, at, v, kind, data)",
        6,
        "",
        &row,
        |query, (run, n, at, entry)| {
            query
                .bind(run.to_string())
                .bind(i64::try_from(*n).unwrap_or(i64::MAX))
                .bind(*at)
                .bind(journal::VERSION)
                .bind(entry.kind())
                .bind(entry.data().to_string())
        },
    )
    .await
}

type FinishColumns = (
    &'static str,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<i64>,
);

pub(super) fn finish_columns(finish: Option<&Finish>, at: Timestamp) -> FinishColumns {
    match finish {
        None => (Phase::Pending.as_str(), None, None, None, None),
        Some(finish) => (
            Phase::Finished.as_str(),
            Some(finish.outcome.as_str().to_owned()),
            Some(finish.reason.as_str().to_owned()),
            Some(finish.detail.clone()),
            Some(micros(at)),
        ),
    }
}

fn read_run(id: RunId, row: &AnyRow) -> Result<Run, StoreError> {
    let mode: String = row.try_get(2)?;
    let object: Option<String> = row.try_get(3)?;
    Ok(Run {
        id,
        runbook: row.try_get(0)?,
        version: row.try_get(1)?,
        mode: match mode.as_str() {
            "enforce" => Mode::Enforce,
            "dryRun" => Mode::DryRun,
            // A word that we do not know never acts.
            _ => Mode::Shadow,
        },
        object: object.and_then(|object| serde_json::from_str(&object).ok()),
        opened_at: moment(row.try_get(4)?),
        deadline: moment(row.try_get(5)?),
        attempt: u32::try_from(row.try_get::<i64, _>(6)?).unwrap_or(u32::MAX),
    })
}

pub(super) async fn read_journal(
    reader: &mut AnyConnection,
    id: &str,
) -> Result<Result<Vec<Recorded>, journal::UnknownEntry>, StoreError> {
    let rows = sqlx::query("SELECT n, at, v, kind, data FROM journal WHERE run_id = $1 ORDER BY n")
        .bind(id.to_owned())
        .fetch_all(&mut *reader)
        .await?;
    let mut journal = Vec::with_capacity(rows.len());
    for row in &rows {
        let (kind, data): (String, String) = (row.try_get(3)?, row.try_get(4)?);
        match Entry::read(row.try_get(0)?, row.try_get(2)?, &kind, &data) {
            Ok(entry) => journal.push(Recorded {
                at: moment(row.try_get(1)?),
                entry,
            }),
            Err(unknown) => return Ok(Err(unknown)),
        }
    }
    Ok(Ok(journal))
}

async fn read_alerts(reader: &mut AnyConnection, id: &str) -> Result<Vec<RunAlert>, StoreError> {
    let rows = sqlx::query(
        "SELECT e.id, e.labels, e.annotations, e.started_at, e.told_at FROM run_alerts a
         JOIN episodes e ON e.id = a.episode_id WHERE a.run_id = $1 ORDER BY e.id",
    )
    .bind(id.to_owned())
    .fetch_all(&mut *reader)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(RunAlert {
                episode: EpisodeId(uuid(row.try_get(0)?)?),
                labels: labels(row.try_get(1)?)?,
                annotations: labels(row.try_get(2)?)?,
                started: moment(row.try_get(3)?),
                firing: row.try_get::<Option<i64>, _>(4)?.is_none(),
            })
        })
        .collect()
}

pub(super) async fn read_cancel(reader: &mut AnyConnection, id: &str) -> Result<Option<Cancel>, StoreError> {
    let row = sqlx::query("SELECT who, why FROM requests WHERE run_id = $1 AND kind = 'cancel' ORDER BY id LIMIT 1")
        .bind(id.to_owned())
        .fetch_optional(&mut *reader)
        .await?;
    row.map(|row| {
        Ok(Cancel {
            who: row.try_get(0)?,
            why: row.try_get(1)?,
        })
    })
    .transpose()
}

pub(super) fn labels(text: String) -> Result<Labels, StoreError> {
    serde_json::from_str(&text).map_err(|error| StoreError::Corrupt(format!("labels: {error}")))
}

/// The end of a sibling whose alerts were taken over.
pub(super) fn merged(into: RunId) -> Finish {
    Finish::new(
        Outcome::Suppressed,
        Reason::Merged,
        format!("run {into} on the same root took over the alerts"),
    )
}
