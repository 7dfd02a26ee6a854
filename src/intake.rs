//! From a post to runs: [`accept`] appends it and answers, [`unfold`] makes episodes and runs of it. Neither looks at the
//! cluster.

pub mod accept;
pub mod unfold;
