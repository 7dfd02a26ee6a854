//! Writing what happened to a run: journal, row, ledger and audit in one transaction, fenced by the claim's epoch.

use jiff::Timestamp;
use sqlx::{AnyConnection, Row};

use super::{Audit, Claim, Owed, Store, StoreError, bulk, messages, micros, unfold::json};
use crate::domain::{
    journal::{self, Entry},
    next::after,
    reason::Reason,
    run::{Finish, Lane, Outcome, Phase, RunId},
    runbook::Mode,
};

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
    /// Who is to be told of it.
    pub owed: Option<Owed>,
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
        self.owe(&mut tx, claim.run, seen, change, now).await?;
        failpoint!(RecordBeforeCommit);
        tx.commit().await?;
        failpoint!(RecordAfterCommit);
        Ok(())
    }

    /// Owes the messages about a change, in its own transaction.
    pub(super) async fn owe(
        &self,
        tx: &mut AnyConnection,
        run: RunId,
        seen: usize,
        change: &Change,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        match &change.owed {
            Some(owed) => messages::owe(tx, &self.ids, run, seen + change.entries.len(), owed, now).await,
            None => Ok(()),
        }
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
    let bound = change.entries.iter().find_map(|entry| match entry {
        Entry::Bound(binding) => Some(binding),
        _ => None,
    });
    let updated = sqlx::query(
        "UPDATE runs SET phase = $4, outcome = $5, reason = COALESCE($6, reason), detail = COALESCE($7, detail),
         finished_at = $8, lease_until = $10, entries = entries + $11,
         sent = CASE WHEN $12 = 1 THEN 1 ELSE sent END,
         due_at = CASE WHEN EXISTS (SELECT 1 FROM requests WHERE run_id = $1) THEN $13 ELSE $9 END,
         uid = COALESCE($14, uid), root = COALESCE($15, root), root_key = COALESCE($16, root_key)
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
    .bind(bound.and_then(|binding| Some(binding.alerts.first()?.target.uid.clone())))
    .bind(bound.map(|binding| json(&binding.root)))
    .bind(bound.map(|binding| binding.root.key()))
    .execute(&mut *tx)
    .await?;
    if updated.rows_affected() == 0 {
        return Err(why_not(tx, claim, seen).await?);
    }
    insert_entries(tx, claim.run, seen, now, &change.entries).await?;
    if let Some(binding) = bound {
        sqlx::query("UPDATE run_alerts SET root_key = $2 WHERE run_id = $1")
            .bind(id.clone())
            .bind(binding.root.key())
            .execute(&mut *tx)
            .await?;
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

/// Adds entries to a run's journal, numbered from `first` on.
pub(super) async fn insert_entries(
    tx: &mut AnyConnection,
    run: RunId,
    first: usize,
    at: Timestamp,
    entries: &[Entry],
) -> Result<(), StoreError> {
    let rows: Vec<_> = (first..).zip(entries).collect();
    bulk::insert(
        tx,
        "INSERT INTO journal (run_id, n, at, v, kind, data)",
        6,
        "",
        &rows,
        |query, (n, entry)| {
            query
                .bind(run.to_string())
                .bind(i64::try_from(*n).unwrap_or(i64::MAX))
                .bind(micros(at))
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

/// The end of a sibling whose alerts were taken over.
pub(super) fn merged(into: RunId) -> Finish {
    Finish::new(
        Outcome::Suppressed,
        Reason::Merged,
        format!("run {into} on the same root took over the alerts"),
    )
}
