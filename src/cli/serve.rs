//! `selfhealer serve`.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, ValueEnum};

use crate::{app, config::Config, telemetry};

/// Shown below the options.
pub const EXAMPLE: &str = "\
A configuration to begin with; every runbook is in shadow until `modes` or its own file says otherwise:

  listen: 0.0.0.0:8080                  # POST /alertmanager, GET /api/v1/runs, …
  adminListen: 0.0.0.0:9090             # /livez, /readyz, /metrics
  store: {url: sqlite:///var/lib/selfhealer/selfhealer.db}
  runbooks: [/etc/selfhealer/runbooks]
  tokens:
    - {name: alertmanager, file: /etc/selfhealer/tokens/alertmanager, permissions: [ingest]}
    - {name: oncall, file: /etc/selfhealer/tokens/oncall, permissions: [view, operate]}
  modes: {crash-looping-pod: enforce}

`selfhealer check --config FILE` tells what is wrong with it, with line and column.";

/// The arguments of `serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// The configuration file; every key can also be set as SELFHEALER_…, see docs/configuration.md
    #[arg(long, value_name = "FILE", env = "SELFHEALER_CONFIG")]
    config: Option<PathBuf>,
    /// How log lines are written to standard error
    #[arg(long, value_enum, default_value = "text")]
    log_format: LogFormat,
    /// Which log lines are written: a level, or a filter such as `info,selfhealer::engine=debug`
    #[arg(long, value_name = "FILTER", default_value = "info,actix_server=warn")]
    log: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

impl Serve {
    /// Runs until a signal, or until a part of the service fails.
    pub fn run(self) -> ExitCode {
        let format = match self.log_format {
            LogFormat::Text => telemetry::Format::Text,
            LogFormat::Json => telemetry::Format::Json,
        };
        if let Err(error) = telemetry::init(format, &self.log) {
            eprintln!("error: --log {:?}: {error}", self.log);
            return ExitCode::from(2);
        }
        let checked = match Config::load(self.config.as_deref(), Config::environment()) {
            Ok(checked) => checked,
            Err(problems) => {
                for problem in problems {
                    eprintln!("{}", problem.render(false));
                }
                return ExitCode::FAILURE;
            }
        };
        for warning in &checked.warnings {
            tracing::warn!("configuration: {}", warning.render(false));
        }
        match app::run(checked.config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!("the service cannot run: {error:#}");
                ExitCode::FAILURE
            }
        }
    }
}
