//! What the listeners count.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use super::ApiError;
use crate::metrics::label;

/// The metrics of the listeners.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    notifications: Family<NotificationLabels, Counter>,
}

label! {
    /// Answers to `POST /alertmanager`.
    pub(super) enum Answer {
        Accepted = "accepted",
        Malformed = "malformed",
        Unauthenticated = "unauthenticated",
        Forbidden = "forbidden",
        TooLarge = "too_large",
        TooSlow = "too_slow",
        Incomplete = "incomplete",
        Overloaded = "overloaded",
        StoreUnavailable = "store_unavailable",
        Draining = "draining",
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct NotificationLabels {
    result: Answer,
}

impl From<&ApiError> for Answer {
    fn from(error: &ApiError) -> Self {
        match error {
            ApiError::Malformed(_) => Self::Malformed,
            ApiError::Unauthenticated => Self::Unauthenticated,
            ApiError::Forbidden(_) | ApiError::WebPage => Self::Forbidden,
            ApiError::TooLarge(_) => Self::TooLarge,
            ApiError::TooSlow => Self::TooSlow,
            ApiError::Incomplete => Self::Incomplete,
            ApiError::Overloaded(_) => Self::Overloaded,
            ApiError::Store(_) => Self::StoreUnavailable,
            ApiError::Draining => Self::Draining,
            // Of other routes only: this one has no parameters, and nothing that could be missing or over.
            ApiError::Invalid(_) | ApiError::NotFound(_) | ApiError::Method(_) | ApiError::Finished => Self::Malformed,
        }
    }
}

impl Metrics {
    /// Puts them on a page, at zero.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "notifications",
            "Posts to /alertmanager by answer",
            self.notifications.clone(),
        );
        for result in Answer::ALL {
            drop(
                self.notifications
                    .get_or_create(&NotificationLabels { result: *result }),
            );
        }
    }

    /// Counts an answer to Alertmanager.
    pub(super) fn notification(&self, result: Answer) {
        self.notifications.get_or_create(&NotificationLabels { result }).inc();
    }
}
