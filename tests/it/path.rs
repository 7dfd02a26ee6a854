//! One alert, all the way: a rule fires in Prometheus, Alertmanager posts, the pod is evicted, the cluster heals.

use std::{path::PathBuf, time::Duration};

use test_cluster::{Alertmanager, Prometheus, PrometheusOptions, webhook_config};

use crate::{
    service::{Installation, outcome, story},
    workload::{World, name, uid},
};

/// The shipped runbook, with the times of a test.
pub fn shipped_runbook() -> String {
    let text = include_str!("../../runbooks/crash-looping-pod.yaml");
    let quick = text
        .replace("stableFor: 1m", "stableFor: 1s")
        .replace("c.?restartCount.orValue(0) >= 3", "c.?restartCount.orValue(0) >= 0");
    assert!(
        quick.contains("stableFor: 1s"),
        "the runbook has changed; adapt this test"
    );
    quick
}

pub const ENFORCE: &str = "modes: {crash-looping-pod: enforce}\nsettle: 0s\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_fires_and_the_crash_looping_pod_is_evicted_once_replaced_and_verified() {
    let world = World::new("path").await;
    world.deployment("cart", 3).await;
    // Prometheus sees the pods of all tests; those are not this one's to evict.
    let everywhere = "namespace !~ \"kube-.*\"";
    let runbook = shipped_runbook();
    assert!(runbook.contains(everywhere), "the runbook has changed; adapt this test");
    let runbook = runbook.replace(everywhere, &format!("namespace = {}", world.namespace));
    let installation = Installation::new(&world.kubeconfig(), &[&runbook], ENFORCE);
    let service = installation.start().await;
    let alertmanager = Alertmanager::start(&webhook_config(&format!("{}/alertmanager", service.url)))
        .await
        .unwrap();
    let _prometheus = Prometheus::start(PrometheusOptions {
        rules: vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("rules/pods.yaml")],
        hold: Some(Duration::ZERO),
        scrape: vec![(
            "kube-state-metrics".to_owned(),
            world.plane.kube_state_metrics_url().unwrap().to_owned(),
        )],
        alertmanagers: vec![alertmanager.url().to_owned()],
        ..PrometheusOptions::default()
    })
    .await
    .unwrap();

    let sick = world.ready_pods("cart", 3).await.remove(0);
    world.crash(&sick).await;

    let runs = service.finished(&world.namespace).await;
    let [run] = runs.as_slice() else {
        panic!("expected one run: {runs:#?}")
    };
    assert_eq!(outcome(run), "succeeded(healthy)");
    assert_eq!(run["target"]["uid"], uid(&sick));
    assert_eq!(run["root"]["kind"], "Deployment");
    // The replacement may be ready before it is looked at first, or not.
    let mut told = story(run);
    told.dedup();
    assert_eq!(
        told,
        [
            "bound",
            "started",
            "done",
            "step_done",
            "started",
            "done",
            "step_done",
            "verifying",
            "observed",
            "finished"
        ]
    );

    assert_eq!(world.evictions(), [name(&sick)], "evicted exactly once");
    let pods = world.ready_pods("cart", 3).await;
    assert!(pods.iter().all(|pod| uid(pod) != uid(&sick)), "replaced");

    // The alert resolves, and the API says so.
    let alerts = world
        .wait("the alert to resolve", async || {
            let page = service
                .get("/api/v1/alerts?alertname=SelfhealerPodCrashLooping&status=resolved")
                .await;
            let alerts = page["items"].as_array().unwrap().clone();
            let ours: Vec<_> = alerts
                .into_iter()
                .filter(|alert| alert["labels"]["namespace"] == world.namespace.as_str())
                .collect();
            (!ours.is_empty()).then_some(ours)
        })
        .await;
    assert_eq!(alerts[0]["runs"][0], run["id"]);
    for rides_along in ["job", "instance"] {
        assert!(alerts[0]["labels"][rides_along].is_null(), "{:#?}", alerts[0]["labels"]);
    }

    // Events on the object, with the run's id.
    let events = world.events().await;
    let id = run["id"].as_str().unwrap();
    for reason in ["HealingEvicted", "HealingSucceeded"] {
        assert!(
            events.iter().any(|(told, note)| told == reason && note.contains(id)),
            "{reason} is not among {events:?}"
        );
    }

    // The evidence was kept, without the secrets.
    let journal = run["journal"].to_string();
    assert!(
        journal.contains("CrashLoopBackOff") && journal.contains("[redacted]"),
        "{journal}"
    );
    assert!(!journal.contains("hunter2"), "{journal}");

    // The end is counted just after it was committed.
    let metrics = world
        .wait("the healed pod to be counted", async || {
            let metrics = service.metrics().await;
            metrics.contains("selfhealer_pods_healed_total 1").then_some(metrics)
        })
        .await;
    assert!(metrics.contains("selfhealer_pods_failed_total 0"), "{metrics}");

    // An intent row before the eviction, a result row after.
    drop(service);
    assert_eq!(crate::crashes::audit_kinds(&installation, id), ["intent", "result"]);
}
