//! The command line: one file per command.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod check;
mod render;
mod serve;

/// Alert-driven healing of Kubernetes clusters.
///
/// Prometheus rules fire, Alertmanager posts to `POST /alertmanager`, runbooks say what to do, and every run is judged,
/// recorded, verified and told. Runbooks are in shadow until somebody says otherwise.
#[derive(Debug, Parser)]
#[command(name = "selfhealer", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service
    ///
    /// Takes Alertmanager's webhook and people's requests on `listen`, shows /livez, /readyz and /metrics on
    /// `adminListen`, and acts through the Kubernetes API. SIGTERM or ctrl-c finishes what is under way and ends; a
    /// second one ends at once.
    #[command(after_long_help = serve::EXAMPLE)]
    Serve(serve::Serve),
    /// Check runbooks and configuration, without a cluster
    Check(check::Check),
    /// Show the messages that a runbook would post
    #[command(after_long_help = render::EXAMPLE)]
    Render(render::Render),
}

impl Cli {
    /// Does what the arguments say.
    pub fn run(self) -> ExitCode {
        match self.command {
            Command::Serve(serve) => serve.run(),
            Command::Check(check) => check.run(),
            Command::Render(render) => render.run(),
        }
    }
}
