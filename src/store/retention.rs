//! Letting go of what is old: in small pieces, so that nobody waits, and never what somebody may still count on.

use jiff::Timestamp;

use super::{Store, StoreError, micros};

/// Rows that one transaction lets go at the most.
const PIECE: i64 = 500;

impl Store {
    /// Deletes one piece of what ended before `before` and of posts that were unfolded before `posts_before`; tells how
    /// many rows went.
    ///
    /// Open runs and episodes, attempts of the longest guard window and the audit log stay.
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
