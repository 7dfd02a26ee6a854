use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Event, Pod},
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, LogParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams},
    discovery::Discovery,
};

use super::*;

fn client(simulation: &Simulation) -> Client {
    Client::new(simulation.service(), "default")
}

fn typed<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

#[tokio::test]
async fn a_client_creates_reads_patches_and_deletes() {
    let simulation = simulation();
    let client = client(&simulation);
    assert_eq!(client.apiserver_version().await.unwrap().git_version, "v1.36.3");
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let made = pods.create(&PostParams::default(), &typed(pod("web"))).await.unwrap();
    assert!(made.metadata.uid.is_some());
    assert_eq!(made.spec.as_ref().unwrap().restart_policy.as_deref(), Some("Always"));
    assert_eq!(pods.get("web").await.unwrap().metadata.uid, made.metadata.uid);
    let selected = pods.list(&ListParams::default().labels("app=web")).await.unwrap();
    assert_eq!(selected.items.len(), 1);
    assert!(
        pods.list(&ListParams::default().labels("app!=web"))
            .await
            .unwrap()
            .items
            .is_empty()
    );
    let patch = json!({"metadata": {"annotations": {"a": "b"}}});
    let patched = pods
        .patch("web", &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .unwrap();
    assert_eq!(patched.metadata.annotations.unwrap()["a"], "b");
    let stale = DeleteParams {
        preconditions: Some(kube::api::Preconditions {
            uid: Some("other".to_owned()),
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    let kube::Error::Api(status) = pods.delete("web", &stale).await.unwrap_err() else {
        panic!("an answer of the API server");
    };
    assert_eq!((status.code, &*status.reason), (409, "Conflict"));
    pods.delete("web", &DeleteParams::default()).await.unwrap();
    assert!(pods.get_opt("web").await.unwrap().is_none());
}

#[tokio::test]
async fn a_client_watches_what_happens() {
    let simulation = simulation();
    let pods: Api<Pod> = Api::default_namespaced(client(&simulation));
    let before = pods.list(&ListParams::default()).await.unwrap();
    let version = before.metadata.resource_version.unwrap();
    let watch = pods.watch(&WatchParams::default(), &version).await.unwrap();
    let mut watch = std::pin::pin!(watch);
    pods.create(&PostParams::default(), &typed(pod("web"))).await.unwrap();
    pods.delete("web", &DeleteParams::default()).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 3
        && let Some(event) = watch.next().await
    {
        seen.push(match event.unwrap() {
            WatchEvent::Added(_) => "added",
            WatchEvent::Modified(_) => "modified",
            WatchEvent::Deleted(_) => "deleted",
            WatchEvent::Bookmark(_) => "bookmark",
            WatchEvent::Error(_) => "error",
        });
    }
    // A pod without a node is marked and gone in one request: two changes.
    assert_eq!(seen, ["added", "modified", "deleted"]);
}

#[tokio::test]
async fn a_watch_ends_when_its_time_has_passed() {
    let simulation = simulation();
    let pods: Api<Pod> = Api::default_namespaced(client(&simulation));
    let watch = pods.watch(&WatchParams::default().timeout(20), "0").await.unwrap();
    simulation.advance(start() + Duration::from_secs(21));
    let events: Vec<_> = watch.try_collect().await.unwrap();
    assert!(events.is_empty());
}

#[tokio::test]
async fn a_client_scales_applies_and_reads_discovery() {
    let simulation = simulation();
    let client = client(&simulation);
    let deployments: Api<Deployment> = Api::default_namespaced(client.clone());
    let applied = deployments
        .patch("web", &PatchParams::apply("me"), &Patch::Apply(&deployment("web")))
        .await
        .unwrap();
    assert_eq!(applied.metadata.generation, Some(1));
    let scale = json!({"spec": {"replicas": 5}});
    let scaled = deployments
        .patch_scale("web", &PatchParams::default(), &Patch::Merge(&scale))
        .await
        .unwrap();
    assert_eq!(scaled.spec.unwrap().replicas, Some(5));
    assert_eq!(deployments.get("web").await.unwrap().metadata.generation, Some(2));
    let conflict = deployments
        .patch("web", &PatchParams::apply("me"), &Patch::Apply(&deployment("web")))
        .await
        .unwrap_err();
    let kube::Error::Api(status) = conflict else {
        panic!("an answer of the API server")
    };
    assert_eq!(status.code, 409);
    assert!(
        status
            .message
            .starts_with("Apply failed with 1 conflict: conflict with"),
        "{}",
        status.message
    );

    let discovery = Discovery::new(client.clone()).run().await.unwrap();
    assert!(discovery.groups().any(|group| group.name() == "apps"));
    let aggregated = Discovery::new(client).run_aggregated().await.unwrap();
    assert!(aggregated.groups().any(|group| group.name() == "policy"));
}

#[tokio::test]
async fn a_client_reads_logs_and_events() {
    let simulation = simulation();
    let service = simulation.service();
    let made = running(&service, "web").await;
    let uid = made["metadata"]["uid"].as_str().unwrap();
    simulation.with(|world| {
        for (second, line) in ["one", "two", "three"].into_iter().enumerate() {
            let at = start() + Duration::from_secs(second as u64);
            world.logs_mut().print(uid, "app", at, line);
        }
    });
    let pods: Api<Pod> = Api::default_namespaced(client(&simulation));
    let tail = LogParams {
        tail_lines: Some(2),
        ..LogParams::default()
    };
    assert_eq!(pods.logs("web", &tail).await.unwrap(), "two\nthree\n");
    let previous = LogParams {
        previous: true,
        ..LogParams::default()
    };
    let kube::Error::Api(status) = pods.logs("web", &previous).await.unwrap_err() else {
        panic!("an answer of the API server");
    };
    assert_eq!(
        status.message,
        "previous terminated container \"app\" in pod \"web\" not found"
    );

    let event = json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e", "namespace": "default"},
        "eventTime": "2026-11-24T10:00:00.000000Z", "reportingController": "a.b/c", "reportingInstance": "i",
        "action": "Act", "reason": "Why", "type": "Normal", "note": "because",
        "regarding": {"kind": "Pod", "namespace": "default", "name": "web", "uid": uid},
    });
    let path = "/apis/events.k8s.io/v1/namespaces/default/events";
    let posted = ask(&service, "POST", path, event).await;
    assert_eq!(posted.code, 201, "{}", posted.text);
    assert_eq!(posted.value["note"], "because");
    let events: Api<Event> = Api::default_namespaced(client(&simulation));
    let about = ListParams::default().fields(&format!("involvedObject.uid={uid}"));
    let found = events.list(&about).await.unwrap().items;
    assert_eq!(found[0].message.as_deref(), Some("because"));
}
