//! The versions of runbooks that runs were opened with, and what each file last held without an error.

use sqlx::Row;

use super::{Store, StoreError, micros};

impl Store {
    /// Keeps these versions of a file's runbooks `(name, version, source)`: runs name them, and a later broken edit of
    /// the file falls back on them.
    pub async fn keep_runbooks(&self, file: &str, runbooks: &[(String, String, String)]) -> Result<(), StoreError> {
        let now = micros(self.now());
        let mut tx = self.begin().await?;
        sqlx::query("DELETE FROM runbook_files WHERE file = $1")
            .bind(file.to_owned())
            .execute(&mut *tx)
            .await?;
        for (name, version, source) in runbooks {
            sqlx::query(
                "INSERT INTO runbook_versions (version, name, source, first_seen_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT DO NOTHING",
            )
            .bind(version.clone())
            .bind(name.clone())
            .bind(source.clone())
            .bind(now)
            .execute(&mut *tx)
            .await?;
            sqlx::query("INSERT INTO runbook_files (file, name, version) VALUES ($1, $2, $3)")
                .bind(file.to_owned())
                .bind(name.clone())
                .bind(version.clone())
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// The source of a version.
    pub async fn runbook_source(&self, version: &str) -> Result<Option<String>, StoreError> {
        let row = sqlx::query("SELECT source FROM runbook_versions WHERE version = $1")
            .bind(version.to_owned())
            .fetch_optional(&self.readers)
            .await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }

    /// The sources that a file held when it was last read without an error.
    pub async fn last_good(&self, file: &str) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query(
            "SELECT v.source FROM runbook_files f JOIN runbook_versions v ON v.version = f.version
             WHERE f.file = $1 ORDER BY f.name",
        )
        .bind(file.to_owned())
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }
}
