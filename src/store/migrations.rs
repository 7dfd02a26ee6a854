//! The schema, a folder per database. Migrations go forward only, and the program before the last one runs beside it.

use sqlx::{
    SqlSafeStr,
    migrate::{Migration, MigrationType, Migrator},
};

/// The version of the last migration.
pub(super) const LATEST: i64 = 2;

/// The migrations for SQLite.
pub(super) fn sqlite() -> Migrator {
    let migration = |version, name: &'static str, sql: &'static str| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator {
        migrations: vec![
            migration(1, "initial", include_str!("migrations/sqlite/0001_initial.sql")),
            migration(2, "messages", include_str!("migrations/sqlite/0002_messages.sql")),
        ]
        .into(),
        ..Migrator::DEFAULT
    }
}
