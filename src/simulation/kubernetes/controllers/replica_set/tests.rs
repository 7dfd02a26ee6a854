#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use crate::kubernetes::{
    controllers::tests::{Cluster, pod, ready, template},
    resources::{PODS, REPLICA_SETS},
};

fn set(replicas: i64, script: &Value) -> Value {
    json!({
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template("web", script)},
    })
}

#[test]
fn adopts_what_it_selects_and_releases_what_it_does_not() {
    let cluster = Cluster::new(2, 1);
    let mut stray = pod("web", &Value::Null);
    stray["metadata"]["name"] = "stray".into();
    let stray = cluster.make(PODS, stray);
    cluster.wait(10);
    let key = cluster.make(REPLICA_SETS, set(2, &Value::Null));
    cluster.wait(20);
    assert_eq!(cluster.pods().len(), 2);
    assert_eq!(cluster.get(&stray)["metadata"]["ownerReferences"][0]["name"], "web");
    cluster.change(&stray, |pod| pod["metadata"]["labels"]["app"] = "other".into());
    cluster.wait(20);
    assert_eq!(cluster.pods().len(), 3);
    assert_eq!(cluster.get(&stray)["metadata"]["ownerReferences"], Value::Null);
    let status = cluster.get(&key)["status"].clone();
    assert_eq!(
        status,
        json!({"replicas": 2, "fullyLabeledReplicas": 2, "readyReplicas": 2, "availableReplicas": 2,
            "terminatingReplicas": 0, "observedGeneration": 1})
    );
}

#[test]
fn replaces_what_was_evicted_and_leaves_it_there() {
    let cluster = Cluster::new(2, 1);
    cluster.make(REPLICA_SETS, set(1, &Value::Null));
    cluster.wait(20);
    let node = cluster.pods()[0]["spec"]["nodeName"].as_str().unwrap().to_owned();
    let node = crate::kubernetes::world::Key::new(crate::kubernetes::resources::NODES, "", &node);
    let script = json!({"diskPressure": true, "evicts": 1}).to_string();
    cluster.change(&node, |node| {
        node["metadata"]["annotations"]["simulation/node"] = script.into()
    });
    cluster.wait(40);
    let pods = cluster.pods();
    assert_eq!(pods.len(), 2);
    assert_eq!(
        pods.iter().filter(|pod| pod["status"]["reason"] == "Evicted").count(),
        1
    );
    assert_eq!(pods.iter().filter(|pod| ready(pod)).count(), 1);
}

#[test]
fn those_who_are_not_ready_go_first_then_those_who_are_cheap() {
    let cluster = Cluster::new(1, 1);
    let key = cluster.make(REPLICA_SETS, set(3, &Value::Null));
    cluster.wait(20);
    let pods = cluster.pods();
    let (sick, cheap, kept) = (cluster.key(&pods[0]), cluster.key(&pods[1]), cluster.key(&pods[2]));
    cluster.change(&sick, |pod| {
        pod["metadata"]["annotations"]["simulation/life"] = json!({"answers": "never"}).to_string().into();
    });
    cluster.change(&cheap, |pod| {
        pod["metadata"]["annotations"]["controller.kubernetes.io/pod-deletion-cost"] = "-5".into();
    });
    cluster.wait(30);
    assert!(!ready(&cluster.get(&sick)));
    cluster.change(&key, |set| set["spec"]["replicas"] = 2.into());
    cluster.wait(10);
    assert_eq!(cluster.get(&sick), Value::Null);
    cluster.change(&key, |set| set["spec"]["replicas"] = 1.into());
    cluster.wait(10);
    assert_eq!(cluster.get(&cheap), Value::Null);
    assert!(ready(&cluster.get(&kept)));
}
