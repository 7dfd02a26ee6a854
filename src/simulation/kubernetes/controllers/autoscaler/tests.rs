#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use crate::kubernetes::{
    controllers::{
        conditions,
        tests::{Cluster, deployment},
        usage::LOAD,
    },
    resources::{DEPLOYMENTS, HORIZONTAL_POD_AUTOSCALERS},
    world::Key,
};

fn cluster(metrics: &Value, load: &str) -> (Cluster, Key, Key) {
    let cluster = Cluster::new(3, 1);
    let mut web = deployment("web", 2, &Value::Null);
    web["metadata"]["annotations"] = json!({LOAD: load});
    let web = cluster.make(DEPLOYMENTS, web);
    let autoscaler = json!({
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "minReplicas": 2,
            "maxReplicas": 8,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "metrics": metrics,
        },
    });
    let key = cluster.make(HORIZONTAL_POD_AUTOSCALERS, autoscaler);
    (cluster, web, key)
}

fn cpu(utilization: i64) -> Value {
    json!([{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": utilization}}}])
}

fn size(cluster: &Cluster, web: &Key) -> i64 {
    cluster.get(web)["spec"]["replicas"].as_i64().unwrap()
}

#[test]
fn grows_with_the_load_and_shrinks_only_after_five_minutes() {
    // 100m are asked for by each pod: 300m at 50 % are 6 pods.
    let (cluster, web, key) = cluster(&cpu(50), "300m");
    cluster.wait(10);
    let status = cluster.get(&key)["status"].clone();
    assert_eq!(conditions::reason(&status, "ScalingActive"), "FailedGetResourceMetric");
    cluster.wait(170);
    assert_eq!(size(&cluster, &web), 6);
    let status = cluster.get(&key)["status"].clone();
    assert_eq!(
        (&status["currentReplicas"], &status["desiredReplicas"]),
        (&json!(6), &json!(6))
    );
    assert_eq!(
        status["currentMetrics"][0]["resource"]["current"]["averageUtilization"],
        50
    );
    assert_eq!(conditions::reason(&status, "ScalingActive"), "ValidMetricFound");
    assert_eq!(conditions::reason(&status, "ScalingLimited"), "DesiredWithinRange");
    assert!(
        cluster
            .events("HorizontalPodAutoscaler")
            .iter()
            .any(|event| { event.contains("reason: cpu resource utilization (percentage of request) above target") })
    );
    cluster.change(&web, |web| web["metadata"]["annotations"][LOAD] = "50m".into());
    cluster.wait(240);
    assert_eq!(size(&cluster, &web), 6);
    let status = cluster.get(&key)["status"].clone();
    assert_eq!(conditions::reason(&status, "AbleToScale"), "ScaleDownStabilized");
    cluster.wait(120);
    assert_eq!(size(&cluster, &web), 2);
    let status = cluster.get(&key)["status"].clone();
    assert_eq!(conditions::reason(&status, "ScalingLimited"), "TooFewReplicas");
}

#[test]
fn stays_below_its_maximum_and_within_its_tolerance() {
    let (cluster, web, key) = cluster(&cpu(50), "3");
    cluster.wait(240);
    assert_eq!(size(&cluster, &web), 8);
    assert_eq!(
        conditions::reason(&cluster.get(&key)["status"], "ScalingLimited"),
        "TooManyReplicas"
    );
    // 8 pods at 54 %: 8 % above is within a tenth.
    cluster.change(&web, |web| web["metadata"]["annotations"][LOAD] = "432m".into());
    cluster.wait(600);
    assert_eq!(size(&cluster, &web), 8);
}

#[test]
fn an_average_value_is_shared_out() {
    let value = json!([{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "AverageValue", "averageValue": "100m"}}}]);
    let (cluster, web, _) = cluster(&value, "500m");
    cluster.wait(180);
    assert_eq!(size(&cluster, &web), 5);
}

#[test]
fn a_behavior_limits_how_fast() {
    let (cluster, web, key) = cluster(&cpu(50), "300m");
    cluster.change(&key, |autoscaler| {
        autoscaler["spec"]["behavior"]["scaleUp"]["policies"] =
            json!([{"type": "Pods", "value": 1, "periodSeconds": 60}]);
    });
    cluster.wait(70);
    assert_eq!(size(&cluster, &web), 3);
    assert_eq!(
        conditions::reason(&cluster.get(&key)["status"], "ScalingLimited"),
        "ScaleUpLimit"
    );
    cluster.wait(300);
    assert_eq!(size(&cluster, &web), 6);
}
