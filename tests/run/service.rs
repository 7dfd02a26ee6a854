//! selfhealer as a process of its own, as it would run anywhere, with its configuration in a temporary folder.

use std::{
    cell::RefCell,
    fs::{self, File},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use simulated_cluster::{serve::Server, slack::Slack};
use tempfile::TempDir;

/// How long a start, an answer or an end may take.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(20);
/// Lines of the log that a failure shows.
const TAIL: usize = 15;

/// A running selfhealer. Dropping it ends the process and removes the folder.
pub struct Service {
    child: RefCell<Child>,
    folder: TempDir,
    client: reqwest::Client,
    channel: Channel,
    /// Where Alertmanager and people connect.
    pub url: String,
    /// Where probes and Prometheus connect.
    pub admin: String,
    /// As the program tells it.
    pub version: String,
}

/// A channel of a local Slack, for the messages.
struct Channel {
    slack: Slack,
    server: Server,
    token: String,
}

impl Channel {
    const NAME: &str = "#healing";

    async fn open() -> anyhow::Result<Self> {
        let slack = Slack::new(Arc::new(jiff::Timestamp::now));
        let server = slack.serve().await.context("starting the local Slack")?;
        let token = slack.install_app("selfhealer", &["chat:write", "files:write", "channels:history"]);
        let id = slack.add_channel(Self::NAME);
        slack.invite(&token, &id);
        Ok(Self { slack, server, token })
    }
}

impl Service {
    /// Starts the program with this runbook in enforce, and waits until it is running.
    pub async fn start(program: &Path, runbook: &str, kubeconfig: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("selfhealer-run-").tempdir()?;
        fs::write(folder.path().join("crash-looping-pod.yaml"), runbook)?;
        let channel = Channel::open().await?;
        fs::write(folder.path().join("slack-token"), &channel.token)?;
        let config = json!({
            "listen": "127.0.0.1:0",
            "adminListen": "127.0.0.1:0",
            "store": {"url": format!("sqlite://{}", folder.path().join("selfhealer.db").display())},
            "kubernetes": {"kubeconfig": kubeconfig},
            "runbooks": ["crash-looping-pod.yaml"],
            "modes": {"crash-looping-pod": "enforce"},
            "settle": "1s",
            "slack": {
                "tokenFile": "slack-token",
                "channel": Channel::NAME,
                "apiUrl": format!("{}/api/", channel.server.url()),
            },
        });
        // JSON is YAML.
        fs::write(folder.path().join("selfhealer.yaml"), format!("{config:#}\n"))?;
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SELFHEALER_") {
                command.env_remove(name);
            }
        }
        let child = command
            .args(["serve", "--log-format", "json", "--config"])
            .arg(folder.path().join("selfhealer.yaml"))
            // A ctrl-c at the terminal is for us; we end it in order.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(folder.path().join("selfhealer.log"))?)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let mut service = Self {
            child: RefCell::new(child),
            folder,
            client: reqwest::Client::builder().timeout(PATIENCE).build()?,
            channel,
            url: String::new(),
            admin: String::new(),
            version: String::new(),
        };
        service.await_start().await?;
        Ok(service)
    }

    async fn await_start(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            for line in self
                .log()
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            {
                if let (Some(listen), Some(admin)) = (line["listen"].as_str(), line["admin"].as_str()) {
                    self.url = format!("http://{listen}");
                    self.admin = format!("http://{admin}");
                    line["version"]
                        .as_str()
                        .unwrap_or_default()
                        .clone_into(&mut self.version);
                    return Ok(());
                }
            }
            let ended = self.child.get_mut().try_wait()?;
            anyhow::ensure!(
                ended.is_none() && Instant::now() < deadline,
                "selfhealer did not start; its log:\n{}",
                self.log_tail()
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The Slack channel as people see it, once its message tells the end.
    pub async fn channel(&self) -> String {
        let deadline = Instant::now() + PATIENCE;
        let told = |text: &str| text.contains("*Outcome:*");
        loop {
            let text = self.channel.slack.channel_as_text(Channel::NAME);
            if told(&text) || Instant::now() > deadline {
                return text;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Succeeds while it runs.
    pub fn check(&self) -> anyhow::Result<()> {
        match self.child.borrow_mut().try_wait()? {
            None => Ok(()),
            Some(status) => anyhow::bail!("selfhealer has ended by itself ({status})"),
        }
    }

    /// An answer of its API.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let answer = self.client.get(format!("{}{path}", self.url)).send().await;
        let answer = answer.with_context(|| format!("GET {path}"))?;
        let status = answer.status();
        let text = answer.text().await?;
        anyhow::ensure!(status.is_success(), "GET {path}: {status} {text}");
        serde_json::from_str(&text).with_context(|| format!("GET {path}: {text}"))
    }

    /// Its log file.
    pub fn log_file(&self) -> PathBuf {
        self.folder.path().join("selfhealer.log")
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<String> = log.lines().map(readable).collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let child = self.child.get_mut();
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid
            && let Ok(None) = child.try_wait()
        {
            let _ = kill_process(pid, Signal::TERM);
            let deadline = Instant::now() + Duration::from_secs(5);
            while let Ok(None) = child.try_wait() {
                if Instant::now() > deadline {
                    break;
                }
                std::thread::sleep(LOOK);
            }
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// A line of the log in the order in which a person reads: when, how bad, what, and the fields.
fn readable(line: &str) -> String {
    let Ok(Value::Object(mut fields)) = serde_json::from_str(line) else {
        return line.to_owned();
    };
    let mut take = |name: &str| match fields.remove(name) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    };
    let words = [take("timestamp"), take("level"), take("message")].join(" ");
    let _ = (take("target"), take("span"));
    let rest = fields.iter().map(|(name, value)| format!(" {name}={value}"));
    format!("  {words}{}", rest.collect::<String>())
}
