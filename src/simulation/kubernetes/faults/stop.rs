//! The end of a client's process, as its calls see it.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Calls, Faults};
use crate::{
    holds::Holds,
    kubernetes::{request::Call, world::World},
};

/// Whether the last call takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It does not.
    BeforeEffect,
    /// It does, and is not answered.
    AfterEffect,
}

/// Where it is to stop, and who waits since.
pub(in super::super) struct State {
    calls: Calls,
    when: Stop,
    /// Calls that go before; none left: it has stopped.
    left: Mutex<u32>,
    holds: Holds,
}

/// Nobody is answered from some call on, as long as this lives.
#[must_use = "everybody is answered again when this is dropped"]
pub struct Stopped<'a> {
    faults: &'a Faults,
    state: Arc<State>,
}

impl State {
    pub(super) fn new(calls: Calls, nth: u32, when: Stop) -> Self {
        Self {
            calls,
            when,
            left: Mutex::new(nth.max(1)),
            holds: Holds::new(),
        }
    }

    /// Whether it stops at this call, and how.
    pub(super) fn stops(&self, call: &Call, world: &mut World) -> Option<Stop> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if *left == 0 {
            return Some(Stop::BeforeEffect);
        }
        if !self.calls.include(call, world) {
            return None;
        }
        *left -= 1;
        (*left == 0).then_some(self.when)
    }

    /// Waits until it goes on.
    pub(in super::super) async fn hold(&self) {
        self.holds.hold().await;
    }
}

impl<'a> Stopped<'a> {
    pub(super) fn new(faults: &'a Faults, state: Arc<State>) -> Self {
        Self { faults, state }
    }

    /// Returns when it has stopped: the call has taken effect, if it is to.
    pub async fn reached(&self) {
        self.state.holds.until_held(1).await;
    }

    /// Whether it has stopped.
    pub fn is_reached(&self) -> bool {
        *self.state.left.lock().unwrap_or_else(PoisonError::into_inner) == 0
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.faults.go_on(&self.state);
        self.state.holds.release();
    }
}
