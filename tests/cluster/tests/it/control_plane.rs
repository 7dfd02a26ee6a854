//! Nodes, workloads, evictions and rights, on the control plane that these tests share.

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Node, Pod},
    rbac::v1::RoleBinding,
};
use kube::{
    Api, Client, Error,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use test_cluster::ControlPlane;

use crate::eventually;

/// A Deployment of 3 in a namespace of its own, all Ready.
pub(crate) async fn deploy(cluster: &ControlPlane, namespace: &str) -> Api<Pod> {
    cluster.create_namespace(namespace).await.unwrap();
    let client = cluster.client();
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let deployment = json!({
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "app", "image": "app:1"}]},
            },
        },
    });
    deployments
        .create(&PostParams::default(), &serde_json::from_value(deployment).unwrap())
        .await
        .unwrap();
    eventually("3 replicas", || async {
        let status = deployments.get("web").await.unwrap().status.unwrap_or_default();
        status.ready_replicas == Some(3) && status.observed_generation == Some(1)
    })
    .await;
    Api::namespaced(client, namespace)
}

/// By hand: `Api::evict` of kube 5.0.0 calls the field `delete_options`, which the API server ignores, and the precondition
/// with it.
async fn evict(client: Client, namespace: &str, name: &str, uid: &str) -> Result<(), Error> {
    let eviction = json!({
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": namespace},
        "deleteOptions": {"preconditions": {"uid": uid}},
    });
    let path = format!("/api/v1/namespaces/{namespace}/pods/{name}/eviction");
    let request = http::Request::post(path).header("content-type", "application/json");
    let request = request.body(eviction.to_string().into_bytes()).unwrap();
    client.request_text(request).await.map(drop)
}

