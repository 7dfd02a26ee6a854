#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use crate::kubernetes::{
    controllers::{
        conditions,
        node::ANNOTATION,
        tests::{Cluster, deployment, ready},
    },
    resources::{DEPLOYMENTS, NODES},
    world::Key,
};

fn script(cluster: &Cluster, node: &str, script: &Value) {
    let script = script.to_string();
    cluster.change(&Key::new(NODES, "", node), |node| {
        node["metadata"]["annotations"][ANNOTATION] = script.into();
    });
}

fn taints(cluster: &Cluster, node: &str) -> Vec<String> {
    let node = cluster.get(&Key::new(NODES, "", node));
    let taints = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
    taints
        .iter()
        .map(|taint| {
            format!(
                "{}:{}",
                taint["key"].as_str().unwrap(),
                taint["effect"].as_str().unwrap()
            )
        })
        .collect()
}

#[test]
fn a_silent_node_is_unknown_after_its_grace_and_loses_its_pods_after_theirs() {
    let cluster = Cluster::new(3, 1);
    cluster.make(DEPLOYMENTS, deployment("web", 3, &Value::Null));
    cluster.wait(30);
    script(&cluster, "n1", &json!({"silent": true}));
    cluster.wait(38);
    let node = Key::new(NODES, "", "n1");
    assert_eq!(conditions::status(&cluster.get(&node)["status"], "Ready"), "True");
    cluster.wait(22);
    let status = cluster.get(&node)["status"].clone();
    let condition = conditions::find(&status, "Ready").unwrap();
    assert_eq!(
        (&condition["status"], &condition["reason"]),
        (&json!("Unknown"), &json!("NodeStatusUnknown"))
    );
    assert_eq!(
        taints(&cluster, "n1"),
        [
            "node.kubernetes.io/unreachable:NoSchedule",
            "node.kubernetes.io/unreachable:NoExecute"
        ]
    );
    let there = cluster
        .pods()
        .into_iter()
        .find(|pod| pod["spec"]["nodeName"] == "n1")
        .unwrap();
    assert!(!ready(&there), "its pods are not ready");
    assert_eq!(there["metadata"]["deletionTimestamp"], Value::Null);
    cluster.wait(300);
    let pods = cluster.pods();
    assert_eq!(pods.len(), 4, "the old pod stays, being deleted");
    let stuck = pods.iter().find(|pod| pod["spec"]["nodeName"] == "n1").unwrap();
    assert!(stuck["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(
        conditions::reason(&stuck["status"], "DisruptionTarget"),
        "DeletionByTaintManager"
    );
    assert_eq!(pods.iter().filter(|pod| ready(pod)).count(), 3);
    script(&cluster, "n1", &json!({}));
    cluster.wait(30);
    assert_eq!(taints(&cluster, "n1"), Vec::<String>::new());
    assert_eq!(cluster.pods().len(), 3);
}

#[test]
fn a_node_that_comes_back_in_time_keeps_its_pods() {
    let cluster = Cluster::new(3, 1);
    cluster.make(DEPLOYMENTS, deployment("web", 3, &Value::Null));
    cluster.wait(30);
    let before: Vec<Value> = cluster
        .pods()
        .iter()
        .map(|pod| pod["metadata"]["uid"].clone())
        .collect();
    script(&cluster, "n1", &json!({"notReady": "the runtime is down"}));
    cluster.wait(60);
    assert_eq!(
        taints(&cluster, "n1"),
        [
            "node.kubernetes.io/not-ready:NoSchedule",
            "node.kubernetes.io/not-ready:NoExecute"
        ]
    );
    script(&cluster, "n1", &json!({}));
    cluster.wait(30);
    assert!(cluster.pods().iter().all(ready));
    let after: Vec<Value> = cluster
        .pods()
        .iter()
        .map(|pod| pod["metadata"]["uid"].clone())
        .collect();
    assert_eq!(before, after);
    assert!(
        cluster.reasons("Pod").contains(&"TaintManagerEviction".to_owned()),
        "the deletion was canceled"
    );
}

#[test]
fn a_cluster_that_is_down_as_a_whole_loses_nothing() {
    let cluster = Cluster::new(3, 1);
    cluster.make(DEPLOYMENTS, deployment("web", 3, &Value::Null));
    cluster.wait(30);
    for node in ["n1", "n2", "n3"] {
        script(&cluster, node, &json!({"silent": true}));
    }
    cluster.wait(600);
    assert!(
        cluster
            .pods()
            .iter()
            .all(|pod| pod["metadata"]["deletionTimestamp"].is_null())
    );
    assert_eq!(taints(&cluster, "n1"), ["node.kubernetes.io/unreachable:NoSchedule"]);
}

#[test]
fn pressure_and_a_cordon_are_taints_too() {
    let cluster = Cluster::new(1, 1);
    script(&cluster, "n1", &json!({"diskPressure": true}));
    cluster.change(&Key::new(NODES, "", "n1"), |node| {
        node["spec"]["unschedulable"] = true.into()
    });
    cluster.wait(10);
    let mut all = taints(&cluster, "n1");
    all.sort();
    assert_eq!(
        all,
        [
            "node.kubernetes.io/disk-pressure:NoSchedule",
            "node.kubernetes.io/unschedulable:NoSchedule"
        ]
    );
}

#[test]
fn pods_of_a_node_that_was_deleted_are_collected() {
    let cluster = Cluster::new(2, 1);
    cluster.make(DEPLOYMENTS, deployment("web", 2, &Value::Null));
    cluster.wait(30);
    cluster.delete(&Key::new(NODES, "", "n1"));
    cluster.wait(30);
    assert!(cluster.pods().iter().any(|pod| pod["spec"]["nodeName"] == "n1"));
    cluster.wait(60);
    let pods = cluster.pods();
    assert!(pods.iter().all(|pod| pod["spec"]["nodeName"] == "n2"));
    assert_eq!(pods.iter().filter(|pod| ready(pod)).count(), 2);
}
