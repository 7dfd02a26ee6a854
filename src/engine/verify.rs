//! Verifying: the cluster is looked at until it has been healthy for long enough, or the time is over.

use std::{ops::ControlFlow, time::Duration};

use jiff::Timestamp;

use super::reconcile::Reconciler;
use crate::{
    cluster::{ClusterError, Lookup},
    domain::{
        health::{PodHealth, pod, replicas},
        journal::Entry,
        next::after,
        run::Binding,
    },
    steps::conditions,
    store::CommitError,
};

/// Bounds of the time between two observations; while it is not healthy, the longest is shorter.
const MIN_INTERVAL: Duration = Duration::from_millis(200);
const MAX_INTERVAL: Duration = Duration::from_secs(5);
const MAX_UNHEALTHY_INTERVAL: Duration = Duration::from_secs(1);
/// An observation that is so late leaves a gap in which anything may have happened.
const MAX_GAP: Duration = Duration::from_secs(10);

struct Observation {
    /// `None`: nothing could be seen.
    healthy: Option<bool>,
    detail: String,
}

impl Reconciler<'_> {
    pub(super) async fn begin_verify(&mut self, until: Timestamp) -> Result<ControlFlow<()>, CommitError> {
        let flow = self.commit(vec![Entry::Verifying { until }], None, Vec::new()).await?;
        failpoint!(VerifyAfterCommit);
        Ok(flow)
    }

    /// Observes once; the journal tells only what changed.
    pub(super) async fn observe(&mut self) -> Result<ControlFlow<()>, CommitError> {
        let Some(binding) = self.state.binding.clone() else {
            return Ok(ControlFlow::Continue(()));
        };
        let seen = self.look_at(&binding).await.unwrap_or_else(|error| Observation {
            healthy: None,
            detail: error.to_string(),
        });
        let now = self.now();
        let stable_for = self.runbook.runbook.verify.stable_for;
        let mut entries = Vec::new();
        // What was seen since the claim leaves no gap, however late the claim came.
        let watched = self
            .state
            .observed_at
            .map_or(self.claimed.due_at, |at| at.max(self.claimed.due_at));
        if self.state.healthy_since.is_some() && after(watched, MAX_GAP) < now {
            entries.push(Entry::Observed {
                healthy: None,
                detail: format!("nobody looked between {watched} and {now}"),
            });
        }
        let since = if entries.is_empty() {
            self.state.healthy_since
        } else {
            None
        };
        let proves = seen.healthy == Some(true) && since.is_some_and(|since| after(since, stable_for) <= now);
        // What is healthy at the deadline is given the time to prove it, and looked at as often as before.
        let over = self.state.verify_until.is_some_and(|until| until <= now);
        let decides = proves || (over && seen.healthy != Some(true));
        if decides || !entries.is_empty() || self.state.observed != Some(seen.healthy) {
            entries.push(Entry::Observed {
                healthy: seen.healthy,
                detail: seen.detail,
            });
        }
        if decides {
            return self.commit(entries, None, Vec::new()).await;
        }
        let due = if seen.healthy == Some(true) {
            let interval = (stable_for / 5).clamp(MIN_INTERVAL, MAX_INTERVAL);
            after(now, interval).min(after(since.unwrap_or(now), stable_for))
        } else {
            let until = self.state.verify_until.unwrap_or(Timestamp::MAX);
            after(now, (stable_for / 5).clamp(MIN_INTERVAL, MAX_UNHEALTHY_INTERVAL)).min(until)
        };
        let flow = self.commit(entries, Some(due), Vec::new()).await?;
        failpoint!(ObserveAfterCommit);
        Ok(flow)
    }

    async fn look_at(&self, binding: &Binding) -> Result<Observation, ClusterError> {
        let cluster = &self.engine.cluster;
        let mut first = None;
        for (index, bound) in binding.alerts.iter().enumerate() {
            let target = &bound.target;
            let lookup = cluster.get_by_uid(target).await?;
            let Lookup::Found(live) = lookup else { continue };
            let sick = match pod(&live) {
                _ if target.object.kind != "Pod" => None,
                _ if self.state.touched.contains(target) => Some("is not gone yet".to_owned()),
                PodHealth::Ready { .. } | PodHealth::Completed => None,
                PodHealth::Terminating => Some("is terminating".to_owned()),
                PodHealth::Unready(why) => Some(why),
            };
            if let Some(why) = sick {
                return Ok(unhealthy(format!("{}: {why}", target.object)));
            }
            if index == 0 {
                first = Some(live);
            }
        }
        let root = match &binding.workload {
            Some(workload) => cluster.get(workload).await?,
            None => None,
        };
        let scene = self.scene(binding);
        if !self.runbook.runbook.verify.expect.is_empty() {
            let alert = self.claimed.alerts.first();
            return Ok(
                match conditions::expected(&scene, alert, first.as_ref(), root.as_ref()).await {
                    Ok(()) => healthy("everything that the runbook expects is so".to_owned()),
                    Err(unmet) => unhealthy(unmet.detail),
                },
            );
        }
        let Some(workload) = &binding.workload else {
            return Ok(unseen("there is no workload to look at".to_owned()));
        };
        Ok(match root.as_ref().and_then(|live| replicas(&workload.kind, live)) {
            Some(replicas) if replicas.is_complete() => healthy(format!(
                "{workload} has {} of {} replicas ready",
                replicas.ready, replicas.desired
            )),
            Some(replicas) => unhealthy(format!(
                "{workload} has {} of {} replicas ready",
                replicas.ready, replicas.desired
            )),
            None => unseen(format!("{workload} is not there any more")),
        })
    }
}

fn healthy(detail: String) -> Observation {
    Observation {
        healthy: Some(true),
        detail,
    }
}

fn unhealthy(detail: String) -> Observation {
    Observation {
        healthy: Some(false),
        detail,
    }
}

fn unseen(detail: String) -> Observation {
    Observation { healthy: None, detail }
}
