#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;

#[test]
fn a_pod_gets_the_defaults_of_the_real_one() {
    let mut pod = json!({"spec": {"containers": [
        {"name": "a", "image": "web", "resources": {"limits": {"cpu": "1"}}, "ports": [{"containerPort": 80}],
            "readinessProbe": {"httpGet": {"port": 80}}},
        {"name": "b", "image": "registry:5000/web:1"},
    ], "volumes": [{"name": "v"}, {"name": "s", "secret": {"secretName": "s"}}]}});
    fill(PODS, &mut pod);
    let spec = &pod["spec"];
    assert_eq!(spec["terminationGracePeriodSeconds"], 30);
    assert_eq!(spec["restartPolicy"], "Always");
    assert_eq!(spec["containers"][0]["imagePullPolicy"], "Always");
    assert_eq!(spec["containers"][1]["imagePullPolicy"], "IfNotPresent");
    assert_eq!(spec["containers"][0]["resources"]["requests"], json!({"cpu": "1"}));
    assert_eq!(spec["containers"][0]["ports"][0]["protocol"], "TCP");
    assert_eq!(
        spec["containers"][0]["readinessProbe"]["httpGet"],
        json!({"port": 80, "path": "/", "scheme": "HTTP"})
    );
    assert_eq!(spec["containers"][0]["readinessProbe"]["failureThreshold"], 3);
    assert_eq!(spec["volumes"][0], json!({"name": "v", "emptyDir": {}}));
    assert_eq!(spec["volumes"][1]["secret"]["defaultMode"], 420);
    let once = pod.clone();
    fill(PODS, &mut pod);
    assert_eq!(pod, once);
}

#[test]
fn admission_adds_tolerations_and_the_token_once() {
    let mut pod = json!({"spec": {"containers": [{"name": "a"}],
        "tolerations": [{"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}]}});
    admit_pod(&mut pod, "abcde", 0);
    let tolerations = pod["spec"]["tolerations"].as_array().unwrap();
    assert_eq!(tolerations.len(), 2);
    assert_eq!(tolerations[1]["tolerationSeconds"], 300);
    assert_eq!(pod["spec"]["volumes"][0]["name"], "kube-api-access-abcde");
    let once = pod.clone();
    admit_pod(&mut pod, "fghij", 0);
    assert_eq!(pod, once);
}

#[test]
fn the_class_of_service_follows_requests_and_limits() {
    let spec = |resources: Value| json!({"containers": [{"resources": resources}]});
    for (resources, class) in [
        (json!({}), "BestEffort"),
        (json!({"requests": {"cpu": "1"}}), "Burstable"),
        (
            json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1Gi"}}),
            "Guaranteed",
        ),
        (
            json!({"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1Gi"}}),
            "Burstable",
        ),
        (
            json!({"limits": {"cpu": "1000m", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1024Mi"}}),
            "Guaranteed",
        ),
    ] {
        assert_eq!(qos(&spec(resources.clone())), class, "{resources}");
    }
}

#[test]
fn workloads_get_the_defaults_of_the_real_one() {
    let mut deployment = json!({"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "a:1"}]}}}});
    fill(DEPLOYMENTS, &mut deployment);
    let spec = &deployment["spec"];
    assert_eq!(spec["replicas"], 1);
    assert_eq!(
        spec["strategy"],
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}})
    );
    assert_eq!(spec["template"]["spec"]["schedulerName"], "default-scheduler");
    assert!(spec["template"]["spec"].get("enableServiceLinks").is_none());
    let mut secret = json!({"stringData": {"a": "hello"}});
    fill(SECRETS, &mut secret);
    assert_eq!(secret["data"]["a"], "aGVsbG8=");
}
