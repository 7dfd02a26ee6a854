//! Logs: to stderr, as text for people or as JSON for collectors. Messages are constants; data stands in fields.

use std::{
    fmt,
    io::{IsTerminal, stderr},
};

use serde::{Deserialize, Serialize};
use tracing_subscriber::{
    EnvFilter, Layer, filter::ParseError, layer::SubscriberExt, util::SubscriberInitExt, util::TryInitError,
};

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Format {
    /// For people: one line per event, coloured on a terminal.
    #[default]
    Text,
    /// For collectors: one object per line, fields at the top level.
    Json,
}

/// Logging that could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not one.
    #[error(
        "the log filter {filter:?} is not valid: {source}; write a level, or `target=level` with commas, for example `info,selfhealer=debug`"
    )]
    Filter {
        /// As it was given.
        filter: String,
        /// What is wrong.
        source: ParseError,
    },
    /// Somebody has set up logging before.
    #[error("logging is already set up: {0}")]
    Twice(#[from] TryInitError),
}

/// Sets up logging for the process. The filter is a level, or levels per target: `info,selfhealer=debug`.
pub fn init(format: Format, filter: &str) -> Result<(), TelemetryError> {
    let filter = EnvFilter::builder()
        .parse(filter)
        .map_err(|source| TelemetryError::Filter {
            filter: filter.to_owned(),
            source,
        })?;
    let lines = tracing_subscriber::fmt::layer().with_writer(stderr);
    let lines = match format {
        Format::Text => lines.with_ansi(stderr().is_terminal()).boxed(),
        Format::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .boxed(),
    };
    tracing_subscriber::registry().with(filter).with(lines).try_init()?;
    Ok(())
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_is_none_is_refused_with_an_example() {
        let message = init(Format::Text, "info,selfhealer=loud").unwrap_err().to_string();
        assert!(
            message.contains("selfhealer=loud") && message.contains("for example"),
            "{message}"
        );
    }
}
