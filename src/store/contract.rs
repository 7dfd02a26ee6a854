//! What every store must do, asked through its operations alone: whatever database is behind it, these hold. A database has its
//! own tests beside it for what only it can get wrong.

#![allow(clippy::unwrap_used)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::{
    clock::ManualClock,
    domain::{
        alert::Fingerprint,
        episode::{Closed, Latest},
        guard::History,
        journal::{Entry, Intent},
        reason::Reason,
        run::{Binding, BoundAlert, EpisodeId, Finish, Outcome, Phase, Run, RunId, Scope, Track},
        runbook::{Guards, Mode},
        target::{ObjectRef, Root, Target},
    },
    ids::Ids,
};

const LEASE: Duration = Duration::from_secs(30);

/// A store with a clock of the test's own.
pub(crate) struct World {
    folder: TempDir,
    pub clock: Arc<ManualClock>,
    ids: Arc<Ids>,
    pub store: Store,
}

impl World {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp::from_second(1_700_000_000).unwrap()));
        let ids = Arc::new(Ids::seeded(clock.clone(), [7; 32]));
        let store = Store::open(&folder.path().join("db"), clock.clone(), ids.clone())
            .await
            .unwrap();
        Self {
            folder,
            clock,
            ids,
            store,
        }
    }

    pub fn pass(&self, seconds: u64) {
        self.clock.pass(Duration::from_secs(seconds));
    }

    /// A run of a pod with an episode of its own.
    pub async fn open_run(&self, pod: &str, mode: Mode) -> (RunId, EpisodeId) {
        let (run, episode) = (self.ids.run(), self.ids.episode());
        let now = self.clock.now();
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
                    runbook: "r".to_owned(),
                    version: "v".to_owned(),
                    mode,
                    object: Some(object("Pod", pod)),
                    opened_at: now,
                    deadline: now + Duration::from_secs(1800),
                    attempt: 1,
                },
                track: Track::of(mode, "r"),
                object_key: Some(pod.to_owned()),
                settled: now,
                finish: None,
            }],
            attached: vec![Attached {
                run,
                track: Track::of(mode, "r"),
                episode,
            }],
            ..Unfolded::default()
        };
        self.store
            .unfold(Vec::new(), Vec::new(), move |_| (unfolded.clone(), ()))
            .await
            .unwrap();
        (run, episode)
    }

    /// Claims the one run that is due.
    pub async fn claim(&self) -> Claimed {
        let claims = self.store.claim("me", LEASE, 10).await.unwrap();
        assert_eq!(claims.len(), 1, "one run is due");
        self.store.load(&claims[0]).await.unwrap()
    }

    /// Admits with an answer of the test's own, and tells what the history said.
    async fn judge(
        &self,
        claimed: &Claimed,
        seen: usize,
        bound: &Binding,
        change: Change,
    ) -> (Result<Admitted, CommitError>, Option<History>) {
        let told = Arc::new(Mutex::new(None));
        let tell = Arc::clone(&told);
        let admission = Admission {
            claim: claimed.claim.clone(),
            seen,
            binding: bound.clone(),
            scope: Scope::default(),
            unsaved: seen == 0,
            guards: Guards::default(),
            decide: Box::new(move |history, _| {
                *tell.lock().unwrap() = Some(history.clone());
                change.clone()
            }),
        };
        let admitted = self.store.admit(admission).await;
        let history = told.lock().unwrap().take();
        (admitted, history)
    }

    async fn resolve(&self, episode: EpisodeId) {
        let now = self.clock.now();
        let closed = Some(Closed { ended: now, told: now });
        let seen = SeenEpisode {
            id: episode,
            latest: Latest { started: now, closed },
            last_seen: now,
            reason: None,
        };
        let unfolded = Unfolded {
            seen: vec![seen],
            ..Unfolded::default()
        };
        self.store
            .unfold(Vec::new(), Vec::new(), move |_| (unfolded.clone(), ()))
            .await
            .unwrap();
    }
}

