//! The claim on a run while it is worked on: renewed meanwhile, since the cluster may be asked many things in a row, each
//! of which may take as long as a request is allowed to.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{
    clock::Clock,
    store::{Claim, Store},
};

/// How long a claim is renewed while nothing is recorded: whoever hangs must lose the run to somebody who does not.
const MAX_STALL: Duration = Duration::from_secs(5 * 60);

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

    /// Renews it whenever half of it is over; returns when it is lost, or when nothing was recorded for too long. Whoever
    /// has lost the lease finds out when it commits.
    pub async fn keep(&self, store: &Store, clock: &dyn Clock) {
        let half = self.claim.lease / 2;
        loop {
            let due = self.times().asked + half;
            let now = clock.monotonic();
            if now < due {
                clock.sleep(due - now).await;
                continue;
            }
            if now.saturating_sub(self.times().progress) > MAX_STALL {
                tracing::warn!("nothing was recorded of the run for too long; its lease is not renewed any more");
                return;
            }
            match store.renew(&self.claim).await {
                Ok(true) => self.change(|times| times.asked = times.asked.max(now)),
                Ok(false) => return,
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{domain::runbook::Mode, store::contract::World};

    /// Keeps a claim up for so many steps of ten seconds, in each of which the turn `records` something or not; after how many of
    /// them it is not kept up any more, if that happens, and whether another process could claim the run then.
    async fn kept(steps: u64, records: bool) -> (Option<u64>, bool) {
        let world = World::new().await;
        world.open_run("a", Mode::Enforce).await;
        let claimed = world.claim().await;
        let lease = Lease::new(claimed.claim, world.clock.monotonic());
        let passed = std::cell::Cell::new(0);
        let story = async {
            while passed.get() < steps {
                world.pass(10);
                passed.set(passed.get() + 1);
                if records {
                    assert!(world.store.renew(lease.claim()).await.unwrap());
                    lease.renewed(world.clock.monotonic());
                }
                // Whoever keeps it up is done when it sleeps.
                while world.clock.wakes().is_none_or(|wakes| wakes <= world.clock.now()) {
                    tokio::task::yield_now().await;
                }
            }
        };
        let lost = tokio::select! {
            biased;
            () = lease.keep(&world.store, &*world.clock) => Some(passed.get()),
            () = story => None,
        };
        world.pass(if lost.is_some() { 60 } else { 0 });
        let claims = world.store.claim("other", Duration::from_secs(30), 1).await.unwrap();
        (lost, !claims.is_empty())
    }

    #[tokio::test]
    async fn a_turn_that_takes_longer_than_its_lease_keeps_the_run() {
        assert_eq!(kept(12, false).await, (None, false));
    }

    #[tokio::test]
    async fn a_turn_that_records_nothing_for_five_minutes_loses_it() {
        let (lost, free) = kept(60, false).await;
        assert!(free && lost.is_some_and(|steps| (30..=33).contains(&steps)), "{lost:?}");
        assert_eq!(kept(60, true).await, (None, false));
    }
}
