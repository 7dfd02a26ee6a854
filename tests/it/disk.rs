//! A full disk: 503, then recovery, and nothing that was acknowledged is lost.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{
    service::{Installation, Service},
    webhook::{firing, notification},
};

/// A service whose database stands on a small file system that only it and its descendants see.
///
/// `unshare` gives any user a mount namespace of their own where the kernel allows it, and root in any case.
pub fn on_a_small_disk(installation: &Installation, disk: &Path, options: &str) -> Command {
    let service = installation.command();
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
    command.arg(format!("mount -t tmpfs -o {options} selfhealer \"$0\" && exec \"$@\""));
    command.arg(disk).arg(service.get_program()).args(service.get_args());
    command
}

fn filler(service: &Service, disk: &Path) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root{}/filler", service.pid(), disk.display()))
}

async fn post(service: &Service, n: usize) -> u16 {
    let alert = firing(&[
        ("alertname", "DiskTest"),
        ("n", &n.to_string()),
        ("padding", &"x".repeat(2000)),
    ]);
    service
        .post("/alertmanager", &notification(&[alert]))
        .await
        .status()
        .as_u16()
}

async fn known(service: &Service) -> Vec<String> {
    let page = service.get("/api/v1/alerts?alertname=DiskTest&limit=500").await;
    let items = page["items"].as_array().unwrap().iter();
    let mut known: Vec<String> = items
        .map(|alert| alert["labels"]["n"].as_str().unwrap().to_owned())
        .collect();
    known.sort();
    known
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_a_503_and_nothing_acknowledged_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let kubeconfig = unreachable_cluster(folder.path());
    let database = disk.join("selfhealer.db");
    let installation = Installation::in_folder(folder, Some(database), &kubeconfig, &[], "");
    let service = Service::spawn(on_a_small_disk(&installation, &disk, "size=3m")).await;

    let mut acknowledged = Vec::new();
    assert_eq!(post(&service, 0).await, 202);
    acknowledged.push("0".to_owned());
    // Somebody fills the disk to the last byte.
    let filler = filler(&service, &disk);
    fill(&filler);
    let mut refused = 0;
    for n in 1..40 {
        match post(&service, n).await {
            202 => acknowledged.push(n.to_string()),
            503 => refused += 1,
            other => panic!("{other}"),
        }
    }
    assert!(refused > 0, "the disk was never full: {}", service.log());
    assert!(service.log().contains("store_full"), "{}", service.log());
    // And frees it.
    std::fs::remove_file(&filler).unwrap();
    assert_eq!(post(&service, 99).await, 202, "{}", service.log());
    acknowledged.push("99".to_owned());
    acknowledged.sort();
    let deadline = std::time::Instant::now() + crate::service::PATIENCE;
    while known(&service).await != acknowledged {
        assert!(
            std::time::Instant::now() < deadline,
            "{:?} {acknowledged:?}\n{}",
            known(&service).await,
            service.log()
        );
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

fn fill(filler: &Path) {
    use std::io::Write;
    let mut file = std::fs::File::create(filler).unwrap();
    let block = vec![0_u8; 4096];
    while file.write_all(&block).is_ok() {}
    while file.write_all(&[0]).is_ok() {}
}

/// A kubeconfig of a cluster that nobody listens for.
pub fn unreachable_cluster(folder: &Path) -> PathBuf {
    let file = folder.join("nowhere.kubeconfig");
    let config: Value = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "nowhere",
        "clusters": [{"name": "nowhere", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "nobody", "user": {"token": "t"}}],
        "contexts": [{"name": "nowhere", "context": {"cluster": "nowhere", "user": "nobody"}}],
    });
    std::fs::write(&file, config.to_string()).unwrap();
    file
}
