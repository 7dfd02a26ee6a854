//! What history costs: a claim, a judgement, and the first page of each listing, with a million runs behind them and without.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use selfhealer::{
    clock::{Clock, SystemClock},
    domain::{
        alert::Fingerprint,
        episode::Latest,
        journal::Entry,
        reason::Reason,
        run::{Binding, BoundAlert, Finish, Outcome, Phase, Run, Scope, Track},
        runbook::{Guards, Mode},
        target::{ObjectRef, Root, Target},
    },
    ids::Ids,
    store::{Admission, Admitted, AlertFilter, Attached, Change, NewEpisode, NewRun, RunFilter, Store, Unfolded},
};

use super::{machine::median, runtime, table::Table};

const ROUNDS: usize = 3;
const TIMES: usize = 200;
const RUNS: u32 = 1_000_000;
const LEASE: Duration = Duration::from_secs(60);
const RUNBOOK: &str = "crash-looping-pod";

pub fn measure(table: &mut Table) {
    let runtime = runtime();
    let folder = tempfile::tempdir().unwrap();
    let (new, old) = (folder.path().join("new.db"), folder.path().join("old.db"));
    runtime.block_on(async {
        for file in [&new, &old] {
            open(file).await.close().await;
        }
    });
    let begin = Instant::now();
    fill(&old);
    println!(
        "{RUNS} runs on one root, with an alert, two entries and an attempt each: written in {:.0?}",
        begin.elapsed()
    );
    let mut ratios: [Vec<f64>; 4] = Default::default();
    for round in 1..=ROUNDS {
        let without = runtime.block_on(times(&new));
        let with = runtime.block_on(times(&old));
        println!("round={round} without {without:.3?} ms, with {with:.3?} ms");
        for (ratio, (with, without)) in ratios.iter_mut().zip(with.into_iter().zip(without)) {
            ratio.push(with / without);
        }
    }
    let what = [
        "a claim",
        "a judgement",
        "the first page of runs",
        "the first page of alerts",
    ];
    for (what, ratios) in what.into_iter().zip(&mut ratios) {
        table.at_most(
            format!("{what} with a million runs of history, of one without"),
            median(ratios),
            1.5,
            " times",
        );
    }
}

async fn open(file: &Path) -> Store {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let ids = Arc::new(Ids::random(clock.clone()));
    Store::open(file, clock, ids).await.unwrap()
}

/// History as a year leaves it, all of it on the root that is judged.
fn fill(file: &Path) {
    let database = rusqlite::Connection::open(file).unwrap();
    database
        .execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -500000;")
        .unwrap();
    let root = Root(object("Deployment", "cart"));
    let (key, json) = (root.key(), serde_json::to_string(&root).unwrap());
    let sql = format!(
        "BEGIN;
         CREATE TEMP TABLE past AS WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {RUNS})
         SELECT i, printf('%08x-%04x-7000-8000-000000000000', 0x17000000 + i / 65536, i % 65536) AS id,
                1600000000000000 + i * 30000000 AS at FROM n;
         INSERT INTO runs (id, runbook, version, mode, track, attempt, object, namespace, node, uid, root, root_key, phase,
             outcome, reason, detail, opened_at, settled_at, due_at, deadline, finished_at, sent, entries, lease_until, epoch)
         SELECT id, '{RUNBOOK}', 'v', 'enforce', 'enforce', 1, NULL, 'shop', 'node-1', 'u', '{json}', '{key}', 'finished',
             'succeeded', 'healthy', 'cart has 3 of 3 replicas ready', at, at, at, at, at, 1, 2, 0, 1 FROM past ORDER BY i;
         INSERT INTO episodes SELECT id, i, 0, at, at, at, at, at, NULL, 'PodCrashLooping', '{{}}', '{{}}', '' FROM past ORDER BY i;
         INSERT INTO run_alerts SELECT id, id, 'enforce', '{key}', at FROM past ORDER BY i;
         INSERT INTO journal SELECT id, 0, at, 1, 'bound', '{{}}' FROM past ORDER BY i;
         INSERT INTO journal SELECT id, 1, at, 1, 'finished', '{{}}' FROM past ORDER BY i;
         INSERT INTO attempts SELECT id, 'enforce', '{key}', '{RUNBOOK}', 'shop', 'node-1', NULL, at FROM past ORDER BY i;
         COMMIT;"
    );
    database.execute_batch(&sql).unwrap();
    let runs: u32 = database
        .query_row("SELECT COUNT(*) FROM runs", [], |row| row.get(0))
        .unwrap();
    assert_eq!(runs, RUNS);
}

