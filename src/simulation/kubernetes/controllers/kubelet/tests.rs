#![allow(clippy::unwrap_used)]

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::kubernetes::{
    controllers::tests::{Cluster, pod, ready},
    resources::{CONFIGMAPS, PODS, SECRETS},
};

fn status(pod: &Value) -> &Value {
    &pod["status"]["containerStatuses"][0]
}

/// A pod with a script on one node, after so many seconds.
fn after(script: Value, seconds: i64) -> (Cluster, Value) {
    let cluster = Cluster::new(1, 5);
    let key = cluster.make(PODS, pod("web", &script));
    cluster.wait(seconds);
    let pod = cluster.get(&key);
    (cluster, pod)
}

#[test]
fn a_pod_comes_up_with_a_complete_status() {
    let (cluster, pod) = after(json!({"prints": ["hello"]}), 20);
    let shown = &pod["status"];
    assert_eq!(
        (&shown["phase"], &shown["qosClass"]),
        (&json!("Running"), &json!("Burstable"))
    );
    assert!(ready(&pod));
    for field in ["hostIP", "podIP", "startTime"] {
        assert!(shown[field].is_string(), "{field}");
    }
    let container = status(&pod);
    assert_eq!(
        (&container["ready"], &container["started"]),
        (&json!(true), &json!(true))
    );
    assert!(container["state"]["running"]["startedAt"].is_string());
    assert!(container["containerID"].as_str().unwrap().starts_with("containerd://"));
    assert_eq!(
        cluster.reasons("Pod"),
        ["Scheduled", "Pulling", "Pulled", "Created", "Started"]
    );
    let uid = pod["metadata"]["uid"].as_str().unwrap();
    cluster.0.with(|world| {
        let lines = world.log(uid, "app", false).unwrap();
        assert_eq!(lines.iter().map(|line| &*line.text).collect::<Vec<_>>(), ["hello"]);
    });
}

#[test]
fn a_crash_loop_backs_off_from_ten_seconds_to_five_minutes() {
    let script = json!({"prints": ["up"], "ends": {"crashes": {"after": "1s", "exitCode": 3, "log": ["boom"]}}});
    let (cluster, pod) = after(script, 12);
    let container = status(&pod);
    // The kubelet knows that it has to wait; that it does so shows when it looks again.
    assert_eq!(container["state"]["terminated"]["exitCode"], 3);
    assert_eq!(container["lastState"]["terminated"]["exitCode"], 3);
    assert_eq!(container["lastState"]["terminated"]["reason"], "Error");
    assert_eq!(container["restartCount"], 1);
    assert_eq!(pod["status"]["phase"], "Running");
    let uid = pod["metadata"]["uid"].as_str().unwrap();
    let texts = |previous| {
        cluster.0.with(|world| {
            let lines = world.log(uid, "app", previous).unwrap_or_default();
            lines.iter().map(|line| line.text.to_string()).collect::<Vec<_>>()
        })
    };
    assert_eq!(
        (texts(false), texts(true)),
        (vec!["up".into(), "boom".into()], vec!["up".into(), "boom".into()])
    );
    let key = cluster.key(&pod);
    let (mut restarts, mut ended, mut waits, mut messages) = (1, 0, Vec::new(), Vec::new());
    for tenth in 0..12_000 {
        cluster.0.advance(cluster.0.now() + SignedDuration::from_millis(100));
        let now = status(&cluster.get(&key)).clone();
        if let Some(message) = now["state"]["waiting"]["message"].as_str()
            && messages.last().is_none_or(|last| last != message)
        {
            messages.push(message.to_owned());
        }
        let count = now["restartCount"].as_i64().unwrap();
        if count != restarts {
            assert_eq!(count, restarts + 1);
            waits.push((tenth - ended) / 10);
            restarts = count;
        }
        if now["state"]["running"].is_object() {
            ended = tenth;
        }
    }
    // From what it waits for to half as much again, but a kubelet looks once in a minute and a half at least.
    let expected = [
        (10, 15),
        (20, 30),
        (40, 60),
        (80, 90),
        (160, 180),
        (300, 330),
        (300, 330),
    ];
    assert_eq!(waits.len(), expected.len(), "{waits:?}");
    for (wait, (least, most)) in waits[1..].iter().copied().zip(&expected[1..]) {
        assert!((least - 1..=most + 1).contains(&wait), "{waits:?}");
    }
    let first = "back-off 10s restarting failed container=app pod=web_default(";
    assert!(messages[0].starts_with(first), "{messages:?}");
    assert!(messages[3].starts_with("back-off 1m20s "), "{messages:?}");
    assert_eq!(messages.len(), 6, "{messages:?}");
    assert!(cluster.reasons("Pod").contains(&"BackOff".to_owned()));
}

