//! The audit log: a row before each mutation, one after, one for each order of a person, chained by digest.

use rusqlite::{OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::{micros, writer::Tx};
use crate::{
    domain::run::RunId,
    store::{Audit, StoreError},
};

/// Appends a row. The chain is what makes a changed or missing row visible.
pub(super) fn append(tx: &Tx<'_>, run: Option<RunId>, row: &Audit) -> Result<(), StoreError> {
    let previous: String = tx
        .prepare_cached("SELECT hash FROM audit WHERE id = (SELECT MAX(id) FROM audit)")?
        .query_row([], |row| row.get(0))
        .optional()?
        .unwrap_or_default();
    let at = micros(tx.now);
    let data = row.data.to_string();
    let run = run.map(|run| run.to_string());
    let hash = digest(&previous, at, row.kind, run.as_deref(), &row.who, &data);
    tx.prepare_cached(
        "INSERT INTO audit (at, kind, run_id, who, data, previous, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![at, row.kind, run, row.who, data, previous, hash])?;
    Ok(())
}

/// Lengths stand before the parts, so that no two rows read the same.
fn digest(previous: &str, at: i64, kind: &str, run: Option<&str>, who: &str, data: &str) -> String {
    let mut hash = Sha256::new();
    for part in [previous, &at.to_string(), kind, run.unwrap_or_default(), who, data] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}
