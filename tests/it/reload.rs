//! Runbooks are read again when their files change; a broken one keeps its last good version in shadow.

use serde_json::Value;

use crate::{
    disk::unreachable_cluster,
    path::shipped_runbook,
    service::{Installation, PATIENCE, Service, http},
};

async fn runbooks(service: &Service, what: &str, holds: impl Fn(&[Value]) -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let page = service.get("/api/v1/runbooks").await;
        if holds(page["items"].as_array().unwrap()) {
            return;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "waited for {what}: {page:#}\n{}",
            service.log()
        );
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_read_and_a_broken_one_keeps_its_last_good_version_in_shadow_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = unreachable_cluster(folder.path());
    let more = "modes: {crash-looping-pod: enforce, another: enforce}\n";
    let installation = Installation::in_folder(folder, None, &kubeconfig, &[&shipped_runbook()], more);
    let service = installation.start().await;
    let enforced = |items: &[Value], name: &str| {
        items
            .iter()
            .any(|item| item["name"] == name && item["mode"] == "enforce")
    };
    runbooks(&service, "the runbook", |items| enforced(items, "crash-looping-pod")).await;

    installation.write_runbook(
        1,
        &shipped_runbook().replace("name: crash-looping-pod", "name: another"),
    );
    runbooks(&service, "the second runbook", |items| {
        enforced(items, "another") && items.len() == 2
    })
    .await;

    installation.write_runbook(1, "apiVersion: selfhealer.dev/v1alpha1\nkind: Runbok\n");
    let last_good = |items: &[Value]| {
        let another = items.iter().find(|item| item["name"] == "another");
        another.is_some_and(|item| item["mode"] == "shadow" && item["lastGood"] == true)
            && enforced(items, "crash-looping-pod")
    };
    runbooks(&service, "the last good version in shadow", last_good).await;
    let ready = http().get(format!("{}/readyz", service.admin)).send().await.unwrap();
    assert_eq!(ready.status(), 200, "a broken runbook is a warning");
    assert!(ready.text().await.unwrap().contains("[!]runbooks"));

    drop(service);
    let service = installation.start().await;
    runbooks(&service, "the same after a restart", last_good).await;
}
