//! The service: put together ([`assemble`]), and run with its sockets and signals ([`run`]) or step by step ([`Stepped`]).

use anyhow::Context;

use crate::config::Config;

mod assemble;
pub mod listeners;
mod messages;
mod metrics;
mod parts;
mod reload;
mod retention;
mod serve;
mod step;

pub use assemble::{Ports, Service, Stop, assemble, beside};
pub use metrics::Metrics;
pub use parts::{Ended, Parts};
pub use step::Stepped;

/// Runs the service until a signal, or until a part of it fails.
pub fn run(config: Config) -> anyhow::Result<()> {
    // kube and reqwest panic on first use when it is not clear whose cryptography is meant.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(1024 * 1024)
        .enable_all()
        .build()
        .context("starting the runtime")?;
    runtime.block_on(serve::serve(config))
}
