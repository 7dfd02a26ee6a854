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
    for container in containers(live) {
        let name = container["name"].as_str().unwrap_or_default();
        if let Some(reason) = container["state"]["waiting"]["reason"].as_str() {
            return PodHealth::Unready(format!("container {name} waits: {reason}"));
        }
        // Most of the time between two lives of a crash loop. An init container that has done its work ended with 0.
        let ended = &container["state"]["terminated"];
        if let Some(code) = ended["exitCode"].as_i64().filter(|code| *code != 0) {
            let reason = ended["reason"].as_str().unwrap_or("Error");
            return PodHealth::Unready(format!("container {name} has ended: {reason}, exit code {code}"));
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

/// How containers have crashed, a line each: of those that have ended with an error, or were started again.
pub fn crashes(pod: &Value) -> Vec<String> {
    let crash = |container: &Value| {
        let restarts = container["restartCount"].as_i64().unwrap_or(0);
        let (state, last) = (&container["state"]["terminated"], &container["lastState"]["terminated"]);
        let ended = if state.is_object() { state } else { last };
        let code = ended["exitCode"].as_i64()?;
        if code == 0 && restarts == 0 {
            return None;
        }
        let name = container["name"].as_str().unwrap_or_default();
        let reason = ended["reason"].as_str().unwrap_or("Error");
        let times = match restarts {
            0 => String::new(),
            1 => ", 1 restart".to_owned(),
            restarts => format!(", {restarts} restarts"),
        };
        Some(format!("container {name}: {reason}, exit code {code}{times}"))
    };
    containers(pod).filter_map(crash).collect()
}

/// The statuses of a pod's containers of all kinds: native sidecars are init containers.
pub fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    ["initContainerStatuses", "containerStatuses"]
        .into_iter()
        .filter_map(|field| pod["status"][field].as_array())
        .flatten()
}

/// Until when this pod may only be between two crashes, though nothing is wrong with it at this second: a container of it
/// that runs has crashed before, and has run neither for `at_least` since then nor for twice its last life.
pub fn between_crashes(pod: &Value, at_least: Duration, now: Timestamp) -> Option<Timestamp> {
    let proven = containers(pod).filter_map(|container| {
        let since = time(&container["state"]["running"]["startedAt"])?;
        let last = &container["lastState"]["terminated"];
        let life = match (time(&last["startedAt"]), time(&last["finishedAt"])) {
            (Some(started), Some(finished)) => Duration::try_from(finished.duration_since(started)).unwrap_or_default(),
            // It never ran, or the node was restarted; without a restart nothing has crashed.
            _ if container["restartCount"].as_i64().unwrap_or(0) > 0 => Duration::ZERO,
            _ => return None,
        };
        Some(after(since, at_least.max(life.saturating_mul(2))))
    });
    proven.max().filter(|proven| *proven > now)
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
    fn a_container_that_has_ended_tells_how() {
        let ended = |code: i64, reason: &str| {
            pod(&running(
                "False",
                json!({"name": "app", "state": {"terminated": {"exitCode": code, "reason": reason}}}),
            ))
        };
        assert_eq!(
            ended(137, "OOMKilled"),
            PodHealth::Unready("container app has ended: OOMKilled, exit code 137".to_owned())
        );
        assert_eq!(
            ended(0, "Completed"),
            PodHealth::Unready("the pod is not ready".to_owned())
        );
    }

    #[test]
    fn crashes_are_told_in_a_line_each() {
        let ended = |code: i64, reason: &str| json!({"terminated": {"exitCode": code, "reason": reason}});
        let mut pod = running(
            "False",
            json!({"name": "app", "restartCount": 4, "state": ended(137, "OOMKilled"), "lastState": ended(1, "Error")}),
        );
        pod["status"]["initContainerStatuses"] = json!([
            {"name": "setup", "restartCount": 0, "state": ended(0, "Completed")},
            {"name": "proxy", "restartCount": 1, "state": {"running": {}}, "lastState": ended(2, "Error")},
            {"name": "never", "restartCount": 0, "state": {"waiting": {"reason": "PodInitializing"}}},
        ]);
        assert_eq!(
            crashes(&pod),
            [
                "container proxy: Error, exit code 2, 1 restart",
                "container app: OOMKilled, exit code 137, 4 restarts"
            ]
        );
    }

    #[test]
    fn whoever_crashed_has_to_outlive_twice_its_last_life() {
        let minute = Duration::from_secs(60);
        let life = |from: i64, to: i64| json!({"terminated": {"startedAt": at(from).to_string(), "finishedAt": at(to).to_string()}});
        let since = |second: i64| json!({"running": {"startedAt": at(second).to_string()}});
        let crashed = json!({"name": "app", "restartCount": 14, "state": since(500), "lastState": life(0, 180)});
        let pod = running("True", crashed.clone());
        assert_eq!(between_crashes(&pod, minute, at(590)), Some(at(860)));
        assert_eq!(between_crashes(&pod, minute, at(860)), None);
        assert_eq!(between_crashes(&pod, 10 * minute, at(860)), Some(at(1100)));

        // A native sidecar, beside a container that never crashed.
        let mut sidecar = running("True", json!({"name": "app", "restartCount": 0, "state": since(0)}));
        assert_eq!(between_crashes(&sidecar, minute, at(1)), None);
        sidecar["status"]["initContainerStatuses"] = json!([crashed]);
        assert_eq!(between_crashes(&sidecar, minute, at(590)), Some(at(860)));

        // Who waits or has ended is not between crashes, but in one.
        for state in [json!({"waiting": {"reason": "CrashLoopBackOff"}}), life(500, 501)] {
            let container = json!({"name": "app", "restartCount": 14, "state": state, "lastState": life(0, 180)});
            assert_eq!(between_crashes(&running("False", container), minute, at(590)), None);
        }
        // A runtime that could not start it knows no times.
        let odd = json!({"name": "app", "restartCount": 2, "state": since(500), "lastState": {"terminated": {}}});
        assert_eq!(between_crashes(&running("True", odd), minute, at(501)), Some(at(560)));
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
