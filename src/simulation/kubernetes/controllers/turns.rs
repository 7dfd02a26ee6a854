//! The work queue of a controller: each object once, however often it is named, and a little later.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::latency;
use crate::kubernetes::world::{Due, Key, World};

/// What `Due::what` is for a turn.
const TURN: &str = "turn";
/// The same for a turn that was asked for long before.
const LATER: &str = "later";

/// The objects that wait for their turn.
#[derive(Clone)]
pub struct Turns {
    to: &'static str,
    after: SignedDuration,
    waiting: HashSet<Key>,
    /// Those that have a turn at a moment: the soonest that was asked for, as a delaying queue has it.
    later: HashMap<Key, Timestamp>,
}

impl Turns {
    /// Of a controller.
    pub fn new(to: &'static str) -> Self {
        Self {
            to,
            after: latency::REACTION,
            waiting: HashSet::new(),
            later: HashMap::new(),
        }
    }

    /// An object is to be looked at soon.
    pub fn ask(&mut self, world: &mut World, key: &Key) {
        if !self.waiting.contains(key) {
            self.waiting.insert(key.clone());
            world.schedule(world.now() + self.after, Due::about(self.to, TURN, key.clone()));
        }
    }

    /// An object is to be looked at then, if not sooner.
    pub fn ask_at(&mut self, world: &mut World, key: &Key, at: Timestamp) {
        if self.later.get(key).is_some_and(|soonest| *soonest <= at) {
            return;
        }
        self.later.insert(key.clone(), at);
        let due = Due {
            number: number(at),
            ..Due::about(self.to, LATER, key.clone())
        };
        world.schedule(at, due);
    }

    /// The object whose turn has come.
    pub fn take(&mut self, due: &Due) -> Option<Key> {
        let key = due.about.clone()?;
        match due.what {
            TURN => self.waiting.remove(&key),
            LATER if self.later.get(&key).map(|at| number(*at)) == Some(due.number) => {
                self.later.remove(&key).is_some()
            }
            _ => return None,
        };
        Some(key)
    }
}

/// A moment, as something on the queue carries it.
fn number(at: Timestamp) -> u64 {
    at.as_microsecond().unsigned_abs()
}
