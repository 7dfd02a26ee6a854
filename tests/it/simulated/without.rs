//! Parts that break a rule. A service that is put together with one of them shows that the stories notice: the product itself has no
//! way to leave a rule out.

use std::sync::Arc;

use async_trait::async_trait;
use selfhealer::{
    cluster::Cluster,
    domain::{journal::Intent, reason::Reason},
    engine::Safeguards,
    steps::{Answer, Sender},
};

/// What a story is told without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {
    /// Of a request that may have been sent before, an object that is gone is the success.
    ResumedSteps,
    /// No answer says nothing about what was done.
    UnknownAnswers,
    /// Who sends holds the lease for as long as the request may take.
    LeaseCheck,
    /// The guard of this name.
    Guard(&'static str),
    /// The uid in an eviction; it is lost on the wire.
    UidPrecondition,
}

/// What keeps a run from doing harm, without one rule.
pub fn safeguards(cluster: &Cluster, without: Option<Without>) -> Safeguards {
    let mut safeguards = Safeguards::of(cluster);
    match without {
        Some(Without::ResumedSteps) => safeguards.sender = Arc::new(Forgetful(cluster.clone())),
        Some(Without::UnknownAnswers) => safeguards.sender = Arc::new(Rash(cluster.clone())),
        Some(Without::LeaseCheck) => safeguards.lease = |_, _| true,
        Some(Without::Guard(name)) => {
            let all = safeguards.guards.len();
            safeguards.guards.retain(|guard| guard.name != name);
            assert_eq!(safeguards.guards.len() + 1, all, "there is no guard {name}");
        }
        Some(Without::UidPrecondition) | None => {}
    }
    safeguards
}

/// Takes every request for one that was never sent before.
struct Forgetful(Cluster);

#[async_trait]
impl Sender for Forgetful {
    async fn send(&self, intent: &Intent, dry_run: bool, _resumed: bool) -> Answer {
        self.0.send(intent, dry_run, false).await
    }

    async fn look_up(&self, intent: &Intent) -> Answer {
        self.0.look_up(intent).await
    }
}

/// Takes no answer for a refusal.
struct Rash(Cluster);

#[async_trait]
impl Sender for Rash {
    async fn send(&self, intent: &Intent, dry_run: bool, resumed: bool) -> Answer {
        match self.0.send(intent, dry_run, resumed).await {
            Answer::Unanswered { detail } => Answer::Failed {
                reason: Reason::ClusterUnavailable,
                detail,
            },
            answer => answer,
        }
    }

    async fn look_up(&self, intent: &Intent) -> Answer {
        self.0.look_up(intent).await
    }
}
