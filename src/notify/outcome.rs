//! What an answer means for the message: told, later, otherwise, or never.

use std::time::Duration;

use super::{
    Notifier,
    compose::Composition,
    metrics::Handled,
    scope,
    service::{DeliveryError, Failure, Kind, Service},
};
use crate::{
    domain::next::after,
    store::{Delivery, DueMessage, Posted, StoreError},
};

/// How long a service is left alone after it could not answer, doubled each time.
const FIRST_BACKOFF: Duration = Duration::from_secs(2);
const MAX_BACKOFF: Duration = Duration::from_secs(60);
/// How often in a row a message may fail in a way that may pass: about a day.
const MAX_ATTEMPTS: u32 = 1_500;

/// What was delivered, as far as its answer needs it.
pub(super) struct Sent<'a> {
    pub due: &'a DueMessage,
    pub kind: Kind,
    /// An earlier post of the same may stand there.
    pub perhaps_posted: bool,
}

impl Notifier {
    /// The metric's result, what is recorded, and whether the service has forbidden something.
    pub(super) async fn outcome(
        &self,
        service: &dyn Service,
        sent: &Sent<'_>,
        composed: Composition,
        answer: Result<Option<Posted>, DeliveryError>,
    ) -> Result<(Handled, Delivery, bool), StoreError> {
        let (sink, due, kind) = (service.sink(), sent.due, sent.kind);
        let now = self.clock.now();
        let error = match answer {
            Ok(posted) => {
                self.failures.over(sink, &sent.due.channel);
                let told = Delivery::Told {
                    told: composed.told,
                    posted: posted.filter(|_| !due.is_reply()),
                    replies: composed.replies,
                };
                return Ok((Handled::Told, told, false));
            }
            Err(error) => error,
        };
        Ok(match error {
            DeliveryError::RateLimited(wait) => {
                let until = after(now, wait);
                // A post counts in its channel first, a file by its method.
                let mut limits = service.limits(kind, &sent.due.channel);
                let (class, key) = match kind {
                    Kind::Evidence => limits.swap_remove(limits.len() - 1),
                    Kind::Post | Kind::Edit | Kind::Lookup => limits.swap_remove(0),
                };
                self.store.hold(&scope(class, &key), until).await?;
                let later = Delivery::PutOff {
                    until,
                    perhaps_posted: sent.perhaps_posted,
                    failed: false,
                };
                (Handled::RateLimited, later, true)
            }
            DeliveryError::Unavailable { detail, perhaps_taken } if due.attempts < MAX_ATTEMPTS => {
                let wait = FIRST_BACKOFF.saturating_mul(1 << due.attempts.min(5)).min(MAX_BACKOFF);
                let until = after(now, wait);
                tracing::warn!(
                    sink = sink.as_str(),
                    error = detail,
                    "a message could not be delivered; later"
                );
                self.store.hold(sink.as_str(), until).await?;
                let later = Delivery::PutOff {
                    until,
                    perhaps_posted: perhaps_taken || sent.perhaps_posted,
                    failed: true,
                };
                (Handled::Unavailable, later, true)
            }
            DeliveryError::Unavailable { detail, .. } => self.give_up(service, sent, Failure::Rejected, &detail),
            DeliveryError::Gone(_) if !due.renewed && !due.is_reply() => (Handled::Renewed, Delivery::Renew, false),
            DeliveryError::Gone(code) => self.give_up(service, sent, Failure::MessageGone, &code),
            DeliveryError::Content(words) if !due.plain => {
                tracing::warn!(
                    sink = sink.as_str(),
                    message = due.id,
                    error = words,
                    "the message is told without blocks"
                );
                (Handled::Refused, Delivery::Plain, false)
            }
            DeliveryError::Content(words) => self.give_up(service, sent, Failure::ContentRefused, &words),
            // Without the right to upload, evidence is shown as far as it fits.
            DeliveryError::Refused { words, .. } if kind == Kind::Evidence && !due.plain => {
                tracing::warn!(sink = sink.as_str(), error = words, "evidence is shown without a file");
                (Handled::Refused, Delivery::Plain, false)
            }
            DeliveryError::Refused { failure, words } => self.give_up(service, sent, failure, &words),
        })
    }

    fn give_up(
        &self,
        service: &dyn Service,
        sent: &Sent<'_>,
        failure: Failure,
        words: &str,
    ) -> (Handled, Delivery, bool) {
        self.failures.report(service.sink(), &sent.due.channel, failure, words);
        let never = Delivery::GivenUp {
            failure: failure.as_str(),
        };
        (Handled::GivenUp(failure), never, false)
    }
}
