//! Nodes: objects that KWOK keeps alive.

use std::time::Duration;

use k8s_openapi::api::core::v1::Node;
use kube::{Api, Client, api::PostParams};
use serde_json::{Map, Value, json};

use crate::{Error, kubernetes::NODE_IS_UP, part::wait_for};

const READY_WITHIN: Duration = Duration::from_secs(60);

/// Creates a node. It becomes Ready within a second or so: [`wait_until_ready`].
pub(crate) async fn create(client: &Client, name: &str, labels: &[(&str, &str)]) -> Result<(), Error> {
    let node = serde_json::from_value(object(name, labels)).expect("the object is a node");
    let created = Api::<Node>::all(client.clone())
        .create(&PostParams::default(), &node)
        .await;
    created
        .map(drop)
        .map_err(Error::kubernetes(format!("creating node {name}")))
}

/// Waits until pods can be scheduled onto the node: Ready, and the taint for new nodes gone.
pub(crate) async fn wait_until_ready(client: &Client, name: &str) -> Result<(), Error> {
    let nodes = Api::<Node>::all(client.clone());
    wait_for(&format!("node {name} being Ready"), READY_WITHIN, || async {
        let node = nodes.get(name).await.map_err(|error| error.to_string())?;
        is_ready(&node)
    })
    .await
}

fn is_ready(node: &Node) -> Result<(), String> {
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let mut ready = conditions
        .filter(|condition| condition.type_ == "Ready")
        .map(|condition| condition.status.as_str());
    let status = ready.next_back().unwrap_or("absent");
    let mut taints = node.spec.iter().flat_map(|spec| spec.taints.iter().flatten());
    let taint = taints.find(|taint| taint.key.starts_with("node.kubernetes.io/"));
    match (status, taint) {
        ("True", None) => Ok(()),
        ("True", Some(taint)) => Err(format!("it has the taint {}", taint.key)),
        (status, _) => Err(format!("its condition Ready is {status}")),
    }
}

fn object(name: &str, extra: &[(&str, &str)]) -> Value {
    let usual = [
        ("kubernetes.io/hostname", name),
        ("kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", "amd64"),
        NODE_IS_UP,
    ];
    let labels = usual.iter().chain(extra);
    let labels: Map<_, _> = labels.map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_may_override_the_usual_labels() {
        let node = object("n1", &[("zone", "a"), ("kubernetes.io/arch", "arm64")]);
        assert_eq!(node["metadata"]["labels"]["kubernetes.io/arch"], "arm64");
        assert_eq!(node["metadata"]["labels"]["zone"], "a");
        assert_eq!(node["metadata"]["labels"]["bench/kwok"], "up");
    }

    #[test]
    fn a_node_is_ready_only_without_the_taint_for_new_ones() {
        let node = |taints: Value, status: &str| {
            let conditions =
                json!([{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": status}]);
            let node = json!({"metadata": {}, "spec": {"taints": taints}, "status": {"conditions": conditions}});
            serde_json::from_value::<Node>(node).unwrap()
        };
        let taint = json!([{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]);
        assert_eq!(is_ready(&node(json!([]), "True")), Ok(()));
        assert!(is_ready(&node(taint, "True")).unwrap_err().contains("not-ready"));
        assert!(is_ready(&node(json!([]), "Unknown")).unwrap_err().contains("Unknown"));
        assert!(is_ready(&Node::default()).unwrap_err().contains("absent"));
    }
}
