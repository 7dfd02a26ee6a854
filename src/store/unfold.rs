//! One transaction from posts to episodes and runs: what is known of these alerts is read, decided upon, and written.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use sqlx::Row;
use uuid::Uuid;

use super::{Store, StoreError, bulk, micros, moment, record::finish_columns};
use crate::domain::{
    alert::{Fingerprint, Labels},
    episode::{Closed, Latest},
    journal::Entry,
    reason::Reason,
    run::{EpisodeId, Finish, Lane, Run, RunId},
};

/// What the store knows of the alerts in a batch.
#[derive(Debug, Default)]
pub struct Known {
    /// The latest episode of each fingerprint.
    pub episodes: HashMap<Fingerprint, KnownEpisode>,
    /// The runs of those episodes, in the order in which they were opened.
    pub runs: HashMap<EpisodeId, Vec<LastRun>>,
    /// Runs that have not looked at the cluster yet, by the key of what they are about.
    pub waiting: HashMap<String, WaitingRun>,
    /// The values of the cluster label seen so far.
    pub clusters: BTreeSet<String>,
}

/// The latest episode of a fingerprint.
#[derive(Clone, Debug)]
pub struct KnownEpisode {
    /// Its identity.
    pub id: EpisodeId,
    /// When it began and ended.
    pub latest: Latest,
}

/// A run of an episode.
#[derive(Clone, Debug)]
pub struct LastRun {
    /// Which ledger it counts in.
    pub lane: Lane,
    /// Which attempt it was.
    pub attempt: u32,
    /// When it ended, if it did.
    pub finished_at: Option<Timestamp>,
}

/// A run that more alerts about the same object may still join.
#[derive(Clone, Copy, Debug)]
pub struct WaitingRun {
    /// Its identity.
    pub id: RunId,
}

/// What a batch comes to.
#[derive(Debug, Default)]
pub struct Unfolded {
    /// The posts that are done with this.
    pub posts: Vec<i64>,
    /// Episodes that are not the latest of their fingerprint any more.
    pub superseded: Vec<EpisodeId>,
    /// Known episodes that go on, end or open again.
    pub seen: Vec<SeenEpisode>,
    /// New episodes.
    pub episodes: Vec<NewEpisode>,
    /// New runs.
    pub runs: Vec<NewRun>,
    /// Which run an episode belongs to, new runs included.
    pub attached: Vec<(RunId, EpisodeId)>,
    /// Values of the cluster label that were not known.
    pub clusters: Vec<String>,
}

/// A known episode, as it stands now.
#[derive(Clone, Debug)]
pub struct SeenEpisode {
    /// Its identity.
    pub id: EpisodeId,
    /// When it began and ended.
    pub latest: Latest,
    /// When a post last spoke of it.
    pub last_seen: Timestamp,
    /// Why no run was opened, when that is decided again.
    pub reason: Option<Reason>,
}

/// An episode that was not known.
#[derive(Clone, Debug)]
pub struct NewEpisode {
    /// Its identity.
    pub id: EpisodeId,
    /// The alert's.
    pub fingerprint: Fingerprint,
    /// When it began and ended.
    pub latest: Latest,
    /// No later episode of this fingerprint is in the same batch.
    pub is_latest: bool,
    /// When the first post came, and the last one so far.
    pub first_seen: Timestamp,
    /// When a post last spoke of it.
    pub last_seen: Timestamp,
    /// Why no run was opened.
    pub reason: Option<Reason>,
    /// The alert's labels.
    pub labels: Labels,
    /// The alert's annotations.
    pub annotations: Labels,
    /// Where the rule can be seen.
    pub generator_url: String,
}

/// A run that is opened.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// What it will execute, and on what.
    pub run: Run,
    /// Which ledger it counts in.
    pub lane: Lane,
    /// Under which key more alerts about the same object find it.
    pub object_key: Option<String>,
    /// When the crowd has arrived.
    pub settled: Timestamp,
    /// Set when it ends as it begins, because its target cannot be told.
    pub finish: Option<Finish>,
}

