//! How the parts of the service are: each holds a handle and says it itself; `/readyz` and `/livez` ask here.

use std::{
    future::ready,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;

use crate::clock::Clock;

/// How a part is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Well.
    #[default]
    Ok,
    /// Somebody should look at it; it is no reason to stop.
    Warning(String),
    /// It cannot do its work.
    Failed(String),
}

/// All parts that can tell how they are, in the order in which they came. Clones are the same list.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Mutex<Vec<Part>>>);

/// A part as others see it.
#[derive(Clone)]
pub struct Part {
    /// What it is called in answers.
    pub name: &'static str,
    /// It must be well for the process to be left alone.
    vital: bool,
    ask: Arc<dyn Fn() -> BoxFuture<'static, State> + Send + Sync>,
}

/// What a part says of itself; it is well until it says otherwise.
#[derive(Clone, Debug, Default)]
pub struct Handle(Arc<Mutex<State>>);

/// What a part does each time its loop goes round.
#[derive(Clone)]
pub struct Heartbeat {
    clock: Arc<dyn Clock>,
    /// In milliseconds of the clock that never jumps.
    last: Arc<AtomicU64>,
}

impl Readiness {
    /// A part that says how it is.
    pub fn part(&self, name: &'static str) -> Handle {
        let handle = Handle::default();
        let said = handle.clone();
        self.add(name, false, move || Box::pin(ready(said.state())));
        handle
    }

    /// A part whose loop must go round: after this much silence it hangs, and the process should be started again.
    pub fn heartbeat(&self, name: &'static str, clock: Arc<dyn Clock>, limit: Duration) -> Heartbeat {
        let heartbeat = Heartbeat {
            last: Arc::new(AtomicU64::new(millis(clock.monotonic()))),
            clock,
        };
        let seen = heartbeat.clone();
        self.add(name, true, move || {
            let silence = seen.silence();
            let state = if silence < limit {
                State::Ok
            } else {
                State::Failed(format!(
                    "the {name}'s loop has not gone round for {} s",
                    silence.as_secs()
                ))
            };
            Box::pin(ready(state))
        });
        heartbeat
    }

    /// A part that is tried out whenever somebody asks.
    pub fn probe<F>(&self, name: &'static str, probe: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = State> + Send + 'static,
    {
        self.add(name, false, move || Box::pin(probe()));
    }

    fn add(
        &self,
        name: &'static str,
        vital: bool,
        ask: impl Fn() -> BoxFuture<'static, State> + Send + Sync + 'static,
    ) {
        let ask = Arc::new(ask);
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts.push(Part { name, vital, ask });
    }

    /// What must be well for posts to be sent here.
    pub fn parts(&self) -> Vec<Part> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What must be well for the process to be left alone.
    pub fn vital(&self) -> Vec<Part> {
        let mut parts = self.parts();
        parts.retain(|part| part.vital);
        parts
    }
}

impl Part {
    /// How it is now.
    pub async fn state(&self) -> State {
        (self.ask)().await
    }
}

impl Handle {
    /// It is well.
    pub fn ok(&self) {
        self.say(State::Ok);
    }

    /// Somebody should look at it.
    pub fn warn(&self, words: impl Into<String>) {
        self.say(State::Warning(words.into()));
    }

    /// It cannot do its work.
    pub fn failed(&self, words: impl Into<String>) {
        self.say(State::Failed(words.into()));
    }

    fn say(&self, state: State) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// As it last said.
    pub fn state(&self) -> State {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Heartbeat {
    /// The loop goes round.
    pub fn beat(&self) {
        self.last.store(millis(self.clock.monotonic()), Ordering::Relaxed);
    }

    /// How long ago it last did.
    fn silence(&self) -> Duration {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        self.clock.monotonic().saturating_sub(last)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::clock::ManualClock;

    async fn states(parts: Vec<Part>) -> Vec<(&'static str, State)> {
        let mut states = Vec::new();
        for part in parts {
            states.push((part.name, part.state().await));
        }
        states
    }

    #[tokio::test]
    async fn a_part_is_as_it_last_said() {
        let readiness = Readiness::default();
        let handle = readiness.part("runbooks");
        assert_eq!(states(readiness.parts()).await, [("runbooks", State::Ok)]);
        handle.warn("a file is refused");
        let warned = State::Warning("a file is refused".to_owned());
        assert_eq!(states(readiness.parts()).await, [("runbooks", warned)]);
        handle.failed("no file can be read");
        let failed = State::Failed("no file can be read".to_owned());
        assert_eq!(states(readiness.parts()).await, [("runbooks", failed)]);
        handle.ok();
        assert_eq!(states(readiness.parts()).await, [("runbooks", State::Ok)]);
        assert_eq!(states(readiness.vital()).await, []);
    }

    #[tokio::test]
    async fn a_loop_that_does_not_go_round_hangs_whatever_the_time_of_day() {
        let clock = Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH));
        let readiness = Readiness::default();
        let heartbeat = readiness.heartbeat("engine", clock.clone(), Duration::from_secs(60));
        clock.jump(SignedDuration::from_hours(1));
        clock.pass(Duration::from_secs(59));
        assert_eq!(states(readiness.vital()).await, [("engine", State::Ok)]);
        clock.pass(Duration::from_secs(2));
        let hangs = State::Failed("the engine's loop has not gone round for 61 s".to_owned());
        assert_eq!(states(readiness.vital()).await, [("engine", hangs)]);
        heartbeat.beat();
        assert_eq!(states(readiness.parts()).await, [("engine", State::Ok)]);
    }
}
