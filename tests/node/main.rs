//! The main job where containers really run: a real kubelet, selfhealer in a pod of its own image with the rights and the
//! manifests that are shipped, Prometheus with the shipped rule, Alertmanager with the shipped route, a local Slack.
//!
//! Needs root, a few packages, and the image: `make test-node` (it says what is missing).

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "tests fail by panicking, and their names say what they show"
)]

mod disturbances;
mod main_job;
mod selfhealer;
mod stage;
mod workload;

use std::time::{Duration, Instant};

/// How long anything may take on a busy machine: kubelet starts a container that crashed three times again after 40 s.
const PATIENCE: Duration = Duration::from_secs(240);

/// Looks until there is something.
async fn until<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited for {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
