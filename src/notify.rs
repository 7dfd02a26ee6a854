//! Messages: from the outbox to Slack, Teams and other receivers.
//!
//! ```text
//! engine ─► store: journal and outbox, one transaction ─► Notifier: due? allowed? claimed? ─► message ─► service
//!                              ▲                                                                     │
//!                              └──────────── told, put off, given up, and what is held ◄─────────────┘
//! ```
//!
//! What a message says is made of the journal when it is delivered, so whatever waited is told in its newest state. Each
//! service has a task of its own; none of them is ever waited for by a run. A first post whose answer is lost is looked for,
//! and where nothing can be looked for, it may stand there twice and says so.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    domain::next::after,
    limit::{Class, Limits},
    runbooks::registry::Registry,
    store::{About, Delivery, DueMessage, MessageClaim, Posted, Store, StoreError},
};

mod compose;
mod evidence;
pub mod example;
mod failures;
mod incoming;
mod message;
mod metrics;
mod outcome;
mod service;
mod slack;
mod teams;
mod text;
mod view;
mod webhook;

pub use failures::DeliveryFailures;
pub use incoming::IncomingWebhook;
pub use message::Composer;
pub use metrics::Metrics;
pub use service::{Failure, Service};
pub use slack::Slack;
pub use teams::Teams;
pub use webhook::{Address, Webhook, sign};

use metrics::Handled;
use outcome::Sent;
use service::{DeliveryError, Kind, Lost};

/// The most messages that are taken at a time.
const BATCH: usize = 64;
/// The longest sleep: whatever is missed is found after it.
const POLL_INTERVAL: Duration = Duration::from_secs(30);
/// A claim outlasts a delivery: at most four calls, each with its own timeout.
const LEASE: Duration = Duration::from_secs(60);

/// What delivers the messages.
#[derive(Clone)]
pub struct Notifier {
    /// The outbox.
    pub store: Store,
    /// The runbooks, for their templates.
    pub registry: Registry,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// What is counted.
    pub metrics: Metrics,
    /// How often services may be called.
    pub limits: Limits,
    /// What makes messages of runs.
    pub composer: Composer,
    /// What a person has to mend.
    pub failures: DeliveryFailures,
    /// A name for this process, for the leases.
    pub owner: String,
}

