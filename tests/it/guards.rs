//! What holds a run back, on the real API server: nothing is touched that should not be, and the API says why.

use serde_json::json;

use crate::{
    path::{ENFORCE, shipped_runbook},
    service::{Installation, Service, outcome, story},
    targets::CROWD,
    webhook::{notification, resolved},
    workload::{World, name, uid},
};

pub async fn start(world: &World, more: &str) -> (Installation, Service) {
    let installation = Installation::new(&world.kubeconfig(), &[&shipped_runbook()], more);
    let service = installation.start().await;
    (installation, service)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_at_its_limit_defers_the_eviction_until_there_is_room() {
    let world = World::new("budget").await;
    let sick = world.sick_deployment("cart", 2).await;
    // One pod is ready and one must be: an unready pod of an app below its budget may not go either.
    world.budget("cart", 2).await;
    let (_installation, service) = start(&world, ENFORCE).await;
    service.notify(&notification(&[world.alert_about(&sick)])).await;
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
    // A run that is stuck holds up no other.
    let other = world.sick_deployment("till", 2).await;
    service.notify(&notification(&[world.alert_about(&other)])).await;
    let healed = service
        .until(&world.namespace, "the other run to finish", |runs| {
            runs.iter().find(|run| run["phase"] == "finished").cloned()
        })
        .await;
    assert_eq!(outcome(&healed), "succeeded(healthy)");
    world.drop_budget("cart").await;
    let runs = service.finished(&world.namespace).await;
    assert_eq!(outcome(&runs[0]), "succeeded(healthy)", "{runs:#?}");
    assert!(story(&runs[0]).contains(&"refused".to_owned()));
    assert_eq!(world.evictions(), [name(&other), name(&sick)]);
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
        alerts.push(world.alert_about(&sick));
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
    let sick = world.sick_deployment("cart", 2).await;
    let more = format!("{ENFORCE}protect: {{namespaces: [kube-system, {}]}}\n", world.namespace);
    let (_installation, service) = start(&world, &more).await;
    service.notify(&notification(&[world.alert_about(&sick)])).await;
    let runs = service.finished(&world.namespace).await;
    assert_eq!(outcome(&runs[0]), "suppressed(protected_namespace)");
    assert_eq!(world.mutations(), [] as [String; 0], "nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_starts_under_a_pause_and_what_waited_goes_on_after_it() {
    let world = World::new("paused").await;
    let sick = world.sick_deployment("cart", 2).await;
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
    service.notify(&notification(&[world.alert_about(&sick)])).await;
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
async fn an_alert_that_resolves_before_the_first_mutation_stops_the_run() {
    let world = World::new("cleared").await;
    let sick = world.sick_deployment("cart", 2).await;
    let (_installation, service) = start(&world, "modes: {crash-looping-pod: enforce}\nsettle: 2s\n").await;
    let fires = world.alert_about(&sick);
    service.notify(&notification(std::slice::from_ref(&fires))).await;
    service.notify(&notification(&[resolved(&fires)])).await;
    let runs = service.finished(&world.namespace).await;
    assert_eq!(outcome(&runs[0]), "suppressed(resolved)");
    assert_eq!(world.mutations(), [] as [String; 0], "nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_without_any_ready_pod_is_not_touched() {
    let world = World::new("outage").await;
    let sick = world.sick_deployment("cart", 1).await;
    let (_installation, service) = start(&world, ENFORCE).await;
    service.notify(&notification(&[world.alert_about(&sick)])).await;
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
    service.notify(&notification(&[world.alert_about(&well)])).await;
    let runs = service.finished(&world.namespace).await;
    assert_eq!(outcome(&runs[0]), "suppressed(already_healthy)");
    assert_eq!(world.mutations(), [] as [String; 0], "nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn shadow_changes_nothing_and_tells_what_it_would_have_done() {
    let world = World::new("shadow").await;
    let sick = world.sick_deployment("cart", 2).await;
    let (_installation, service) = start(&world, "settle: 0s\n").await;
    service.notify(&notification(&[world.alert_about(&sick)])).await;
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
    let sick = world.sick_deployment("cart", 2).await;
    let (_installation, service) = start(&world, "modes: {crash-looping-pod: dryRun}\nsettle: 0s\n").await;
    service.notify(&notification(&[world.alert_about(&sick)])).await;
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
    service.notify(&notification(&[world.alert_about(&first)])).await;
    service.finished(&world.namespace).await;
    let second = world
        .ready_pods("cart", 3)
        .await
        .into_iter()
        .find(|pod| uid(pod) != uid(&first))
        .unwrap();
    world.crash(&second).await;
    service.notify(&notification(&[world.alert_about(&second)])).await;
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
    let sick = world.sick_deployment("cart", 2).await;
    let kubeconfig = world.plane.kubeconfig_for("nobody").unwrap();
    let installation = Installation::new(&kubeconfig, &[&shipped_runbook()], ENFORCE);
    let service = installation.start().await;
    service.notify(&notification(&[world.alert_about(&sick)])).await;
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
    let sick = world.sick_deployment("cart", 2).await;
    let (_installation, service) = start(&world, "modes: {crash-looping-pod: enforce}\nsettle: 10m\n").await;
    service.notify(&notification(&[world.alert_about(&sick)])).await;
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
