//! Writing what happened to a run: journal, row, attempts and audit in one transaction, fenced by the claim's epoch.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

use super::{audit, count, json, messages::owe, micros, writer::Tx};
use crate::{
    domain::{
        journal::{self, Entry},
        next::after,
        reason::Reason,
        run::{Binding, Finish, Outcome, Phase, RunId, Scope, Track},
        runbook::Mode,
    },
    store::{Change, Claim, CommitError, StoreError},
};

/// Commits what happened. `seen` is the length of the journal that the change was decided on.
pub(in crate::store) fn record(tx: &Tx<'_>, claim: &Claim, seen: usize, change: &Change) -> Result<(), CommitError> {
    write(tx, claim, seen, change, None)?;
    failpoint!(RecordBeforeCommit, blocking);
    Ok(())
}

/// Writes a change; the run's row first, so that the epoch fences everything after it. A request that came while it was
/// decided to wait is looked at at once. `scope` comes along with a binding.
pub(super) fn write(
    tx: &Tx<'_>,
    claim: &Claim,
    seen: usize,
    change: &Change,
    scope: Option<&Scope>,
) -> Result<(), CommitError> {
    let (id, now) = (claim.run.to_string(), tx.now);
    let finish = change.entries.iter().find_map(|entry| match entry {
        Entry::Finished(finish) => Some(finish),
        _ => None,
    });
    let bound = change.entries.iter().find_map(|entry| match entry {
        Entry::Bound(binding) => Some(binding),
        _ => None,
    });
    let sent = change
        .entries
        .iter()
        .any(|entry| matches!(entry, Entry::Started { intent, dry_run: false, .. } if intent.is_mutation()));
    let finish = FinishColumns::of(finish, now);
    let lease_until = match (finish.finished_at, change.due_at) {
        (None, None) => micros(after(now, claim.lease)),
        _ => 0,
    };
    let updated = tx
        .prepare_cached(
            "UPDATE runs SET phase = ?4, outcome = ?5, reason = COALESCE(?6, reason), detail = COALESCE(?7, detail),
             finished_at = ?8, lease_until = ?10, entries = entries + ?11, sent = MAX(sent, ?12),
             due_at = CASE WHEN EXISTS (SELECT 1 FROM requests WHERE run_id = ?1) THEN ?13 ELSE ?9 END
             WHERE id = ?1 AND epoch = ?2 AND entries = ?3 AND finished_at IS NULL RETURNING track, runbook",
        )?
        .query_row(
            params![
                id,
                claim.epoch,
                i64::try_from(seen).unwrap_or(i64::MAX),
                change.phase.as_str(),
                finish.outcome,
                finish
                    .reason
                    .or_else(|| waiting(change).map(|(reason, _)| reason.as_str())),
                finish.detail.or_else(|| waiting(change).map(|(_, detail)| detail)),
                finish.finished_at,
                micros(change.due_at.unwrap_or(now)),
                lease_until,
                i64::try_from(change.entries.len()).unwrap_or(i64::MAX),
                sent,
                micros(now),
            ],
            |row| Ok((Track(row.get(0)?), row.get::<_, String>(1)?)),
        )
        .optional()?;
    let Some((track, runbook)) = updated else {
        return Err(why_not(tx, claim, seen)?);
    };
    insert_entries(tx, claim.run, seen, now, &change.entries)?;
    if let Some(binding) = bound {
        bind(tx, &id, binding, scope)?;
    }
    let counts = sent || (track != Track::of(Mode::Enforce, &runbook) && would_have(change));
    if counts {
        tx.prepare_cached(
            "INSERT INTO attempts (run_id, track, root_key, runbook, namespace, node, node_pool, at)
             SELECT id, track, root_key, runbook, namespace, node, node_pool, ?2 FROM runs
             WHERE id = ?1 AND root_key IS NOT NULL ON CONFLICT DO NOTHING",
        )?
        .execute(params![id, micros(now)])?;
    }
    for row in &change.audit {
        audit::append(tx, Some(claim.run), row)?;
    }
    if let Some(owed) = &change.owed {
        owe(tx, claim.run, seen + change.entries.len(), owed)?;
    }
    Ok(())
}

/// In a track that only looks, what would have been sent counts as if it had been.
fn would_have(change: &Change) -> bool {
    change.entries.iter().any(|entry| match entry {
        Entry::WouldStart { intent, .. } | Entry::Started { intent, .. } => intent.is_mutation(),
        _ => false,
    })
}

fn bind(tx: &Tx<'_>, id: &str, binding: &Binding, scope: Option<&Scope>) -> Result<(), StoreError> {
    let root_key = binding.root.key();
    tx.prepare_cached("UPDATE runs SET uid = ?2, root = ?3, root_key = ?4, node = ?5, node_pool = ?6 WHERE id = ?1")?
        .execute(params![
            id,
            binding.alerts.first().map(|alert| &alert.target.uid),
            json(&binding.root),
            root_key,
            scope.and_then(|scope| scope.node.as_ref()),
            scope.and_then(|scope| scope.node_pool.as_ref()),
        ])?;
    tx.prepare_cached("UPDATE run_alerts SET root_key = ?2 WHERE run_id = ?1")?
        .execute(params![id, root_key])?;
    Ok(())
}

/// What the run waits for or failed with, as lists show it.
fn waiting(change: &Change) -> Option<(Reason, &str)> {
    change.entries.iter().rev().find_map(|entry| match entry {
        Entry::Deferred { reason, detail, .. }
        | Entry::Refused { reason, detail, .. }
        | Entry::StepFailed { reason, detail, .. } => Some((*reason, detail.as_str())),
        _ => None,
    })
}

fn why_not(tx: &Tx<'_>, claim: &Claim, seen: usize) -> Result<CommitError, StoreError> {
    let (epoch, entries) = tx
        .prepare_cached("SELECT epoch, entries FROM runs WHERE id = ?1")?
        .query_row([claim.run.to_string()], |row| {
            Ok((row.get::<_, i64>(0)?, count(row, 1)))
        })?;
    if epoch == claim.epoch && entries? != seen {
        Ok(CommitError::Stale)
    } else {
        Ok(CommitError::LeaseLost)
    }
}

/// Adds entries to a run's journal, numbered from `first` on.
pub(super) fn insert_entries(
    tx: &Tx<'_>,
    run: RunId,
    first: usize,
    at: Timestamp,
    entries: &[Entry],
) -> Result<(), StoreError> {
    let mut insert =
        tx.prepare_cached("INSERT INTO journal (run_id, n, at, v, kind, data) VALUES (?, ?, ?, ?, ?, ?)")?;
    for (n, entry) in (first..).zip(entries) {
        insert.execute(params![
            run.to_string(),
            i64::try_from(n).unwrap_or(i64::MAX),
            micros(at),
            journal::VERSION,
            entry.kind(),
            entry.data().to_string(),
        ])?;
    }
    Ok(())
}

/// What a run's row says of its end.
pub(super) struct FinishColumns<'a> {
    pub phase: Phase,
    pub outcome: Option<&'static str>,
    pub reason: Option<&'static str>,
    pub detail: Option<&'a str>,
    pub finished_at: Option<i64>,
}

impl<'a> FinishColumns<'a> {
    pub fn of(finish: Option<&'a Finish>, at: Timestamp) -> Self {
        Self {
            phase: finish.map_or(Phase::Pending, |_| Phase::Finished),
            outcome: finish.map(|finish| finish.outcome.as_str()),
            reason: finish.map(|finish| finish.reason.as_str()),
            detail: finish.map(|finish| finish.detail.as_str()),
            finished_at: finish.map(|_| micros(at)),
        }
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
