//! What a caller may do.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A right that a token carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Permission {
    /// Post alerts to `/alertmanager`.
    Ingest,
    /// Read alerts, runs, runbooks and pauses.
    View,
    /// Order cancels and pauses.
    Operate,
}

impl Permission {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ingest, Self::View, Self::Operate];

    /// The word in configuration, API and docs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::View => "view",
            Self::Operate => "operate",
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
