//! Digests: what a crowd of runs is told in, so that a storm is one message and not a flood.

use std::time::Duration;

use sqlx::Row;

use super::insert;
use crate::{
    domain::{
        next::{after, before},
        notify::Sink,
    },
    store::{Store, StoreError, micros},
};

/// The same for a digest, which many runs change.
pub(super) const GATHER_DIGEST: Duration = Duration::from_secs(5);
/// Runs that wait for a first message in one channel: more become digests.
const CROWD: i64 = 10;
/// How long runs join a digest that was made in their channel.
const STORM: Duration = Duration::from_secs(10 * 60);
/// Runs that one digest tells of.
const DIGEST: i64 = 50;

/// Of a message `m`: about a run of which nothing was ever posted, and nothing is under way. `$2` is now.
const WAITING: &str =
    "m.kind = 'run' AND m.due_at IS NOT NULL AND m.remote_ts IS NULL AND m.told = 0 AND m.posting_at IS NULL
     AND m.lease_until <= $2 AND m.renewed = 0";

impl Store {
    /// Makes digests where more than [`CROWD`] runs wait for their first message in a channel, and adds those that wait to
    /// a digest that was made there lately: a storm is told once.
    ///
    /// Looked up without the writing connection first: there is hardly ever a crowd.
    pub async fn gather_digests(&self, sink: Sink) -> Result<(), StoreError> {
        let now = self.now();
        let open = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT d.id, d.channel, (SELECT COUNT(*) FROM messages r WHERE r.digest_id = d.id AND r.kind = 'run') AS runs
             FROM messages d WHERE d.sink = $1 AND d.kind = 'digest' AND d.opened_at > $3 AND d.failure IS NULL
             AND EXISTS (SELECT 1 FROM messages m WHERE m.sink = d.sink AND m.channel = d.channel AND {WAITING})
             ORDER BY d.id"
        )))
        .bind(sink.as_str())
        .bind(micros(now))
        .bind(micros(before(now, STORM)))
        .fetch_all(&self.readers)
        .await?;
        for row in open {
            let room = DIGEST - row.try_get::<i64, _>(2)?;
            if room > 0 {
                self.gather(sink, row.try_get(1)?, Some(row.try_get(0)?), room).await?;
            }
        }
        while let Some(row) = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT m.channel FROM messages m WHERE m.sink = $1 AND {WAITING}
             GROUP BY m.channel HAVING COUNT(*) > $3 LIMIT 1"
        )))
        .bind(sink.as_str())
        .bind(micros(now))
        .bind(CROWD)
        .fetch_optional(&self.readers)
        .await?
        {
            self.gather(sink, row.try_get(0)?, None, DIGEST).await?;
        }
        Ok(())
    }

    /// Puts runs that wait in a channel into a digest: this one, or a new one.
    async fn gather(&self, sink: Sink, channel: String, digest: Option<String>, room: i64) -> Result<(), StoreError> {
        let now = self.now();
        let id = digest.clone().unwrap_or_else(|| self.ids.next().to_string());
        let mut tx = self.begin().await?;
        let gathered = sqlx::query(sqlx::AssertSqlSafe(format!(
            "UPDATE messages SET digest_id = $4, due_at = NULL WHERE id IN (
                 SELECT m.id FROM messages m WHERE m.sink = $1 AND m.channel = $3 AND {WAITING} ORDER BY m.id LIMIT $5)"
        )))
        .bind(sink.as_str())
        .bind(micros(now))
        .bind(channel.clone())
        .bind(id.clone())
        .bind(room)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        match digest {
            _ if gathered == 0 => {}
            None => insert(&mut tx, &id, "digest", None, 0, sink, &channel, micros(now), 1).await?,
            Some(_) => {
                sqlx::query("UPDATE messages SET wanted = wanted + 1, due_at = COALESCE(due_at, $2) WHERE id = $1")
                    .bind(id)
                    .bind(micros(after(now, GATHER_DIGEST)))
                    .execute(&mut *tx)
                    .await?;
            }
        }
        tx.commit().await?;
        Ok(())
    }
}
