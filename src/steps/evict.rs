//! `evict`: the alerted pods through the eviction API, one at a time. Needs `get` on pods and their controllers and on
//! the namespace, and `create` on pods/eviction.
//!
//! What makes a repeat safe is the uid in the request: it names one pod, and never its replacement.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Answer, Plan, RETRY_DELAY, Scene, conditions};
use crate::{
    cluster::{Cluster, ClusterError, Lookup, Owners},
    domain::{
        guard::Facts,
        health::{PodHealth, between_crashes, pod, replicas},
        journal::Intent,
        next::step_deadline,
        reason::Reason,
        run::BoundAlert,
        runbook::Mode,
        state::DoneAction,
        step::Evict,
        target::Target,
    },
};

/// How soon a replacement is looked for again.
const REPLACEMENT_POLL: Duration = Duration::from_secs(1);

/// The first alerted pod that is there, sick, and allowed by the conditions.
pub async fn plan(scene: &Scene<'_>, evict: &Evict) -> Result<Plan, ClusterError> {
    let state = scene.state;
    if !state.would.is_empty() {
        let names: Vec<_> = state
            .would
            .iter()
            .map(|intent| intent.target().object.to_string())
            .collect();
        let others = scene
            .binding
            .alerts
            .len()
            .min(evict.limit as usize)
            .saturating_sub(names.len());
        let others = match others {
            0 => String::new(),
            others => format!(", and then up to {others} other alerted pods, one at a time"),
        };
        return Ok(Plan::Complete {
            detail: format!("would have evicted {}{others}", names.join(", ")),
        });
    }
    if state.done.len() >= evict.limit as usize {
        return Ok(complete(scene));
    }
    if let Some(last) = state.done.last()
        && scene.run.mode == Mode::Enforce
        && let Some(wait) = replacement(scene, last).await?
    {
        return Ok(wait);
    }
    let mut passed_over: Vec<(&Target, PassedOver)> = Vec::new();
    for bound in &scene.binding.alerts {
        let seen = state.done.iter().any(|done| done.intent.target() == &bound.target);
        if seen || passed_over.iter().any(|(target, _)| **target == bound.target) {
            continue;
        }
        match candidate(scene, bound).await? {
            Ok(plan) => return Ok(plan),
            Err(why) => passed_over.push((&bound.target, why)),
        }
    }
    // What passes is waited for before what stays is told; once something was done, only if it passes in time.
    let deadline = step_deadline(scene.run, &scene.runbook.runbook, state);
    let in_time = |until: Timestamp| state.done.is_empty() || until < deadline;
    let waits = passed_over.iter().find(|(_, why)| why.passes.is_some_and(in_time));
    Ok(match waits {
        Some((target, why)) => why.plan(target),
        None if !state.done.is_empty() => complete(scene),
        None => passed_over
            .first()
            .map_or_else(|| complete(scene), |(target, why)| why.plan(target)),
    })
}

fn complete(scene: &Scene<'_>) -> Plan {
    let names: Vec<_> = scene
        .state
        .done
        .iter()
        .map(|done| done.intent.target().object.name.clone())
        .collect();
    let what = match scene.run.mode {
        Mode::DryRun => "the API server would have evicted",
        _ => "evicted",
    };
    Plan::Complete {
        detail: format!("{what} {}", names.join(", ")),
    }
}

/// The next pod only when the last one's replacement is ready.
async fn replacement(scene: &Scene<'_>, last: &DoneAction) -> Result<Option<Plan>, ClusterError> {
    let wait = |detail: String| {
        Ok(Some(Plan::Wait {
            reason: Reason::ReplacementNotReady,
            detail,
            again: REPLACEMENT_POLL,
        }))
    };
    let target = last.intent.target();
    if let Lookup::Found(_) = scene.cluster.get_by_uid(target).await? {
        return wait(format!("{} is still terminating", target.object));
    }
    let (Some(ready_after), Some(workload)) = (last.ready_after, &scene.binding.workload) else {
        return Ok(None);
    };
    let live = scene.cluster.get(workload).await?;
    match live.as_ref().and_then(|live| replicas(&workload.kind, live)) {
        Some(replicas) if replicas.ready >= ready_after => Ok(None),
        Some(replicas) => wait(format!(
            "{workload} has {} ready replicas; {ready_after} mean that the replacement is ready",
            replicas.ready
        )),
        None => wait(format!("{workload} is not there")),
    }
}

/// Why a pod is not evicted now.
struct PassedOver {
    reason: Reason,
    detail: String,
    /// It runs between two crashes: until then another moment may tell.
    passes: Option<Timestamp>,
}

impl PassedOver {
    fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
            passes: None,
        }
    }

    fn plan(&self, target: &Target) -> Plan {
        let (reason, detail) = (self.reason, format!("{}: {}", target.object, self.detail));
        if self.passes.is_some() {
            Plan::Wait {
                reason,
                detail,
                again: RETRY_DELAY,
            }
        } else {
            Plan::Refuse { reason, detail }
        }
    }
}