fn object(kind: &str, name: &str) -> ObjectRef {
    ObjectRef {
        api_version: "v1".to_owned(),
        kind: kind.to_owned(),
        namespace: Some("shop".to_owned()),
        name: name.to_owned(),
    }
}

fn target(pod: &str) -> Target {
    Target {
        object: object("Pod", pod),
        uid: format!("uid-{pod}"),
    }
}

fn binding(episode: EpisodeId, pod: &str) -> Binding {
    Binding {
        alerts: vec![BoundAlert {
            episode,
            target: target(pod),
        }],
        root: Root(object("Deployment", "cart")),
        workload: None,
    }
}

fn started(pod: &str) -> Entry {
    let intent = Intent::Evict { target: target(pod) };
    Entry::Started {
        step: 0,
        intent,
        dry_run: false,
        ready_after: None,
    }
}

fn change(entries: Vec<Entry>, phase: Phase) -> Change {
    Change {
        entries,
        phase,
        due_at: None,
        audit: Vec::new(),
        owed: None,
    }
}

fn finished(outcome: Outcome, reason: Reason) -> Entry {
    Entry::Finished(Finish::new(outcome, reason, ""))
}

#[tokio::test]
async fn a_run_is_claimed_by_one_at_a_time_and_again_when_the_lease_has_run_out() {
    let world = World::new().await;
    world.open_run("a", Mode::Enforce).await;
    let first = world.claim().await;
    assert!(world.store.claim("other", LEASE, 10).await.unwrap().is_empty());
    world.pass(31);
    let second = world.claim().await;
    assert_eq!(second.claim.epoch, first.claim.epoch + 1);
    // The first holder writes late: nothing of it is kept.
    let late = change(vec![finished(Outcome::Failed, Reason::Deadline)], Phase::Finished);
    let written = world.store.record(&first.claim, 0, late).await;
    assert!(matches!(written, Err(CommitError::LeaseLost)), "{written:?}");
    assert_eq!(
        world.store.run(first.run.id).await.unwrap().unwrap().run.phase,
        "pending"
    );
}

