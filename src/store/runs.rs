//! The engine's side: claim a run, load it, commit what happened, under lease and epoch.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::{AnyPool, Row, any::AnyRow};

use super::{Store, StoreError, micros, moment, unfold::uuid};
use crate::domain::{
    alert::Labels,
    guard::Cancel,
    journal::{self, Entry, Recorded},
    next::after,
    run::{EpisodeId, Lane, Run, RunId},
    runbook::Mode,
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
    /// When it was to be looked at.
    pub due_at: Timestamp,
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

/// A run with its journal and its alerts, for whoever tells of it.
#[derive(Clone, Debug)]
pub struct Story {
    /// What it executes.
    pub run: Run,
    /// Its journal, or the entry that this program cannot read.
    pub journal: Result<Vec<Recorded>, journal::UnknownEntry>,
    /// Its alerts.
    pub alerts: Vec<RunAlert>,
}

impl Store {
    /// Claims runs that are due, oldest first.
    pub async fn claim(&self, owner: &str, lease: Duration, limit: usize) -> Result<Vec<Claim>, StoreError> {
        let now = self.now();
        let turn = self.turns.next().await?;
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
        .fetch_all(&self.writer)
        .await?;
        drop(turn);
        if !rows.is_empty() {
            failpoint!(ClaimAfterCommit);
        }
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
        // Alerts after the journal: one that joins meanwhile is then known without its entry, which makes the commit stale,
        // and never bound without being known.
        let (row, journal) = tokio::try_join!(read_row(&self.readers, &id), read_journal(&self.readers, &id))?;
        let row = row.ok_or(sqlx::Error::RowNotFound)?;
        let alerts = read_alerts(&self.readers, &id).await?;
        Ok(Claimed {
            claim: claim.clone(),
            run: read_run(claim.run, &row)?,
            lane: Lane(row.try_get(7)?),
            settled: moment(row.try_get(8)?),
            due_at: moment(row.try_get(9)?),
            journal,
            alerts,
            cancel: cancel(&row, 10)?,
        })
    }

    /// Reads a run, if it is still there.
    pub async fn story(&self, run: RunId) -> Result<Option<Story>, StoreError> {
        let id = run.to_string();
        let Some(row) = read_row(&self.readers, &id).await? else {
            return Ok(None);
        };
        Ok(Some(Story {
            run: read_run(run, &row)?,
            journal: read_journal(&self.readers, &id).await?,
            alerts: read_alerts(&self.readers, &id).await?,
        }))
    }

    /// Gives a claim back without having done anything.
    pub async fn release(&self, claim: &Claim, due_at: Timestamp) -> Result<(), StoreError> {
        let _turn = self.turns.next().await?;
        sqlx::query(
            "UPDATE runs SET lease_until = 0, due_at = $3 WHERE id = $1 AND epoch = $2 AND finished_at IS NULL",
        )
        .bind(claim.run.to_string())
        .bind(claim.epoch)
        .bind(micros(due_at))
        .execute(&self.writer)
        .await?;
        Ok(())
    }
}

async fn read_row(readers: &AnyPool, id: &str) -> Result<Option<AnyRow>, StoreError> {
    let row = sqlx::query(
        "SELECT r.runbook, r.version, r.mode, r.object, r.opened_at, r.deadline, r.attempt, r.lane, r.settled_at,
         r.due_at, q.who, q.why FROM runs r LEFT JOIN requests q ON q.id =
         (SELECT MIN(id) FROM requests WHERE run_id = r.id AND kind = 'cancel') WHERE r.id = $1",
    )
    .bind(id.to_owned())
    .fetch_optional(readers)
    .await?;
    Ok(row)
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
    readers: &AnyPool,
    id: &str,
) -> Result<Result<Vec<Recorded>, journal::UnknownEntry>, StoreError> {
    let rows = sqlx::query("SELECT n, at, v, kind, data FROM journal WHERE run_id = $1 ORDER BY n")
        .bind(id.to_owned())
        .fetch_all(readers)
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

async fn read_alerts(readers: &AnyPool, id: &str) -> Result<Vec<RunAlert>, StoreError> {
    let rows = sqlx::query(
        "SELECT e.id, e.labels, e.annotations, e.started_at, e.told_at FROM run_alerts a
         JOIN episodes e ON e.id = a.episode_id WHERE a.run_id = $1 ORDER BY e.id",
    )
    .bind(id.to_owned())
    .fetch_all(readers)
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

/// The request to end a run, from the columns `who` and `why` that begin at `column`.
pub(super) fn cancel(row: &AnyRow, column: usize) -> Result<Option<Cancel>, StoreError> {
    let who: Option<String> = row.try_get(column)?;
    let why: Option<String> = row.try_get(column + 1)?;
    Ok(who.zip(why).map(|(who, why)| Cancel { who, why }))
}

pub(super) fn labels(text: String) -> Result<Labels, StoreError> {
    serde_json::from_str(&text).map_err(|error| StoreError::Corrupt(format!("labels: {error}")))
}
