//! What goes wrong between a client and the API server, by rule.
//!
//! ```text
//! Rule::once(Fault::AnswerLost).on(Calls::of("pods/eviction").within("shop"))
//! ```
//!
//! [`Simulation::faults`](super::Simulation::faults) has the rules of a cluster; they hold for everybody who speaks with it.
//! A rule says which [`Calls`] a [`Fault`] befalls and how often; where several befall a call, the first that was made
//! does. Whatever takes time takes simulated time: a request that is on its way arrives when
//! [`Simulation::advance`](super::Simulation::advance) comes to that moment, whether or not its caller still waits.
//!
//! [`Faults::stop`] is for whoever dies: from the n-th call on nobody is answered any more.

mod calls;
mod failure;
mod stop;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::SignedDuration;

pub use calls::Calls;
pub use failure::Failure;
pub use stop::{Stop, Stopped};

use super::{request::Call, resources::ResourceId, world::World};
use crate::{
    holds::Holds,
    rules::{self, Rules},
};

/// What goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// The request is on its way for so long, and then the answer. A caller who gives up meanwhile changes nothing.
    Latency {
        /// Until it is carried out.
        request: SignedDuration,
        /// From then until it is answered.
        answer: SignedDuration,
    },
    /// It is not carried out, and this is the answer.
    Refused(Failure),
    /// It is carried out, and this is the answer nevertheless.
    Failed(Failure),
    /// The connection is cut before the call has an effect.
    Cut,
    /// The call has its effect, and the connection is cut before the answer.
    AnswerLost,
    /// The connection is cut at once; the request was on its way, and is carried out so much later.
    DeliveredLate(SignedDuration),
    /// The call has its effect, and the connection breaks in the middle of the answer. A watch breaks in the middle of
    /// the first event that it has to tell.
    BrokenOff,
    /// A watch whose connection is cut after so much time.
    WatchCut(SignedDuration),
    /// A watch that tells nothing, not even a bookmark, until somebody lists the resource; then it tells everything late.
    Withheld,
    /// A read that is answered as it was so long ago, as a watch cache does that lags behind; a watch goes on to lag. The
    /// real one reads from its cache for `resourceVersion=0`, for versions that it must not be older than, and for every
    /// watch; [`Calls::with`] tells these from the others.
    Stale(SignedDuration),
    /// The call waits, without effect, until it is released; then it is carried out. A client that goes away first has
    /// had no effect.
    Held,
    /// The call has its effect at once; its answer waits until it is released.
    AnswerHeld,
}

/// A fault, and the calls it befalls.
pub type Rule = rules::Rule<Fault, Calls>;

impl Rule {
    /// Only these calls.
    pub fn on(mut self, calls: Calls) -> Self {
        self.calls = calls;
        self
    }
}

/// The rules of a cluster, in the order in which they were made, and the calls that wait.
pub struct Faults {
    rules: Rules<Fault, Calls>,
    holds: Holds,
    stop: Mutex<Option<Arc<stop::State>>>,
    /// How often each resource was listed of which a watch withholds something: that is what it waits for.
    lists: Mutex<BTreeMap<ResourceId, u64>>,
}

/// What is done with a call.
pub(super) enum Befallen {
    /// This, or nothing.
    Fault(Option<Fault>),
    /// Nobody is answered any more.
    Stopped(Arc<stop::State>, Stop),
}

impl Faults {
    pub(super) fn new() -> Self {
        Self {
            rules: Rules::new(),
            holds: Holds::new(),
            stop: Mutex::new(None),
            lists: Mutex::new(BTreeMap::new()),
        }
    }

    /// Adds a rule.
    pub fn add(&self, rule: Rule) {
        self.rules.add(rule);
    }

    /// Nothing goes wrong from now on; what has gone wrong already stays so, and calls that wait still do.
    pub fn clear(&self) {
        self.rules.clear();
    }

    /// The calls that wait go on.
    pub fn release(&self) {
        self.holds.release();
    }

    /// Returns when so many calls wait at once.
    pub async fn until_held(&self, count: usize) {
        self.holds.until_held(count).await;
    }

    /// Returns when no call waits any more: each was released, or its client has gone.
    pub async fn until_none_held(&self) {
        self.holds.until_none_held().await;
    }

    /// Stops at the n-th of these calls from now, counted from one: it takes effect or not, and neither it nor any call
    /// after it is answered until the handle is dropped. Later calls have no effect.
    ///
    /// What a client sees whose process dies at this call: wait for [`Stopped::reached`], drop the client, drop the handle.
    pub fn stop(&self, calls: Calls, nth: u32, when: Stop) -> Stopped<'_> {
        let state = Arc::new(stop::State::new(calls, nth, when));
        *self.stop.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&state));
        Stopped::new(self, state)
    }

    /// What befalls a call.
    pub(super) fn befall(&self, call: &Call, world: &mut World) -> Befallen {
        let stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(state) = stop
            && let Some(when) = state.stops(call, world)
        {
            return Befallen::Stopped(state, when);
        }
        Befallen::Fault(self.rules.befall(|calls| calls.include(call, world)))
    }

    /// Waits for the next release.
    pub(super) async fn hold(&self) {
        self.holds.hold().await;
    }

    /// A watch withholds what happens to a resource until the number of its lists is another one than this.
    pub(super) fn withhold(&self, resource: ResourceId) -> u64 {
        *self.lists().entry(resource).or_default()
    }

    /// Somebody has listed a resource. Returns whether a watch may have waited for it.
    pub(super) fn listed(&self, resource: ResourceId) -> bool {
        self.lists().get_mut(&resource).map(|count| *count += 1).is_some()
    }

    /// How often a resource was listed.
    pub(super) fn lists_of(&self, resource: ResourceId) -> u64 {
        self.lists().get(&resource).copied().unwrap_or_default()
    }

    fn lists(&self) -> MutexGuard<'_, BTreeMap<ResourceId, u64>> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn go_on(&self, state: &Arc<stop::State>) {
        let mut stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner);
        if stop.as_ref().is_some_and(|other| Arc::ptr_eq(other, state)) {
            *stop = None;
        }
    }
}
