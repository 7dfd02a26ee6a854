//! The figures of `docs/performance.md`, each measured beside its yardstick on the machine that it runs on.
//!
//! `cargo bench --bench figures -- PART` measures one part, without `PART` all of them; see `benches/README.md`.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that cannot measure has nothing else to do but to stop"
)]

use std::{process::ExitCode, time::Duration};

mod acks;
mod action;
mod assembled;
mod history;
mod http;
mod inbox;
mod load;
mod machine;
mod null;
mod pace;
mod posts;
mod simulation;
mod spawn;
mod storm;
mod table;
mod tally;
mod unfolding;

#[allow(
    dead_code,
    reason = "the tests' way to start the program, of which less is needed here"
)]
#[path = "../../tests/it/service.rs"]
mod service;
#[allow(dead_code, reason = "the tests' notifications, of which one is needed here")]
#[path = "../../tests/it/webhook.rs"]
mod webhook;
#[allow(
    dead_code,
    reason = "the tests' workloads in the test cluster, of which fewer are needed here"
)]
#[path = "../../tests/it/workload.rs"]
mod workload;

use table::Table;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // The processes that a round is made of are this program again.
    match arguments.as_slice() {
        ["null-server", folder] => null::serve(folder),
        ["closed", address, alerts, posts] => load::closed(address, alerts.parse().unwrap(), posts.parse().unwrap()),
        ["inbox", alerts, posts] => inbox::closed(alerts.parse().unwrap(), posts.parse().unwrap()),
        ["open", address, rate, seconds] => load::open(address, rate.parse().unwrap(), seconds.parse().unwrap()),
        ["unfold-beside", alerts, folder] => unfolding::beside(folder, alerts.parse().unwrap()),
        ["simulated-cluster", day] => simulation::story(day),
        parts => return figures(parts),
    }
    ExitCode::SUCCESS
}

/// Measures and adds to the table.
type Part = (&'static str, fn(&mut Table));

fn figures(parts: &[&str]) -> ExitCode {
    const ALL: [Part; 8] = [
        ("acks", acks::closed),
        ("pace", acks::open),
        ("unfold", unfolding::measure),
        ("start", storm::start),
        ("storm", storm::storm),
        ("action", action::measure),
        ("history", history::measure),
        ("simulation", simulation::measure),
    ];
    if let Some(unknown) = parts.iter().find(|part| ALL.iter().all(|(name, _)| name != *part)) {
        eprintln!(
            "unknown part {unknown:?}; there are {}",
            ALL.map(|(name, _)| name).join(", ")
        );
        return ExitCode::from(2);
    }
    println!("{}", machine::describe());
    let mut table = Table::default();
    for (name, measure) in ALL {
        if parts.is_empty() || parts.contains(&name) {
            println!("\n== {name} (load average {})", machine::load());
            measure(&mut table);
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    println!("\n{table}");
    ExitCode::SUCCESS
}

/// A runtime for the parts that need one.
fn runtime() -> tokio::runtime::Runtime {
    let _ = rustls::crypto::ring::default_provider().install_default();
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}
