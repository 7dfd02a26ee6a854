//! From a fault to the webhook, through the real Prometheus and Alertmanager.

use std::{process::Command, time::Duration};

use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;
use test_cluster::{Alertmanager, ControlPlane, Prometheus, PrometheusOptions, Tool, tool, webhook_config};

use crate::{control_plane::deploy, eventually, receiver::Receiver};

const RULES: &str = r#"
groups:
- name: pods
  interval: 1m
  rules:
  - alert: PodCrashLooping
    expr: kube_pod_container_status_waiting_reason{reason="CrashLoopBackOff",namespace="alerting"} == 1
    for: 15m
"#;

#[tokio::test]
async fn a_crash_loop_reaches_the_webhook_and_is_resolved() {
    let cluster = ControlPlane::shared().await.unwrap();
    let receiver = Receiver::start().await;
    let rules = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    std::fs::write(rules.path(), RULES).unwrap();
    let alertmanager = Alertmanager::start(&webhook_config(&receiver.url)).await.unwrap();
    let prometheus = Prometheus::start(PrometheusOptions {
        rules: vec![rules.path().into()],
        hold: Some(Duration::from_secs(1)),
        scrape: vec![(
            "kube-state-metrics".into(),
            cluster.kube_state_metrics_url().unwrap().into(),
        )],
        alertmanagers: vec![alertmanager.url().into()],
        external_labels: [("cluster".into(), "test".into())].into(),
    })
    .await
    .unwrap();

    let pods = deploy(cluster, "alerting").await;
    let name = pods
        .list(&ListParams::default())
        .await
        .unwrap()
        .items
        .remove(0)
        .metadata
        .name
        .unwrap();
    let fault = json!({"metadata": {"annotations": {"bench/fault": "CrashLoopBackOff"}}});
    pods.patch(&name, &PatchParams::default(), &Patch::Merge(fault))
        .await
        .unwrap();
    eventually("the alert", || async { !receiver.posts("PodCrashLooping").is_empty() }).await;
    let post = receiver.posts("PodCrashLooping").remove(0);
    assert_eq!(post["status"], "firing");
    assert_eq!(post["externalURL"], alertmanager.url());
    let labels = &post["alerts"][0]["labels"];
    assert_eq!(
        (&labels["pod"], &labels["namespace"], &labels["cluster"]),
        (&json!(name), &json!("alerting"), &json!("test"))
    );
    let source = post["alerts"][0]["generatorURL"].as_str().unwrap();
    assert!(source.starts_with(prometheus.url()), "{source}");

    pods.delete(&name, &DeleteParams::default()).await.unwrap();
    let resolved = || async {
        receiver
            .posts("PodCrashLooping")
            .iter()
            .any(|post| post["status"] == "resolved")
    };
    eventually("its end", resolved).await;
    prometheus.check().await.unwrap();
    alertmanager.check().await.unwrap();
}

#[tokio::test]
async fn a_pair_notifies_once() {
    let receiver = Receiver::start().await;
    let (a, b) = Alertmanager::start_pair(&webhook_config(&receiver.url)).await.unwrap();
    let alerts = json!([{"labels": {"alertname": "Once"}}]);
    for peer in [&a, &b] {
        let answer = reqwest::Client::new()
            .post(format!("{}/api/v2/alerts", peer.url()))
            .json(&alerts)
            .send()
            .await;
        assert!(answer.unwrap().status().is_success());
    }
    eventually("the alert", || async { !receiver.posts("Once").is_empty() }).await;
    // Longer than the second peer waits for the first.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(receiver.posts("Once").len(), 1);
}

#[tokio::test]
async fn a_bad_configuration_is_shown_as_alertmanager_says_it() {
    let error = Alertmanager::start("route: {receiver: absent}\n")
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("alertmanager ended (exit status: 1); the last lines of its log:\n"),
        "{error}"
    );
    assert!(error.contains("undefined receiver"), "{error}");
}

#[tokio::test]
async fn a_bad_rule_is_shown_as_prometheus_says_it() {
    let rules = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        rules.path(),
        "groups: [{name: bad, rules: [{alert: A, expr: 'up ==', for: 1m}]}]",
    )
    .unwrap();
    let options = PrometheusOptions {
        rules: vec![rules.path().into()],
        hold: Some(Duration::from_secs(1)),
        ..PrometheusOptions::default()
    };
    let error = Prometheus::start(options).await.unwrap_err().to_string();
    assert!(error.starts_with("prometheus ended"), "{error}");
    assert!(error.contains("parse error"), "{error}");
}

#[test]
fn the_checkers_run() {
    for (name, argument) in [(Tool::Promtool, "--version"), (Tool::Amtool, "--version")] {
        assert!(
            Command::new(tool(name).unwrap())
                .arg(argument)
                .output()
                .unwrap()
                .status
                .success()
        );
    }
}
