//! What can go wrong with the database, in the words of who has to act on it.

use std::path::PathBuf;

use crate::domain::journal::UnknownEntry;

/// A read or a commit that did not succeed. Nothing of it was kept.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// No space, or a quota.
    #[error("the disk of the database is full: {0}")]
    Full(String),
    /// The file or its file system is read-only.
    #[error("the database is read-only: {0}")]
    ReadOnly(String),
    /// Its pages are not what SQLite wrote.
    #[error("the database is corrupt: {0}")]
    Corrupt(String),
    /// Reading or writing the file failed.
    #[error("the database's file cannot be read or written: {0}")]
    Io(String),
    /// The writer did not get its turn in time, or the store is closing.
    #[error("the database is busy: {0}")]
    Busy(String),
    /// A journal entry was written by a newer program.
    #[error(transparent)]
    Unknown(#[from] UnknownEntry),
    /// A value that the database cannot hold, or a rule of the schema that does not allow it.
    #[error("the database does not take the data: {0}")]
    Data(String),
    /// Anything else; a defect.
    #[error("the database refused a statement: {0}")]
    Statement(String),
}

impl StoreError {
    /// The stable name, for logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Full(_) => "store_full",
            Self::ReadOnly(_) => "store_read_only",
            Self::Corrupt(_) => "store_corrupt",
            Self::Io(_) => "store_io",
            Self::Busy(_) => "store_busy",
            Self::Unknown(_) => "journal_unknown",
            Self::Data(_) => "store_data",
            Self::Statement(_) => "store_statement",
        }
    }
}

/// A database that the service must not start on.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "another process uses the database {file}: a second one would act on the same alerts. Stop it first, or give this one a store.url of its own"
    )]
    InUse {
        /// The file.
        file: PathBuf,
    },
    /// The folder is missing or not ours to write.
    #[error("the database's folder {folder} cannot be written: {source}. Create it, or point store.url elsewhere")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A newer program has migrated it.
    #[error(
        "the database {file} has schema version {found}, this program knows up to {known}: it was written by a newer version. Start that one; schemas never go back"
    )]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// It is from before the first release.
    #[error(
        "the database {file} was written by a version from before the first release, which this program cannot read. Move it away to start with an empty one (open runs and the audit log are lost with it)"
    )]
    Unreleased {
        /// The file.
        file: PathBuf,
    },
    /// It has tables, and they are not ours.
    #[error(
        "the database {file} belongs to another program: its tables are not selfhealer's. Point store.url elsewhere"
    )]
    Foreign {
        /// The file.
        file: PathBuf,
    },
    /// Not a database, or damaged.
    #[error(
        "{file} cannot be opened as a database: {source}. Restore it from a backup, or move it away to start with an empty one (open runs and the audit log are lost with it)"
    )]
    Unusable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: StoreError,
    },
    /// A migration failed; nothing of it was kept.
    #[error("the database {file} could not be migrated: {message}")]
    Migration {
        /// The file.
        file: PathBuf,
        /// Why.
        message: String,
    },
}
