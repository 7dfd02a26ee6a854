//! The audit log: a row before each mutation, one after, one for each order of a person, chained by digest.

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use sqlx::{AnyConnection, Row};

use super::{StoreError, micros};
use crate::domain::run::RunId;

/// A row of the audit log.
#[derive(Clone, Debug)]
pub struct Audit {
    /// `intent`, `result`, `cancel`, `pause`, `resume`.
    pub kind: &'static str,
    /// `selfhealer`, or the name of a token with the address that it came from.
    pub who: String,
    /// What exactly.
    pub data: serde_json::Value,
}

/// Appends a row. The chain is what makes a changed or missing row visible.
pub(super) async fn append(
    tx: &mut AnyConnection,
    at: Timestamp,
    run: Option<RunId>,
    row: &Audit,
) -> Result<(), StoreError> {
    let previous = sqlx::query("SELECT hash FROM audit ORDER BY id DESC LIMIT 1")
        .fetch_optional(&mut *tx)
        .await?
        .map(|row| row.try_get::<String, _>(0))
        .transpose()?
        .unwrap_or_default();
    let data = row.data.to_string();
    let run = run.map(|run| run.to_string());
    let hash = digest(&previous, micros(at), row.kind, run.as_deref(), &row.who, &data);
    sqlx::query("INSERT INTO audit (at, kind, run_id, who, data, previous, hash) VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(micros(at))
        .bind(row.kind)
        .bind(run)
        .bind(row.who.clone())
        .bind(data)
        .bind(previous)
        .bind(hash)
        .execute(&mut *tx)
        .await?;
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
