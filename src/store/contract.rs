//! What every store must do, asked through its operations alone: whatever database is behind it, these hold. A database has its
//! own tests beside it for what only it can get wrong.

#![allow(clippy::unwrap_used)]

mod admission;
mod claims;
mod retention;

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
        alert::{Fingerprint, Labels},
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
        let (id, episode) = (self.ids.run(), self.ids.episode());
        let now = self.clock.now();
        let run = Run {
            id,
            runbook: "r".to_owned(),
            version: "v".to_owned(),
            mode,
            object: Some(object("Pod", pod)),
            opened_at: now,
            deadline: now + Duration::from_secs(1800),
            attempt: 1,
        };
        let unfolded = opened(run, episode, Labels::new(), Labels::new());
        self.store
            .unfold(Vec::new(), Vec::new(), move |_| (unfolded.clone(), ()))
            .await
            .unwrap();
        (id, episode)
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

/// A run, and the new episode of the alert that opened it.
pub(crate) fn opened(run: Run, episode: EpisodeId, labels: Labels, annotations: Labels) -> Unfolded {
    let (id, at, track) = (run.id, run.opened_at, Track::of(run.mode, &run.runbook));
    Unfolded {
        episodes: vec![NewEpisode {
            id: episode,
            fingerprint: Fingerprint(episode.0.as_u64_pair().1),
            latest: Latest {
                started: at,
                closed: None,
            },
            is_latest: true,
            first_seen: at,
            last_seen: at,
            reason: None,
            labels,
            annotations,
            generator_url: String::new(),
        }],
        runs: vec![NewRun {
            track: track.clone(),
            object_key: run.object.as_ref().map(|object| object.name.clone()),
            settled: at,
            finish: None,
            run,
        }],
        attached: vec![Attached {
            run: id,
            track,
            episode,
        }],
        ..Unfolded::default()
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