fn code(result: Result<(), Error>) -> u16 {
    match result {
        Ok(()) => 201,
        Err(Error::Api(status)) => status.code,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn nodes_are_ready() {
    let cluster = ControlPlane::shared().await.unwrap();
    for node in ["node-0", "node-1", "node-2"] {
        let node: Node = Api::all(cluster.client()).get(node).await.unwrap();
        let conditions = node.status.unwrap().conditions.unwrap();
        assert!(conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True"));
    }
    assert_eq!(
        cluster.client().apiserver_version().await.unwrap().git_version,
        "v1.36.3"
    );
}

#[tokio::test]
async fn a_node_of_ones_own_carries_its_labels() {
    let cluster = ControlPlane::shared().await.unwrap();
    cluster.add_node("own", &[("bench/test", "labels")]).await.unwrap();
    let node: Node = Api::all(cluster.client()).get("own").await.unwrap();
    assert_eq!(node.metadata.labels.unwrap()["bench/test"], "labels");
    assert!(
        cluster
            .add_node("own", &[])
            .await
            .unwrap_err()
            .to_string()
            .contains("already exists")
    );
}

#[tokio::test]
async fn evictions_are_refused_for_another_uid_and_counted() {
    let cluster = ControlPlane::shared().await.unwrap();
    let pods = deploy(cluster, "evictions").await;
    let pod = pods.list(&ListParams::default()).await.unwrap().items.remove(0);
    let (name, uid) = (pod.metadata.name.unwrap(), pod.metadata.uid.unwrap());

    assert_eq!(code(evict(cluster.client(), "evictions", &name, "another").await), 409);
    assert_eq!(
        code(evict(cluster.client_for("nobody").unwrap(), "evictions", &name, &uid).await),
        403
    );
    assert_eq!(code(evict(cluster.client(), "evictions", &name, &uid).await), 201);
    eventually("the pod is gone", || async {
        pods.get_opt(&name).await.unwrap().is_none()
    })
    .await;

    let seen = || {
        let requests = cluster.audited().unwrap();
        let evictions = requests
            .into_iter()
            .filter(|r| r.is_eviction() && r.namespace == "evictions" && r.name == name);
        evictions.collect::<Vec<_>>()
    };
    eventually("all are answered", || async {
        seen().iter().all(|request| request.code.is_some())
    })
    .await;
    let seen = seen();
    let answers: Vec<_> = seen
        .iter()
        .map(|request| (request.user.as_str(), request.code.unwrap()))
        .collect();
    assert_eq!(answers, [("admin", 409), ("nobody", 403), ("admin", 201)]);
    assert_eq!(
        seen[2].body.as_ref().unwrap()["deleteOptions"]["preconditions"]["uid"],
        json!(uid)
    );
}

#[tokio::test]
async fn identities_have_the_rights_that_a_test_binds() {
    let cluster = ControlPlane::shared().await.unwrap();
    cluster.create_namespace("rights").await.unwrap();
    let pods: Api<Pod> = Api::namespaced(cluster.client_for("test-0").unwrap(), "rights");
    let refused = pods.list(&ListParams::default()).await.map(drop);
    assert_eq!(code(refused), 403);

    let binding = json!({
        "metadata": {"name": "test-0-views"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "test-0"}],
    });
    let bindings: Api<RoleBinding> = Api::namespaced(cluster.client(), "rights");
    bindings
        .create(&PostParams::default(), &serde_json::from_value(binding).unwrap())
        .await
        .unwrap();
    eventually("the binding counts", || async {
        pods.list(&ListParams::default()).await.is_ok()
    })
    .await;

    assert!(cluster.kubeconfig_for("test-0").unwrap().is_file());
    assert!(cluster.kubeconfig_for("root").is_err());
}

#[tokio::test]
async fn an_annotation_makes_a_pod_crash() {
    let cluster = ControlPlane::shared().await.unwrap();
    let pods = deploy(cluster, "crashes").await;
    let name = pods
        .list(&ListParams::default())
        .await
        .unwrap()
        .items
        .remove(0)
        .metadata
        .name
        .unwrap();
    let fault = json!({"metadata": {"annotations": {"bench/fault": "CrashLoopBackOff", "bench/restarts": "7"}}});
    pods.patch(&name, &PatchParams::default(), &Patch::Merge(fault))
        .await
        .unwrap();
    let shown = || async {
        let status = pods.get(&name).await.unwrap().status.unwrap();
        status.container_statuses.unwrap().remove(0)
    };
    eventually("the container ends", || async {
        let status = shown().await;
        let ended = status.state.and_then(|state| state.terminated);
        ended.is_some_and(|ended| ended.reason.as_deref() == Some("Error"))
            && status.restart_count == 7
            && !status.ready
    })
    .await;
    eventually("it waits to be started again", || async {
        let status = shown().await;
        let waiting = status.state.and_then(|state| state.waiting);
        waiting.is_some_and(|waiting| waiting.reason.as_deref() == Some("CrashLoopBackOff")) && !status.ready
    })
    .await;
    eventually("it was started again", || async { shown().await.restart_count == 8 }).await;
}

#[tokio::test]
async fn pods_have_the_logs_that_a_test_gives_them() {
    let cluster = ControlPlane::shared().await.unwrap();
    let pods = deploy(cluster, "logs").await;
    let name = pods
        .list(&ListParams::default())
        .await
        .unwrap()
        .items
        .remove(0)
        .metadata
        .name
        .unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "2026-01-01T00:00:00.000000000Z stdout F boom\n").unwrap();
    let logs = json!({
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Logs",
        "metadata": {"name": name, "namespace": "logs"},
        "spec": {"logs": [{"containers": ["app"], "logsFile": file.path()}]},
    });
    let request = http::Request::post("/apis/kwok.x-k8s.io/v1alpha1/namespaces/logs/logs")
        .header("content-type", "application/json")
        .body(logs.to_string().into_bytes());
    cluster.client().request_text(request.unwrap()).await.unwrap();
    eventually("the log is served", || async {
        pods.logs(&name, &Default::default())
            .await
            .is_ok_and(|log| log == "boom\n")
    })
    .await;
}

#[tokio::test]
async fn kube_state_metrics_sees_the_cluster() {
    let cluster = ControlPlane::shared().await.unwrap();
    let url = cluster.kube_state_metrics_url().unwrap();
    eventually("a node's metric", || async {
        let text = reqwest::get(url).await.unwrap().text().await.unwrap();
        text.contains(r#"kube_node_status_condition{node="node-0",condition="Ready",status="true"} 1"#)
    })
    .await;
}
