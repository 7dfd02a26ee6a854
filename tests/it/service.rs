//! The program under test: its folder, which outlives the process, and the process.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, Once,
        mpsc::{Receiver, channel},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take on a busy machine before it is a failure: fifty evictions, each of
/// which waits for its replacement, have taken more than a minute on a machine that was busy.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// A configuration and a database.
pub struct Installation {
    folder: TempDir,
    pub database: PathBuf,
    config: PathBuf,
}

/// A running process. Dropping it kills it.
pub struct Service {
    child: Child,
    pub url: String,
    pub admin: String,
    log: Arc<Mutex<String>>,
    client: reqwest::Client,
}

impl Installation {
    /// With this kubeconfig, these runbooks, and more lines of configuration.
    pub fn new(kubeconfig: &Path, runbooks: &[&str], more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::in_folder(folder, None, kubeconfig, runbooks, more)
    }

    /// The same with the database elsewhere.
    pub fn in_folder(
        folder: TempDir,
        database: Option<PathBuf>,
        kubeconfig: &Path,
        runbooks: &[&str],
        more: &str,
    ) -> Self {
        let path = folder.path();
        std::fs::create_dir(path.join("runbooks")).unwrap();
        for (index, runbook) in runbooks.iter().enumerate() {
            std::fs::write(path.join(format!("runbooks/{index}.yaml")), runbook).unwrap();
        }
        let database = database.unwrap_or_else(|| path.join("selfhealer.db"));
        let config = path.join("selfhealer.yaml");
        let text = format!(
            "listen: 127.0.0.1:0\nadminListen: 127.0.0.1:0\nstore:\n  url: sqlite://{}\n\
             runbooks: [{}]\n{}{more}",
            database.display(),
            path.join("runbooks").display(),
            kubernetes(kubeconfig, more),
        );
        std::fs::write(&config, text).unwrap();
        Self {
            folder,
            database,
            config,
        }
    }

    pub fn write_runbook(&self, index: usize, text: &str) {
        std::fs::write(self.folder.path().join(format!("runbooks/{index}.yaml")), text).unwrap();
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_selfhealer"));
        command.args(["serve", "--log-format", "json", "--config"]);
        command.arg(&self.config);
        command
    }

    pub async fn start(&self) -> Service {
        Service::spawn(self.command()).await
    }

    /// Starts a process that kills itself at a failpoint.
    pub async fn start_crashing_at(&self, point: &str) -> Service {
        let mut command = self.command();
        command.env("FAILPOINT", point);
        Service::spawn(command).await
    }
}

fn kubernetes(kubeconfig: &Path, more: &str) -> String {
    if more.contains("kubernetes:") {
        String::new()
    } else {
        format!(
            "kubernetes: {{kubeconfig: {}, requestTimeout: 2s}}\n",
            kubeconfig.display()
        )
    }
}

/// A client; whoever speaks TLS in this process must know by whose cryptography, whichever test is first.
pub fn http() -> reqwest::Client {
    trust();
    reqwest::Client::builder().timeout(PATIENCE).build().unwrap()
}

