//! What is counted of the runbooks.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};

use super::Snapshot;
use crate::metrics::label;

/// The metrics of the runbooks.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    runbooks: Family<RunbookLabels, Gauge>,
}

label! {
    enum State {
        Loaded = "loaded",
        Broken = "broken",
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RunbookLabels {
    state: State,
}

impl Metrics {
    /// Puts them on a page; without a value until the runbooks were read.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("runbooks", "Runbooks by state: loaded or broken", self.runbooks.clone());
    }

    /// Tells how many runbooks are in force and how many files are refused.
    pub fn loaded(&self, snapshot: &Snapshot) {
        for state in State::ALL {
            let count = match state {
                State::Loaded => snapshot.set.len(),
                State::Broken => snapshot.broken,
            };
            self.runbooks
                .get_or_create(&RunbookLabels { state: *state })
                .set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}
