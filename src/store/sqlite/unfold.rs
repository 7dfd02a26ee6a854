//! From posts to episodes and runs: what is known of these alerts is read, decided upon, and written.

use std::collections::HashMap;

use rusqlite::params;

use super::{
    json, micros, moment,
    record::{FinishColumns, insert_entries},
    uuid,
    writer::Tx,
};
use crate::{
    domain::{
        alert::Fingerprint,
        episode::Closed,
        episode::Latest,
        journal::Entry,
        run::{EpisodeId, RunId, Track},
    },
    store::{Known, KnownEpisode, LastRun, NewEpisode, NewRun, SeenEpisode, StoreError, Unfolded, WaitingRun},
};

/// Values of the cluster label that are kept: more than one is too many already.
const CLUSTERS: u32 = 8;

/// What is known of these alerts, and of runs about these objects.
pub(in crate::store) fn known(
    tx: &Tx<'_>,
    fingerprints: &[Fingerprint],
    object_keys: &[String],
) -> Result<Known, StoreError> {
    let mut known = Known::default();
    let mut episode = tx.prepare_cached(
        "SELECT id, started_at, ended_at, told_at FROM episodes WHERE latest = 1 AND fingerprint = ?1",
    )?;
    let mut runs = tx.prepare_cached(
        "SELECT r.track, r.attempt, r.finished_at FROM run_alerts a JOIN runs r ON r.id = a.run_id
         WHERE a.episode_id = ?1 ORDER BY r.id",
    )?;
    for fingerprint in fingerprints {
        let mut rows = episode.query([fingerprint.0.cast_signed()])?;
        let Some(row) = rows.next()? else { continue };
        let id = EpisodeId(uuid(row, 0)?);
        let (ended, told): (Option<i64>, Option<i64>) = (row.get(2)?, row.get(3)?);
        let closed = ended.zip(told).map(|(ended, told)| Closed {
            ended: moment(ended),
            told: moment(told),
        });
        let latest = Latest {
            started: moment(row.get(1)?),
            closed,
        };
        known.episodes.insert(*fingerprint, KnownEpisode { id, latest });
        let of_episode = runs
            .query_map([id.to_string()], |row| {
                Ok(LastRun {
                    track: Track(row.get(0)?),
                    attempt: row.get(1)?,
                    finished_at: row.get::<_, Option<i64>>(2)?.map(moment),
                })
            })?
            .collect::<Result<Vec<_>, _>>()?;
        if !of_episode.is_empty() {
            known.runs.insert(id, of_episode);
        }
    }
    let mut waiting = tx.prepare_cached(
        "SELECT id FROM runs WHERE finished_at IS NULL AND root_key IS NULL AND object_key = ?1 ORDER BY id DESC LIMIT 1",
    )?;
    for key in object_keys {
        let mut rows = waiting.query([key])?;
        if let Some(row) = rows.next()? {
            let id = RunId(uuid(row, 0)?);
            known.waiting.insert(key.clone(), WaitingRun { id });
        }
    }
    let mut clusters = tx.prepare_cached("SELECT value, last_seen_at FROM clusters")?;
    let mut rows = clusters.query([])?;
    while let Some(row) = rows.next()? {
        known.clusters.insert(row.get(0)?, moment(row.get(1)?));
    }
    Ok(known)
}

/// Writes what a batch comes to.
pub(in crate::store) fn write(tx: &Tx<'_>, unfolded: &Unfolded) -> Result<(), StoreError> {
    let mut superseded = tx.prepare_cached("UPDATE episodes SET latest = 0 WHERE id = ?1")?;
    for id in &unfolded.superseded {
        superseded.execute([id.to_string()])?;
    }
    seen(tx, &unfolded.seen)?;
    episodes(tx, &unfolded.episodes)?;
    runs(tx, &unfolded.runs)?;
    attach(tx, unfolded)?;
    for cluster in &unfolded.clusters {
        tx.prepare_cached(
            "INSERT INTO clusters (value, first_seen_at, last_seen_at)
             SELECT ?1, ?2, ?2 WHERE (SELECT COUNT(*) FROM clusters) < ?3 OR EXISTS (SELECT 1 FROM clusters WHERE value = ?1)
             ON CONFLICT (value) DO UPDATE SET last_seen_at = excluded.last_seen_at",
        )?
        .execute(params![cluster, micros(tx.now), CLUSTERS])?;
    }
    let mut done = tx.prepare_cached("UPDATE posts SET state = 1 WHERE id = ?1")?;
    for post in &unfolded.posts {
        done.execute([post])?;
    }
    Ok(())
}

