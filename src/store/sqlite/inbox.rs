//! Posts as received: appended before they are answered, read in order to be unfolded.

use rusqlite::{Connection, params};

use super::{
    micros, moment,
    writer::{Tx, Work},
};
use crate::store::{Batch, NewPost, StoreError, StoredPost};

/// The most posts that a batch is taken from.
const MAX_POSTS: u32 = 512;

/// A batch of posts on its way through a transaction.
pub(super) struct Appending(pub Box<dyn Batch>);

impl Work for Appending {
    /// Only the batch knows who waits, when its turn has come.
    fn is_wanted(&self) -> bool {
        true
    }

    fn write(&mut self, tx: &Tx<'_>) -> Result<(), Option<StoreError>> {
        let posts = self.0.take();
        let written = append(tx, &posts);
        self.0.watch(&mut || failpoint!(AcceptBeforeCommit, blocking));
        written.map_err(Some)
    }

    fn end(self: Box<Self>, committed: Result<(), StoreError>) {
        self.0.committed(committed);
    }
}

/// Bodies are bound where they lie.
fn append(tx: &Tx<'_>, posts: &[NewPost]) -> Result<(), StoreError> {
    let mut insert =
        tx.prepare_cached("INSERT INTO posts (received_at, source, alerts, state, body) VALUES (?, ?, ?, 0, ?)")?;
    for post in posts {
        insert.execute(params![
            micros(post.received_at),
            post.source,
            post.alerts,
            &post.body[..]
        ])?;
    }
    Ok(())
}

/// How many alerts wait.
pub(in crate::store) fn waiting_alerts(reader: &Connection) -> Result<u64, StoreError> {
    let sum: i64 = reader
        .prepare_cached("SELECT COALESCE(SUM(alerts), 0) FROM posts INDEXED BY posts_waiting WHERE state = 0")?
        .query_row([], |row| row.get(0))?;
    Ok(u64::try_from(sum).unwrap_or_default())
}

/// The next posts in order: at least one if any waits, otherwise as many as stay within `alerts`.
pub(in crate::store) fn waiting_posts(reader: &Connection, alerts: u32) -> Result<Vec<StoredPost>, StoreError> {
    let mut sizes = reader
        .prepare_cached("SELECT id, alerts FROM posts INDEXED BY posts_waiting WHERE state = 0 ORDER BY id LIMIT ?1")?;
    let mut body = reader.prepare_cached("SELECT received_at, body FROM posts WHERE id = ?1")?;
    let mut posts = Vec::new();
    let mut total = 0_u64;
    let mut rows = sizes.query([MAX_POSTS])?;
    while let Some(row) = rows.next()? {
        let (id, size): (i64, u32) = (row.get(0)?, row.get(1)?);
        total += u64::from(size);
        if total > u64::from(alerts) && !posts.is_empty() {
            break;
        }
        posts.push(body.query_row([id], |row| {
            Ok(StoredPost {
                id,
                received_at: moment(row.get(0)?),
                alerts: size,
                body: row.get(1)?,
            })
        })?);
    }
    Ok(posts)
}
