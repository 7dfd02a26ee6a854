//! Many rows in few statements.
//!
//! A statement costs a hop to the connection's thread, about as much as inserting ten rows. Rows go in chunks of a few
//! fixed sizes, so that only a handful of statements is ever prepared.

use sqlx::{Any, AnyConnection, AssertSqlSafe, any::AnyArguments, query::Query};

use super::StoreError;

/// Descending; the last one is 1.
const CHUNKS: [usize; 4] = [128, 32, 8, 1];

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
    for chunk in keys.chunks(CHUNKS[0]) {
        let size = CHUNKS
            .into_iter()
            .rev()
            .find(|size| *size >= chunk.len())
            .unwrap_or(CHUNKS[0]);
        let statement = format!("{head} {} {tail}", placeholders(1, size));
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for index in 0..size {
            query = bind(query, &chunk[index.min(chunk.len() - 1)]);
        }
        for found in query.fetch_all(&mut *connection).await? {
            row(&found)?;
        }
    }
    Ok(())
}

/// `($1, $2), ($3, $4)` for two rows of two columns.
fn placeholders(rows: usize, columns: usize) -> String {
    let mut text = String::with_capacity(rows * columns * 7);
    let mut n = 0;
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..columns {
            n += 1;
            if column > 0 {
                text.push_str(", ");
            }
            text.push('$');
            text.push_str(&n.to_string());
        }
        text.push(')');
    }
    text
}
