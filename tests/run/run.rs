//! The main job on the test cluster: a pod breaks, an alert fires, selfhealer heals it, and the terminal tells how.
//!
//! `cargo run --example run` needs the program built before (`make run` does both). It boots a real control plane with
//! Prometheus and Alertmanager, and a node that runs containers where this machine can have one; and it ends everything that
//! it has started, however it ends itself.

use std::{cell::Cell, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context as _;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

mod ground;
mod printer;
mod service;
mod stage;
mod story;

use printer::Printer;
use stage::Stage;

/// How often the parts are looked at while everything stays.
const LOOK: Duration = Duration::from_millis(500);
/// The exit code of what ctrl-c ended before it was done.
const INTERRUPTED: u8 = 130;

/// Break a pod on a test cluster, and see how selfhealer heals it.
///
/// Boots a real Kubernetes control plane, Prometheus and Alertmanager, with a node that runs containers (for which it needs root
/// and a few packages) or else nodes that only play them; starts selfhealer with the shipped runbook, lets one pod of a
/// Deployment crash, and tells what happens. Exit code 0: healed.
#[derive(Parser)]
#[command(name = "run")]
struct Arguments {
    /// The selfhealer program [default: the one that was built beside this]
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Keep everything running afterwards, until ctrl-c, and tell how to look around
    #[arg(long)]
    stay: bool,
    /// Verify for 2s with a copy of the runbook, instead of the 1m that it asks for
    #[arg(long)]
    quick: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // kube and reqwest panic on first use when it is not clear whose cryptography is meant.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("run: starting the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(until_asked(&arguments));
    // A compiler may still run on a blocking thread. It ends with this process.
    runtime.shutdown_background();
    result.unwrap_or_else(|error| {
        eprintln!("\nrun: {error:#}");
        ExitCode::FAILURE
    })
}

async fn until_asked(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let printer = Printer::new();
    // What the exit code is when a signal comes.
    let code = Cell::new(ExitCode::from(INTERRUPTED));
    // Dropping the performance ends whatever it has started so far.
    tokio::select! {
        result = perform(arguments, &printer, &code) => return result,
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    printer.blank();
    printer.line("Everything that was started has ended.");
    Ok(code.get())
}

async fn perform(arguments: &Arguments, printer: &Printer, code: &Cell<ExitCode>) -> anyhow::Result<ExitCode> {
    let program = program(arguments)?;
    printer
        .line("A pod will break, and selfhealer heals it. All of it runs on this machine and ends with this command.");
    printer.heading("Getting ready");
    let stage = Stage::set(&program, arguments.quick, printer).await?;
    printer.heading("What happens, in seconds since the fault");
    let told = match story::follow(&stage, printer).await {
        Ok(end) => Ok(end),
        // A part that has ended explains more than a request that it did not answer.
        Err(error) => Err(stage.check().await.err().unwrap_or(error)),
    };
    let healed = matches!(&told, Ok(end) if end.healed);
    match &told {
        Ok(end) => story::tell_the_end(&stage, end, printer).await?,
        Err(error) => printer.failed(&format!("Not healed: {error:#}")),
    }
    if !healed {
        printer.heading("The end of selfhealer's log");
        printer.line(stage.service.log_tail().trim_end());
    }
    let result = if healed { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if arguments.stay {
        code.set(result);
        story::how_to_look(&stage, told.ok().as_ref(), printer);
        loop {
            stage.check().await?;
            tokio::time::sleep(LOOK).await;
        }
    }
    if healed {
        printer.blank();
        printer.note("All of it ends now. To look around in it yourself: cargo run --example run -- --stay");
    }
    Ok(result)
}

/// The program under the same `target` folder, unless another one is named.
fn program(arguments: &Arguments) -> anyhow::Result<PathBuf> {
    let program = match &arguments.program {
        Some(program) => program.clone(),
        None => {
            let own = std::env::current_exe().context("finding this program")?;
            let folder = own.parent().and_then(|examples| examples.parent());
            folder.context("finding the folder of this program")?.join("selfhealer")
        }
    };
    let built = program.is_file();
    anyhow::ensure!(
        built,
        "there is no program {}: run `cargo build --bin selfhealer`, or name one with --program",
        program.display()
    );
    Ok(program)
}
