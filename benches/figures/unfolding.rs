//! Unfolding alone: an inbox that is full, and what an alert costs with ten runbooks and with a thousand.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use selfhealer::{
    books::Books,
    clock::{Clock, SystemClock},
    domain::runbook::Mode,
    ids::Ids,
    intake::unfold::{Options, Unfolder},
    metrics::Metrics,
    store::{NewPost, Store},
};
use tokio_util::sync::CancellationToken;

use super::{machine::median, posts::Posts, runtime, table::Table};

const ROUNDS: usize = 5;
const ALERTS: usize = 10;
const POSTS: u64 = 3_000;
const FEW: usize = 10;
const MANY: usize = 1_000;

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

/// Alerts for all the runbooks in turn, each about a pod of its own, so that each opens a run.
async fn unfolded_per_second(runbooks: usize) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let ids = Arc::new(Ids::random(clock.clone()));
    let store = Store::open(&folder.path().join("unfolding.db"), clock.clone(), ids.clone())
        .await
        .unwrap();
    let books = books(folder.path(), runbooks, &store).await;
    let waiting = Arc::new(AtomicU64::new(fill(&store, runbooks, clock.as_ref()).await));
    let alerts = waiting.load(Ordering::Relaxed);
    let unfolder = Unfolder {
        store: store.clone(),
        books,
        clock,
        ids,
        metrics: Metrics::new(),
        options: Options {
            cluster_label: "cluster".to_owned(),
            cluster_value: None,
            settle: Duration::from_secs(10),
        },
        waiting: waiting.clone(),
        arrived: Arc::default(),
        wake: Arc::default(),
    };
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

async fn books(folder: &Path, count: usize, store: &Store) -> Books {
    let folder = folder.join("runbooks");
    std::fs::create_dir(&folder).unwrap();
    for n in 0..count {
        std::fs::write(
            folder.join(format!("{n}.yaml")),
            runbook(&format!("bench-{n}"), &alertname(n), ""),
        )
        .unwrap();
    }
    let books = Books::new(Mode::Enforce, Default::default());
    let loaded = books.load(&[folder], store).await.unwrap();
    assert_eq!(loaded.set.len(), count, "{:?}", loaded.problems);
    books
}

async fn fill(store: &Store, runbooks: usize, clock: &dyn Clock) -> u64 {
    let mut names: Vec<Posts> = (0..runbooks)
        .map(|n| Posts::new(ALERTS, &alertname(n), |_| String::new()))
        .collect();
    let mut posts = Vec::new();
    for n in 0..POSTS {
        let of = n as usize % runbooks;
        posts.push(NewPost {
            received_at: clock.now(),
            source: "bench".to_owned(),
            alerts: ALERTS as u32,
            body: Bytes::copy_from_slice(names[of].number(n)),
        });
    }
    for chunk in posts.chunks(512) {
        store.append(chunk).await.unwrap();
    }
    POSTS * ALERTS as u64
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
