//! The claim on a run while a turn works on it: renewed beside the turn, since a turn may ask the cluster many things in a row, each
//! of which may take as long as a request is allowed to.

use std::{
    convert::Infallible,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures::future::pending;

use crate::{
    clock::Clock,
    store::{Claim, Store},
};

/// How long a turn is kept alive that records nothing: one that hangs must lose its run to somebody who does not.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// A claim, and when it was last asked for, on the clock that never jumps.
pub(super) struct Lease {
    claim: Claim,
    times: Mutex<Times>,
}

#[derive(Clone, Copy)]
struct Times {
    asked: Duration,
    /// When something was last recorded.
    progress: Duration,
}

impl Lease {
    pub fn new(claim: Claim, claimed_at: Duration) -> Self {
        let times = Times {
            asked: claimed_at,
            progress: claimed_at,
        };
        Self {
            claim,
            times: Mutex::new(times),
        }
    }

    pub fn claim(&self) -> &Claim {
        &self.claim
    }

    /// A commit that was begun then renewed it.
    pub fn renewed(&self, begun: Duration) {
        self.change(|times| {
            times.asked = times.asked.max(begun);
            times.progress = times.progress.max(begun);
        });
    }

    /// How much of it is left for certain.
    pub fn left(&self, now: Duration) -> Duration {
        (self.times().asked + self.claim.lease).saturating_sub(now)
    }

    /// Renews it whenever half of it is over, until it is lost or the turn has recorded nothing for too long. Never returns: a
    /// turn that has lost its lease finds out when it commits.
    pub async fn keep(&self, store: &Store, clock: &dyn Clock) -> Infallible {
        let half = self.claim.lease / 2;
        loop {
            let due = self.times().asked + half;
            let now = clock.monotonic();
            if now < due {
                clock.sleep(due - now).await;
                continue;
            }
            if now.saturating_sub(self.times().progress) > PATIENCE {
                tracing::warn!("the turn has recorded nothing for too long; its lease is not renewed any more");
                return pending().await;
            }
            match store.renew(&self.claim).await {
                Ok(true) => self.change(|times| times.asked = times.asked.max(now)),
                Ok(false) => return pending().await,
                Err(error) => {
                    tracing::warn!(reason = error.reason(), error = %error, "the lease could not be renewed");
                    clock.sleep(half / 4).await;
                }
            }
        }
    }

    fn times(&self) -> Times {
        *self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Times)) {
        change(&mut self.times.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