/// Installs the cryptography, once.
pub fn trust() {
    static TRUST: Once = Once::new();
    TRUST.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

impl Service {
    pub async fn spawn(command: Command) -> Self {
        tokio::task::spawn_blocking(move || Self::spawn_blocking(command))
            .await
            .unwrap()
    }

    fn spawn_blocking(mut command: Command) -> Self {
        // Before the process: what panics here must not leave one behind.
        let client = http();
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (sender, lines) = channel();
        let stderr = child.stderr.take().unwrap();
        let kept = log.clone();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                kept.lock().unwrap().push_str(&format!("{line}\n"));
                let _ = sender.send(line);
            }
        });
        let (url, admin) = addresses(&lines).unwrap_or_else(|| {
            let _ = child.kill();
            panic!("selfhealer did not start:\n{}", log.lock().unwrap())
        });
        Self {
            child,
            url,
            admin,
            log,
            client,
        }
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// As the kernel does it, with no chance to say good-bye.
    pub async fn kill(mut self) {
        self.child.kill().unwrap();
        tokio::task::spawn_blocking(move || self.child.wait().unwrap())
            .await
            .unwrap();
    }

    /// Waits until the process ends by itself.
    pub async fn ended(&mut self) -> std::process::ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the process goes on:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = self.client.get(format!("{}{path}", self.url)).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "GET {path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    pub async fn post(&self, path: &str, body: &Value) -> reqwest::Response {
        self.client
            .post(format!("{}{path}", self.url))
            .json(body)
            .send()
            .await
            .unwrap()
    }

    /// A post that may meet a process that dies.
    pub async fn post_quietly(&self, path: &str, body: &Value) -> Option<u16> {
        let sent = self.client.post(format!("{}{path}", self.url)).json(body).send().await;
        sent.ok().map(|answer| answer.status().as_u16())
    }

    pub async fn delete(&self, path: &str) -> reqwest::Response {
        self.client.delete(format!("{}{path}", self.url)).send().await.unwrap()
    }

    /// Sends a notification as Alertmanager does; must be acknowledged.
    pub async fn notify(&self, notification: &Value) {
        let answer = self.post("/alertmanager", notification).await;
        let status = answer.status();
        assert_eq!(status, 202, "{}", answer.text().await.unwrap_or_default());
    }

    pub async fn metrics(&self) -> String {
        let answer = self.client.get(format!("{}/metrics", self.admin)).send().await.unwrap();
        answer.text().await.unwrap()
    }

    /// The runs of a namespace, oldest first.
    pub async fn runs(&self, namespace: &str) -> Vec<Value> {
        let page = self.get(&format!("/api/v1/runs?namespace={namespace}&limit=500")).await;
        let mut runs = page["items"].as_array().unwrap().clone();
        runs.reverse();
        runs
    }

    pub async fn run(&self, id: &Value) -> Value {
        self.get(&format!("/api/v1/runs/{}", id.as_str().unwrap())).await
    }

    /// Waits until `pick` finds what it looks for among the runs of a namespace.
    pub async fn until<T>(&self, namespace: &str, what: &str, pick: impl Fn(&[Value]) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let runs = self.runs(namespace).await;
            if let Some(found) = pick(&runs) {
                return found;
            }
            assert!(
                Instant::now() < deadline,
                "waited for {what}; runs: {}\nlog:\n{}",
                serde_json::to_string_pretty(&runs).unwrap(),
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until all runs of a namespace, at least one, have finished; with journals.
    pub async fn finished(&self, namespace: &str) -> Vec<Value> {
        let runs = self
            .until(namespace, "all runs to finish", |runs| {
                let over = !runs.is_empty() && runs.iter().all(|run| run["phase"] == "finished");
                over.then(|| runs.to_vec())
            })
            .await;
        let mut detailed = Vec::new();
        for run in runs {
            detailed.push(self.run(&run["id"]).await);
        }
        detailed
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The addresses that the log tells, with the ports that the system chose.
fn addresses(lines: &Receiver<String>) -> Option<(String, String)> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let line = lines.recv_timeout(left).ok()?;
        let Ok(line) = serde_json::from_str::<Value>(&line) else {
            continue;
        };
        let fields = &line;
        if let (Some(listen), Some(admin)) = (fields["listen"].as_str(), fields["admin"].as_str()) {
            return Some((format!("http://{listen}"), format!("http://{admin}")));
        }
    }
}

/// `outcome(reason)` of a run.
pub fn outcome(run: &Value) -> String {
    format!(
        "{}({})",
        run["outcome"].as_str().unwrap_or_default(),
        run["reason"].as_str().unwrap_or_default()
    )
}

/// The kinds of a run's journal, in order.
pub fn story(run: &Value) -> Vec<String> {
    let entries = run["journal"].as_array().cloned().unwrap_or_default();
    entries
        .iter()
        .map(|entry| entry["kind"].as_str().unwrap().to_owned())
        .collect()
}