#[test]
fn ten_minutes_of_running_forgive_a_crash_loop() {
    let (cluster, pod) = after(json!({"ends": {"crashes": {"after": "11m"}}}), 11 * 60 + 10);
    assert_eq!(status(&pod)["restartCount"], 1);
    assert!(status(&pod)["state"]["running"].is_object());
    cluster.wait(11 * 60 + 5);
    let pod = cluster.get(&cluster.key(&pod));
    assert_eq!(status(&pod)["restartCount"], 2, "it starts again at once");
    assert!(status(&pod)["state"]["running"].is_object());
}

#[test]
fn a_crash_ends_with_the_configuration_that_caused_it() {
    let cluster = Cluster::new(1, 5);
    let map = cluster.make(
        CONFIGMAPS,
        json!({"metadata": {"name": "web", "namespace": "default"}, "data": {"mode": "broken"}}),
    );
    let script = json!({
        "ends": {"crashes": {"after": "1s"}},
        "while": {"configMap": {"name": "web", "key": "mode", "is": "broken"}},
    });
    let key = cluster.make(PODS, pod("web", &script));
    cluster.wait(60);
    assert!(!ready(&cluster.get(&key)));
    cluster.change(&map, |map| map["data"]["mode"] = "good".into());
    cluster.wait(120);
    assert!(ready(&cluster.get(&key)));
}

#[test]
fn a_leak_ends_at_the_limit() {
    let (_, pod) = after(json!({"leaks": {"perSecond": "16Mi"}}), 12);
    let ended = &status(&pod)["lastState"]["terminated"];
    assert_eq!(
        (&ended["reason"], &ended["exitCode"]),
        (&json!("OOMKilled"), &json!(137))
    );
}

#[test]
fn an_image_that_cannot_be_pulled_alternates_between_error_and_back_off() {
    let (cluster, pod) = after(json!({"pull": {"fails": "manifest unknown"}}), 5);
    assert_eq!(status(&pod)["state"]["waiting"]["reason"], "ErrImagePull");
    assert_eq!(pod["status"]["phase"], "Pending");
    let key = cluster.key(&pod);
    let mut seen = Vec::new();
    for _ in 0..100 {
        cluster.wait(1);
        let reason = status(&cluster.get(&key))["state"]["waiting"]["reason"]
            .as_str()
            .unwrap()
            .to_owned();
        if seen.last() != Some(&reason) {
            seen.push(reason);
        }
    }
    assert!(
        seen.iter().filter(|reason| *reason == "ImagePullBackOff").count() >= 2,
        "{seen:?}"
    );
    assert!(
        seen.iter()
            .all(|reason| ["ErrImagePull", "ImagePullBackOff", "ContainerCreating"].contains(&reason.as_str()))
    );
    let events = cluster.events("Pod");
    assert!(
        events
            .iter()
            .any(|event| event.contains("Failed to pull image \"web:1\": manifest unknown")),
        "{events:?}"
    );
}

#[test]
fn readiness_flaps_and_liveness_kills() {
    let (cluster, first) = after(json!({"answers": {"flaps": {"up": "60s", "down": "40s"}}}), 30);
    let key = cluster.key(&first);
    assert!(ready(&first));
    cluster.wait(60);
    assert!(!ready(&cluster.get(&key)));
    cluster.wait(30);
    assert!(ready(&cluster.get(&key)));
    assert!(
        cluster
            .events("Pod")
            .iter()
            .any(|event| event.starts_with("Unhealthy") && event.contains("Readiness probe failed"))
    );

    let cluster = Cluster::new(1, 5);
    let mut hanging = pod("web", &json!({"hangs": {"after": "20s"}, "stops": "ignores"}));
    hanging["spec"]["containers"][0]["livenessProbe"] = json!({"tcpSocket": {"port": 1}, "periodSeconds": 5});
    hanging["spec"]["terminationGracePeriodSeconds"] = 10.into();
    let key = cluster.make(PODS, hanging);
    cluster.wait(60);
    let shown = cluster.get(&key);
    assert_eq!(status(&shown)["restartCount"], 1);
    assert_eq!(status(&shown)["lastState"]["terminated"]["exitCode"], 137);
    let events = cluster.events("Pod");
    assert!(
        events.contains(&"Killing x1: Container app failed liveness probe, will be restarted".to_owned()),
        "{events:?}"
    );
}

