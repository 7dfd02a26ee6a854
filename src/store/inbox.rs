//! Posts as received: appended before they are answered, unfolded after.

use jiff::Timestamp;
use sqlx::Row;

use super::{Store, StoreError, moment};

/// A post that is about to be accepted.
#[derive(Clone, Debug)]
pub struct NewPost {
    /// When it came.
    pub received_at: Timestamp,
    /// The name of the token that it came with.
    pub source: String,
    /// How many alerts it has.
    pub alerts: u32,
    /// The body, byte for byte.
    pub body: bytes::Bytes,
}

/// A post that waits to be unfolded.
#[derive(Clone, Debug)]
pub struct StoredPost {
    /// Its number; posts are unfolded in this order.
    pub id: i64,
    /// When it came.
    pub received_at: Timestamp,
    /// How many alerts it has.
    pub alerts: u32,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

impl Store {
    /// Commits these posts together: when it returns, they are on the disk. It blocks the thread for the commit.
    pub async fn append(&self, posts: &[NewPost]) -> Result<(), StoreError> {
        let turn = self.turns.next().await?;
        self.appender.append(posts)?;
        drop(turn);
        self.checkpointer.look();
        Ok(())
    }

    /// How many alerts wait in the inbox.
    pub async fn waiting_alerts(&self) -> Result<u64, StoreError> {
        let sum: i64 = sqlx::query("SELECT COALESCE(SUM(alerts), 0) FROM posts WHERE state = 0")
            .fetch_one(&self.readers)
            .await?
            .try_get(0)?;
        Ok(u64::try_from(sum).unwrap_or_default())
    }

    /// The next posts in order: at least one if any waits, otherwise as many as stay within `alerts`.
    pub async fn waiting_posts(&self, alerts: u32) -> Result<Vec<StoredPost>, StoreError> {
        let rows = sqlx::query(
            "SELECT p.id, p.received_at, p.alerts, p.body FROM posts p JOIN (
                 SELECT id, SUM(alerts) OVER (ORDER BY id) AS total, ROW_NUMBER() OVER (ORDER BY id) AS place
                 FROM (SELECT id, alerts FROM posts WHERE state = 0 ORDER BY id LIMIT 512) next
             ) sized ON sized.id = p.id WHERE sized.total <= $1 OR sized.place = 1 ORDER BY p.id",
        )
        .bind(i64::from(alerts))
        .fetch_all(&self.readers)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(StoredPost {
                    id: row.try_get(0)?,
                    received_at: moment(row.try_get(1)?),
                    alerts: u32::try_from(row.try_get::<i64, _>(2)?).unwrap_or_default(),
                    body: row.try_get(3)?,
                })
            })
            .collect()
    }

    /// Sets a post aside that cannot be unfolded: it is kept with its reason and holds up no other.
    pub async fn set_aside(&self, post: i64, reason: &str) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE posts SET state = 2, reason = $2 WHERE id = $1")
            .bind(post)
            .bind(reason)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }
}
