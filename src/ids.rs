//! Ids that grow with time: UUIDv7 from the injected clock and a seeded source, so that a replayed story has the same ids.

use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use crate::{
    clock::Clock,
    domain::run::{EpisodeId, RunId},
};

/// The source of ids.
pub struct Ids {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    seed: [u8; 32],
    millis: u64,
    counter: u64,
}

impl Ids {
    /// A source that cannot be guessed.
    pub fn random(clock: Arc<dyn Clock>) -> Self {
        let mut seed = [0; 32];
        seed[..16].copy_from_slice(Uuid::new_v4().as_bytes());
        seed[16..].copy_from_slice(Uuid::new_v4().as_bytes());
        Self::seeded(clock, seed)
    }

    /// A source that yields the same ids for the same seed and times.
    pub fn seeded(clock: Arc<dyn Clock>, seed: [u8; 32]) -> Self {
        Self {
            clock,
            state: Mutex::new(State {
                seed,
                millis: 0,
                counter: 0,
            }),
        }
    }

    /// An id for a run.
    pub fn run(&self) -> RunId {
        RunId(self.next())
    }

    /// An id for an episode.
    pub fn episode(&self) -> EpisodeId {
        EpisodeId(self.next())
    }

    /// A new id, greater than every earlier one of this source, also within a millisecond and when the clock goes back.
    pub fn next(&self) -> Uuid {
        let now = u64::try_from(self.clock.now().as_millisecond()).unwrap_or_default();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now > state.millis {
            state.millis = now;
            state.counter = 0;
        } else {
            state.counter += 1;
        }
        let mut hash = Sha256::new();
        hash.update(state.seed);
        hash.update(state.millis.to_be_bytes());
        hash.update(state.counter.to_be_bytes());
        let mut tail = [0; 10];
        tail.copy_from_slice(&hash.finalize()[..10]);
        // The 26 bits behind the millisecond that the version leaves free count within it; the rest cannot be guessed.
        let counter = u32::try_from(state.counter & 0x03ff_ffff).unwrap_or_default();
        tail[0] = (counter >> 22) as u8 & 0x0f;
        tail[1] = (counter >> 14) as u8;
        tail[2] = (counter >> 8) as u8 & 0x3f;
        tail[3] = counter as u8;
        Builder::from_unix_timestamp_millis(state.millis, &tail).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn ids_grow_within_a_millisecond() {
        let ids = Ids::random(Arc::new(SystemClock::new()));
        let made: Vec<_> = (0..100_000).map(|_| ids.next()).collect();
        assert!(made.is_sorted_by(|a, b| a < b));
    }
}