/// Sets a post aside.
pub(in crate::store) fn set_aside(tx: &Tx<'_>, post: i64, reason: &str) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE posts SET state = 2, reason = ?2 WHERE id = ?1")?
        .execute(params![post, reason])?;
    Ok(())
}

fn seen(tx: &Tx<'_>, seen: &[SeenEpisode]) -> Result<(), StoreError> {
    let mut update = tx.prepare_cached(
        "UPDATE episodes SET started_at = ?2, ended_at = ?3, told_at = ?4, last_seen_at = ?5, reason = COALESCE(?6, reason)
         WHERE id = ?1",
    )?;
    let mut told =
        tx.prepare_cached("UPDATE run_alerts SET told_at = ?2 WHERE episode_id = ?1 AND told_at IS NOT ?2")?;
    for seen in seen {
        let id = seen.id.to_string();
        let closed = seen.latest.closed;
        let told_at = closed.map(|closed| micros(closed.told));
        update.execute(params![
            id,
            micros(seen.latest.started),
            closed.map(|closed| micros(closed.ended)),
            told_at,
            micros(seen.last_seen),
            seen.reason.map(|reason| reason.as_str()),
        ])?;
        told.execute(params![id, told_at])?;
    }
    Ok(())
}

/// An episode that ends in the same batch has its end here too.
fn attach(tx: &Tx<'_>, unfolded: &Unfolded) -> Result<(), StoreError> {
    let seen = unfolded.seen.iter().map(|seen| (seen.id, seen.latest.closed));
    let new = unfolded.episodes.iter().map(|new| (new.id, new.latest.closed));
    let ended: HashMap<EpisodeId, i64> = seen
        .chain(new)
        .filter_map(|(id, closed)| Some((id, micros(closed?.told))))
        .collect();
    let mut insert = tx.prepare_cached(
        "INSERT INTO run_alerts (run_id, episode_id, track, told_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )?;
    for attached in &unfolded.attached {
        insert.execute(params![
            attached.run.to_string(),
            attached.episode.to_string(),
            attached.track.0,
            ended.get(&attached.episode),
        ])?;
    }
    Ok(())
}

fn episodes(tx: &Tx<'_>, episodes: &[NewEpisode]) -> Result<(), StoreError> {
    let mut insert = tx.prepare_cached(
        "INSERT INTO episodes (id, fingerprint, latest, started_at, ended_at, told_at, first_seen_at, last_seen_at,
         reason, alertname, labels, annotations, generator_url) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    for new in episodes {
        insert.execute(params![
            new.id.to_string(),
            new.fingerprint.0.cast_signed(),
            new.is_latest,
            micros(new.latest.started),
            new.latest.closed.map(|closed| micros(closed.ended)),
            new.latest.closed.map(|closed| micros(closed.told)),
            micros(new.first_seen),
            micros(new.last_seen),
            new.reason.map(|reason| reason.as_str()),
            new.labels.get("alertname").map_or("", String::as_str),
            json(&new.labels),
            json(&new.annotations),
            new.generator_url,
        ])?;
    }
    Ok(())
}

fn runs(tx: &Tx<'_>, runs: &[NewRun]) -> Result<(), StoreError> {
    let mut insert = tx.prepare_cached(
        "INSERT INTO runs (id, runbook, version, mode, track, attempt, object, object_key, namespace, phase, outcome,
         reason, detail, opened_at, settled_at, due_at, deadline, finished_at, sent, entries, lease_until, epoch)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, 0, 0)",
    )?;
    for new in runs {
        let (run, object) = (&new.run, new.run.object.as_ref());
        let finish = FinishColumns::of(new.finish.as_ref(), run.opened_at);
        insert.execute(params![
            run.id.to_string(),
            run.runbook,
            run.version,
            run.mode.as_str(),
            new.track.0,
            run.attempt,
            object.map(json),
            new.object_key,
            object.and_then(|object| object.namespace.as_ref()),
            finish.phase.as_str(),
            finish.outcome,
            finish.reason,
            finish.detail,
            micros(run.opened_at),
            micros(new.settled),
            micros(run.opened_at),
            micros(run.deadline),
            finish.finished_at,
            new.finish.is_some(),
        ])?;
        if let Some(finish) = &new.finish {
            insert_entries(tx, run.id, 0, run.opened_at, &[Entry::Finished(finish.clone())])?;
        }
    }
    Ok(())
}
