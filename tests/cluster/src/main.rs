//! The test cluster from a terminal: `build` compiles it, `up` boots it and stays.

#![cfg_attr(test, allow(clippy::unwrap_used))]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use test_cluster::{
    Alertmanager, ControlPlane, ControlPlaneOptions, Prometheus, PrometheusOptions, RealNode, RealNodeOptions, Tool,
    webhook_config,
};
use tokio::signal::unix::{SignalKind, signal};

/// A real Kubernetes control plane with Prometheus and Alertmanager, as plain processes on loopback.
///
/// Everything is compiled from Go modules on first use (Go is needed, 10 to 25 minutes on two cores, once) and kept in
/// ${TEST_CLUSTER_CACHE:-${XDG_CACHE_HOME:-~/.cache}/selfhealer}/cluster. Neither root nor containers are needed.
#[derive(Parser)]
#[command(name = "test-cluster", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compile what is missing in the cache, and nothing else
    Build,
    /// Boot the cluster and keep it until ctrl-c
    ///
    /// Boots etcd, kube-apiserver, kube-controller-manager, kube-scheduler, KWOK nodes,
    /// kube-state-metrics, Prometheus and Alertmanager on free ports of 127.0.0.1, after compiling
    /// what is missing.
    ///
    /// When all is ready, standard output has exactly these lines; progress is on standard error:
    ///
    ///   KUBECONFIG=/tmp/…/kubeconfig-admin
    ///   PROMETHEUS_URL=http://127.0.0.1:PORT
    ///   ALERTMANAGER_URL=http://127.0.0.1:PORT
    ///   KUBECTL=/…/kubectl
    ///
    /// It stays in the foreground. On ctrl-c or TERM, and however else it ends, all that it started
    /// is gone. If a part ends by itself, the end of its log is shown, and the exit code is 1.
    ///
    /// Break something, from another terminal (README.md has the list of faults):
    ///
    ///   kubectl annotate pod POD bench/fault=CrashLoopBackOff
    ///   kubectl label node node-0 bench/kwok=off --overwrite
    #[command(verbatim_doc_comment)]
    Up(Up),
}

#[derive(Args)]
struct Up {
    /// How many nodes
    #[arg(long, value_name = "N", default_value_t = 3)]
    nodes: usize,
    /// Where Alertmanager posts every alert
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080/alertmanager")]
    receiver: String,
    /// Prometheus rule files [default: rules/*.yaml of this workspace but *.test.yaml]
    #[arg(long, value_name = "FILE", num_args = 1..)]
    rules: Vec<PathBuf>,
    /// Replace each rule's `for:`, so that alerts fire sooner: 500ms, 2s, 1m
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    hold: Option<Duration>,
    /// A node that runs real containers, named real-0; needs root. Beside other nodes it is tainted bench/real=true:NoSchedule
    #[arg(long)]
    real_node: bool,
    /// An image for the real node's pods, as `docker save` writes it; may be repeated
    #[arg(long = "image", value_name = "FILE", requires = "real_node")]
    images: Vec<PathBuf>,
    /// A label for every alert, such as cluster=dev; may be repeated
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
}

/// All parts, in the order in which they end.
struct Running {
    kubectl: PathBuf,
    prometheus: Prometheus,
    alertmanager: Alertmanager,
    control_plane: ControlPlane,
}

/// How often a running cluster is looked at.
const LOOK: Duration = Duration::from_millis(250);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Command::Build => test_cluster::build_all().map_err(anyhow::Error::from),
        Command::Up(up) => run(up),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("test-cluster: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(up: Up) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(up_until_asked(up));
    // A compiler may still run on a blocking thread. It ends with this process.
    runtime.shutdown_background();
    result
}

async fn up_until_asked(up: Up) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let serve = async {
        let running = boot(up).await?;
        loop {
            running.check().await?;
            tokio::time::sleep(LOOK).await;
        }
    };
    // Dropping `serve` ends whatever it has started so far.
    tokio::select! {
        result = serve => return result,
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    eprintln!("test-cluster: everything has ended");
    Ok(())
}

