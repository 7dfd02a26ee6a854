//! Nothing outlives `up`, however it ends; and it ends when a part does.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use crate::up::{Up, kill};

#[test]
fn kill_9_leaves_nothing() {
    let mut up = Up::start(&[]);
    let lines = up.ready();
    let names = [
        "KUBECONFIG=/",
        "PROMETHEUS_URL=http://127.0.0.1:",
        "ALERTMANAGER_URL=http://127.0.0.1:",
        "KUBECTL=/",
    ];
    assert!(
        lines.iter().zip(names).all(|(line, name)| line.starts_with(name)),
        "{lines:?}"
    );
    let commands = up.processes();
    for part in [
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kwok",
        "prometheus",
    ] {
        assert!(
            commands
                .iter()
                .any(|(_, command)| command.contains(&format!("/{part} "))),
            "{part}: {commands:?}"
        );
    }
    up.signal("KILL");
    up.leaves_nothing();
}

#[test]
fn terminating_leaves_nothing() {
    let mut up = Up::start(&[]);
    up.ready();
    up.signal("TERM");
    let (status, text) = up.end();
    assert!(status.success(), "{text}");
    assert_eq!(
        (up.processes(), up.folders()),
        (vec![], 0),
        "it waits until all is gone"
    );
}

#[test]
fn an_interrupt_during_the_boot_leaves_nothing() {
    let mut up = Up::start(&[]);
    let deadline = Instant::now() + Duration::from_secs(60);
    while !up
        .processes()
        .iter()
        .any(|(_, command)| command.contains("/kube-apiserver "))
    {
        assert!(Instant::now() < deadline, "the API server was not started");
        sleep(Duration::from_millis(20));
    }
    up.signal("INT");
    let (status, text) = up.end();
    assert!(status.success(), "{text}");
    up.leaves_nothing();
}

#[test]
fn the_crash_of_a_part_ends_it_with_that_part_s_log() {
    let mut up = Up::start(&[]);
    up.ready();
    let processes = up.processes();
    let (pid, _) = processes
        .iter()
        .find(|(_, command)| command.contains("/kube-scheduler "))
        .unwrap();
    kill("KILL", pid);
    let (status, text) = up.end();
    assert_eq!(status.code(), Some(1), "{text}");
    let error = "test-cluster: kube-scheduler ended (signal: 9 (SIGKILL)); the last lines of its log:\n";
    assert!(text.contains(error), "{text}");
    assert!(
        text.contains("Starting Kubernetes Scheduler") || text.contains("Serving securely"),
        "{text}"
    );
    up.leaves_nothing();
}
