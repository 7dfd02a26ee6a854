#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use crate::kubernetes::{
    controllers::{
        conditions,
        tests::{Cluster, pod},
    },
    resources::{DEPLOYMENTS, NODES, PODS},
    world::Key,
};

fn placed(pod: &Value) -> &str {
    pod["spec"]["nodeName"].as_str().unwrap_or_default()
}

fn asking(name: &str, cpu: &str) -> Value {
    let mut pod = pod(name, &Value::Null);
    pod["spec"]["containers"][0]["resources"]["requests"]["cpu"] = cpu.into();
    pod
}

#[test]
fn a_pod_that_fits_nowhere_says_why_and_comes_up_when_there_is_room() {
    let cluster = Cluster::new(3, 1);
    let node = Key::new(NODES, "", "n1");
    cluster.change(&node, |node| {
        node["spec"]["taints"] = json!([{"key": "gpu", "value": "yes", "effect": "NoSchedule"}])
    });
    cluster.change(&Key::new(NODES, "", "n2"), |node| {
        node["spec"]["unschedulable"] = true.into()
    });
    let first = cluster.make(PODS, asking("first", "3"));
    cluster.wait(5);
    assert_eq!(placed(&cluster.get(&first)), "n3");
    let second = cluster.make(PODS, asking("second", "3"));
    cluster.wait(5);
    let pending = cluster.get(&second);
    let condition = conditions::find(&pending["status"], "PodScheduled").unwrap();
    assert_eq!(
        (&condition["status"], &condition["reason"]),
        (&json!("False"), &json!("Unschedulable"))
    );
    let words = "0/3 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s), 1 node(s) were \
                 unschedulable. no new claims to deallocate, preemption: 0/3 nodes are available: 1 No preemption victims \
                 found for incoming pod, 2 Preemption is not helpful for scheduling.";
    assert_eq!(condition["message"], words);
    assert!(cluster.events("Pod").contains(&format!("FailedScheduling x1: {words}")));
    cluster.delete(&first);
    cluster.wait(10);
    assert_eq!(placed(&cluster.get(&second)), "n3");
}

#[test]
fn respects_selectors_affinity_and_those_who_keep_apart() {
    let cluster = Cluster::new(3, 1);
    let mut chosen = pod("chosen", &Value::Null);
    chosen["spec"]["nodeSelector"] = json!({"kubernetes.io/hostname": "n2"});
    let mut expressed = pod("expressed", &Value::Null);
    expressed["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] = json!(
        {"nodeSelectorTerms": [{"matchExpressions": [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["a"]}]}]});
    let (chosen, expressed) = (cluster.make(PODS, chosen), cluster.make(PODS, expressed));
    let apart = json!([{"labelSelector": {"matchLabels": {"app": "lonely"}}, "topologyKey": "kubernetes.io/hostname"}]);
    let mut lonely = Vec::new();
    for number in 0..4 {
        let mut one = pod("lonely", &Value::Null);
        one["metadata"]["name"] = format!("lonely-{number}").into();
        one["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] = apart.clone();
        lonely.push(cluster.make(PODS, one));
    }
    cluster.wait(10);
    assert_eq!(placed(&cluster.get(&chosen)), "n2");
    assert_eq!(placed(&cluster.get(&expressed)), "n3");
    let mut nodes: Vec<String> = lonely.iter().map(|key| placed(&cluster.get(key)).to_owned()).collect();
    nodes.sort();
    assert_eq!(nodes, ["", "n1", "n2", "n3"]);
}

#[test]
fn spreads_by_zone_as_a_constraint_says() {
    let cluster = Cluster::new(3, 1);
    cluster.change(&Key::new(NODES, "", "n1"), |node| {
        node["spec"]["unschedulable"] = true.into()
    });
    let mut web = crate::kubernetes::controllers::tests::deployment("web", 4, &Value::Null);
    web["spec"]["template"]["spec"]["topologySpreadConstraints"] = json!([{
        "maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "web"}},
    }]);
    cluster.make(DEPLOYMENTS, web);
    cluster.wait(20);
    // The cordoned zone counts as empty: one pod in each of the others, and no more.
    let nodes: Vec<String> = cluster.pods().iter().map(|pod| placed(pod).to_owned()).collect();
    assert_eq!(nodes.iter().filter(|node| node.is_empty()).count(), 2, "{nodes:?}");
    cluster.change(&Key::new(NODES, "", "n1"), |node| {
        node["spec"]["unschedulable"] = false.into()
    });
    cluster.wait(20);
    assert!(cluster.pods().iter().all(|pod| !placed(pod).is_empty()));
}
