//! Unfolding alone: an inbox that is full, and what an alert costs with ten runbooks and with a thousand.

use std::{
    io::Write,
    path::Path,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use bytes::Bytes;
use selfhealer::{
    app::Service,
    clock::Clock,
    intake::unfold::Unfolder,
    store::{NewPost, Store},
};
use tokio_util::sync::CancellationToken;

use super::{
    assembled::{config, service},
    machine::median,
    posts::Posts,
    runtime,
    table::Table,
};

const ROUNDS: usize = 5;
const ALERTS: usize = 10;
const POSTS: u64 = 3_000;
const FEW: usize = 10;
const MANY: usize = 1_000;
/// What is unfolded beside something else: what is promised, for longer than a round takes.
const BESIDE_RATE: u64 = 10_000;
const BESIDE_SECONDS: u64 = 8;

pub fn measure(table: &mut Table) {
    let runtime = runtime();
    let (mut rates, mut ratios) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let few = runtime.block_on(unfolded_per_second(FEW));
        let many = runtime.block_on(unfolded_per_second(MANY));
        println!("round={round} {FEW} runbooks {few:.0} alerts/s, {MANY} runbooks {many:.0} alerts/s");
        rates.push(few);
        ratios.push(few / many);
    }
    table.at_least(
        format!("unfolding with {FEW} runbooks, a run for each alert"),
        median(&mut rates),
        10_000.0,
        " alerts/s",
    );
    table.at_most(
        format!("an alert with {MANY} runbooks, of one with {FEW}"),
        median(&mut ratios),
        1.5,
        " times",
    );
}

/// Unfolds 10,000 alerts a second from an inbox that is full, in posts of so many, until it is killed or has none left. Says on
/// the first line that it begins.
pub fn beside(folder: &str, alerts: usize) {
    runtime().block_on(async {
        let posts = BESIDE_SECONDS * BESIDE_RATE / alerts as u64;
        let unfolder = unfolder(Path::new(folder), 0, alerts, posts).await;
        println!("unfolding");
        std::io::stdout().flush().unwrap();
        let (begin, mut unfolded) = (Instant::now(), 0);
        loop {
            let batch = unfolder.batch().await.unwrap();
            assert!(batch > 0, "nothing is left to unfold: the round took too long");
            unfolded += batch;
            let due = Duration::from_secs_f64(unfolded as f64 / BESIDE_RATE as f64);
            tokio::time::sleep(due.saturating_sub(begin.elapsed())).await;
        }
    });
}

/// Alerts for all the runbooks in turn, each about a pod of its own, so that each opens a run.
async fn unfolded_per_second(runbooks: usize) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let unfolder = unfolder(folder.path(), runbooks, ALERTS, POSTS).await;
    let (store, waiting) = (unfolder.store.clone(), unfolder.waiting.clone());
    let alerts = waiting.load(Ordering::Relaxed);
    let stop = CancellationToken::new();
    let begin = Instant::now();
    let task = tokio::spawn(unfolder.run(stop.clone()));
    while waiting.load(Ordering::Relaxed) > 0 {
        assert!(begin.elapsed() < Duration::from_secs(120), "unfolding hangs");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let took = begin.elapsed();
    stop.cancel();
    task.await.unwrap();
    store.close().await;
    alerts as f64 / took.as_secs_f64()
}

/// An unfolder whose inbox has these posts.
async fn unfolder(folder: &Path, runbooks: usize, alerts: usize, posts: u64) -> Unfolder {
    write_runbooks(folder, runbooks);
    let config = config(folder);
    let Service { store, clock, .. } = service(&config).await;
    fill(&store, runbooks, alerts, posts, clock.as_ref()).await;
    store.close().await;
    drop(store);
    // What waits is counted at the start.
    let Service { unfolder, .. } = service(&config).await;
    assert_eq!(unfolder.waiting.load(Ordering::Relaxed), posts * alerts as u64);
    assert_eq!(unfolder.registry.snapshot().set.len(), runbooks);
    unfolder
}

fn write_runbooks(folder: &Path, count: usize) {
    let folder = folder.join("runbooks");
    std::fs::create_dir(&folder).unwrap();
    for n in 0..count {
        let text = runbook(&format!("bench-{n}"), &alertname(n), "");
        std::fs::write(folder.join(format!("{n}.yaml")), text).unwrap();
    }
}

async fn fill(store: &Store, runbooks: usize, alerts: usize, posts: u64, clock: &dyn Clock) {
    let mut names: Vec<Posts> = (0..runbooks.max(1))
        .map(|n| Posts::new(alerts, &alertname(n), |_| String::new()))
        .collect();
    let mut new = Vec::new();
    for n in 0..posts {
        let of = n as usize % names.len();
        new.push(NewPost {
            received_at: clock.now(),
            source: "bench".to_owned(),
            alerts: alerts as u32,
            body: Bytes::copy_from_slice(names[of].number(n)),
        });
    }
    for chunk in new.chunks(512) {
        store.append_all(chunk.to_vec()).await.unwrap();
    }
}

fn alertname(n: usize) -> String {
    format!("SelfhealerBench{n}")
}

/// A runbook with one matcher and one step; `more` are lines of its `spec`.
pub fn runbook(name: &str, alertname: &str, more: &str) -> String {
    format!(
        "apiVersion: selfhealer.dev/v1alpha1\nkind: Runbook\nmetadata:\n  name: {name}\nspec:\n  description: Measured.\n  \
         match:\n    - alertname = {alertname}\n  target:\n    apiVersion: v1\n    kind: Pod\n    \
         namespace: \"{{{{labels.namespace}}}}\"\n    name: \"{{{{labels.pod}}}}\"\n{more}  steps:\n    - evict: {{}}\n"
    )
}
