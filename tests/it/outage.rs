//! The API server is away, or says nothing: nobody knows what was done, and still it is done once.

use std::time::{Duration, Instant};

use test_cluster::{ControlPlane, ControlPlaneOptions};

use crate::{
    path::{ENFORCE, shipped_runbook},
    service::{Installation, PATIENCE, outcome, story},
    webhook::notification,
    workload::{World, name},
};

/// A control plane of its own: what happens to it must not happen to other tests.
async fn own_world(namespace: &str) -> World {
    crate::service::trust();
    let plane = ControlPlane::start(ControlPlaneOptions::default()).await.unwrap();
    World::on(Box::leak(Box::new(plane)), namespace).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_eviction_without_an_answer_is_repeated_and_carried_out_once() {
    let world = own_world("silence").await;
    let sick = world.sick_deployment("cart", 3).await;
    // Without the evidence, so that the first request is the eviction: `started` is committed, and the process dies.
    let runbook = shipped_runbook().replace("    - collect: {events: true, yaml: true}\n", "");
    assert!(
        !runbook.contains("- collect"),
        "the runbook has changed; adapt this test"
    );
    let installation = Installation::new(&world.kubeconfig(), &[&runbook], ENFORCE);
    let mut service = installation.start_crashing_at("StartAfterCommit").await;
    let body = notification(&[world.alert_about(&sick)]);
    service.post_quietly("/alertmanager", &body).await;
    service.ended().await;
    world.plane.pause_api_server().await.unwrap();
    let service = installation.start().await;
    service
        .until(&world.namespace, "a request without an answer", |runs| {
            let run = runs.first()?;
            (run["phase"] == "running").then_some(())
        })
        .await;
    let id = service.runs(&world.namespace).await[0]["id"].clone();
    let deadline = Instant::now() + PATIENCE;
    while !story(&service.run(&id).await).contains(&"unanswered".to_owned()) {
        assert!(
            Instant::now() < deadline,
            "{:#}\n{}",
            service.run(&id).await,
            service.log()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    world.plane.resume_api_server().await.unwrap();
    let runs = service.finished(&world.namespace).await;
    assert_eq!(outcome(&runs[0]), "succeeded(healthy)", "{:#}", runs[0]);
    assert_eq!(world.evictions(), [name(&sick)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_are_accepted_while_the_api_server_is_down_and_healed_when_it_is_back() {
    let world = own_world("down").await;
    let sick = world.sick_deployment("cart", 3).await;
    let installation = Installation::new(&world.kubeconfig(), &[&shipped_runbook()], ENFORCE);
    world.plane.stop_api_server().await;
    let service = installation.start().await;
    service.notify(&notification(&[world.alert_about(&sick)])).await;
    service
        .until(&world.namespace, "the run to wait for the API server", |runs| {
            runs.iter()
                .find(|run| run["reason"] == "cluster_unavailable")
                .map(|_| ())
        })
        .await;
    world.plane.start_api_server().await.unwrap();
    let runs = service.finished(&world.namespace).await;
    assert_eq!(outcome(&runs[0]), "succeeded(healthy)", "{:#}", runs[0]);
    assert_eq!(world.evictions(), [name(&sick)]);
}
