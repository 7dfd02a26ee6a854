//! Time as a port: the engine and the store never read a clock of their own.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// Where time comes from.
pub trait Clock: Send + Sync {
    /// The time of day.
    fn now(&self) -> Timestamp;

    /// Time that never jumps, since some fixed moment: what is left of a lease is counted in it.
    fn monotonic(&self) -> Duration;

    /// Resolves after so long.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// Starts counting.
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// A clock that stands until it is moved, for tests and simulations. Whoever sleeps on it wakes when it has gone that far.
#[derive(Debug)]
pub struct ManualClock {
    begin: Timestamp,
    passed: watch::Sender<Duration>,
    /// How far the time of day is from where it would be if it had never been set.
    jumped: Mutex<SignedDuration>,
    /// When each sleeper wakes, by the number that it has.
    sleepers: Arc<Mutex<BTreeMap<u64, Duration>>>,
    next: AtomicU64,
}

/// One who sleeps; no longer when this is dropped.
struct Sleeper {
    number: u64,
    sleepers: Arc<Mutex<BTreeMap<u64, Duration>>>,
}

impl ManualClock {
    /// Stands at this moment.
    pub fn at(now: Timestamp) -> Self {
        Self {
            begin: now,
            passed: watch::Sender::new(Duration::ZERO),
            jumped: Mutex::new(SignedDuration::ZERO),
            sleepers: Arc::default(),
            next: AtomicU64::new(0),
        }
    }

    /// Time passes, and both clocks show it.
    pub fn pass(&self, duration: Duration) {
        self.passed.send_modify(|passed| *passed += duration);
    }

    /// The time of day is set, forward or back; the other clock does not know of it, and nobody wakes.
    pub fn jump(&self, by: SignedDuration) {
        *self.jumped.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }

    /// The time of day when so much has passed.
    fn after(&self, passed: Duration) -> Timestamp {
        let jumped = *self.jumped.lock().unwrap_or_else(PoisonError::into_inner);
        self.begin + passed + jumped
    }

    /// When the first sleeper wakes, if anybody sleeps.
    pub fn wakes(&self) -> Option<Timestamp> {
        let sleepers = self.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        sleepers.values().min().map(|until| self.after(*until))
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let mut sleepers = self.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        sleepers.remove(&self.number);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.after(*self.passed.borrow())
    }

    fn monotonic(&self) -> Duration {
        *self.passed.borrow()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let until = self.monotonic().saturating_add(duration);
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut sleepers = self.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        sleepers.insert(number, until);
        let sleeper = Sleeper {
            number,
            sleepers: Arc::clone(&self.sleepers),
        };
        let mut passed = self.passed.subscribe();
        Box::pin(async move {
            let _asleep = sleeper;
            // A clock that is gone will not go on: whoever sleeps on it sleeps for ever.
            if passed.wait_for(|passed| *passed >= until).await.is_err() {
                futures::future::pending::<()>().await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn sleepers_of_a_clock_that_stands_wake_when_it_has_gone_far_enough() {
        let begin = Timestamp::UNIX_EPOCH;
        let clock = ManualClock::at(begin);
        let (mut short, mut long) = (clock.sleep(Duration::from_secs(1)), clock.sleep(Duration::from_secs(5)));
        assert_eq!(clock.wakes(), Some(begin + Duration::from_secs(1)));
        clock.pass(Duration::from_secs(1));
        assert!((&mut short).now_or_never().is_some());
        assert!((&mut long).now_or_never().is_none());
        drop(short);
        assert_eq!(clock.wakes(), Some(begin + Duration::from_secs(5)));
        drop(long);
        assert_eq!(clock.wakes(), None);
    }

    #[test]
    fn when_the_time_of_day_is_set_nobody_wakes_sooner_or_later() {
        let begin: Timestamp = "2026-03-01T03:00:00Z".parse().expect("a time");
        let clock = ManualClock::at(begin);
        let mut sleeper = clock.sleep(Duration::from_secs(10));
        for (hours, now) in [(2, "2026-03-01T05:00:04Z"), (-5, "2026-03-01T00:00:08Z")] {
            clock.jump(SignedDuration::from_hours(hours));
            clock.pass(Duration::from_secs(4));
            assert_eq!(clock.now().to_string(), now);
            assert!((&mut sleeper).now_or_never().is_none());
        }
        assert_eq!(clock.monotonic(), Duration::from_secs(8));
        assert_eq!(clock.wakes(), Some(clock.now() + Duration::from_secs(2)));
        clock.pass(Duration::from_secs(2));
        assert!(sleeper.now_or_never().is_some());
    }
}
