//! What people type: the real kubectl against the simulated API server, each command with what it printed.
//!
//! A test plays a session on a cluster of its own and keeps it as a transcript: `$` is what was typed, `!` what came on
//! standard error, `=` an exit code other than 0. Simulated time stands unless the test moves it. The clusters live in the
//! year 2000, so that the ages that kubectl itself works out from this machine's clock are all of them whole years and are
//! shown as `AGE`; those that the server works out are exact.

use std::{
    path::PathBuf,
    process::Stdio,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use jiff::SignedDuration;
use regex::Regex;
use simulated_cluster::{
    kubernetes::{
        Simulation, User, World,
        calls::Recorded,
        controllers::{self, node},
        loopback::kubeconfig,
        resources::NODES,
    },
    serve::Server,
};
use tempfile::TempDir;
use test_cluster::Tool;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

mod access;
mod bodies;
mod change;
mod delete;
mod describe;
mod discovery;
mod drain;
mod get;
mod logs;
mod rollout;
mod top;

/// Longer than any command takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often it is looked whether kubectl has come to a point.
const POLL: Duration = Duration::from_millis(10);

/// The workloads that most sessions are about.
const CLUSTER: &str = include_str!("kubectl/cluster.yaml");

/// What kubectl logs, with this machine's time and its own process id.
static LOGGED: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?m)^[EIW]\d{4} .*\n").unwrap());

/// Ages by this machine's clock.
static AGE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\b[1-9]\dy\b").unwrap());

/// A cluster, kubectl's home, and what has been said so far.
struct Session {
    simulation: Simulation,
    servers: Vec<Server>,
    home: TempDir,
    kubectl: PathBuf,
    transcript: Mutex<String>,
}

/// What a command said.
#[derive(Clone, Debug, Default)]
struct Said {
    stdout: String,
    stderr: String,
    code: Option<i32>,
}

impl Session {
    /// A cluster with three nodes and nothing else.
    async fn empty() -> Self {
        Self::of(&[]).await
    }

    /// One with the workloads of `cluster.yaml`, two minutes old.
    async fn new() -> Self {
        let session = Self::empty().await;
        let said = session.type_in("kubectl apply -f -", Some(CLUSTER)).await;
        assert_eq!(said.code, Some(0), "{said:?}");
        session.wait(120);
        session
    }

    /// With other users, each with a kubeconfig of their name. It is a server of their own that tells who they are: kubectl
    /// sends no token over plain HTTP.
    async fn of(others: &[User]) -> Self {
        let kubectl = tokio::task::spawn_blocking(|| test_cluster::tool(Tool::Kubectl)).await;
        let kubectl = kubectl.unwrap().unwrap();
        let simulation = controllers::start("2000-01-01T00:00:00Z".parse().unwrap(), 7);
        for (number, zone) in [(1, "a"), (2, "b"), (3, "c")] {
            let node = node::node(&format!("n{number}"), zone, ("4", "16Gi", 110));
            simulation.with(|world| world.create(NODES, node, "test").unwrap());
        }
        let home = tempfile::tempdir().unwrap();
        let mut servers = Vec::new();
        let admin = ("config", Some(User::admin()));
        let nobody = ("nobody", None);
        let others = others.iter().map(|user| (&*user.name, Some(user.clone())));
        for (file, user) in [admin, nobody].into_iter().chain(others) {
            let server = simulation.service().without_token(user).serve().await.unwrap();
            std::fs::write(home.path().join(file), kubeconfig(&server, None)).unwrap();
            servers.push(server);
        }
        let session = Self {
            simulation,
            servers,
            home,
            kubectl,
            transcript: Mutex::default(),
        };
        session.wait(2);
        session
    }

    /// Lets so many simulated seconds pass.
    fn wait(&self, seconds: i64) {
        let until = self.simulation.now() + SignedDuration::from_secs(seconds);
        self.simulation.advance(until);
    }

    /// Lets simulated time pass, and says so.
    fn later(&self, seconds: i64) {
        self.wait(seconds);
        self.note(&format!("({seconds} s later)\n"));
    }

    /// Types a command and takes down what it says.
    async fn run(&self, line: &str) -> Said {
        let said = self.type_in(line, None).await;
        self.take_down(line, &said);
        said
    }

    /// The same with a file on standard input.
    async fn pipe(&self, line: &str, input: &str) -> Said {
        let said = self.type_in(line, Some(input)).await;
        self.take_down(line, &said);
        said
    }

    async fn type_in(&self, line: &str, input: Option<&str>) -> Said {
        let mut typed = self.start(line);
        let mut stdin = typed.child.stdin.take().unwrap();
        if let Some(input) = input {
            stdin.write_all(input.as_bytes()).await.unwrap();
        }
        drop(stdin);
        typed.end().await
    }