#[test]
fn a_pod_takes_its_time_to_stop_and_no_more_than_its_grace() {
    for (stops, still, gone) in [
        (json!({"takes": "5s"}), 4, 3),
        (json!("ignores"), 29, 4),
        (json!({"takes": "90s"}), 29, 4),
    ] {
        let (cluster, pod) = after(json!({"stops": stops}), 20);
        let key = cluster.key(&pod);
        cluster.delete(&key);
        cluster.wait(still);
        let leaving = cluster.get(&key);
        assert!(status(&leaving)["state"]["running"].is_object(), "{stops}");
        cluster.wait(gone);
        assert_eq!(cluster.get(&key), Value::Null, "{stops}");
    }
}

#[test]
fn a_program_that_completes_ends_its_pod_unless_it_is_always_restarted() {
    let cluster = Cluster::new(1, 5);
    let mut once = pod("web", &json!({"ends": {"completes": {"after": "5s"}}}));
    once["spec"]["restartPolicy"] = "Never".into();
    let key = cluster.make(PODS, once);
    cluster.wait(20);
    let pod = cluster.get(&key);
    assert_eq!(pod["status"]["phase"], "Succeeded");
    assert_eq!(status(&pod)["state"]["terminated"]["reason"], "Completed");
    assert!(!ready(&pod));
}

#[test]
fn a_script_that_cannot_be_read_is_shown_and_not_ignored() {
    let (_, pod) = after(json!({"crashes": true}), 10);
    let waiting = &status(&pod)["state"]["waiting"];
    assert_eq!(waiting["reason"], "CreateContainerConfigError");
    assert!(waiting["message"].as_str().unwrap().contains("unknown field `crashes`"));
}

#[test]
fn init_containers_come_first_and_one_after_the_other() {
    let cluster = Cluster::new(1, 5);
    let mut two = pod("web", &Value::Null);
    two["spec"]["initContainers"] = json!([{"name": "one", "image": "one:1"}, {"name": "two", "image": "two:1"}]);
    let key = cluster.make(PODS, two);
    cluster.wait(4);
    let early = cluster.get(&key);
    assert_eq!(early["status"]["phase"], "Pending");
    assert_eq!(status(&early)["state"]["waiting"]["reason"], "PodInitializing");
    cluster.wait(20);
    let late = cluster.get(&key);
    assert!(ready(&late));
    assert_eq!(
        late["status"]["initContainerStatuses"][1]["state"]["terminated"]["reason"],
        "Completed"
    );
}

#[test]
fn pressure_evicts_the_pod_that_uses_too_much() {
    let cluster = Cluster::new(1, 5);
    let greedy = cluster.make(PODS, pod("greedy", &json!({"uses": {"memory": "120Mi"}})));
    let modest = cluster.make(PODS, pod("modest", &json!({"uses": {"memory": "20Mi"}})));
    cluster.wait(40);
    let node = cluster.key(&cluster.all(crate::kubernetes::resources::NODES)[0]);
    let script = json!({"memoryPressure": true, "evicts": 1}).to_string();
    cluster.change(&node, |node| {
        node["metadata"]["annotations"]["simulation/node"] = script.into()
    });
    cluster.wait(30);
    let evicted = cluster.get(&greedy);
    assert_eq!(
        (&evicted["status"]["phase"], &evicted["status"]["reason"]),
        (&json!("Failed"), &json!("Evicted"))
    );
    let message = evicted["status"]["message"].as_str().unwrap();
    assert!(
        message.contains("Container app was using 120Mi, request is 64Mi, has larger consumption of memory."),
        "{message}"
    );
    assert!(ready(&cluster.get(&modest)));
}