impl Store {
    /// Reads what is known of these fingerprints and objects, asks `decide`, and writes its answer, in one transaction.
    pub async fn unfold(
        &self,
        fingerprints: &[Fingerprint],
        object_keys: &[String],
        decide: impl FnOnce(Known) -> Unfolded,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let known = known(&mut tx, fingerprints, object_keys).await?;
        let unfolded = decide(known);
        write(&mut tx, &unfolded, micros(self.now())).await?;
        failpoint!(UnfoldBeforeCommit);
        tx.commit().await?;
        self.checkpointer.look();
        failpoint!(UnfoldAfterCommit);
        Ok(())
    }
}

async fn known(
    tx: &mut sqlx::AnyConnection,
    fingerprints: &[Fingerprint],
    object_keys: &[String],
) -> Result<Known, StoreError> {
    let mut known = Known::default();
    bulk::select(
        &mut *tx,
        "SELECT fingerprint, id, started_at, ended_at, told_at FROM episodes WHERE latest = 1 AND fingerprint IN",
        "",
        fingerprints,
        |query, fingerprint| query.bind(fingerprint.0.cast_signed()),
        |row| {
            let ended: Option<i64> = row.try_get(3)?;
            let told: Option<i64> = row.try_get(4)?;
            let closed = ended.zip(told).map(|(ended, told)| Closed {
                ended: moment(ended),
                told: moment(told),
            });
            let started = moment(row.try_get(2)?);
            let episode = KnownEpisode {
                id: EpisodeId(uuid(row.try_get(1)?)?),
                latest: Latest { started, closed },
            };
            let fingerprint = Fingerprint(row.try_get::<i64, _>(0)?.cast_unsigned());
            known.episodes.insert(fingerprint, episode);
            Ok(())
        },
    )
    .await?;
    let episodes: Vec<String> = known.episodes.values().map(|episode| episode.id.to_string()).collect();
    bulk::select(
        &mut *tx,
        "SELECT a.episode_id, r.lane, r.attempt, r.finished_at FROM run_alerts a JOIN runs r ON r.id = a.run_id
         WHERE a.episode_id IN",
        "ORDER BY r.id",
        &episodes,
        |query, id| query.bind(id.clone()),
        |row| {
            let run = LastRun {
                lane: Lane(row.try_get(1)?),
                attempt: u32::try_from(row.try_get::<i64, _>(2)?).unwrap_or(u32::MAX),
                finished_at: row.try_get::<Option<i64>, _>(3)?.map(moment),
            };
            let episode = EpisodeId(uuid(row.try_get(0)?)?);
            known.runs.entry(episode).or_default().push(run);
            Ok(())
        },
    )
    .await?;
    bulk::select(
        &mut *tx,
        "SELECT object_key, id FROM runs WHERE finished_at IS NULL AND root_key IS NULL AND object_key IN",
        "",
        object_keys,
        |query, key| query.bind(key.clone()),
        |row| {
            let id = RunId(uuid(row.try_get(1)?)?);
            known.waiting.insert(row.try_get(0)?, WaitingRun { id });
            Ok(())
        },
    )
    .await?;
    for row in sqlx::query("SELECT value FROM clusters").fetch_all(&mut *tx).await? {
        known.clusters.insert(row.try_get(0)?);
    }
    Ok(known)
}

