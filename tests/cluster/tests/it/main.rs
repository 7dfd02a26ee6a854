//! The test cluster as a test uses it, and as a person does.

#![allow(clippy::unwrap_used)]

mod alerting;
mod control_plane;
mod lifetime;
mod outage;
mod receiver;
mod up;

use std::{
    future::Future,
    time::{Duration, Instant},
};

/// Waits until `look` is true.
async fn eventually<F: Future<Output = bool>>(what: &str, mut look: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !look().await {
        assert!(Instant::now() < deadline, "{what}: not within a minute");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