#[test]
fn a_pod_beyond_its_deadline_stops_within_its_grace_and_then_has_failed() {
    let cluster = Cluster::new(1, 5);
    let mut late = pod("web", &json!({"stops": "ignores"}));
    late["spec"]["activeDeadlineSeconds"] = 20.into();
    late["spec"]["terminationGracePeriodSeconds"] = 10.into();
    let key = cluster.make(PODS, late);
    cluster.wait(25);
    let stopping = cluster.get(&key);
    assert_eq!(stopping["status"]["phase"], "Running");
    assert!(status(&stopping)["state"]["running"].is_object());
    cluster.wait(10);
    let ended = cluster.get(&key);
    assert_eq!(
        (&ended["status"]["phase"], &ended["status"]["reason"]),
        (&json!("Failed"), &json!("DeadlineExceeded"))
    );
    assert_eq!(status(&ended)["state"]["terminated"]["exitCode"], 137);
}

/// A pod that crashes while a condition holds.
fn troubled(name: &str, condition: &Value) -> Value {
    pod(name, &json!({"ends": {"crashes": {"after": "1s"}}, "while": condition}))
}

#[test]
fn a_crash_ends_with_the_secret_or_the_annotation_that_caused_it() {
    let cluster = Cluster::new(1, 5);
    let secret = json!({"metadata": {"name": "web", "namespace": "default"}, "stringData": {"key": "old"}});
    let secret = cluster.make(SECRETS, secret);
    let by_secret = troubled("one", &json!({"secret": {"name": "web", "key": "key", "isNot": "new"}}));
    let by_secret = cluster.make(PODS, by_secret);
    let by_note = troubled("two", &json!({"annotation": {"name": "mode", "isNot": "good"}}));
    let by_note = cluster.make(PODS, by_note);
    cluster.wait(60);
    assert!(!ready(&cluster.get(&by_secret)) && !ready(&cluster.get(&by_note)));
    cluster.change(&secret, |secret| secret["stringData"] = json!({"key": "new"}));
    cluster.change(&by_note, |pod| pod["metadata"]["annotations"]["mode"] = "good".into());
    cluster.wait(120);
    assert!(ready(&cluster.get(&by_secret)) && ready(&cluster.get(&by_note)));
}

#[test]
fn a_crash_is_that_of_a_variable_an_image_or_a_node() {
    let cluster = Cluster::new(2, 5);
    for (condition, sick) in [
        (json!({"env": {"name": "MODE", "is": "broken"}}), true),
        (json!({"env": {"name": "MODE", "is": "good"}}), false),
        (json!({"image": {"is": "web:1"}}), true),
        (json!({"image": {"isNot": "web:1"}}), false),
        (json!({"node": {"is": "n1"}}), true),
        (json!({"node": {"is": "n2"}}), false),
    ] {
        let mut made = troubled("web", &condition);
        made["spec"]["nodeName"] = "n1".into();
        made["spec"]["containers"][0]["env"] = json!([{"name": "MODE", "value": "broken"}]);
        let key = cluster.make(PODS, made);
        cluster.wait(60);
        assert_eq!(ready(&cluster.get(&key)), !sick, "{condition}");
        cluster.delete(&key);
        cluster.wait(40);
    }
}

#[test]
fn another_image_restarts_the_container_and_may_be_the_remedy() {
    let cluster = Cluster::new(1, 5);
    let key = cluster.make(
        PODS,
        pod("web", &json!({"answers": "never", "while": {"image": {"is": "web:1"}}})),
    );
    cluster.wait(20);
    assert!(!ready(&cluster.get(&key)));
    cluster.change(&key, |pod| pod["spec"]["containers"][0]["image"] = "web:2".into());
    cluster.wait(40);
    let healed = cluster.get(&key);
    assert!(ready(&healed));
    assert_eq!(
        (&status(&healed)["image"], &status(&healed)["restartCount"]),
        (&json!("web:2"), &json!(1))
    );
    let events = cluster.events("Pod");
    let killing = "Killing x1: Container app definition changed, will be restarted";
    assert!(events.iter().any(|event| event == killing), "{events:?}");
}
