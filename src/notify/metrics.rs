//! What is counted of messages.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::Failure;
use crate::{domain::notify::Sink, metrics::label_values};

/// The metrics of messages.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    messages: Family<MessageLabels, Counter>,
    messages_owed: Family<SinkLabels, Gauge>,
    /// Messages for which a runbook's own template could not be used.
    pub(super) templates_failed: Counter,
}

/// What came of a delivery.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(super) enum Handled {
    /// It is told.
    Told,
    /// It was told by a delivery whose answer was lost.
    Found,
    /// There was nothing to tell any more.
    NothingToTell,
    /// Later: the service has had enough.
    RateLimited,
    /// Later: the service could not.
    Unavailable,
    /// Once more: what was posted is gone.
    Renewed,
    /// Once more, as plain text: the form was refused.
    Refused,
    /// Never.
    GivenUp(Failure),
}

label_values!(Sink, Handled);

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct MessageLabels {
    sink: Sink,
    result: Handled,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SinkLabels {
    sink: Sink,
}

impl Handled {
    /// All of them, so that their series exist before their first use.
    fn all() -> impl Iterator<Item = Self> {
        [
            Self::Told,
            Self::Found,
            Self::NothingToTell,
            Self::RateLimited,
            Self::Unavailable,
            Self::Renewed,
            Self::Refused,
        ]
        .into_iter()
        .chain(Failure::ALL.map(Self::GivenUp))
    }

    /// The word in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Told => "told",
            Self::Found => "found",
            Self::NothingToTell => "nothing_to_tell",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::Renewed => "renewed",
            Self::Refused => "refused",
            Self::GivenUp(failure) => failure.as_str(),
        }
    }
}

impl Metrics {
    /// Puts them on a page, at zero.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "messages",
            "Deliveries to Slack, Teams and webhooks by what came of them",
            self.messages.clone(),
        );
        registry.register(
            "messages_owed",
            "Messages that are not delivered yet",
            self.messages_owed.clone(),
        );
        registry.register(
            "message_templates_failed",
            "Messages for which the runbook's own template could not be used",
            self.templates_failed.clone(),
        );
        for sink in Sink::ALL {
            drop(self.messages_owed.get_or_create(&SinkLabels { sink: *sink }));
            for result in Handled::all() {
                let labels = MessageLabels { sink: *sink, result };
                drop(self.messages.get_or_create(&labels));
            }
        }
    }

    /// Counts what came of a delivery.
    pub(super) fn message(&self, sink: Sink, result: Handled) {
        self.messages.get_or_create(&MessageLabels { sink, result }).inc();
    }

    /// Tells how many messages are owed.
    pub(super) fn messages_owed(&self, sink: Sink, count: i64) {
        self.messages_owed.get_or_create(&SinkLabels { sink }).set(count);
    }
}