async fn candidate(scene: &Scene<'_>, bound: &BoundAlert) -> Result<Result<Plan, PassedOver>, ClusterError> {
    let alert = scene.alert(bound.episode);
    if alert.is_some_and(|alert| !alert.firing) {
        return Ok(Err(PassedOver::new(Reason::Resolved, "its alert has resolved")));
    }
    let target = &bound.target;
    let (live, owners) = match scene.seen.filter(|seen| seen.target == *target) {
        Some(seen) => (seen.live.clone(), seen.owners.clone()),
        None => match scene.cluster.get_by_uid(target).await? {
            Lookup::Found(live) => {
                let owners = scene.cluster.owners(&target.object, &live).await?;
                (live, owners)
            }
            Lookup::Gone => return Ok(Err(PassedOver::new(Reason::TargetGone, "the pod is gone"))),
            Lookup::Replaced { uid } => {
                let detail = format!("the pod has been replaced by one with uid {uid}");
                return Ok(Err(PassedOver::new(Reason::TargetReplaced, detail)));
            }
        },
    };
    let health = pod(&live);
    if health == PodHealth::Terminating {
        return Ok(Err(PassedOver::new(Reason::TargetGone, "the pod is terminating")));
    }
    let root = owners.workload.as_ref().map(|(_, live)| live);
    let unmet = if already_healthy(scene, bound, &health, &live, root).await {
        Some((Reason::AlreadyHealthy, "nothing is wrong with it any more".to_owned()))
    } else {
        let unmet = conditions::hold(scene, alert, &live, root).await.err();
        unmet.map(|unmet| (unmet.reason, unmet.detail))
    };
    if let Some((reason, detail)) = unmet {
        let stable_for = scene.runbook.runbook.verify.stable_for;
        let short_life = between_crashes(&live, stable_for, scene.now);
        return Ok(Err(PassedOver {
            reason,
            detail: match short_life {
                Some(until) => format!("{detail}; it has crashed before, and has to run until {until} to be trusted"),
                None => detail,
            },
            passes: short_life,
        }));
    }
    Ok(Ok(Plan::Act {
        intent: Intent::Evict { target: target.clone() },
        ready_after: ready_after(&owners, &health),
        facts: Facts {
            protected: None,
            opted_out: owners.opted_out.as_ref().map(ToString::to_string),
        },
    }))
}

/// What verification will look for is already so: there is nothing to heal.
async fn already_healthy(
    scene: &Scene<'_>,
    bound: &BoundAlert,
    health: &PodHealth,
    live: &Value,
    root: Option<&Value>,
) -> bool {
    let verify = &scene.runbook.runbook.verify;
    if verify.expect.is_empty() {
        return health.is_stable(verify.stable_for, scene.now);
    }
    conditions::expected(scene, scene.alert(bound.episode), Some(live), root)
        .await
        .is_ok()
}

/// An unready pod's replacement adds one to the ready replicas, a ready one's restores them.
fn ready_after(owners: &Owners, health: &PodHealth) -> Option<i64> {
    let (workload, live) = owners.workload.as_ref()?;
    let replicas = replicas(&workload.kind, live)?;
    let gained = i64::from(!matches!(health, PodHealth::Ready { .. }));
    Some((replicas.ready + gained).min(replicas.desired))
}

/// Evicts. A pod that is gone was evicted by the attempt before, if there was one.
pub async fn act(cluster: &Cluster, target: &Target, dry_run: bool, resumed: bool) -> Answer {
    match cluster.evict(target, dry_run).await {
        Ok(()) => done(target, "evicted"),
        Err(ClusterError::NotFound { served: true, .. }) if resumed => done(target, "was evicted"),
        // A conflict is not always about the uid, so it is looked at before it is believed.
        Err(error @ ClusterError::Conflict { .. }) => match cluster.get_by_uid(target).await {
            Ok(Lookup::Found(_)) => Answer::Refused {
                reason: Reason::Rejected,
                detail: error.to_string(),
                again: RETRY_DELAY,
            },
            Ok(_) if resumed => done(target, "was evicted"),
            Ok(_) => Answer::from_error(&error),
            Err(unseen) => Answer::Unanswered {
                detail: unseen.to_string(),
            },
        },
        Err(error) => Answer::from_error(&error),
    }
}

/// Only the cluster can tell now.
pub async fn look_up(cluster: &Cluster, target: &Target) -> Answer {
    match cluster.get_by_uid(target).await {
        Ok(Lookup::Gone | Lookup::Replaced { .. }) => done(target, "was evicted"),
        Ok(Lookup::Found(live)) if pod(&live) == PodHealth::Terminating => done(target, "was evicted"),
        Ok(Lookup::Found(_)) => Answer::Failed {
            reason: Reason::OutcomeUnknown,
            detail: format!("{} is still there; the eviction's answer was never seen", target.object),
        },
        Err(error) => Answer::Unanswered {
            detail: error.to_string(),
        },
    }
}

fn done(target: &Target, what: &str) -> Answer {
    Answer::Done {
        result: json!({"what": what, "pod": target.object.name, "uid": target.uid}),
    }
}
