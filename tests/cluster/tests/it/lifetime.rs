//! Nothing outlives `up`, however it ends; and it ends when a part does.
//!
//! Each `up` runs in a folder of its own that is also its temporary folder. Every process that it starts works in there,
//! the keepers too, so that folder's users are what is left of it.

use std::{
    fs::{self, read_link},
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

struct Up {
    child: Child,
    folder: tempfile::TempDir,
}

impl Up {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Not the workspace's rules: they are not what is tested here.
        let rules = folder.path().join("rules.yaml");
        fs::write(&rules, "groups: []").unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_test-cluster"))
            .args(["up", "--nodes", "1", "--rules"])
            .arg(rules)
            .current_dir(folder.path())
            .env("TMPDIR", folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { child, folder }
    }

    /// The lines that it prints when all is ready.
    fn ready(&mut self) -> Vec<String> {
        let lines = BufReader::new(self.child.stdout.as_mut().unwrap()).lines();
        let lines: Vec<_> = lines.take(4).map(Result::unwrap).collect();
        if lines.len() < 4 {
            panic!("not ready: {}", self.end().1);
        }
        lines
    }

    fn signal(&self, signal: &str) {
        kill(signal, &self.child.id().to_string());
    }

    /// Waits for its end: how, and what it wrote to standard error.
    fn end(&mut self) -> (ExitStatus, String) {
        let mut text = String::new();
        self.child.stderr.as_mut().unwrap().read_to_string(&mut text).unwrap();
        (self.child.wait().unwrap(), text)
    }

    /// Every process in its folder: id and command line.
    fn processes(&self) -> Vec<(String, String)> {
        let inside = |path: &Path| read_link(path.join("cwd")).is_ok_and(|cwd| cwd.starts_with(self.folder.path()));
        let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
        processes
            .filter(|path| inside(path))
            .map(|path| {
                let command = fs::read_to_string(path.join("cmdline"))
                    .unwrap_or_default()
                    .replace('\0', " ");
                (path.file_name().unwrap().to_string_lossy().into_owned(), command)
            })
            .collect()
    }

    /// How many temporary folders there are.
    fn folders(&self) -> usize {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        entries.filter(|entry| entry.as_ref().unwrap().path().is_dir()).count()
    }

    fn leaves_nothing(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.processes().is_empty() || self.folders() > 0 {
            assert!(
                Instant::now() < deadline,
                "left: {:?} and {} folders",
                self.processes(),
                self.folders()
            );
            sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn kill(signal: &str, pid: &str) {
    let status = Command::new("sh")
        .args(["-c", r#"kill -s "$1" "$2""#, "sh", signal, pid])
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn kill_9_leaves_nothing() {
    let mut up = Up::start();
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
    let mut up = Up::start();
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
    let mut up = Up::start();
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
    let mut up = Up::start();
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
