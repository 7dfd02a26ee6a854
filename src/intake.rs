//! From a post to runs: [`accept`] appends it and answers, [`unfold`] makes episodes and runs of it. Neither looks at the
//! cluster.

pub mod accept;
mod metrics;
pub mod unfold;

pub use metrics::Metrics;
