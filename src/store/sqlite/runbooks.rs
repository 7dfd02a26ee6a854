//! The versions of runbooks that runs were opened with, and what each file last held without an error.

use rusqlite::{Connection, OptionalExtension, params};

use super::{micros, writer::Tx};
use crate::store::StoreError;

/// Keeps these versions of a file's runbooks `(name, version, source)`: runs name them, and a later broken edit of the file falls
/// back on them.
pub(in crate::store) fn keep(tx: &Tx<'_>, file: &str, runbooks: &[(String, String, String)]) -> Result<(), StoreError> {
    let now = micros(tx.now);
    tx.execute("DELETE FROM runbook_files WHERE file = ?1", [file])?;
    for (name, version, source) in runbooks {
        tx.prepare_cached(
            "INSERT INTO runbook_versions (version, name, source, first_seen_at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (version) DO UPDATE SET left_at = NULL",
        )?
        .execute(params![version, name, source, now])?;
        tx.prepare_cached("INSERT INTO runbook_files (file, name, version) VALUES (?1, ?2, ?3)")?
            .execute(params![file, name, version])?;
    }
    tx.execute(
        "UPDATE runbook_versions INDEXED BY runbook_versions_held SET left_at = ?1
         WHERE left_at IS NULL AND version NOT IN (SELECT version FROM runbook_files)",
        [now],
    )?;
    Ok(())
}

/// The source of a version.
pub(in crate::store) fn source(reader: &Connection, version: &str) -> Result<Option<String>, StoreError> {
    let mut statement = reader.prepare_cached("SELECT source FROM runbook_versions WHERE version = ?1")?;
    Ok(statement.query_row([version], |row| row.get(0)).optional()?)
}

/// The sources that a file held when it was last read without an error.
pub(in crate::store) fn last_good(reader: &Connection, file: &str) -> Result<Vec<String>, StoreError> {
    let mut statement = reader.prepare_cached(
        "SELECT v.source FROM runbook_files f JOIN runbook_versions v ON v.version = f.version
         WHERE f.file = ?1 ORDER BY f.name",
    )?;
    let rows = statement.query_map([file], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
