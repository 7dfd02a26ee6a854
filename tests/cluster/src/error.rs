//! Everything that can go wrong, worded for the person who reads a failed test.

use std::{fmt, io, path::PathBuf, process::ExitStatus};

/// Why a part of the test cluster could not be built, started or used.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no Go compiler.
    #[error(
        "the test cluster is compiled with Go, which was not found: install Go {needed} or newer and put `go` on the PATH"
    )]
    GoMissing {
        /// The oldest version that compiles the module.
        needed: String,
    },
    /// The Go compiler is older than a module asks for.
    #[error("the test cluster needs Go {needed} or newer, and `go` on the PATH is {found}: install a newer one")]
    GoTooOld {
        /// What `go` says it is.
        found: String,
        /// The oldest version that compiles the module.
        needed: String,
    },
    /// A part ended although it should run on.
    #[error("{part} ended ({status}); the last lines of its log:\n{log}")]
    Exited {
        /// Which program.
        part: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// The last lines that it wrote.
        log: String,
    },
    /// A part runs but did not become ready in time.
    #[error("{part} was not ready after {seconds} s ({problem}); the last lines of its log:\n{log}")]
    NotReady {
        /// Which program.
        part: &'static str,
        /// How long it was given.
        seconds: u64,
        /// What the last look at it said.
        problem: String,
        /// The last lines that it wrote.
        log: String,
    },
    /// Something in the cluster did not come about in time.
    #[error("{what} did not come about within {seconds} s: {problem}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
        /// What the last look at it said.
        problem: String,
    },
    /// The API server refused something that the test cluster needs.
    #[error("{what}: {error}")]
    Kubernetes {
        /// What was asked.
        what: String,
        /// The client's error.
        error: Box<kube::Error>,
    },
    /// There is no token for this name: the API server reads its tokens at start only.
    #[error("there is no identity {identity:?}; there are {}", crate::IDENTITIES.join(", "))]
    UnknownIdentity {
        /// The name that was asked for.
        identity: String,
    },
    /// The operation needs a running API server, and this one was stopped by `stop_api_server`.
    #[error("the API server was stopped: start it first")]
    ApiServerStopped,
    /// This machine lacks something that a real node needs.
    #[error("a real node cannot run on this machine; it needs {}", missing.join("; and "))]
    RealNode {
        /// What is missing, and what to do about it.
        missing: Vec<String>,
    },
    /// A Prometheus rule file cannot be read as one.
    #[error("rule file {}: {problem}", file.display())]
    Rules {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// An address to scrape or to post to is not a plain `http://host:port/path`.
    #[error("{url:?} is not an http URL with a host")]
    Url {
        /// The address.
        url: String,
    },
    /// The operating system refused.
    #[error("{what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// Its answer.
        error: io::Error,
    },
}

/// As for people: a test that unwraps shows this, and a log with escaped line ends cannot be read.
impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

impl Error {
    /// For `map_err`: an operating system error with what was tried.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |error| Self::Io { what, error }
    }

    /// For `map_err`: an API error with what was asked.
    pub(crate) fn kubernetes(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let what = what.into();
        move |error| Self::Kubernetes {
            what,
            error: Box::new(error),
        }
    }

    /// Whether somebody took the port between our choosing it and the part's binding it.
    pub(crate) fn is_port_taken(&self) -> bool {
        matches!(self, Self::Exited { log, .. } if log.contains("address already in use"))
    }
}
