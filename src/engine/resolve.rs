//! Resolving: from the name in an alert to one object with a uid, and its root.

use std::{ops::ControlFlow, time::Duration};

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use serde_json::Value;

use super::reconcile::Reconciler;
use crate::{
    domain::{
        health::{created, replicas},
        journal::Entry,
        next::after,
        reason::Reason,
        run::{Binding, BoundAlert, Finish, Outcome, Phase, RunId, Scope},
        target::Target,
    },
    steps::{RETRY_DELAY, Seen},
    store::{Admitted, Change, CommitError, RunAlert},
};

impl Reconciler<'_> {
    pub(super) async fn resolve(&mut self) -> Result<ControlFlow<()>, CommitError> {
        let Some(object) = self.run.object.clone() else {
            return self.suppress(Reason::InvalidTarget, "the run has no target").await;
        };
        let live = match self.engine.cluster.get(&object).await {
            Ok(Some(live)) => live,
            Ok(None) => return self.suppress(Reason::TargetGone, format!("there is no {object}")).await,
            Err(error) if error.reason() == Reason::InvalidTarget => {
                return self.suppress(Reason::InvalidTarget, error.to_string()).await;
            }
            Err(error) => {
                let again = after(self.now(), RETRY_DELAY);
                return self.defer(error.reason(), error.to_string(), again).await;
            }
        };
        let target = Target {
            uid: live["metadata"]["uid"].as_str().unwrap_or_default().to_owned(),
            object: object.clone(),
        };
        let (ours, others): (Vec<_>, Vec<_>) = self
            .claimed
            .alerts
            .iter()
            .map(|alert| (alert, self.is_about(alert, &target, &live)))
            .partition(|(_, replaced)| replaced.is_none());
        if ours.is_empty() {
            let detail = others
                .into_iter()
                .find_map(|(_, replaced)| replaced)
                .unwrap_or_else(|| format!("no alert is about {object}"));
            return self.suppress(Reason::TargetReplaced, detail).await;
        }
        let alerts = ours
            .into_iter()
            .map(|(alert, _)| BoundAlert {
                episode: alert.episode,
                target: target.clone(),
            })
            .collect();
        let owners = match self.engine.cluster.owners(&object, &live).await {
            Ok(owners) => owners,
            Err(error) => {
                let again = after(self.now(), RETRY_DELAY);
                return self.defer(error.reason(), error.to_string(), again).await;
            }
        };
        self.bind(alerts, Seen { target, live, owners }).await
    }

    async fn bind(&mut self, alerts: Vec<BoundAlert>, seen: Seen) -> Result<ControlFlow<()>, CommitError> {
        let (object, owners) = (&seen.target.object, &seen.owners);
        let countable = owners
            .workload
            .as_ref()
            .filter(|(object, live)| replicas(&object.kind, live).is_some());
        let binding = Binding {
            alerts,
            workload: countable.map(|(object, _)| object.clone()),
            root: owners.root.clone(),
        };
        let is_mirror = binding.root.0.kind == "Node" && object.kind == "Pod";
        if object.kind == "Pod" && (!owners.managed || is_mirror) {
            self.unsaved = Some(binding);
            let detail = format!("{object} has no controller that would replace it");
            return self.suppress(Reason::UnmanagedPod, detail).await;
        }
        if binding.workload.is_none() && self.runbook.runbook.verify.expect.is_empty() {
            let detail = format!(
                "{} has no replicas to count: the runbook needs verify.expect to tell when it is healthy",
                binding.root
            );
            self.unsaved = Some(binding);
            return self.suppress(Reason::Unverifiable, detail).await;
        }
        self.scope = scope(&seen);
        // Bound at once, so that siblings find each other while the crowd arrives.
        if self.claimed.settled > self.now() {
            let change = Change {
                entries: vec![Entry::Bound(binding.clone())],
                phase: Phase::Pending,
                due_at: Some(self.claimed.settled),
                audit: Vec::new(),
                owed: None,
            };
            self.unsaved = Some(binding.clone());
            let admission = self.admission(&binding, move |_, _| change.clone());
            return Ok(match self.engine.store.admit(admission).await? {
                Admitted::Merged { into } => self.merged(into),
                Admitted::Committed(_) => ControlFlow::Break(()),
            });
        }
        // It is first in the journal when anything is recorded, so it is folded already.
        self.state.binding = Some(binding.clone());
        self.unsaved = Some(binding);
        self.seen = Some(seen);
        Ok(ControlFlow::Continue(()))
    }

    /// Why an alert is not about this object, if it is not.
    fn is_about(&self, alert: &RunAlert, target: &Target, live: &Value) -> Option<String> {
        if let Some(uid) = alert.labels.get("uid").filter(|uid| !uid.is_empty()) {
            return (*uid != target.uid).then(|| {
                format!(
                    "the alert is about uid {uid}; {} has uid {} now",
                    target.object, target.uid
                )
            });
        }
        // For a later attempt, what was created until the post that opened it is meant.
        let since = if self.run.attempt > 1 {
            self.run.opened_at
        } else {
            alert.started
        };
        match created(live) {
            Some(created) if created < whole_second(since) => None,
            Some(created) => Some(format!(
                "{} was created at {created}, not before the alert began to fire at {since}",
                target.object
            )),
            None => Some(format!("{} does not say when it was created", target.object)),
        }
    }

    pub(super) async fn suppress(
        &mut self,
        reason: Reason,
        detail: impl Into<String>,
    ) -> Result<ControlFlow<()>, CommitError> {
        self.finish(Finish::new(Outcome::Suppressed, reason, detail)).await
    }

    pub(super) fn merged(&self, into: RunId) -> ControlFlow<()> {
        tracing::info!(into = %into, "the alerts joined another run on the same root");
        self.engine
            .metrics
            .run_finished(&self.run.runbook, Outcome::Suppressed, Reason::Merged);
        ControlFlow::Break(())
    }
}

/// Where an object stands: a pod on its node, a node on itself.
fn scope(seen: &Seen) -> Scope {
    let node = match seen.target.object.kind.as_str() {
        "Pod" => seen.live["spec"]["nodeName"].as_str(),
        "Node" => Some(seen.target.object.name.as_str()),
        _ => None,
    };
    Scope {
        node: node.map(str::to_owned),
        // Nobody reads nodes yet.
        node_pool: None,
    }
}

/// Creation times are whole seconds: within the same second nobody can tell which came first.
fn whole_second(at: Timestamp) -> Timestamp {
    let round = TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Floor);
    at.round(round)
        .unwrap_or_else(|_| at.checked_sub(Duration::from_secs(1)).unwrap_or(at))
}
