//! The processes of a round: the service, the server that stores nothing, the client, the yardstick.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::json;
use tempfile::TempDir;

use super::{
    service::{Installation, Service},
    tally::Tally,
};

/// A service without a cluster: what it takes in is unfolded, and nobody is there to act on.
pub fn installation(runbooks: &[&str], more: &str) -> Installation {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("nowhere.kubeconfig");
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "nowhere",
        "clusters": [{"name": "nowhere", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "nobody", "user": {"token": "t"}}],
        "contexts": [{"name": "nowhere", "context": {"cluster": "nowhere", "user": "nobody"}}],
    });
    std::fs::write(&kubeconfig, config.to_string()).unwrap();
    Installation::in_folder(folder, None, &kubeconfig, runbooks, more)
}

/// `127.0.0.1:PORT` of a service.
pub fn address(service: &Service) -> String {
    service.url.trim_start_matches("http://").to_owned()
}

/// Waits until nothing waits in the inbox; tells how long that took.
pub async fn drained(service: &Service) -> Duration {
    let begin = Instant::now();
    loop {
        let metrics = service.metrics().await;
        let waiting = metrics
            .lines()
            .find_map(|line| line.strip_prefix("selfhealer_inbox_alerts "));
        if waiting == Some("0") {
            return begin.elapsed();
        }
        assert!(
            begin.elapsed() < Duration::from_secs(180),
            "the inbox is not drained: {waiting:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A round of the client.
pub fn client(arguments: &[&str]) -> Tally {
    told(Command::new(std::env::current_exe().unwrap()).args(arguments))
}

/// A round of the yardstick, in a folder that it has for itself: `closed ALERTS ROWS` or `open RATE SECONDS`.
pub fn yardstick(how: &str, first: u64, second: u64) -> Tally {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(yardstick_program());
    command
        .arg(how)
        .arg(folder.path())
        .arg(first.to_string())
        .arg(second.to_string());
    told(&mut command)
}

/// Compiled when it is missing or old.
fn yardstick_program() -> PathBuf {
    static BUILT: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    let build = || {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let target = root.join("target/yardstick");
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--release", "--locked", "--quiet", "--manifest-path"]);
        cargo
            .arg(root.join("benches/yardstick/Cargo.toml"))
            .arg("--target-dir")
            .arg(&target);
        assert!(cargo.status().unwrap().success(), "the yardstick cannot be compiled");
        target.join("release/yardstick")
    };
    BUILT.get_or_init(build).clone()
}

fn told(command: &mut Command) -> Tally {
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{command:?} failed");
    text.lines().find_map(Tally::parse).unwrap()
}

/// A server beside the service; dropping it ends it.
pub struct Server {
    child: Child,
    pub address: String,
    _folder: TempDir,
}

impl Server {
    /// The one that stores nothing.
    pub fn null() -> Self {
        Self::start(std::env::current_exe().unwrap(), &["null-server"])
    }

    /// The yardstick behind HTTP.
    pub fn yardstick() -> Self {
        Self::start(yardstick_program(), &["http"])
    }

    /// No server, but what a service has to do besides: unfolding, of posts of so many alerts.
    pub fn unfolding(alerts: u64) -> Self {
        Self::start(
            std::env::current_exe().unwrap(),
            &["unfold-beside", &alerts.to_string()],
        )
    }

    fn start(program: PathBuf, how: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(program);
        let mut child = command
            .args(how)
            .arg(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Self {
            child,
            address: line.trim().to_owned(),
            _folder: folder,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