impl Notifier {
    /// Delivers to one service until `stop`. `owed` changes when there may be something to deliver.
    pub async fn run(self, service: Arc<dyn Service>, mut owed: watch::Receiver<()>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let next = match self.deliver_due(&*service).await {
                Ok(next) => next,
                Err(error) => {
                    tracing::error!(reason = error.reason(), error = %error, "messages could not be looked up");
                    None
                }
            };
            let now = self.clock.now();
            let sleep = next.map_or(POLL_INTERVAL, |next| {
                Duration::try_from(next.duration_since(now))
                    .unwrap_or_default()
                    .min(POLL_INTERVAL)
            });
            tokio::select! {
                () = stop.cancelled() => {}
                Ok(()) = owed.changed() => {}
                () = self.clock.sleep(sleep) => {}
            }
        }
    }

    /// Delivers what is due and allowed now. When to look again, if anything is left.
    pub async fn deliver_due(&self, service: &dyn Service) -> Result<Option<Timestamp>, StoreError> {
        let sink = service.sink();
        if service.is_for_people() {
            self.store.gather_digests(sink).await?;
        }
        let mut holds = self.store.holds().await?;
        let mut next: Option<Timestamp> = None;
        for due in self.store.due_messages(sink, BATCH).await? {
            let kind = self.kind(service, &due);
            if let Some(until) = self.wait_for(service, kind, &due.channel, &holds) {
                next = Some(next.map_or(until, |next| next.min(until)));
                continue;
            }
            let Some(claim) = self.store.claim_message(&due, &self.owner, LEASE).await? else {
                continue;
            };
            failpoint!(MessageAfterClaim);
            if self.deliver(service, &due, &claim, kind).await? {
                holds = self.store.holds().await?;
            }
        }
        self.metrics.messages_owed(sink, self.store.owed_messages(sink).await?);
        let soonest = self.store.next_message_due(sink).await?;
        let now = self.clock.now();
        // What is due already waits for what `next` says.
        let later = soonest.filter(|due| *due > now || next.is_none());
        self.limits.forget();
        Ok(match (next, later) {
            (Some(next), Some(later)) => Some(next.min(later)),
            (next, later) => next.or(later),
        })
    }

    /// What delivering it will be.
    fn kind(&self, service: &dyn Service, due: &DueMessage) -> Kind {
        match &due.about {
            About::Run(_) | About::Digest if due.posted.is_some() && service.can_edit() => Kind::Edit,
            About::Run(_) | About::Digest | About::Mention { .. } => Kind::Post,
            About::Evidence { .. } => Kind::Evidence,
        }
    }

    /// Until when this must wait, if it must: for what the service forbade, else for what we allow ourselves.
    fn wait_for(
        &self,
        service: &dyn Service,
        kind: Kind,
        channel: &str,
        holds: &[(String, Timestamp)],
    ) -> Option<Timestamp> {
        let limits = service.limits(kind, channel);
        let names: Vec<String> = limits
            .iter()
            .map(|(class, key)| scope(*class, key))
            .chain([service.sink().as_str().to_owned()])
            .collect();
        let now = self.clock.now();
        let held = holds
            .iter()
            .filter(|(held, until)| names.contains(held) && *until > now)
            .map(|(_, until)| *until)
            .max();
        if held.is_some() {
            return held;
        }
        limits
            .iter()
            .find_map(|(class, key)| self.limits.take(*class, key).err())
            .map(|wait| after(now, wait))
    }

    /// Delivers one message and records what came of it. Whether the service has forbidden something.
    async fn deliver(
        &self,
        service: &dyn Service,
        due: &DueMessage,
        claim: &MessageClaim,
        kind: Kind,
    ) -> Result<bool, StoreError> {
        let mut due = due.clone();
        let mut perhaps_twice = false;
        if let (Some(since), false) = (due.posting, kind == Kind::Edit) {
            match self.look_for(service, &due, since).await {
                Ok(Some(posted)) => {
                    let found = Delivery::Told {
                        told: if due.posted.is_some() { due.wanted } else { 0 },
                        posted: due.posted.is_none().then_some(posted),
                        replies: Vec::new(),
                    };
                    self.record(service, claim, &due, Handled::Found, &found).await?;
                    return Ok(false);
                }
                Ok(None) => {}
                Err(DeliveryError::RateLimited(wait)) => {
                    self.forbid(Class::SlackLookups, "", wait).await?;
                    let later = Delivery::PutOff {
                        until: after(self.clock.now(), wait),
                        perhaps_posted: true,
                        failed: false,
                    };
                    self.record(service, claim, &due, Handled::RateLimited, &later).await?;
                    return Ok(true);
                }
                Err(_) => perhaps_twice = true,
            }
        }
        if !service.can_edit() {
            due.posted = None;
        }
        let Some(composed) = self.compose(service, &due, perhaps_twice).await? else {
            let nothing = Delivery::Told {
                told: due.wanted,
                posted: None,
                replies: Vec::new(),
            };
            self.record(service, claim, &due, Handled::NothingToTell, &nothing)
                .await?;
            return Ok(false);
        };
        failpoint!(MessageBeforeSend);
        let answer = service.deliver(&composed.call).await;
        failpoint!(MessageAfterSend);
        let sent = Sent {
            due: &due,
            kind,
            perhaps_posted: perhaps_twice,
        };
        let (result, delivery, forbidden) = self.outcome(service, &sent, composed, answer).await?;
        self.record(service, claim, &due, result, &delivery).await?;
        failpoint!(MessageAfterRecord);
        Ok(forbidden)
    }

    async fn look_for(
        &self,
        service: &dyn Service,
        due: &DueMessage,
        since: Timestamp,
    ) -> Result<Option<Posted>, DeliveryError> {
        let known = match &due.posted {
            Some(parent) => Some(parent.channel.clone()),
            None => self
                .store
                .channel_id(service.sink(), &due.channel)
                .await
                .unwrap_or_default(),
        };
        let lost = Lost {
            id: due.id.clone(),
            channel: known.unwrap_or_else(|| due.channel.clone()),
            thread: due.posted.as_ref().map(|parent| parent.ts.clone()),
            since,
        };
        service.find(&lost).await
    }

    async fn record(
        &self,
        service: &dyn Service,
        claim: &MessageClaim,
        due: &DueMessage,
        result: Handled,
        delivery: &Delivery,
    ) -> Result<(), StoreError> {
        self.metrics.message(service.sink(), result);
        tracing::debug!(
            message = due.id,
            sink = service.sink().as_str(),
            result = result.as_str(),
            "a message was handled"
        );
        self.store.record_delivery(claim, service.sink(), delivery).await
    }

    /// Keeps what a service forbade, over restarts.
    async fn forbid(&self, class: Class, key: &str, wait: Duration) -> Result<(), StoreError> {
        let until = after(self.clock.now(), wait);
        self.store.hold(&scope(class, key), until).await
    }
}

/// The name of a hold.
fn scope(class: Class, key: &str) -> String {
    format!("{} {key}", class.as_str()).trim_end().to_owned()
}

#[cfg(test)]
mod tests;