async fn boot(up: Up) -> anyhow::Result<Running> {
    let rules = if up.rules.is_empty() {
        workspace_rules()?
    } else {
        up.rules
    };
    for file in &rules {
        fs::metadata(file).with_context(|| format!("rule file {}", file.display()))?;
    }
    let missing = if up.real_node { RealNode::missing() } else { Vec::new() };
    if !missing.is_empty() {
        return Err(test_cluster::Error::RealNode { missing }.into());
    }
    // All of it first, so that nothing waits half booted for a compiler.
    let build = || test_cluster::build_all().and_then(|()| test_cluster::tool(Tool::Kubectl));
    let kubectl = tokio::task::spawn_blocking(build).await??;
    let started = Instant::now();
    let options = ControlPlaneOptions {
        nodes: up.nodes,
        kube_state_metrics: true,
        real_node: up.real_node.then(|| RealNodeOptions {
            images: up.images.clone(),
            alone: up.nodes == 0,
        }),
    };
    let control_plane = ControlPlane::start(options).await?;
    eprintln!(
        "test-cluster: control plane with {} nodes{} at {}",
        up.nodes,
        if up.real_node { " and real-0" } else { "" },
        control_plane.url()
    );
    let alertmanager = Alertmanager::start(&webhook_config(&up.receiver)).await?;
    eprintln!("test-cluster: Alertmanager posts to {}", up.receiver);
    let metrics = control_plane
        .kube_state_metrics_url()
        .context("kube-state-metrics was asked for")?;
    let prometheus = Prometheus::start(PrometheusOptions {
        hold: up.hold,
        scrape: vec![("kube-state-metrics".into(), metrics.into())],
        alertmanagers: vec![alertmanager.url().into()],
        external_labels: up.labels.into_iter().collect::<BTreeMap<_, _>>(),
        rules: rules.clone(),
    })
    .await?;
    eprintln!("test-cluster: Prometheus with {} rule files", rules.len());
    let folders = [control_plane.folder(), alertmanager.folder(), prometheus.folder()];
    eprintln!(
        "test-cluster: logs are in {}",
        folders.map(|folder| folder.display().to_string()).join(", ")
    );
    eprintln!(
        "test-cluster: ready after {:.1} s; ctrl-c ends it",
        started.elapsed().as_secs_f32()
    );
    let running = Running {
        kubectl,
        prometheus,
        alertmanager,
        control_plane,
    };
    running.print(&mut std::io::stdout().lock())?;
    Ok(running)
}

impl Running {
    fn print(&self, output: &mut impl std::io::Write) -> std::io::Result<()> {
        writeln!(output, "KUBECONFIG={}", self.control_plane.kubeconfig().display())?;
        writeln!(output, "PROMETHEUS_URL={}", self.prometheus.url())?;
        writeln!(output, "ALERTMANAGER_URL={}", self.alertmanager.url())?;
        writeln!(output, "KUBECTL={}", self.kubectl.display())?;
        output.flush()
    }

    async fn check(&self) -> Result<(), test_cluster::Error> {
        self.control_plane.check().await?;
        self.alertmanager.check().await?;
        self.prometheus.check().await
    }
}

/// Every rule file in the workspace's `rules/`. `NAME.test.yaml` beside `NAME.yaml` is a test of `promtool test rules`.
fn workspace_rules() -> anyhow::Result<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules");
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in folder
        .read_dir()
        .with_context(|| format!("reading {}", folder.display()))?
    {
        let path = entry?.path();
        if path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(is_rule_file)
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn is_rule_file(name: &str) -> bool {
    name.strip_suffix(".yaml").is_some_and(|stem| !stem.ends_with(".test"))
}

fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("give a whole number with ms, s, m or h, such as 2s".into()),
    };
    let number: u32 = number
        .parse()
        .map_err(|_| "give a whole number with a unit, such as 2s")?;
    Ok(Duration::from_millis(u64::from(number) * factor))
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("give NAME=VALUE")?;
    Ok((name.into(), value.into()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(duration("1500ms"), Ok(Duration::from_millis(1500)));
        assert!(duration("2").is_err());
        assert!(duration("s").is_err());
        assert!(duration("1m30s").is_err());
    }

    #[test]
    fn tests_of_rules_are_no_rules() {
        assert!(is_rule_file("pods.yaml"));
        assert!(!is_rule_file("pods.test.yaml"));
        assert!(!is_rule_file("README.md"));
    }
}
