#![allow(clippy::unwrap_used)]

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::*;

#[test]
fn durations_are_written_as_kubectl_shows_them() {
    for (seconds, wanted) in [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (325, "5m25s"),
        (600, "10m"),
        (10_799, "179m"),
        (10_800, "3h"),
        (11_000, "3h3m"),
        (100_000, "27h"),
        (200_000, "2d7h"),
        (1_000_000, "11d"),
        (70_000_000, "2y80d"),
    ] {
        assert_eq!(human_duration(SignedDuration::from_secs(seconds)), wanted, "{seconds}");
    }
}

fn status(pod: &Value) -> Vec<Value> {
    let now: Timestamp = "2026-11-24T10:10:00Z".parse().unwrap();
    pod::cells(now, pod)[1..4].to_vec()
}

#[test]
fn the_status_of_a_pod_is_told_as_kubectl_tells_it() {
    let one = |container: Value| {
        json!({"spec": {"containers": [{"name": "a"}]},
        "status": {"phase": "Running", "containerStatuses": [container]}})
    };
    let crashing = one(
        json!({"restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"finishedAt": "2026-11-24T10:09:00Z"}}}),
    );
    assert_eq!(
        status(&crashing),
        [json!("0/1"), json!("CrashLoopBackOff"), json!("3 (60s ago)")]
    );
    let running = one(json!({"ready": true, "restartCount": 0, "state": {"running": {}}}));
    assert_eq!(status(&running), [json!("1/1"), json!("Running"), json!("0")]);
    let mut going = running.clone();
    going["metadata"]["deletionTimestamp"] = "2026-11-24T10:10:00Z".into();
    assert_eq!(status(&going)[1], "Terminating");
    let killed = one(json!({"state": {"terminated": {"exitCode": 137, "signal": 9}}}));
    assert_eq!(status(&killed)[1], "Signal:9");
    let evicted = json!({"spec": {"containers": [{}]}, "status": {"phase": "Failed", "reason": "Evicted"}});
    assert_eq!(status(&evicted)[1], "Evicted");
    let starting = json!({"spec": {"containers": [{}], "initContainers": [{"name": "i"}]},
        "status": {"phase": "Pending", "initContainerStatuses": [{"name": "i", "state": {"running": {}}}]}});
    assert_eq!(status(&starting)[1], "Init:0/1");
}

#[test]
fn paths_find_fields_indexes_and_equals() {
    let object = json!({"spec": {"a": [1, 2], "b.c": 3},
        "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "X", "status": "False"}]}});
    for (path, wanted) in [
        (".spec.a[1]", Some(json!(2))),
        (".spec.a[-1]", Some(json!(2))),
        (".spec.b\\.c", Some(json!(3))),
        (".status.conditions[?(@.type==\"Ready\")].status", Some(json!("True"))),
        (".spec.none", None),
    ] {
        assert_eq!(
            json_path(&object, path).first().map(|value| (*value).clone()),
            wanted,
            "{path}"
        );
    }
}
