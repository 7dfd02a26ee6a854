//! The `selfhealer` program.

use std::process::ExitCode;

use clap::Parser;
use selfhealer::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().run()
}