async fn write(tx: &mut sqlx::AnyConnection, unfolded: &Unfolded, now: i64) -> Result<(), StoreError> {
    bulk::execute(
        &mut *tx,
        "UPDATE episodes SET latest = 0 WHERE id IN",
        &unfolded.superseded,
        |query, id| query.bind(id.to_string()),
    )
    .await?;
    // An update of many rows with values of their own is an insert that always conflicts.
    bulk::insert(
        &mut *tx,
        "INSERT INTO episodes (id, fingerprint, latest, started_at, ended_at, told_at, first_seen_at, last_seen_at,
         reason, alertname, labels, annotations, generator_url)",
        13,
        "ON CONFLICT (id) DO UPDATE SET started_at = excluded.started_at, ended_at = excluded.ended_at,
         told_at = excluded.told_at, last_seen_at = excluded.last_seen_at,
         reason = COALESCE(excluded.reason, episodes.reason)",
        &unfolded.seen,
        |query, seen| {
            query
                .bind(seen.id.to_string())
                .bind(0_i64)
                .bind(0_i64)
                .bind(micros(seen.latest.started))
                .bind(seen.latest.closed.map(|closed| micros(closed.ended)))
                .bind(seen.latest.closed.map(|closed| micros(closed.told)))
                .bind(0_i64)
                .bind(micros(seen.last_seen))
                .bind(seen.reason.map(|reason| reason.as_str().to_owned()))
                .bind("")
                .bind("")
                .bind("")
                .bind("")
        },
    )
    .await?;
    bulk::insert(
        &mut *tx,
        "INSERT INTO episodes (id, fingerprint, latest, started_at, ended_at, told_at, first_seen_at, last_seen_at,
         reason, alertname, labels, annotations, generator_url)",
        13,
        "",
        &unfolded.episodes,
        |query, new| {
            query
                .bind(new.id.to_string())
                .bind(new.fingerprint.0.cast_signed())
                .bind(i64::from(new.is_latest))
                .bind(micros(new.latest.started))
                .bind(new.latest.closed.map(|closed| micros(closed.ended)))
                .bind(new.latest.closed.map(|closed| micros(closed.told)))
                .bind(micros(new.first_seen))
                .bind(micros(new.last_seen))
                .bind(new.reason.map(|reason| reason.as_str().to_owned()))
                .bind(new.labels.get("alertname").cloned().unwrap_or_default())
                .bind(json(&new.labels))
                .bind(json(&new.annotations))
                .bind(new.generator_url.clone())
        },
    )
    .await?;
    insert_runs(&mut *tx, &unfolded.runs).await?;
    bulk::insert(
        &mut *tx,
        "INSERT INTO run_alerts (run_id, episode_id)",
        2,
        "ON CONFLICT DO NOTHING",
        &unfolded.attached,
        |query, (run, episode)| query.bind(run.to_string()).bind(episode.to_string()),
    )
    .await?;
    for cluster in &unfolded.clusters {
        sqlx::query("INSERT INTO clusters (value, first_seen_at) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(cluster.clone())
            .bind(now)
            .execute(&mut *tx)
            .await?;
    }
    bulk::execute(
        &mut *tx,
        "UPDATE posts SET state = 1 WHERE id IN",
        &unfolded.posts,
        |query, post| query.bind(*post),
    )
    .await
}

async fn insert_runs(tx: &mut sqlx::AnyConnection, runs: &[NewRun]) -> Result<(), StoreError> {
    bulk::insert(
        &mut *tx,
        "INSERT INTO runs (id, runbook, version, mode, lane, attempt, object, object_key, namespace, phase, outcome,
         reason, detail, opened_at, settled_at, due_at, deadline, finished_at, sent, entries, lease_until, epoch)",
        22,
        "",
        runs,
        |query, new| {
            let run = &new.run;
            let object = run.object.as_ref();
            let (phase, outcome, reason, detail, finished_at) = finish_columns(new.finish.as_ref(), run.opened_at);
            query
                .bind(run.id.to_string())
                .bind(run.runbook.clone())
                .bind(run.version.clone())
                .bind(run.mode.as_str())
                .bind(new.lane.0.clone())
                .bind(i64::from(run.attempt))
                .bind(object.map(json))
                .bind(new.object_key.clone())
                .bind(object.and_then(|object| object.namespace.clone()))
                .bind(phase)
                .bind(outcome)
                .bind(reason)
                .bind(detail)
                .bind(micros(run.opened_at))
                .bind(micros(new.settled))
                .bind(micros(run.opened_at))
                .bind(micros(run.deadline))
                .bind(finished_at)
                .bind(0_i64)
                .bind(i64::from(new.finish.is_some()))
                .bind(0_i64)
                .bind(0_i64)
        },
    )
    .await?;
    for new in runs {
        if let Some(finish) = &new.finish {
            let entry = Entry::Finished(finish.clone());
            super::record::insert_entries(&mut *tx, new.run.id, 0, new.run.opened_at, &[entry]).await?;
        }
    }
    Ok(())
}

/// Our own values always serialise.
pub(super) fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// An id that was written by us.
pub(super) fn uuid(text: String) -> Result<Uuid, StoreError> {
    text.parse()
        .map_err(|_| StoreError::Corrupt(format!("{text:?} is not an id")))
}
