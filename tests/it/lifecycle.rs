//! Starting and ending: what must not start says what to do, and who is told to stop stops well.

use std::{
    net::TcpListener,
    os::unix::process::ExitStatusExt,
    process::Command,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    disk::{on_a_small_disk, unreachable_cluster},
    path::{ENFORCE, shipped_runbook},
    service::{Installation, Service},
    webhook::{crash_looping, firing, notification},
};

fn signal(service: &Service) {
    let pid = Pid::from_raw(i32::try_from(service.pid()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_the_same_database_refuses_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = unreachable_cluster(folder.path());
    let installation = Installation::in_folder(folder, None, &kubeconfig, &[], "");
    let _first = installation.start().await;
    let second = installation.command().output().unwrap();
    assert!(!second.status.success());
    let told = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(told.contains("another process uses the database"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_none_or_newer_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = unreachable_cluster(folder.path());
    let installation = Installation::in_folder(folder, None, &kubeconfig, &[], "");
    std::fs::write(
        &installation.database,
        "this is no database, and it is long enough to be looked at".repeat(40),
    )
    .unwrap();
    let refused = installation.command().output().unwrap();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && told.contains("cannot be opened as a database"),
        "{told}"
    );

    std::fs::remove_file(&installation.database).unwrap();
    drop(installation.start().await);
    let database = rusqlite::Connection::open(&installation.database).unwrap();
    database.pragma_update(None, "user_version", 999).unwrap();
    drop(database);
    let refused = installation.command().output().unwrap();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && told.contains("written by a newer version"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_the_service_well() {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = unreachable_cluster(folder.path());
    let installation = Installation::in_folder(folder, None, &kubeconfig, &[], "");
    let mut service = installation.start().await;
    service.notify(&notification(&[firing(&[("alertname", "Last")])])).await;
    signal(&service);
    let status = service.ended().await;
    assert!(status.success(), "{status}: {}", service.log());
}

/// The cluster accepts connections and says nothing, so a run hangs in a request until its time limit.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_service_at_once() {
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = unreachable_cluster(folder.path());
    let text = std::fs::read_to_string(&kubeconfig).unwrap();
    std::fs::write(
        &kubeconfig,
        text.replace("127.0.0.1:1\"", &format!("{}\"", mute.local_addr().unwrap())),
    )
    .unwrap();
    let more = format!(
        "{ENFORCE}kubernetes: {{kubeconfig: {}, requestTimeout: 2m}}\nengine: {{lease: 5m}}\n",
        kubeconfig.display()
    );
    let installation = Installation::in_folder(folder, None, &kubeconfig, &[&shipped_runbook()], &more);
    let mut service = installation.start().await;
    service
        .notify(&notification(&[crash_looping("shop", "cart", "u")]))
        .await;
    // The request is on its way.
    let (_held, _) = tokio::task::spawn_blocking(move || mute.accept())
        .await
        .unwrap()
        .unwrap();
    let begun = Instant::now();
    signal(&service);
    let deadline = Instant::now() + crate::service::PATIENCE;
    while !service.log().contains("a second signal ends at once") {
        assert!(Instant::now() < deadline, "{}", service.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    signal(&service);
    let status = service.ended().await;
    assert!(
        !status.success() && status.signal().is_none(),
        "{status}: {}",
        service.log()
    );
    assert!(begun.elapsed() < Duration::from_secs(100), "it waited for the request");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_database_and_a_read_only_disk_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = unreachable_cluster(folder.path());
    let installation = Installation::in_folder(folder, None, &kubeconfig, &[], "");
    // Stopped well, so that everything stands in the file itself.
    let mut service = installation.start().await;
    signal(&service);
    service.ended().await;
    let mut bytes = std::fs::read(&installation.database).unwrap();
    bytes[4096..].fill(0x5a);
    std::fs::write(&installation.database, bytes).unwrap();
    let refused = installation.command().output().unwrap();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && told.contains("corrupt"), "{told}");

    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let database = disk.join("selfhealer.db");
    let installation = Installation::in_folder(folder, Some(database), &kubeconfig, &[], "");
    let mut command: Command = on_a_small_disk(&installation, &disk, "size=3m,ro");
    let refused = command.output().unwrap();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && told.contains("cannot be written"),
        "{told}"
    );
}
