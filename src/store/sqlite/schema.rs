//! The schema. Migrations go forward only, and the program before the last one runs beside it.

use std::path::Path;

use rusqlite::Connection;

use crate::store::{OpenError, StoreError};

/// What makes a schema of each version of the one before; the version stands in `user_version`.
const MIGRATIONS: [&str; 1] = [include_str!("schema.sql")];
/// The version of the last migration.
const LATEST: i64 = MIGRATIONS.len() as i64;
/// `user_version` alone would take any database with tables of its own for ours. "SHLR" in ASCII.
const APPLICATION: i64 = 0x5348_4c52;

/// Brings the database to the latest version, or says why it must be left alone.
pub(super) fn migrate(connection: &mut Connection, file: &Path) -> Result<(), OpenError> {
    let unusable = |source: rusqlite::Error| OpenError::Unusable {
        file: file.to_owned(),
        source: StoreError::from(source),
    };
    let found = whose(connection, file)?;
    let first = usize::try_from(found).unwrap_or_default();
    for (version, sql) in (1_i64..).zip(MIGRATIONS).skip(first) {
        let failed = |error: rusqlite::Error| OpenError::Migration {
            file: file.to_owned(),
            message: error.to_string(),
        };
        let tx = connection.transaction().map_err(unusable)?;
        tx.execute_batch(sql).map_err(failed)?;
        tx.pragma_update(None, "application_id", APPLICATION).map_err(failed)?;
        tx.pragma_update(None, "user_version", version).map_err(failed)?;
        tx.commit().map_err(unusable)?;
    }
    Ok(())
}

/// The version that the database has; 0 when it is new.
fn whose(connection: &Connection, file: &Path) -> Result<i64, OpenError> {
    let unusable = |source: rusqlite::Error| OpenError::Unusable {
        file: file.to_owned(),
        source: StoreError::from(source),
    };
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let (application, version) = (
        pragma("application_id").map_err(unusable)?,
        pragma("user_version").map_err(unusable)?,
    );
    if application == APPLICATION {
        if version > LATEST {
            return Err(OpenError::Newer {
                file: file.to_owned(),
                found: version,
                known: LATEST,
            });
        }
        return Ok(version);
    }
    if count("SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlx_migrations'").map_err(unusable)? > 0 {
        return Err(OpenError::Unreleased { file: file.to_owned() });
    }
    if application != 0
        || version != 0
        || count("SELECT COUNT(*) FROM sqlite_master WHERE type = 'table'").map_err(unusable)? > 0
    {
        return Err(OpenError::Foreign { file: file.to_owned() });
    }
    Ok(0)
}
