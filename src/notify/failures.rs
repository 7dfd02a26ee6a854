//! What a person has to mend: told once in the log, and in `/readyz` as long as it lasts.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use super::service::Failure;
use crate::{
    domain::{notify::Sink, run::Phase},
    readiness::Handle,
};

/// DeliveryFailures that were told and are not over.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFailures {
    open: Arc<Mutex<Open>>,
    /// What cannot be delivered is a warning.
    health: Handle,
}

#[derive(Debug, Default)]
struct Open {
    channels: BTreeMap<(Sink, String), (Failure, String)>,
    templates: BTreeSet<(String, Phase)>,
}

impl DeliveryFailures {
    /// None yet. Who holds the other end of the handle learns of each.
    pub fn new(health: Handle) -> Self {
        Self {
            open: Arc::default(),
            health,
        }
    }

    /// Messages in this channel are given up for this reason.
    pub(super) fn report(&self, sink: Sink, channel: &str, failure: Failure, words: &str) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let known = open
            .channels
            .insert((sink, channel.to_owned()), (failure, words.to_owned()));
        if known.is_none_or(|(known, _)| known != failure) {
            tracing::error!(
                sink = sink.as_str(),
                channel,
                reason = failure.as_str(),
                error = words,
                "messages cannot be delivered; what they told stands in the API"
            );
        }
        self.say(&open);
    }

    /// A message arrived in this channel.
    pub(super) fn over(&self, sink: Sink, channel: &str) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.channels.remove(&(sink, channel.to_owned())).is_some() {
            tracing::info!(sink = sink.as_str(), channel, "messages are delivered again");
            self.say(&open);
        }
    }

    /// A runbook's own template could not be used.
    pub(super) fn template(&self, runbook: &str, phase: Phase, problem: &str) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.templates.insert((runbook.to_owned(), phase)) {
            tracing::warn!(
                runbook,
                template = phase.as_str(),
                error = problem,
                "the runbook's template could not be used; the default stands in its place"
            );
        }
    }

    /// What is wrong now, in a line; nothing if nothing is.
    pub fn summary(&self) -> Option<String> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).summary()
    }

    fn say(&self, open: &Open) {
        match open.summary() {
            Some(summary) => self.health.warn(summary),
            None => self.health.ok(),
        }
    }
}

impl Open {
    fn summary(&self) -> Option<String> {
        let lines: Vec<String> = self
            .channels
            .iter()
            .map(|((sink, channel), (failure, words))| {
                format!("{} {channel}: {words} ({})", sink.as_str(), failure.as_str())
            })
            .collect();
        (!lines.is_empty()).then(|| lines.join("; "))
    }
}
