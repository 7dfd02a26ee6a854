//! Reading live objects: is this pod well, does this workload have what it wants.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::next::after;

/// A pod, as far as healing cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodHealth {
    /// Ready since then.
    Ready {
        /// When it became ready.
        since: Timestamp,
    },
    /// Not ready, or about to crash again.
    Unready(String),
    /// It is going away.
    Terminating,
    /// It ran to its end without an error.
    Completed,
}

/// How many replicas a workload wants and has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replicas {
    /// Wanted.
    pub desired: i64,
    /// Ready.
    pub ready: i64,
    /// Whether the controller has seen the last change of the specification.
    pub observed: bool,
}

/// Reads a pod.
pub fn pod(live: &Value) -> PodHealth {
    if live["metadata"]["deletionTimestamp"].is_string() {
        return PodHealth::Terminating;
    }
    let status = &live["status"];
    match status["phase"].as_str() {
        Some("Succeeded") => return PodHealth::Completed,
        Some("Failed") => {
            let reason = status["reason"].as_str().unwrap_or("Failed");
            return PodHealth::Unready(format!("the pod has failed ({reason})"));
        }
        _ => {}
    }
    let containers = ["initContainerStatuses", "containerStatuses"]
        .into_iter()
        .filter_map(|field| status[field].as_array())
        .flatten();
    for container in containers {
        if let Some(reason) = container["state"]["waiting"]["reason"].as_str() {
            let name = container["name"].as_str().unwrap_or_default();
            return PodHealth::Unready(format!("container {name} waits: {reason}"));
        }
    }
    let ready = status["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == "Ready");
    match ready {
        Some(ready) if ready["status"] == "True" => PodHealth::Ready {
            since: time(&ready["lastTransitionTime"]).unwrap_or(Timestamp::MAX),
        },
        _ => PodHealth::Unready("the pod is not ready".to_owned()),
    }
}

impl PodHealth {
    /// Ready, and for so long that a crash loop's short life does not look like health.
    pub fn is_stable(&self, stable_for: Duration, now: Timestamp) -> bool {
        match self {
            Self::Ready { since } => *since <= now && after(*since, stable_for) <= now,
            Self::Completed => true,
            Self::Unready(_) | Self::Terminating => false,
        }
    }
}

/// Reads a workload; `None` for kinds that have no replicas to count.
pub fn replicas(kind: &str, live: &Value) -> Option<Replicas> {
    let (spec, status) = (&live["spec"], &live["status"]);
    let count = |value: &Value| value.as_i64();
    let observed = match (
        count(&status["observedGeneration"]),
        count(&live["metadata"]["generation"]),
    ) {
        (Some(observed), Some(generation)) => observed >= generation,
        // No generation at all is a workload without a specification to observe.
        (None, None) => true,
        _ => false,
    };
    let (desired, ready) = match kind {
        "Deployment" | "StatefulSet" | "ReplicaSet" | "ReplicationController" => (
            count(&spec["replicas"]).unwrap_or(1),
            count(&status["readyReplicas"]).unwrap_or(0),
        ),
        "DaemonSet" => (
            count(&status["desiredNumberScheduled"])?,
            count(&status["numberReady"]).unwrap_or(0),
        ),
        _ => return None,
    };
    Some(Replicas {
        desired,
        ready,
        observed,
    })
}

impl Replicas {
    /// All that are wanted are ready.
    pub fn is_complete(self) -> bool {
        self.observed && self.ready >= self.desired
    }
}

/// When an object was created; the API server cuts it to whole seconds.
pub fn created(live: &Value) -> Option<Timestamp> {
    time(&live["metadata"]["creationTimestamp"])
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).expect("a valid second")
    }

    fn running(ready: &str, container: Value) -> Value {
        let condition = json!({"type": "Ready", "status": ready, "lastTransitionTime": at(0).to_string()});
        json!({"status": {"phase": "Running", "conditions": [condition], "containerStatuses": [container]}})
    }

    #[test]
    fn a_short_life_between_two_crashes_is_not_health() {
        let pod = pod(&running("True", json!({"name": "app", "state": {"running": {}}})));
        assert!(!pod.is_stable(Duration::from_secs(30), at(29)));
        assert!(pod.is_stable(Duration::from_secs(30), at(30)));
    }

    #[test]
    fn a_waiting_container_tells_why() {
        let waiting = json!({"name": "app", "state": {"waiting": {"reason": "CrashLoopBackOff"}}});
        assert_eq!(
            pod(&running("False", waiting)),
            PodHealth::Unready("container app waits: CrashLoopBackOff".to_owned())
        );
    }

    #[test]
    fn a_pod_without_conditions_is_unready_and_one_that_goes_is_terminating() {
        assert!(matches!(pod(&json!({})), PodHealth::Unready(_)));
        let going = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
        assert_eq!(pod(&going), PodHealth::Terminating);
    }

    #[test]
    fn replicas_default_as_the_api_does_and_count_only_when_observed() {
        let live =
            json!({"metadata": {"generation": 2}, "spec": {}, "status": {"observedGeneration": 1, "readyReplicas": 1}});
        let replicas = replicas("Deployment", &live).expect("a Deployment has replicas");
        assert_eq!((replicas.desired, replicas.ready), (1, 1));
        assert!(!replicas.is_complete());
        assert_eq!(super::replicas("Job", &live), None);
    }
}
