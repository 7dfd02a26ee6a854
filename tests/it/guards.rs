//! What holds a run back, on the real API server: nothing is touched that should not be, and the API says why.

use serde_json::json;
use test_cluster::{Alertmanager, webhook_config};

use crate::{
    path::{ENFORCE, shipped_runbook},
    service::{Installation, Service, outcome, story},
    webhook::{crash_looping, firing, notification, resolved},
    workload::{World, name, uid},
};

/// Evicts as many of the alerted pods as are sick, one at a time.
const CROWD: &str = "
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

async fn start(world: &World, more: &str) -> (Installation, Service) {
    let installation = Installation::new(&world.kubeconfig(), &[&shipped_runbook()], more);
    let service = installation.start().await;
    (installation, service)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_at_its_limit_defers_the_eviction_until_there_is_room() {
    let world = World::new("budget").await;
    world.deployment("cart", 2).await;
    let sick = world.ready_pods("cart", 2).await.remove(0);
    world.crash(&sick).await;
    // One pod is ready and one must be: an unready pod of an app below its budget may not go either.
    world.budget("cart", 2).await;
    let (_installation, service) = start(&world, ENFORCE).await;
    service
        .notify(&notification(&[crash_looping(
            &world.namespace,
            name(&sick),
            uid(&sick),
        )]))
        .await;
    let waiting = service
        .until(&world.namespace, "the run to wait for the budget", |runs| {
            runs.iter().find(|run| run["reason"] == "disruption_budget").cloned()
        })
        .await;
    assert_eq!(waiting["phase"], "running");
    assert!(
        waiting["detail"].as_str().unwrap().contains("cart"),
        "names the budget: {waiting}"
    );
    assert_eq!(world.evictions(), [] as [String; 0]);
    world.drop_budget("cart").await;
    let runs = service.finished(&world.namespace).await;
    assert_eq!(outcome(&runs[0]), "succeeded(healthy)", "{runs:#?}");
    assert!(story(&runs[0]).contains(&"refused".to_owned()));
    assert_eq!(world.evictions(), [name(&sick)]);
}

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
    service
        .notify(&notification(&[crash_looping(
            &world.namespace,
            name(&sick),
            uid(&sick),
        )]))
        .await;
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
async fn whoever_opted_out_is_left_alone() {
    let world = World::new("optout").await;
    for app in ["pod", "owner", "space"] {
        world.deployment(app, 2).await;
    }
    let mut alerts = Vec::new();
    for app in ["pod", "owner", "space"] {
        let sick = world.ready_pods(app, 2).await.remove(0);
        world.crash(&sick).await;
        if app == "pod" {
            let patch =
                kube::api::Patch::Merge(json!({"metadata": {"annotations": {"selfhealer.dev/ignore": "true"}}}));
            world
                .pods()
                .patch(name(&sick), &Default::default(), &patch)
                .await
                .unwrap();
        }
        alerts.push(crash_looping(&world.namespace, name(&sick), uid(&sick)));
    }
    world
        .annotate_deployment("owner", "selfhealer.dev/ignore", "until the migration is over")
        .await;
    let (_installation, service) = start(&world, ENFORCE).await;
    service.notify(&notification(&alerts[..2])).await;
    let runs = service.finished(&world.namespace).await;
    assert_eq!(
        runs.iter().map(outcome).collect::<Vec<_>>(),
        ["suppressed(opted_out)"; 2],
        "{runs:#?}"
    );
    world.annotate_namespace("selfhealer.dev/ignore", "true").await;
    service.notify(&notification(&alerts[2..])).await;
    let runs = service
        .until(&world.namespace, "the third run to finish", |runs| {
            runs.get(2)
                .filter(|run| run["phase"] == "finished")
                .map(|_| runs.to_vec())
        })
        .await;
    assert_eq!(outcome(&runs[2]), "suppressed(opted_out)");
    assert!(
        runs[2]["detail"].as_str().unwrap().contains("Namespace"),
        "names who: {}",
        runs[2]["detail"]
    );
    assert_eq!(world.mutations(), [] as [String; 0], "nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protected_namespace_is_not_touched() {
    let world = World::new("protected").await;
    world.deployment("cart", 2).await;
    let sick = world.ready_pods("cart", 2).await.remove(0);
    world.crash(&sick).await;
    let more = format!("{ENFORCE}protect: {{namespaces: [kube-system, {}]}}\n", world.namespace);
    let (_installation, service) = start(&world, &more).await;
    service
        .notify(&notification(&[crash_looping(
            &world.namespace,
            name(&sick),
            uid(&sick),
        )]))
        .await;
    let runs = service.finished(&world.namespace).await;
    assert_eq!(outcome(&runs[0]), "suppressed(protected_namespace)");
    assert_eq!(world.mutations(), [] as [String; 0], "nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_starts_under_a_pause_and_what_waited_goes_on_after_it() {
    let world = World::new("paused").await;
    world.deployment("cart", 2).await;
    let sick = world.ready_pods("cart", 2).await.remove(0);
    world.crash(&sick).await;
    let (_installation, service) = start(&world, ENFORCE).await;
    let mut pauses = Vec::new();
    for scope in [
        json!({"scope": "all"}),
        json!({"scope": "runbook", "name": "crash-looping-pod"}),
        json!({"scope": "namespace", "name": world.namespace}),
    ] {
        let mut pause = scope;
        pause["why"] = json!("a release is under way");
        let answer = service.post("/api/v1/pauses", &pause).await;
        assert_eq!(answer.status(), 201);
        let row: serde_json::Value = answer.json().await.unwrap();
        pauses.push(row["id"].as_str().unwrap().to_owned());
    }
    service
        .notify(&notification(&[crash_looping(
            &world.namespace,
            name(&sick),
            uid(&sick),
        )]))
        .await;
    for pause in &pauses {
        let waiting = service
            .until(&world.namespace, "the run to wait for the pause", |runs| {
                runs.iter().find(|run| run["reason"] == "paused").cloned()
            })
            .await;
        assert_eq!(waiting["phase"], "pending");
        assert!(waiting["detail"].as_str().unwrap().contains("a release is under way"));
        assert_eq!(world.mutations(), [] as [String; 0], "nothing was sent");
        assert_eq!(service.delete(&format!("/api/v1/pauses/{pause}")).await.status(), 204);
    }
    let runs = service.finished(&world.namespace).await;
    assert_eq!(outcome(&runs[0]), "succeeded(healthy)");
    assert_eq!(world.evictions(), [name(&sick)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_pods_of_one_deployment_are_one_run_and_go_one_at_a_time() {
    let world = World::new("crowd").await;
    world.deployment("cart", 50).await;
    let pods = world.ready_pods("cart", 50).await;
    let mut alerts = Vec::new();
    for pod in &pods {
        alerts.push(crash_looping(&world.namespace, name(pod), uid(pod)));
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
    world.deployment("cart", 2).await;
    let sick = world.ready_pods("cart", 2).await.remove(0);
    world.crash(&sick).await;
    let (_installation, service) = start(&world, ENFORCE).await;
    let config = webhook_config(&format!("{}/alertmanager", service.url));
    // Not clustered, so both will post.
    let (one, other) = (
        Alertmanager::start(&config).await.unwrap(),
        Alertmanager::start(&config).await.unwrap(),
    );
    let alert = crash_looping(&world.namespace, name(&sick), uid(&sick));
    let client = reqwest::Client::new();
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
    let ended = resolved(&crash_looping(&world.namespace, name(&till), uid(&till)));
    let fires = crash_looping(&world.namespace, name(&cart), uid(&cart));
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
async fn an_alert_that_resolves_before_the_first_mutation_stops_the_run() {
    let world = World::new("cleared").await;
    world.deployment("cart", 2).await;
    let sick = world.ready_pods("cart", 2).await.remove(0);
    world.crash(&sick).await;
    let (_installation, service) = start(&world, "modes: {crash-looping-pod: enforce}\nsettle: 2s\n").await;
    let fires = crash_looping(&world.namespace, name(&sick), uid(&sick));
    service.notify(&notification(std::slice::from_ref(&fires))).await;
    service.notify(&notification(&[resolved(&fires)])).await;
    let runs = service.finished(&world.namespace).await;
    assert_eq!(outcome(&runs[0]), "suppressed(resolved)");
    assert_eq!(world.mutations(), [] as [String; 0], "nothing was sent");
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

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_without_any_ready_pod_is_not_touched() {
    let world = World::new("outage").await;
    world.deployment("cart", 1).await;
    let sick = world.ready_pods("cart", 1).await.remove(0);
    world.crash(&sick).await;
    let (_installation, service) = start(&world, ENFORCE).await;
    service
        .notify(&notification(&[crash_looping(
            &world.namespace,
            name(&sick),
            uid(&sick),
        )]))
        .await;
    let runs = service.finished(&world.namespace).await;
    assert_eq!(outcome(&runs[0]), "suppressed(condition_false)");
    assert!(
        runs[0]["detail"].as_str().unwrap().contains("no_ready_sibling"),
        "{}",
        runs[0]["detail"]
    );
    assert_eq!(world.mutations(), [] as [String; 0], "nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_is_well_again_is_left_alone() {
    let world = World::new("well").await;
    world.deployment("cart", 2).await;
    let well = world.ready_pods("cart", 2).await.remove(0);
    let installation = Installation::new(&world.kubeconfig(), &[CROWD], "modes: {crowd: enforce}\nsettle: 2s\n");
    let service = installation.start().await;
    service
        .notify(&notification(&[crash_looping(
            &world.namespace,
            name(&well),
            uid(&well),
        )]))
        .await;
    let runs = service.finished(&world.namespace).await;
    assert_eq!(outcome(&runs[0]), "suppressed(already_healthy)");
    assert_eq!(world.mutations(), [] as [String; 0], "nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn shadow_changes_nothing_and_tells_what_it_would_have_done() {
    let world = World::new("shadow").await;
    world.deployment("cart", 2).await;
    let sick = world.ready_pods("cart", 2).await.remove(0);
    world.crash(&sick).await;
    let (_installation, service) = start(&world, "settle: 0s\n").await;
    service
        .notify(&notification(&[crash_looping(
            &world.namespace,
            name(&sick),
            uid(&sick),
        )]))
        .await;
    let runs = service.finished(&world.namespace).await;
    assert_eq!(outcome(&runs[0]), "suppressed(shadow)");
    let would = runs[0]["journal"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["kind"] == "would_start");
    assert_eq!(would.count(), 2, "collect and evict: {}", runs[0]["journal"]);
    assert_eq!(
        world.mutations(),
        [] as [String; 0],
        "nothing was sent, Events included"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn dry_run_asks_the_api_server_and_changes_nothing() {
    let world = World::new("dryrun").await;
    world.deployment("cart", 2).await;
    let sick = world.ready_pods("cart", 2).await.remove(0);
    world.crash(&sick).await;
    let (_installation, service) = start(&world, "modes: {crash-looping-pod: dryRun}\nsettle: 0s\n").await;
    service
        .notify(&notification(&[crash_looping(
            &world.namespace,
            name(&sick),
            uid(&sick),
        )]))
        .await;
    let runs = service.finished(&world.namespace).await;
    assert_eq!(outcome(&runs[0]), "suppressed(dry_run)", "{runs:#?}");
    let mutations = world.mutations();
    assert!(
        matches!(mutations.as_slice(), [one] if one.contains("dryRun=All")),
        "{mutations:?}"
    );
    assert_eq!(
        world.pods().get(name(&sick)).await.unwrap().metadata.uid,
        sick.metadata.uid
    );
    assert!(
        world
            .pods()
            .get(name(&sick))
            .await
            .unwrap()
            .metadata
            .deletion_timestamp
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_cools_down_although_the_next_sick_pod_has_another_name() {
    let world = World::new("cooldown").await;
    world.deployment("cart", 3).await;
    let (_installation, service) = start(&world, ENFORCE).await;
    let first = world.ready_pods("cart", 3).await.remove(0);
    world.crash(&first).await;
    service
        .notify(&notification(&[crash_looping(
            &world.namespace,
            name(&first),
            uid(&first),
        )]))
        .await;
    service.finished(&world.namespace).await;
    let second = world
        .ready_pods("cart", 3)
        .await
        .into_iter()
        .find(|pod| uid(pod) != uid(&first))
        .unwrap();
    world.crash(&second).await;
    service
        .notify(&notification(&[crash_looping(
            &world.namespace,
            name(&second),
            uid(&second),
        )]))
        .await;
    let runs = service
        .until(&world.namespace, "the second run to finish", |runs| {
            let over = runs.len() == 2 && runs.iter().all(|run| run["phase"] == "finished");
            over.then(|| runs.to_vec())
        })
        .await;
    assert_eq!(
        runs.iter().map(outcome).collect::<Vec<_>>(),
        ["succeeded(healthy)", "suppressed(max_attempts)"]
    );
    assert_eq!(world.evictions(), [name(&first)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_permission_is_named() {
    let world = World::new("forbidden").await;
    world.deployment("cart", 2).await;
    let sick = world.ready_pods("cart", 2).await.remove(0);
    world.crash(&sick).await;
    let kubeconfig = world.plane.kubeconfig_for("nobody").unwrap();
    let installation = Installation::new(&kubeconfig, &[&shipped_runbook()], ENFORCE);
    let service = installation.start().await;
    service
        .notify(&notification(&[crash_looping(
            &world.namespace,
            name(&sick),
            uid(&sick),
        )]))
        .await;
    let waiting = service
        .until(&world.namespace, "the run to wait", |runs| {
            runs.iter().find(|run| run["reason"] == "forbidden").cloned()
        })
        .await;
    let detail = waiting["detail"].as_str().unwrap();
    assert!(detail.contains("needs get on pods"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_can_cancel_a_run_that_waits() {
    let world = World::new("cancel").await;
    world.deployment("cart", 2).await;
    let sick = world.ready_pods("cart", 2).await.remove(0);
    world.crash(&sick).await;
    let (_installation, service) = start(&world, "modes: {crash-looping-pod: enforce}\nsettle: 10m\n").await;
    service
        .notify(&notification(&[crash_looping(
            &world.namespace,
            name(&sick),
            uid(&sick),
        )]))
        .await;
    let run = service
        .until(&world.namespace, "the run", |runs| runs.first().cloned())
        .await;
    let path = format!("/api/v1/runs/{}/cancel", run["id"].as_str().unwrap());
    assert_eq!(
        service.post(&path, &json!({"why": "I do it by hand"})).await.status(),
        202
    );
    let runs = service.finished(&world.namespace).await;
    assert_eq!(outcome(&runs[0]), "canceled(canceled)");
    assert!(runs[0]["detail"].as_str().unwrap().contains("I do it by hand"));
    assert_eq!(service.post(&path, &json!({})).await.status(), 409);
    assert_eq!(world.mutations(), [] as [String; 0], "nothing was sent");
}
