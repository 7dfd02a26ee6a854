//! Letting go of what is old: in small pieces, so that nobody waits, and never what somebody may still count on.

use jiff::{SignedDuration, Timestamp};

use super::{Store, StoreError, micros};

/// Rows that one transaction lets go at the most.
const PIECE: i64 = 500;
/// The longest that a guard looks back.
const YEAR: SignedDuration = SignedDuration::from_hours(366 * 24);

impl Store {
    /// Deletes one piece of what ended before `before` and of posts that were unfolded before `posts_before`; tells how
    /// many rows went.
    ///
    /// Open runs and episodes and the audit log stay; attempts stay for a year, longer than any guard looks back.
    pub async fn let_go(&self, before: Timestamp, posts_before: Timestamp) -> Result<u64, StoreError> {
        let pieces = [
            (
                "DELETE FROM posts WHERE id IN
                 (SELECT id FROM posts WHERE state <> 0 AND received_at < $1 ORDER BY id LIMIT $2)",
                posts_before,
            ),
            (
                "DELETE FROM journal WHERE run_id IN
                 (SELECT id FROM runs WHERE finished_at < $1 ORDER BY id LIMIT $2)",
                before,
            ),
            (
                "DELETE FROM run_alerts WHERE run_id IN
                 (SELECT id FROM runs WHERE finished_at < $1 ORDER BY id LIMIT $2)",
                before,
            ),
            (
                "DELETE FROM messages WHERE run_id IN
                 (SELECT id FROM runs WHERE finished_at < $1 ORDER BY id LIMIT $2)",
                before,
            ),
            (
                "DELETE FROM messages WHERE kind = 'digest' AND opened_at < $1 AND due_at IS NULL AND NOT EXISTS
                 (SELECT 1 FROM messages r WHERE r.digest_id = messages.id) AND $2 > 0",
                before,
            ),
            (
                "DELETE FROM runs WHERE id IN (SELECT id FROM runs WHERE finished_at < $1 ORDER BY id LIMIT $2)",
                before,
            ),
            (
                "DELETE FROM episodes WHERE id IN
                 (SELECT id FROM episodes WHERE told_at < $1
                  AND NOT EXISTS (SELECT 1 FROM run_alerts a WHERE a.episode_id = episodes.id) ORDER BY id LIMIT $2)",
                before,
            ),
        ];
        let looked_back = before.min(self.now() - YEAR);
        let pieces = pieces.into_iter().chain([
            (
                "DELETE FROM attempts WHERE run_id IN
                 (SELECT run_id FROM attempts WHERE at < $1 ORDER BY run_id LIMIT $2)",
                looked_back,
            ),
            (
                "DELETE FROM incidents WHERE (root_key, lane, runbook) IN
                 (SELECT root_key, lane, runbook FROM incidents WHERE started_at < $1 LIMIT $2)",
                looked_back,
            ),
        ]);
        let mut gone = 0;
        let mut tx = self.begin().await?;
        for (statement, limit) in pieces {
            gone += sqlx::query(statement)
                .bind(micros(limit))
                .bind(PIECE)
                .execute(&mut *tx)
                .await?
                .rows_affected();
        }
        tx.commit().await?;
        Ok(gone)
    }
}
