//! What nodes and their kubelets do, by the means of each side: KWOK does what labels, annotations and patches of a status say,
//! the simulated kubelet carries out the script in an annotation.
//!
//! - `NODE a` adds the node `$ns-a`, which takes only pods of its story: those whose template has the field `own`.
//! - `SILENT a`, `HEARD a`: nothing is heard of that node, and then it is.
//! - `FAIL TARGET`, `SUCCEED TARGET`: the pod's containers end. The target is a pod or a list of them.
//! - `UNREADY TARGET`, `READY TARGET`: a container does not answer its readiness probe, and then it does.

use k8s_openapi::api::core::v1::Node;
use kube::{
    Api,
    api::{DeleteParams, ListParams},
};
use serde_json::{Value, json};
use simulated_cluster::kubernetes::{Simulation, controllers::node, resources::NODES};
use test_cluster::ControlPlane;

use super::tell::Teller;

/// The label of a story's own nodes, the key of their taint.
const STORY: &str = "story";

/// Adds a node to a simulation as the test cluster makes its nodes.
pub fn simulated(simulation: &Simulation, name: &str, labels: &[(&str, &str)]) {
    let mut node = node::node(name, "", ("32", "256Gi", 110));
    node["metadata"]["labels"] = json!({
        "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
    });
    for (label, value) in labels {
        node["metadata"]["labels"][label] = (*value).into();
    }
    simulation.with(|world| world.create(NODES, node, "test").unwrap());
}

/// Takes away a story's nodes from the test cluster.
pub async fn remove(plane: &'static ControlPlane, namespace: &str) {
    let nodes: Api<Node> = Api::all(plane.client());
    let own = ListParams::default().labels(&format!("{STORY}={namespace}"));
    nodes.delete_collection(&DeleteParams::default(), &own).await.unwrap();
}

/// Makes a template of the differential suite, which keeps controllers away, one of a living cluster.
pub fn settle(body: &mut Value, namespace: &str) {
    match body {
        Value::Array(items) => items.iter_mut().for_each(|item| settle(item, namespace)),
        Value::Object(fields) => {
            let nobody = |value: Option<&Value>, name: &str| value.is_some_and(|value| *value == name);
            if nobody(fields.get("schedulerName"), "nobody") {
                fields.remove("schedulerName");
            }
            if nobody(fields.get("managedBy"), "example.com/nobody") {
                fields.remove("managedBy");
            }
            if fields.contains_key("containers") && fields.remove("own").is_some() {
                fields.entry("nodeSelector").or_insert_with(|| json!({}))[STORY] = namespace.into();
                let tolerations = fields.entry("tolerations").or_insert_with(|| json!([]));
                if let Some(tolerations) = tolerations.as_array_mut() {
                    tolerations.push(json!({"key": STORY, "operator": "Exists"}));
                }
            }
            fields.values_mut().for_each(|value| settle(value, namespace));
        }
        _ => {}
    }
}

/// Has a machine do something.
pub async fn act(teller: &Teller<'_>, verb: &str, target: &str) {
    match verb {
        "NODE" => add(teller, target).await,
        "SILENT" | "HEARD" => hush(teller, target, verb == "SILENT").await,
        _ => {
            for pod in pods(teller, target).await {
                pod_does(teller, verb, &pod).await;
            }
        }
    }
}

async fn add(teller: &Teller<'_>, name: &str) {
    let name = format!("{}-{name}", teller.namespace);
    let label = (STORY, teller.namespace);
    match &teller.simulation {
        Some(simulation) => simulated(simulation, &name, &[label]),
        None => teller.plane.add_node(&name, &[label]).await.unwrap(),
    }
    let taint = json!({"spec": {"taints": [{"key": STORY, "value": teller.namespace, "effect": "NoSchedule"}]}});
    // Its own taint goes when it is ready: whoever writes another one before that writes at the same time as the controller.
    let ready = format!("UNTIL nodes/{name} {{status: {{conditions: [{{type: Ready, status: 'True'}}]}}}}");
    teller.until(&ready).await;
    teller.until_untainted(&name).await;
    teller.patch(&format!("nodes/{name}"), &taint).await;
}

async fn hush(teller: &Teller<'_>, name: &str, silent: bool) {
    let patch = match &teller.simulation {
        Some(_) => {
            json!({"metadata": {"annotations": {(node::ANNOTATION): json!({"silent": silent}).to_string()}}})
        }
        None => json!({"metadata": {"labels": {"bench/kwok": if silent { "off" } else { "up" }}}}),
    };
    teller
        .patch(&format!("nodes/{}-{name}", teller.namespace), &patch)
        .await;
}

async fn pods(teller: &Teller<'_>, target: &str) -> Vec<Value> {
    let body = teller.get(target).await["body"].clone();
    match body["items"].as_array() {
        Some(items) => items.clone(),
        None => vec![body],
    }
}

async fn pod_does(teller: &Teller<'_>, verb: &str, pod: &Value) {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    if teller.simulation.is_some() {
        let life = match verb {
            "FAIL" => json!({"ends": {"crashes": {"after": "0s"}}}),
            "SUCCEED" => json!({"ends": {"completes": {"after": "0s"}}}),
            "UNREADY" => json!({"answers": "never"}),
            _ => json!({}),
        };
        let patch = json!({"metadata": {"annotations": {"simulation/life": life.to_string()}}});
        return teller.patch(&format!("pods/{name}"), &patch).await;
    }
    let ready = verb == "READY";
    let mut containers = pod["status"]["containerStatuses"].clone();
    for container in containers.as_array_mut().into_iter().flatten() {
        container["ready"] = ready.into();
        if let "FAIL" | "SUCCEED" = verb {
            let failed = verb == "FAIL";
            container["started"] = false.into();
            container["state"] = json!({"running": null, "terminated": {
                "exitCode": u8::from(failed),
                "reason": if failed { "Error" } else { "Completed" },
                "startedAt": "2001-01-01T00:00:00Z",
                "finishedAt": jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            }});
        }
    }
    let (phase, reason) = match verb {
        "FAIL" => ("Failed", "PodFailed"),
        "SUCCEED" => ("Succeeded", "PodCompleted"),
        _ => ("Running", "ContainersNotReady"),
    };
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut conditions = pod["status"]["conditions"].clone();
    for condition in conditions.as_array_mut().into_iter().flatten() {
        if condition["type"] == "Ready" || condition["type"] == "ContainersReady" {
            condition["status"] = if ready { "True" } else { "False" }.into();
            condition["reason"] = if ready { Value::Null } else { reason.into() };
            condition["lastTransitionTime"] = now.as_str().into();
        }
    }
    let patch = json!({"status": {"phase": phase, "conditions": conditions, "containerStatuses": containers}});
    teller.patch(&format!("pods/{name}/status"), &patch).await;
}
