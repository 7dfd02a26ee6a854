//! How often a service may be called: token buckets, each below what the service documents. The one user of governor.
//!
//! They forget at a restart; what a service itself has forbidden is kept in the store. They never limit healing.

use std::{fmt, num::NonZeroU32, sync::Arc, time::Duration};

use governor::{Quota, RateLimiter, clock, middleware::NoOpMiddleware, state::keyed::HashMapStateStore};

use crate::clock::Clock;

/// What is limited. Its words name a hold in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// `chat.postMessage` in one channel: Slack allows one a second.
    SlackChannel,
    /// `chat.postMessage` in all channels: Slack says that there is a limit, and not which.
    SlackPosts,
    /// `chat.update`: tier 3, 50 a minute.
    SlackUpdates,
    /// Calls that share a file: tier 4, 100 a minute.
    SlackFiles,
    /// Looking for a message whose answer was lost: tier 3.
    SlackLookups,
    /// An incoming webhook of Slack: one a second.
    SlackWebhook,
    /// A Teams Workflow: four a second.
    Teams,
    /// Any receiver of JSON.
    Webhook,
}

impl Class {
    const ALL: [Self; 8] = [
        Self::SlackChannel,
        Self::SlackPosts,
        Self::SlackUpdates,
        Self::SlackFiles,
        Self::SlackLookups,
        Self::SlackWebhook,
        Self::Teams,
        Self::Webhook,
    ];

    /// The word in the store and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SlackChannel => "slack channel",
            Self::SlackPosts => "slack chat.postMessage",
            Self::SlackUpdates => "slack chat.update",
            Self::SlackFiles => "slack files",
            Self::SlackLookups => "slack conversations",
            Self::SlackWebhook => "slack webhook",
            Self::Teams => "teams",
            Self::Webhook => "webhook",
        }
    }

    /// One call in so long, and how many at once: over any minute, burst and flow together stay below the service's limit.
    fn quota(self) -> (Duration, u32) {
        let (millis, burst) = match self {
            Self::SlackChannel | Self::SlackWebhook => (1_050, 1),
            Self::SlackPosts => (500, 5),
            Self::SlackUpdates => (1_400, 5),
            Self::SlackFiles => (1_000, 5),
            Self::SlackLookups => (2_000, 5),
            Self::Teams => (500, 1),
            Self::Webhook => (50, 10),
        };
        (Duration::from_millis(millis), burst)
    }
}

/// All buckets.
#[derive(Clone)]
pub struct Limits(Arc<Vec<Bucket>>);

type Bucket = RateLimiter<String, HashMapStateStore<String>, Time, NoOpMiddleware<Duration>>;

/// Our clock, as governor wants one.
#[derive(Clone)]
struct Time(Arc<dyn Clock>);

impl clock::Clock for Time {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.monotonic()
    }
}

impl Limits {
    /// Full buckets.
    pub fn new(clock: &Arc<dyn Clock>) -> Self {
        let bucket = |class: Class| {
            let (period, burst) = class.quota();
            let quota = Quota::with_period(period)
                .expect("no period is zero")
                .allow_burst(NonZeroU32::new(burst).expect("no burst is zero"));
            RateLimiter::new(quota, HashMapStateStore::default(), Time(clock.clone()))
        };
        Self(Arc::new(Class::ALL.into_iter().map(bucket).collect()))
    }

    /// Takes a token for a call; or tells in how long there is one.
    pub fn take(&self, class: Class, key: &str) -> Result<(), Duration> {
        let bucket = &self.0[class as usize];
        bucket
            .check_key(&key.to_owned())
            .map_err(|until| until.wait_time_from(clock::Clock::now(bucket.clock())))
    }

    /// Lets go of channels that have not been written to for long.
    pub fn forget(&self) {
        for bucket in self.0.iter() {
            bucket.retain_recent();
        }
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn no_minute_has_more_calls_than_the_service_allows() {
        // Slack's and Teams' own numbers, by class; where none is documented, ours.
        let allowed = [60, 200, 50, 100, 50, 60, 240, 1_300];
        for (class, allowed) in Class::ALL.into_iter().zip(allowed) {
            let hand = Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH));
            let clock: Arc<dyn Clock> = hand.clone();
            let limits = Limits::new(&clock);
            let mut taken = Vec::new();
            for tick in 0..2_400_u64 {
                while limits.take(class, "a").is_ok() {
                    taken.push(tick);
                }
                hand.pass(Duration::from_millis(50));
            }
            let busiest = taken
                .iter()
                .map(|from| taken.iter().filter(|at| (*from..from + 1_200).contains(*at)).count())
                .max();
            let busiest = busiest.unwrap_or_default();
            assert!(busiest <= allowed, "{class:?}: {busiest} in a minute");
            assert!(busiest * 5 >= allowed * 2, "{class:?}: only {busiest} in a minute");
        }
    }

    #[test]
    fn who_has_to_wait_is_told_how_long() {
        let hand = Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH));
        let clock: Arc<dyn Clock> = hand.clone();
        let limits = Limits::new(&clock);
        assert_eq!(limits.take(Class::SlackChannel, "#a"), Ok(()));
        assert_eq!(limits.take(Class::SlackChannel, "#b"), Ok(()));
        let wait = limits.take(Class::SlackChannel, "#a").expect_err("there was one token");
        hand.pass(wait);
        assert_eq!(limits.take(Class::SlackChannel, "#a"), Ok(()));
    }
}
