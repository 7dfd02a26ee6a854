//! What an alert is about: one object with one uid, whatever posts, peers and exporters say.

use serde_json::json;
use test_cluster::{Alertmanager, webhook_config};

use crate::{
    guards::start,
    path::{ENFORCE, shipped_runbook},
    service::{Installation, http, outcome},
    webhook::{crash_looping, firing, notification, resolved},
    workload::{World, name, uid},
};

/// Evicts as many of the alerted pods as are sick, one at a time.
pub const CROWD: &str = "
apiVersion: selfhealer.dev/v1alpha1
kind: Runbook
metadata: {name: crowd}
spec:
  match: [alertname = SelfhealerPodCrashLooping]
  target: {apiVersion: v1, kind: Pod, namespace: '{{labels.namespace}}', name: '{{labels.pod}}'}
  steps:
    - evict: {limit: 100}
  verify: {within: 2m, stableFor: 1s}
  deadline: 5m
";

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_was_replaced_under_another_name_is_gone() {
    let world = World::new("replaced").await;
    world.deployment("cart", 2).await;
    let sick = world.ready_pods("cart", 2).await.remove(0);
    world.pods().delete(name(&sick), &Default::default()).await.unwrap();
    world
        .wait("the pod to go", async || {
            world.pods().get_opt(name(&sick)).await.unwrap().is_none().then_some(())
        })
        .await;
    let (_installation, service) = start(&world, ENFORCE).await;
    service.notify(&notification(&[world.alert_about(&sick)])).await;
    let runs = service.finished(&world.namespace).await;
    assert_eq!(outcome(&runs[0]), "suppressed(target_gone)");
    assert_eq!(world.mutations(), [] as [String; 0], "nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_was_replaced_under_the_same_name_is_another_one() {
    let world = World::new("stateful").await;
    world.stateful_set("db", 2).await;
    let old = world.pods().get("db-0").await.unwrap();
    let with_uid = crash_looping(&world.namespace, "db-0", uid(&old));
    // A rule that aggregates the uid away: only the times can tell.
    let without_uid = firing(&[
        ("alertname", "SelfhealerPodCrashLooping"),
        ("namespace", &world.namespace),
        ("pod", "db-0"),
    ]);
    world.pods().delete("db-0", &Default::default()).await.unwrap();
    let replacement = world
        .wait("the replacement", async || {
            let pod = world.pods().get_opt("db-0").await.unwrap()?;
            (uid(&pod) != uid(&old)).then_some(pod)
        })
        .await;
    world.ready_pods("db", 2).await;
    world.crash(&replacement).await;
    let (_installation, service) = start(&world, ENFORCE).await;
    service.notify(&notification(&[with_uid])).await;
    service.finished(&world.namespace).await;
    service.notify(&notification(&[without_uid])).await;
    let runs = service
        .until(&world.namespace, "both runs to finish", |runs| {
            let over = runs.len() == 2 && runs.iter().all(|run| run["phase"] == "finished");
            over.then(|| runs.to_vec())
        })
        .await;
    assert_eq!(
        runs.iter().map(outcome).collect::<Vec<_>>(),
        ["suppressed(target_replaced)"; 2]
    );
    assert_eq!(world.mutations(), [] as [String; 0], "nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_pods_of_one_deployment_are_one_run_and_go_one_at_a_time() {
    let world = World::new("crowd").await;
    world.deployment("cart", 50).await;
    let pods = world.ready_pods("cart", 50).await;
    let mut alerts = Vec::new();
    for pod in &pods {
        alerts.push(world.alert_about(pod));
    }
    let crashes = pods.iter().map(|pod| world.crash(pod));
    futures::future::join_all(crashes).await;
    let more = "modes: {crowd: enforce}\nsettle: 3s\n";
    let installation = Installation::new(&world.kubeconfig(), &[CROWD], more);
    let service = installation.start().await;
    // Two posts, as a group that grows.
    service.notify(&notification(&alerts[..20])).await;
    service.notify(&notification(&alerts[20..])).await;
    let runs = service.finished(&world.namespace).await;
    let (acted, merged): (Vec<_>, Vec<_>) = runs.iter().partition(|run| outcome(run) != "suppressed(merged)");
    assert_eq!(merged.len(), 49);
    let [run] = acted.as_slice() else {
        panic!("expected one run that acts: {acted:#?}")
    };
    assert_eq!(outcome(run), "succeeded(healthy)", "{}", run["detail"]);
    assert_eq!(run["alerts"].as_array().unwrap().len(), 50);
    let mut evicted = world.evictions();
    evicted.sort();
    let mut expected: Vec<_> = pods.iter().map(|pod| name(pod).to_owned()).collect();
    expected.sort();
    assert_eq!(evicted, expected, "each once");
    // The next one is started only after the last one's replacement was ready.
    let mut ready = -1;
    for entry in run["journal"].as_array().unwrap() {
        if entry["kind"] == "started" {
            let after = entry["data"]["ready_after"].as_i64().unwrap();
            assert!(after > ready, "{after} ready replicas after {ready}");
            ready = after;
        }
    }
    assert_eq!(ready, 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_alert_of_two_alertmanagers_is_one_episode_and_one_run() {
    let world = World::new("twins").await;
    let sick = world.sick_deployment("cart", 2).await;
    let (_installation, service) = start(&world, ENFORCE).await;
    let config = webhook_config(&format!("{}/alertmanager", service.url));
    // Not clustered, so both will post.
    let (one, other) = (
        Alertmanager::start(&config).await.unwrap(),
        Alertmanager::start(&config).await.unwrap(),
    );
    let alert = world.alert_about(&sick);
    let client = http();
    for alertmanager in [&one, &other] {
        let body = json!([{"labels": alert["labels"], "annotations": alert["annotations"]}]);
        let answer = client
            .post(format!("{}/api/v2/alerts", alertmanager.url()))
            .json(&body)
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success());
    }
    world
        .wait("both posts to be unfolded", async || {
            let metrics = service.metrics().await;
            let count = |result: &str| {
                let line = format!("selfhealer_alerts_total{{result=\"{result}\"}} ");
                let value = metrics.lines().find_map(|text| text.strip_prefix(&line));
                value.unwrap_or("0").parse::<u64>().unwrap()
            };
            (count("opened") == 1 && count("repeated") >= 1).then_some(())
        })
        .await;
    let runs = service.finished(&world.namespace).await;
    assert_eq!(runs.iter().map(outcome).collect::<Vec<_>>(), ["succeeded(healthy)"]);
    assert_eq!(world.evictions(), [name(&sick)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_mixed_post_only_what_fires_is_acted_on() {
    let world = World::new("mixed").await;
    for app in ["cart", "till"] {
        world.deployment(app, 2).await;
    }
    let (cart, till) = (
        world.ready_pods("cart", 2).await.remove(0),
        world.ready_pods("till", 2).await.remove(0),
    );
    world.crash(&cart).await;
    world.crash(&till).await;
    let ended = resolved(&world.alert_about(&till));
    let fires = world.alert_about(&cart);
    let (_installation, service) = start(&world, ENFORCE).await;
    service.notify(&notification(&[ended.clone(), fires])).await;
    let runs = service.finished(&world.namespace).await;
    assert_eq!(runs.iter().map(outcome).collect::<Vec<_>>(), ["succeeded(healthy)"]);
    assert_eq!(world.evictions(), [name(&cart)]);
    let page = service.get("/api/v1/alerts?status=resolved").await;
    let alert = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|alert| alert["labels"]["pod"] == name(&till));
    assert_eq!(alert.unwrap()["reason"], "resolved");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exporters_labels_that_ride_along_never_become_the_target() {
    let world = World::new("exporter").await;
    world.deployment("kube-state-metrics", 2).await;
    let exporter = world.ready_pods("kube-state-metrics", 2).await.remove(0);
    // As the Helm chart scrapes it: the alert is about a Job, and `pod` names the exporter.
    let about_a_job = firing(&[
        ("alertname", "KubeJobFailed"),
        ("namespace", &world.namespace),
        ("job_name", "report"),
        ("pod", name(&exporter)),
        ("container", "kube-state-metrics"),
        ("instance", "10.0.0.9:8080"),
    ]);
    let runbook = shipped_runbook()
        .replace("alertname = SelfhealerPodCrashLooping", "alertname = KubeJobFailed")
        .replace("{{labels.pod}}", "{{labels.job_pod}}");
    let installation = Installation::new(&world.kubeconfig(), &[&runbook], ENFORCE);
    let service = installation.start().await;
    service.notify(&notification(&[about_a_job])).await;
    let page = world
        .wait("the run", async || {
            let page = service.get("/api/v1/runs").await;
            (!page["items"].as_array().unwrap().is_empty()).then_some(page)
        })
        .await;
    let run = &page["items"][0];
    assert_eq!(outcome(run), "suppressed(missing_label)");
    assert!(run["target"].is_null(), "{run}");
    assert_eq!(world.mutations(), [] as [String; 0], "nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_without_a_controller_is_not_evicted() {
    let world = World::new("bare").await;
    let sick = world.bare_pod("lonely").await;
    world.crash(&sick).await;
    let (_installation, service) = start(&world, ENFORCE).await;
    service
        .notify(&notification(&[crash_looping(&world.namespace, "lonely", uid(&sick))]))
        .await;
    let runs = service.finished(&world.namespace).await;
    assert_eq!(outcome(&runs[0]), "suppressed(unmanaged_pod)");
    assert_eq!(world.mutations(), [] as [String; 0], "nothing was sent");
}