    /// Types a command that goes on for a while.
    fn start(&self, line: &str) -> Typed {
        let mut words = words(line).into_iter();
        assert_eq!(words.next().as_deref(), Some("kubectl"));
        let mut child = Command::new(&self.kubectl)
            .args(words)
            .env_clear()
            .env("HOME", self.home.path())
            .env("KUBECONFIG", self.home.path().join("config"))
            .env("TZ", "UTC")
            .current_dir(self.home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (said, heard) = watch::channel(Said::default());
        let said = Arc::new(said);
        let readers = [
            tokio::spawn(read(child.stdout.take().unwrap(), Arc::clone(&said), |said| {
                &mut said.stdout
            })),
            tokio::spawn(read(child.stderr.take().unwrap(), said, |said| &mut said.stderr)),
        ];
        Typed {
            child,
            heard,
            readers,
            servers: self.servers.iter().map(Server::url).collect(),
        }
    }

    fn take_down(&self, line: &str, said: &Said) {
        self.note(&format!("$ {line}\n{}", said.shown()));
    }

    fn note(&self, text: &str) {
        self.transcript.lock().unwrap().push_str(text);
    }

    /// The transcript.
    fn told(&self) -> String {
        self.transcript.lock().unwrap().clone()
    }

    /// Waits until kubectl watches a resource. What happens from then on it cannot miss.
    async fn watched(&self, resource: &str) {
        let watched = |call: &Recorded| call.verb == "watch" && call.resource == resource && call.carried_out.is_some();
        let seen = async {
            while !self.simulation.calls().iter().any(watched) {
                tokio::time::sleep(POLL).await;
            }
        };
        let seen = timeout(PATIENCE, seen).await;
        assert!(seen.is_ok(), "{resource} are not watched");
    }

    /// Waits until the cluster is so.
    async fn becomes(&self, what: &str, is: impl Fn(&World) -> bool) {
        let mut revised = self.simulation.world().revised();
        let seen = async {
            while !self.simulation.with(|world| is(world)) {
                revised.changed().await.unwrap();
            }
        };
        timeout(PATIENCE, seen)
            .await
            .unwrap_or_else(|_| panic!("{what}: never"));
    }
}

/// A command that runs.
struct Typed {
    child: Child,
    heard: watch::Receiver<Said>,
    readers: [JoinHandle<()>; 2],
    servers: Vec<String>,
}

impl Typed {
    /// Waits until it has said this.
    async fn says(&mut self, words: &str) {
        let said = self
            .heard
            .wait_for(|said| said.stdout.contains(words) || said.stderr.contains(words));
        let said = timeout(PATIENCE, said).await.map(|said| said.is_ok());
        assert_eq!(said, Ok(true), "{words} was not said: {:?}", self.heard.borrow());
    }

    /// Waits until it ends.
    async fn end(mut self) -> Said {
        let ended = timeout(PATIENCE, self.child.wait()).await;
        let code = ended.unwrap_or_else(|_| panic!("it does not end: {:?}", self.heard.borrow()));
        self.whole(code.unwrap().code()).await
    }

    /// Ends it, as ctrl-c does.
    async fn stop(mut self) -> Said {
        self.child.kill().await.unwrap();
        self.whole(Some(0)).await
    }

    async fn whole(self, code: Option<i32>) -> Said {
        for reader in self.readers {
            reader.await.unwrap();
        }
        let said = self.heard.borrow().clone();
        let plain = |text: &str| {
            let text = AGE.replace_all(text, "AGE").into_owned();
            let servers = self.servers.iter();
            let text = servers.fold(text, |text, url| text.replace(url, "http://SERVER"));
            LOGGED.replace_all(&text, "").into_owned()
        };
        Said {
            stdout: plain(&said.stdout),
            stderr: plain(&said.stderr),
            code,
        }
    }
}

impl Said {
    fn shown(&self) -> String {
        let mut text = self.stdout.clone();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        for line in self.stderr.lines() {
            text.push_str(&format!("! {line}\n"));
        }
        if self.code != Some(0) {
            text.push_str(&format!("= {}\n", self.code.unwrap_or(-1)));
        }
        text
    }

    /// With its lines in order, and the parts of a warning: several goroutines wrote them, or a map held them.
    fn sorted(&self) -> Self {
        let sorted = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(parts_in_order).collect();
            lines.sort_unstable();
            lines.iter().map(|line| format!("{line}\n")).collect()
        };
        Self {
            stdout: sorted(&self.stdout),
            stderr: sorted(&self.stderr),
            code: self.code,
        }
    }
}

fn parts_in_order(line: &str) -> String {
    let Some(warning) = line.strip_prefix("Warning: ") else {
        return line.to_owned();
    };
    let mut parts: Vec<&str> = warning.split("; ").collect();
    parts.sort_unstable();
    format!("Warning: {}", parts.join("; "))
}

async fn read(mut from: impl AsyncRead + Unpin, said: Arc<watch::Sender<Said>>, part: fn(&mut Said) -> &mut String) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count) = from.read(&mut buffer).await {
        if count == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
        said.send_modify(|said| part(said).push_str(&text));
    }
}

/// The words of a command line; what stands in single quotes is one of them.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for (index, part) in line.split('\'').enumerate() {
        if index % 2 == 1 {
            words.last_mut().unwrap().push_str(part);
            continue;
        }
        for (index, word) in part.split(' ').enumerate() {
            if index > 0 {
                words.push(String::new());
            }
            words.last_mut().unwrap().push_str(word);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
