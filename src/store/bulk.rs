//! Many rows in few statements.
//!
//! A statement costs a hop to the connection's thread, about as much as inserting ten rows. Rows go in chunks of a few
//! fixed sizes, so that only a handful of statements is ever prepared.

use sqlx::{Any, AnyConnection, AssertSqlSafe, any::AnyArguments, query::Query};

use super::StoreError;

/// Of rows. Descending, each twice the next: what is less than the first takes seven statements at the most.
const CHUNKS: [usize; 8] = [128, 64, 32, 16, 8, 4, 2, 1];
/// Of keys, which may be repeated, so that a chunk is one statement; fewer, since each is kept prepared.
const KEYS: [usize; 4] = [128, 32, 8, 1];

/// A statement with some of its values bound.
pub(super) type Bound<'q> = Query<'q, Any, AnyArguments>;

/// Inserts all rows. `head` is `INSERT INTO … (…)`, `tail` what follows the values; `bind` binds one row's `columns`.
pub(super) async fn insert<T>(
    connection: &mut AnyConnection,
    head: &str,
    columns: usize,
    tail: &str,
    rows: &[T],
    bind: impl for<'q> Fn(Bound<'q>, &T) -> Bound<'q>,
) -> Result<(), StoreError> {
    let mut chunks = Chunks {
        rest: rows,
        head,
        columns,
        tail,
    };
    let mut next = chunks.next().map(|(statement, chunk)| bound(statement, chunk, &bind));
    while let Some(query) = next {
        // The connection's thread works on one statement while the next one's values are bound here.
        let (done, following) = tokio::join!(query.execute(&mut *connection), async {
            chunks.next().map(|(statement, chunk)| bound(statement, chunk, &bind))
        });
        done?;
        next = following;
    }
    Ok(())
}

/// Rows, cut into chunks of the fixed sizes, each with its statement.
struct Chunks<'a, T> {
    rest: &'a [T],
    head: &'a str,
    columns: usize,
    tail: &'a str,
}

impl<'a, T> Iterator for Chunks<'a, T> {
    type Item = (String, &'a [T]);

    fn next(&mut self) -> Option<Self::Item> {
        let size = CHUNKS.into_iter().find(|size| *size <= self.rest.len())?;
        let (chunk, rest) = self.rest.split_at(size);
        self.rest = rest;
        let statement = format!(
            "{} VALUES {} {}",
            self.head,
            placeholders(size, self.columns),
            self.tail
        );
        Some((statement, chunk))
    }
}

fn bound<T>(statement: String, rows: &[T], bind: &impl for<'q> Fn(Bound<'q>, &T) -> Bound<'q>) -> Bound<'static> {
    rows.iter().fold(sqlx::query(AssertSqlSafe(statement)), bind)
}

/// Runs `head (…) tail` over all keys in chunks and hands on every row. A chunk that is not full repeats its last key.
pub(super) async fn select<K: Clone>(
    connection: &mut AnyConnection,
    head: &str,
    tail: &str,
    keys: &[K],
    bind: impl for<'q> Fn(Bound<'q>, &K) -> Bound<'q>,
    mut row: impl FnMut(&sqlx::any::AnyRow) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    for chunk in keys.chunks(KEYS[0]) {
        let query = chunked(head, tail, chunk, &bind);
        for found in query.fetch_all(&mut *connection).await? {
            row(&found)?;
        }
    }
    Ok(())
}

/// Runs `head (…)` over all keys in chunks. A chunk that is not full repeats its last key.
pub(super) async fn execute<K: Clone>(
    connection: &mut AnyConnection,
    head: &str,
    keys: &[K],
    bind: impl for<'q> Fn(Bound<'q>, &K) -> Bound<'q>,
) -> Result<(), StoreError> {
    for chunk in keys.chunks(KEYS[0]) {
        chunked(head, "", chunk, &bind).execute(&mut *connection).await?;
    }
    Ok(())
}

/// A statement over the keys of one chunk.
fn chunked<K>(
    head: &str,
    tail: &str,
    chunk: &[K],
    bind: impl for<'q> Fn(Bound<'q>, &K) -> Bound<'q>,
) -> Bound<'static> {
    let size = KEYS
        .into_iter()
        .rev()
        .find(|size| *size >= chunk.len())
        .unwrap_or(KEYS[0]);
    let statement = format!("{head} {} {tail}", placeholders(1, size));
    let mut query = sqlx::query(AssertSqlSafe(statement));
    for index in 0..size {
        query = bind(query, &chunk[index.min(chunk.len() - 1)]);
    }
    query
}

/// `(?, ?), (?, ?)` for two rows of two columns, each value in its turn.
///
/// Not `$1`: SQLite takes that for a name, and binding looks each name up among all the others. With the thousands of
/// values that a chunk has, that took longer than everything else.
fn placeholders(rows: usize, columns: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(", "));
    vec![row; rows].join(", ")
}
