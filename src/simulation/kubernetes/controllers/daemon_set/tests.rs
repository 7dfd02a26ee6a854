#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use crate::kubernetes::{
    controllers::{
        node,
        tests::{Cluster, ready, template},
    },
    resources::{DAEMON_SETS, NODES},
    world::Key,
};

fn set() -> Value {
    json!({
        "metadata": {"name": "agent", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "agent"}}, "template": template("agent", &Value::Null)},
    })
}

fn nodes(cluster: &Cluster) -> Vec<String> {
    let mut nodes: Vec<String> = cluster
        .pods()
        .iter()
        .filter(|pod| ready(pod))
        .map(|pod| pod["spec"]["nodeName"].as_str().unwrap().to_owned())
        .collect();
    nodes.sort();
    nodes
}

#[test]
fn is_on_every_node_even_a_cordoned_one_but_not_where_a_taint_forbids_it() {
    let cluster = Cluster::new(3, 1);
    cluster.change(&Key::new(NODES, "", "n1"), |node| {
        node["spec"]["unschedulable"] = true.into()
    });
    cluster.change(&Key::new(NODES, "", "n2"), |node| {
        node["spec"]["taints"] = json!([{"key": "gpu", "effect": "NoSchedule"}]);
    });
    let key = cluster.make(DAEMON_SETS, set());
    cluster.wait(20);
    assert_eq!(nodes(&cluster), ["n1", "n3"]);
    cluster.make(NODES, node::node("n4", "a", ("4", "16Gi", 110)));
    cluster.wait(20);
    assert_eq!(nodes(&cluster), ["n1", "n3", "n4"]);
    let status = cluster.get(&key)["status"].clone();
    assert_eq!(
        status,
        json!({"currentNumberScheduled": 3, "desiredNumberScheduled": 3, "numberMisscheduled": 0, "numberReady": 3,
            "numberAvailable": 3, "updatedNumberScheduled": 3, "observedGeneration": 1})
    );
}

#[test]
fn rolls_one_node_after_the_other() {
    let cluster = Cluster::new(3, 1);
    let key = cluster.make(DAEMON_SETS, set());
    cluster.wait(20);
    cluster.change(&key, |set| {
        set["spec"]["template"]["spec"]["containers"][0]["image"] = "agent:2".into()
    });
    for _ in 0..60 {
        cluster.wait(1);
        assert!(nodes(&cluster).len() >= 2);
    }
    assert!(
        cluster
            .pods()
            .iter()
            .all(|pod| pod["spec"]["containers"][0]["image"] == "agent:2" && ready(pod))
    );
    assert_eq!(cluster.get(&key)["status"]["updatedNumberScheduled"], 3);
}

#[test]
fn a_silent_node_keeps_its_daemon() {
    let cluster = Cluster::new(2, 1);
    cluster.make(DAEMON_SETS, set());
    cluster.wait(20);
    cluster.change(&Key::new(NODES, "", "n1"), |node| {
        node["metadata"]["annotations"][node::ANNOTATION] = json!({"silent": true}).to_string().into();
    });
    cluster.wait(500);
    assert!(
        cluster
            .pods()
            .iter()
            .all(|pod| pod["metadata"]["deletionTimestamp"].is_null())
    );
    assert_eq!(nodes(&cluster), ["n2"]);
}
