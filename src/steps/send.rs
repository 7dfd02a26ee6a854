//! Sending: the one piece between a recorded request and the API server, and what an answer means.

use async_trait::async_trait;

use super::{Answer, collect, evict};
use crate::{
    cluster::Cluster,
    domain::{journal::Intent, reason::Reason},
};

/// Sends requests and says what their answers mean. It is a port, so that a test can put one in its place that understands an
/// answer wrongly, and show that somebody notices.
#[async_trait]
pub trait Sender: Send + Sync {
    /// Sends a request. `resumed`: it may have been sent before.
    async fn send(&self, intent: &Intent, dry_run: bool, resumed: bool) -> Answer;

    /// Looks whether a request was carried out, and sends nothing.
    async fn look_up(&self, intent: &Intent) -> Answer;
}

#[async_trait]
impl Sender for Cluster {
    async fn send(&self, intent: &Intent, dry_run: bool, resumed: bool) -> Answer {
        match intent {
            Intent::Evict { target } => evict::act(self, target, dry_run, resumed).await,
            Intent::Collect { target, evidence } => collect::act(self, target, *evidence).await,
        }
    }

    async fn look_up(&self, intent: &Intent) -> Answer {
        match intent {
            Intent::Evict { target } => evict::look_up(self, target).await,
            Intent::Collect { .. } => Answer::Failed {
                reason: Reason::Deadline,
                detail: "the evidence was not collected in time".to_owned(),
            },
        }
    }
}
