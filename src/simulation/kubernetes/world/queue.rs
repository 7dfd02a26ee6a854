//! What is to happen, and when.

use std::{cmp::Reverse, collections::BinaryHeap};

use jiff::Timestamp;

use super::object::Key;

/// Something that has come due. Who put it there says what it means.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// The name of the controller that is told.
    pub to: &'static str,
    /// What is to be done.
    pub what: &'static str,
    /// About which object.
    pub about: Option<Key>,
    /// A number: a generation, a restart count, whatever shows whether it still holds.
    pub number: u64,
}

impl Due {
    /// Something about an object.
    pub fn about(to: &'static str, what: &'static str, key: Key) -> Self {
        Self {
            to,
            what,
            about: Some(key),
            number: 0,
        }
    }
}

/// Ordered by time, then by who came first.
#[derive(Clone, Default)]
pub(super) struct Queue {
    waiting: BinaryHeap<Reverse<(Timestamp, u64, Due)>>,
    sequence: u64,
}

impl Queue {
    pub(super) fn push(&mut self, at: Timestamp, due: Due) {
        self.sequence += 1;
        self.waiting.push(Reverse((at, self.sequence, due)));
    }

    /// The next one that is due by then.
    pub(super) fn pop(&mut self, until: Timestamp) -> Option<(Timestamp, Due)> {
        let Reverse((at, ..)) = self.waiting.peek()?;
        if *at > until {
            return None;
        }
        let Reverse((at, _, due)) = self.waiting.pop()?;
        Some((at, due))
    }
}