/// The medians in milliseconds of a claim, a judgement, and two first pages.
async fn times(file: &Path) -> [f64; 4] {
    let store = open(file).await;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let ids = Ids::random(clock.clone());
    let mut times: [Vec<f64>; 4] = Default::default();
    for _ in 0..TIMES {
        let episode = open_run(&store, &ids, clock.as_ref()).await;
        let begin = Instant::now();
        let claims = store.claim("bench", LEASE, 10).await.unwrap();
        times[0].push(millis(begin));
        assert_eq!(claims.len(), 1);
        let binding = Binding {
            alerts: vec![BoundAlert {
                episode,
                target: Target {
                    object: object("Pod", "cart-1"),
                    uid: "u".to_owned(),
                },
            }],
            root: Root(object("Deployment", "cart")),
            workload: None,
        };
        let entries = vec![
            Entry::Bound(binding.clone()),
            Entry::Finished(Finish::new(Outcome::Suppressed, Reason::MaxAttempts, "measured")),
        ];
        let admission = Admission {
            claim: claims[0].clone(),
            seen: 0,
            binding,
            scope: Scope::default(),
            unsaved: true,
            guards: Guards::default(),
            decide: Box::new(move |_, _| Change {
                entries: entries.clone(),
                phase: Phase::Finished,
                due_at: None,
                audit: Vec::new(),
                owed: None,
            }),
        };
        let begin = Instant::now();
        let admitted = store.admit(admission).await.unwrap();
        times[1].push(millis(begin));
        assert!(matches!(admitted, Admitted::Committed(_)));
        let begin = Instant::now();
        let page = store.runs(&RunFilter::default(), None, 50).await.unwrap();
        times[2].push(millis(begin));
        assert!(!page.items.is_empty());
        let begin = Instant::now();
        store.alerts(&AlertFilter::default(), None, 50).await.unwrap();
        times[3].push(millis(begin));
    }
    store.close().await;
    // The first pages of a new database are short.
    times.map(|mut times| {
        times.drain(..TIMES / 2);
        median(&mut times)
    })
}

async fn open_run(store: &Store, ids: &Ids, clock: &dyn Clock) -> selfhealer::domain::run::EpisodeId {
    let (run, episode, now) = (ids.run(), ids.episode(), clock.now());
    let unfolded = Unfolded {
        episodes: vec![NewEpisode {
            id: episode,
            fingerprint: Fingerprint(episode.0.as_u64_pair().1),
            latest: Latest {
                started: now,
                closed: None,
            },
            is_latest: true,
            first_seen: now,
            last_seen: now,
            reason: None,
            labels: Default::default(),
            annotations: Default::default(),
            generator_url: String::new(),
        }],
        runs: vec![NewRun {
            run: Run {
                id: run,
                runbook: RUNBOOK.to_owned(),
                version: "v".to_owned(),
                mode: Mode::Enforce,
                object: Some(object("Pod", "cart-1")),
                opened_at: now,
                deadline: now + Duration::from_secs(1800),
                attempt: 1,
            },
            track: Track::of(Mode::Enforce, RUNBOOK),
            object_key: None,
            settled: now,
            finish: None,
        }],
        attached: vec![Attached {
            run,
            track: Track::of(Mode::Enforce, RUNBOOK),
            episode,
        }],
        ..Unfolded::default()
    };
    store
        .unfold(Vec::new(), Vec::new(), move |_| (unfolded.clone(), ()))
        .await
        .unwrap();
    episode
}

fn object(kind: &str, name: &str) -> ObjectRef {
    ObjectRef {
        api_version: "v1".to_owned(),
        kind: kind.to_owned(),
        namespace: Some("shop".to_owned()),
        name: name.to_owned(),
    }
}

fn millis(begin: Instant) -> f64 {
    begin.elapsed().as_secs_f64() * 1_000.0
}
