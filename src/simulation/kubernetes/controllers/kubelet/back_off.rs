//! How long a kubelet waits: before a container starts again, before an image is pulled again, and between its looks.
//!
//! A container that ends is started again at once the first time, then 10 s, 20 s, 40 s and so on after its end, up to 5 minutes.
//! But a kubelet does nothing by the clock: it looks at a pod when something has happened to it, and when it has asked for a turn.
//! After a turn that came to nothing it asks for the next one when the back-off will be over, in a minute at most, and a
//! random half of that later. What a turn came to (`CrashLoopBackOff`) shows with the *next* turn only. So a container that
//! crashes is shown as `terminated` until the back-off is over, and as waiting for a moment before it starts again; only a
//! back-off of more than a minute shows before its end.

use jiff::{SignedDuration, Timestamp};

use crate::kubernetes::controllers::latency;

/// A back-off as client-go counts it.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct BackOff {
    length: Option<SignedDuration>,
    updated: Timestamp,
}

impl BackOff {
    fn expired(&self, event: Timestamp) -> bool {
        event.duration_since(self.updated) > latency::BACK_OFF_RESET
    }

    /// Until when what happened then has to wait.
    pub(super) fn until(&self, event: Timestamp) -> Option<Timestamp> {
        self.length
            .filter(|_| !self.expired(event))
            .map(|length| event + length)
    }

    /// Whether what happened then has to wait still.
    pub(super) fn holds(&self, event: Timestamp, now: Timestamp) -> bool {
        self.until(event).is_some_and(|until| until > now)
    }

    pub(super) fn next(&mut self, event: Timestamp, now: Timestamp) {
        let (first, longest) = latency::CRASH_BACK_OFF;
        self.length = Some(match self.length {
            Some(length) if !self.expired(event) => (length * 2).min(longest),
            _ => first,
        });
        self.updated = now;
    }

    pub(super) fn length(&self) -> SignedDuration {
        self.length.unwrap_or_default()
    }
}

/// The turn that a pod's worker asks for when it wants one at a moment: the middle of what a kubelet may make of it.
pub(super) fn turn(wanted: Timestamp, now: Timestamp) -> Timestamp {
    let wait = wanted.duration_since(now).clamp(SignedDuration::ZERO, latency::RESYNC);
    now + wait * 5 / 4
}
