//! What keeps a run from doing harm, as parts: the guards, the check of the lease, and the one piece that sends. The product has one
//! set of them ([`Safeguards::of`]); a test assembles the service with another in the place of one, and shows that it is missed.

use std::{sync::Arc, time::Duration};

use crate::{
    cluster::Cluster,
    domain::guard::{GUARDS, Guard},
    steps::Sender,
};

/// Whether what is left of a lease outlasts a request that may take so long.
pub type LeaseCheck = fn(left: Duration, request: Duration) -> bool;

/// The parts.
#[derive(Clone)]
pub struct Safeguards {
    /// All must allow a request, in this order.
    pub guards: Vec<Guard>,
    /// Asked before each request.
    pub lease: LeaseCheck,
    /// Sends requests, and says what their answers mean.
    pub sender: Arc<dyn Sender>,
}

impl Safeguards {
    /// Those of the product.
    pub fn of(cluster: &Cluster) -> Self {
        Self {
            guards: GUARDS.to_vec(),
            lease: outlasts,
            sender: Arc::new(cluster.clone()),
        }
    }
}

/// Whoever claims the run after us must not meet our request on its way.
pub fn outlasts(left: Duration, request: Duration) -> bool {
    left > request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_that_ends_with_the_request_does_not_outlast_it() {
        let seconds = Duration::from_secs;
        for (left, lasts) in [(11, true), (10, false), (9, false), (0, false)] {
            assert_eq!(outlasts(seconds(left), seconds(10)), lasts, "{left} s left");
        }
    }
}
