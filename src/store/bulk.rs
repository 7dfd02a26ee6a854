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
    let mut rest = rows;
    for size in CHUNKS {
        if rest.len() < size {
            continue;
        }
        let statement = format!("{head} VALUES {} {tail}", placeholders(size, columns));
        while rest.len() >= size {
            let (chunk, others) = rest.split_at(size);
            rest = others;
            let mut query = sqlx::query(AssertSqlSafe(statement.clone()));
            for row in chunk {
                query = bind(query, row);
            }
            query.execute(&mut *connection).await?;
        }
    }
    Ok(())
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
