//! Which errors of an operation the store itself is the cause of.

use rusqlite::Error;

use super::writer::Failure;
use crate::store::{CommitError, RequestError, StoreError};

impl Failure for StoreError {
    fn cause(&self) -> Option<&StoreError> {
        Some(self)
    }
}

impl Failure for CommitError {
    fn cause(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            Self::LeaseLost | Self::Stale => None,
        }
    }
}

impl Failure for RequestError {
    fn cause(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            Self::NotFound | Self::Finished => None,
        }
    }
}

impl From<Error> for CommitError {
    fn from(error: Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<Error> for RequestError {
    fn from(error: Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        let code = error.sqlite_error().map(|error| error.extended_code);
        of_code(code.unwrap_or_default(), error.to_string())
    }
}

/// SQLite's primary result code is the low byte of the extended one: <https://sqlite.org/rescode.html>
fn of_code(code: i32, text: String) -> StoreError {
    match code & 0xff {
        13 => StoreError::Full(text),
        8 => StoreError::ReadOnly(text),
        11 | 26 => StoreError::Corrupt(text),
        10 | 14 => StoreError::Io(text),
        5 | 6 | 9 => StoreError::Busy(text),
        18..=20 => StoreError::Data(text),
        _ => StoreError::Statement(text),
    }
}
