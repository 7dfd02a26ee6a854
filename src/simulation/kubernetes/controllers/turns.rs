//! The work queue of a controller: each object once, however often it is named, and a little later.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};

use super::latency;
use crate::simulation::kubernetes::world::{Due, Key, World};

/// What `Due::what` is for a turn.
const TURN: &str = "turn";

/// The objects that wait for their turn.
#[derive(Clone)]
pub struct Turns {
    to: &'static str,
    after: SignedDuration,
    waiting: HashSet<Key>,
}

impl Turns {
    /// Of a controller.
    pub fn new(to: &'static str) -> Self {
        Self {
            to,
            after: latency::REACTION,
            waiting: HashSet::new(),
        }
    }

    /// An object is to be looked at soon.
    pub fn ask(&mut self, world: &mut World, key: &Key) {
        if !self.waiting.contains(key) {
            self.waiting.insert(key.clone());
            world.schedule(world.now() + self.after, Due::about(self.to, TURN, key.clone()));
        }
    }

    /// An object is to be looked at then.
    pub fn ask_at(&self, world: &mut World, key: &Key, at: Timestamp) {
        world.schedule(at, Due::about(self.to, TURN, key.clone()));
    }

    /// The object whose turn has come.
    pub fn take(&mut self, due: &Due) -> Option<Key> {
        let key = due.about.clone().filter(|_| due.what == TURN)?;
        self.waiting.remove(&key);
        Some(key)
    }
}
