//! The schema, a folder per database. Migrations go forward only, and the program before the last one runs beside it.

use sqlx::{
    SqlSafeStr,
    migrate::{Migration, MigrationType, Migrator},
};

/// The version of the last migration.
pub(super) const LATEST: i64 = 1;

/// The migrations for SQLite.
pub(super) fn sqlite() -> Migrator {
    let initial = Migration::new(
        1,
        "initial".into(),
        MigrationType::Simple,
        include_str!("migrations/sqlite/0001_initial.sql").into_sql_str(),
        false,
    );
    Migrator {
        migrations: vec![initial].into(),
        ..Migrator::DEFAULT
    }
}