#[tokio::test]
async fn every_commit_renews_the_lease() {
    let world = World::new().await;
    let (_, episode) = world.open_run("a", Mode::Enforce).await;
    let claimed = world.claim().await;
    world.pass(20);
    let bound = change(vec![Entry::Bound(binding(episode, "a"))], Phase::Pending);
    world.store.record(&claimed.claim, 0, bound).await.unwrap();
    world.pass(20);
    assert!(world.store.claim("other", LEASE, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn alerts_of_a_sibling_join_a_run_that_has_not_acted_and_its_turn_starts_over() {
    let world = World::new().await;
    let (one, first) = world.open_run("a", Mode::Enforce).await;
    let claimed = world.claim().await;
    let bound = change(vec![Entry::Bound(binding(first, "a"))], Phase::Pending);
    world.judge(&claimed, 0, &binding(first, "a"), bound).await.0.unwrap();

    let (two, second) = world.open_run("b", Mode::Enforce).await;
    let sibling = world.claim().await;
    let bound = change(vec![Entry::Bound(binding(second, "b"))], Phase::Pending);
    let (judged, _) = world.judge(&sibling, 0, &binding(second, "b"), bound).await;
    assert!(
        matches!(judged, Ok(Admitted::Merged { into }) if into == one),
        "{judged:?}"
    );

    // Whoever decided without the new alert must decide again.
    let start = change(vec![started("a")], Phase::Running);
    let (judged, _) = world.judge(&claimed, 1, &binding(first, "a"), start).await;
    assert!(matches!(judged, Err(CommitError::Stale)), "{judged:?}");
    let detail = world.store.run(one).await.unwrap().unwrap();
    assert_eq!(detail.alerts.len(), 2);
    let ended = world.store.run(two).await.unwrap().unwrap();
    assert_eq!(ended.run.reason.as_deref(), Some("merged"));
    assert!(ended.alerts.is_empty());
}

#[tokio::test]
async fn after_a_start_siblings_wait_and_what_acted_is_counted() {
    let world = World::new().await;
    let (one, first) = world.open_run("a", Mode::Enforce).await;
    let claimed = world.claim().await;
    let start = change(vec![Entry::Bound(binding(first, "a")), started("a")], Phase::Running);
    world.judge(&claimed, 0, &binding(first, "a"), start).await.0.unwrap();

    let (two, second) = world.open_run("b", Mode::Enforce).await;
    let sibling = world.claim().await;
    let wait = change(vec![Entry::Bound(binding(second, "b"))], Phase::Pending);
    let (judged, history) = world.judge(&sibling, 0, &binding(second, "b"), wait).await;
    assert!(matches!(judged, Ok(Admitted::Committed(_))), "{judged:?}");
    let history = history.unwrap();
    assert_eq!(history.busy, Some(one));
    assert_eq!(history.attempts.len(), 1, "the other run has acted on the same root");
    assert!(history.attempts[0].at >= history.incident, "in the same incident");
    assert_ne!(one, two);
}

#[tokio::test]
async fn an_incident_ends_when_the_root_was_quiet_for_long_enough() {
    for (quiet_for, attempts_in_incident) in [(59 * 60, 1), (61 * 60, 0)] {
        let world = World::new().await;
        let (_, first) = world.open_run("a", Mode::Enforce).await;
        let claimed = world.claim().await;
        let entries = vec![
            Entry::Bound(binding(first, "a")),
            started("a"),
            finished(Outcome::Succeeded, Reason::Healthy),
        ];
        world
            .judge(&claimed, 0, &binding(first, "a"), change(entries, Phase::Finished))
            .await
            .0
            .unwrap();
        world.pass(60);
        world.resolve(first).await;
        world.pass(quiet_for);
        let (_, second) = world.open_run("b", Mode::Enforce).await;
        let next = world.claim().await;
        let bound = change(vec![Entry::Bound(binding(second, "b"))], Phase::Pending);
        let history = world.judge(&next, 0, &binding(second, "b"), bound).await.1.unwrap();
        let counted = history
            .attempts
            .iter()
            .filter(|attempt| attempt.at >= history.incident)
            .count();
        assert_eq!(counted, attempts_in_incident, "quiet for {quiet_for} s");
    }
}

#[tokio::test]
async fn what_is_in_shadow_takes_no_lock_and_counts_apart() {
    let world = World::new().await;
    let (_, first) = world.open_run("a", Mode::Shadow).await;
    let claimed = world.claim().await;
    let intent = Intent::Evict { target: target("a") };
    let entries = vec![Entry::Bound(binding(first, "a")), Entry::WouldStart { step: 0, intent }];
    world
        .judge(&claimed, 0, &binding(first, "a"), change(entries, Phase::Running))
        .await
        .0
        .unwrap();

    let (_, second) = world.open_run("b", Mode::Enforce).await;
    let acting = world.claim().await;
    let bound = change(vec![Entry::Bound(binding(second, "b"))], Phase::Pending);
    let (judged, history) = world.judge(&acting, 0, &binding(second, "b"), bound).await;
    assert!(
        matches!(judged, Ok(Admitted::Committed(_))),
        "not merged into a run that only looks: {judged:?}"
    );
    let history = history.unwrap();
    assert_eq!((history.busy, history.attempts.len()), (None, 0));
}

#[tokio::test]
async fn a_restart_frees_what_was_claimed() {
    let world = World::new().await;
    world.open_run("a", Mode::Enforce).await;
    let first = world.claim().await;
    let path = world.folder.path().join("db");
    let second = Store::open(&path, world.clock.clone(), world.ids.clone()).await;
    assert!(
        matches!(second, Err(OpenError::InUse { .. })),
        "while the first one lives"
    );
    world.store.close().await;
    let World {
        folder: _folder,
        clock,
        ids,
        store,
    } = world;
    drop(store);
    let store = Store::open(&path, clock, ids).await.unwrap();
    let again = store.claim("next", LEASE, 10).await.unwrap();
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].epoch, first.claim.epoch + 1);
}

#[tokio::test]
async fn retention_takes_what_has_ended_and_nothing_else() {
    let world = World::new().await;
    let (ended, first) = world.open_run("a", Mode::Enforce).await;
    let claimed = world.claim().await;
    let entries = vec![
        Entry::Bound(binding(first, "a")),
        finished(Outcome::Suppressed, Reason::TargetGone),
    ];
    world
        .judge(&claimed, 0, &binding(first, "a"), change(entries, Phase::Finished))
        .await
        .0
        .unwrap();
    world.resolve(first).await;
    let (open, _) = world.open_run("b", Mode::Enforce).await;
    world.pass(100);
    let now = world.clock.now();
    while world.store.purge(now, now).await.unwrap() > 0 {}
    assert!(world.store.run(ended).await.unwrap().is_none());
    assert!(world.store.run(open).await.unwrap().is_some());
    let alerts = world.store.alerts(&AlertFilter::default(), None, 100).await.unwrap();
    assert_eq!(alerts.items.len(), 1, "the open one's");
}

#[tokio::test]
async fn a_lease_that_is_renewed_keeps_the_run_and_one_that_was_lost_is_not_renewed() {
    let world = World::new().await;
    world.open_run("a", Mode::Enforce).await;
    let first = world.claim().await;
    for _ in 0..4 {
        world.pass(20);
        assert!(world.store.renew(&first.claim).await.unwrap());
        assert!(world.store.claim("other", LEASE, 10).await.unwrap().is_empty());
    }
    world.pass(31);
    let second = world.claim().await;
    assert!(!world.store.renew(&first.claim).await.unwrap());
    assert!(world.store.renew(&second.claim).await.unwrap());
}

#[tokio::test]
async fn attempts_are_read_as_far_as_the_limits_look_back_latest_first() {
    let world = World::new().await;
    for pod in ["a", "b", "c", "d", "e", "f"] {
        let (_, episode) = world.open_run(pod, Mode::Enforce).await;
        let claimed = world.claim().await;
        let entries = vec![
            Entry::Bound(binding(episode, pod)),
            started(pod),
            finished(Outcome::Succeeded, Reason::Healthy),
        ];
        let admitted = world
            .judge(&claimed, 0, &binding(episode, pod), change(entries, Phase::Finished))
            .await;
        admitted.0.unwrap();
        world.pass(60);
    }
    let (_, episode) = world.open_run("g", Mode::Enforce).await;
    let claimed = world.claim().await;
    let bound = change(vec![Entry::Bound(binding(episode, "g"))], Phase::Pending);
    let history = world.judge(&claimed, 0, &binding(episode, "g"), bound).await.1.unwrap();
    // The default rate is four in a day: more are not asked for.
    assert_eq!(history.attempts.len(), 4);
    let ages: Vec<i64> = history
        .attempts
        .iter()
        .map(|attempt| world.clock.now().duration_since(attempt.at).as_secs())
        .collect();
    assert_eq!(ages, [60, 120, 180, 240]);
}

#[tokio::test]
async fn an_alert_that_ends_or_fires_again_is_seen_by_whoever_judges_its_run() {
    let world = World::new().await;
    let (_, episode) = world.open_run("a", Mode::Enforce).await;
    let claimed = world.claim().await;
    let bound = change(vec![Entry::Bound(binding(episode, "a"))], Phase::Pending);
    let history = world.judge(&claimed, 0, &binding(episode, "a"), bound).await.1.unwrap();
    assert!(history.firing);
    world.resolve(episode).await;
    let again = change(Vec::new(), Phase::Pending);
    let history = world
        .judge(&claimed, 1, &binding(episode, "a"), again.clone())
        .await
        .1
        .unwrap();
    assert!(!history.firing);
    let now = world.clock.now();
    let reopened = SeenEpisode {
        id: episode,
        latest: Latest {
            started: now,
            closed: None,
        },
        last_seen: now,
        reason: None,
    };
    let unfolded = Unfolded {
        seen: vec![reopened],
        ..Unfolded::default()
    };
    world
        .store
        .unfold(Vec::new(), Vec::new(), move |_| (unfolded.clone(), ()))
        .await
        .unwrap();
    let history = world.judge(&claimed, 1, &binding(episode, "a"), again).await.1.unwrap();
    assert!(history.firing);
}

#[tokio::test]
async fn what_was_in_force_once_is_deleted_when_it_is_old_and_what_is_in_force_stays() {
    let world = World::new().await;
    let pause = |why: &str| NewPause {
        scope: PauseScope::All,
        who: "ann".to_owned(),
        source: "127.0.0.1".to_owned(),
        why: why.to_owned(),
        until: None,
    };
    let over = world.store.pause(&pause("over")).await.unwrap();
    world.store.pause(&pause("in force")).await.unwrap();
    world.store.resume(&over.id, "ann", "127.0.0.1").await.unwrap();
    let kept = |name: &str| {
        (
            name.to_owned(),
            format!("version of {name}"),
            format!("source of {name}"),
        )
    };
    world
        .store
        .keep_runbooks("a.yaml", &[kept("old"), kept("new")])
        .await
        .unwrap();
    world.store.keep_runbooks("a.yaml", &[kept("new")]).await.unwrap();
    world
        .store
        .hold("slack", world.clock.now() + Duration::from_secs(60))
        .await
        .unwrap();
    let seen = Unfolded {
        clusters: vec!["elsewhere".to_owned()],
        ..Unfolded::default()
    };
    world
        .store
        .unfold(Vec::new(), Vec::new(), move |_| (seen.clone(), ()))
        .await
        .unwrap();
    let (run, _) = world.open_run("a", Mode::Enforce).await;
    world.store.cancel(run, "ann", "127.0.0.1", "enough").await.unwrap();
    world.pass(100);

    // A version is kept for a month more than runs are: some may have been opened with it.
    let week = Duration::from_secs(7 * 86_400);
    let version = async || world.store.runbook_source("version of old").await.unwrap();
    let mut gone = 0;
    for _ in 0..6 {
        let now = world.clock.now();
        while world.store.purge(now, now).await.unwrap() > 0 {
            gone += 1;
        }
        if version().await.is_none() {
            break;
        }
        world.clock.pass(week);
    }
    assert!(gone > 0 && version().await.is_none());
    assert!(world.store.runbook_source("version of new").await.unwrap().is_some());
    let pauses = world.store.pauses().await.unwrap();
    assert_eq!(
        pauses.iter().map(|pause| pause.why.as_str()).collect::<Vec<_>>(),
        ["in force"]
    );
    assert!(world.store.run(run).await.unwrap().is_some(), "it is open");
    let known = Arc::new(Mutex::new(None));
    let tell = Arc::clone(&known);
    world
        .store
        .unfold(Vec::new(), Vec::new(), move |known| {
            *tell.lock().unwrap() = Some(known.clusters.len());
            (Unfolded::default(), ())
        })
        .await
        .unwrap();
    assert_eq!(
        *known.lock().unwrap(),
        Some(0),
        "nobody has spoken of the other cluster for long"
    );
}

#[tokio::test]
async fn a_bite_of_retention_is_small_however_much_is_old() {
    let world = World::new().await;
    for n in 0..300 {
        let pod = format!("pod-{n}");
        let (_, episode) = world.open_run(&pod, Mode::Shadow).await;
        let claimed = world.claim().await;
        let end = change(
            vec![
                Entry::Bound(binding(episode, &pod)),
                finished(Outcome::Suppressed, Reason::TargetGone),
            ],
            Phase::Finished,
        );
        world.store.record(&claimed.claim, 0, end).await.unwrap();
        world.resolve(episode).await;
    }
    world.pass(100);
    let now = world.clock.now();
    let mut bites = Vec::new();
    loop {
        let gone = world.store.purge(now, now).await.unwrap();
        if gone == 0 {
            break;
        }
        bites.push(gone);
    }
    // A run has two entries and its row: a third of 500 at a time, with 500 episodes beside them at the most.
    assert!(bites.len() >= 2, "{bites:?}");
    assert!(bites.iter().all(|gone| *gone <= 166 + 500), "{bites:?}");
    let runs = world.store.runs(&RunFilter::default(), None, 10).await.unwrap();
    assert!(runs.items.is_empty());
}
