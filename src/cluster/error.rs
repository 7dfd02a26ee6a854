//! What an answer of the API server means.

use std::time::Duration;

use crate::domain::reason::Reason;

/// What the API server says, in plain text, of the path of a group or version that it does not serve.
const NOT_SERVED: &str = "404 page not found";

/// An answer other than the one that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// 404, by the API server itself.
    #[error("not found: {message}")]
    NotFound {
        /// The API server's words.
        message: String,
        /// Whether the path is served, and only what it names is missing.
        served: bool,
    },
    /// 409: a precondition does not hold.
    #[error("conflict: {message}")]
    Conflict {
        /// The API server's words.
        message: String,
    },
    /// 429 of an eviction: a PodDisruptionBudget does not allow it now.
    #[error("a disruption budget does not allow it: {message}")]
    Budget {
        /// The API server's words, which name the budget.
        message: String,
        /// When the API server says to try again.
        retry_after: Option<Duration>,
    },
    /// 401 or 403.
    #[error("needs {verb} on {resource}: {message}")]
    Forbidden {
        /// The missing verb.
        verb: &'static str,
        /// The missing resource.
        resource: String,
        /// The API server's words.
        message: String,
    },
    /// 429 of anything else: the API server is overloaded and did not do it.
    #[error("the API server is overloaded: {message}")]
    Overloaded {
        /// The API server's words.
        message: String,
        /// When it says to try again.
        retry_after: Option<Duration>,
    },
    /// Another 4xx: the request is wrong and was not carried out.
    #[error("refused with {code}: {message}")]
    Rejected {
        /// The status code.
        code: u16,
        /// The API server's words.
        message: String,
    },
    /// 5xx, no connection, no answer in time: whether it was carried out is not known.
    #[error("the API server gave no usable answer: {message}")]
    Unavailable {
        /// What was seen.
        message: String,
    },
    /// The API server knows no such kind.
    #[error("the API server knows no kind {kind} in {api_version}")]
    UnknownKind {
        /// `apps/v1`.
        api_version: String,
        /// `Deployment`.
        kind: String,
    },
}

impl ClusterError {
    pub(super) fn from_kube(verb: &'static str, resource: &str, error: kube::Error) -> Self {
        let kube::Error::Api(status) = error else {
            return Self::Unavailable { message: chain(&error) };
        };
        let message = status.message.clone();
        let details = status.details.as_ref();
        let retry_after = details
            .map(|details| u64::from(details.retry_after_seconds))
            .filter(|seconds| *seconds > 0)
            .map(Duration::from_secs);
        let budget =
            details.is_some_and(|details| details.causes.iter().any(|cause| cause.reason == "DisruptionBudget"));
        match status.code {
            404 if status.reason == "NotFound" || message == NOT_SERVED => Self::NotFound {
                message,
                // What is missing is named, unless nothing at all is served under the path.
                served: details.is_some_and(|details| !details.name.is_empty()),
            },
            // The page of a proxy: it says nothing about the object.
            404 => Self::Unavailable {
                message: format!("404, and not by the API server: {message}"),
            },
            409 => Self::Conflict { message },
            429 if budget => Self::Budget {
                message: details
                    .into_iter()
                    .flat_map(|details| &details.causes)
                    .find(|cause| cause.reason == "DisruptionBudget")
                    .map_or(message, |cause| cause.message.clone()),
                retry_after,
            },
            429 => Self::Overloaded { message, retry_after },
            401 | 403 => Self::Forbidden {
                verb,
                resource: resource.to_owned(),
                message,
            },
            code @ 400..500 => Self::Rejected { code, message },
            _ => Self::Unavailable { message },
        }
    }

    /// The stable name.
    pub fn reason(&self) -> Reason {
        match self {
            Self::NotFound { .. } => Reason::TargetGone,
            Self::Conflict { .. } => Reason::TargetReplaced,
            Self::Budget { .. } => Reason::DisruptionBudget,
            Self::Forbidden { .. } => Reason::Forbidden,
            Self::Overloaded { .. } | Self::Unavailable { .. } => Reason::ClusterUnavailable,
            Self::Rejected { .. } => Reason::Rejected,
            Self::UnknownKind { .. } => Reason::InvalidTarget,
        }
    }
}

/// An error with its causes: the outermost one of a client says too little.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}
