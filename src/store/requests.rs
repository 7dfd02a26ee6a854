//! What people ask for: pauses and cancels. Rows only; the engine judges them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::StoreError;

/// What a pause concerns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PauseScope {
    /// Every run.
    All,
    /// The runs of one runbook.
    Runbook(String),
    /// The runs whose target or root stands in one namespace.
    Namespace(String),
}

/// A pause that is ordered.
#[derive(Clone, Debug)]
pub struct NewPause {
    /// What it concerns.
    pub scope: PauseScope,
    /// Who ordered it: the name of the token.
    pub who: String,
    /// From where.
    pub source: String,
    /// Why.
    pub why: String,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
}

/// A pause.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PauseRow {
    /// Its id.
    pub id: String,
    /// `all`, `runbook` or `namespace`.
    pub scope: String,
    /// The runbook's or namespace's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Who ordered it.
    pub who: String,
    /// Why.
    pub why: String,
    /// Since when.
    pub created_at: Timestamp,
    /// When it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// A request that cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// There is no such run or pause.
    #[error("there is none with this id")]
    NotFound,
    /// The run is over.
    #[error("the run has finished")]
    Finished,
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}
