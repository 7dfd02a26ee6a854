//! A story played: the cluster and the service take turns, and time goes from one moment at which something happens to the
//! next. The same scenario always tells the same story.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
};

use jiff::{SignedDuration, Timestamp};
use selfhealer::{
    clock::{Clock, ManualClock},
    failpoint::watched,
    store::{NewPause, PauseScope},
};
use simulated_cluster::kubernetes::{
    calls::Recorded,
    faults::{Calls, Rule as FaultRule},
};
use tempfile::TempDir;

use super::{
    cluster::Cluster,
    disturbance::{At, Disturbance, Effect},
    moments::{Disk, Moment, Moments, Progress},
    office::Office,
    points::Points,
    prepared::{Prepared, runtime},
    process::{LEASE, Process, Surroundings},
    scenario::{Act, Scenario},
    told::{Told, Witness, tell, unfinished},
    wire::{Traffic, wire},
    without::Without,
};
use crate::webhook::notification;

/// The longest that nothing is looked at, as in the engine's own loop.
const LOOK: SignedDuration = SignedDuration::from_secs(5);
/// The shortest step from one look to the next.
const SOON: SignedDuration = SignedDuration::from_millis(1);
/// How long a process stays away after its death.
const DOWN: SignedDuration = SignedDuration::from_secs(1);
/// A story that takes longer has no end.
const LONGEST: SignedDuration = SignedDuration::from_hours(3);

/// As whom the process asks that is disturbed, and the one after it.
pub const FIRST: &str = "selfhealer";
pub const NEXT: &str = "selfhealer-next";
/// So many turns of the runtime after which whoever can go on has gone on.
const STILL: usize = 200;

/// Work under way, and whose it is.
type Work<T> = Pin<Box<dyn Future<Output = T>>>;

/// What came of some work.
enum Attended<T> {
    Done(T),
    /// The process stands still in the middle of it.
    Stopped(Work<T>),
}

struct Stage<'a> {
    scenario: &'a Scenario,
    disturbance: Option<&'a Disturbance>,
    without: Option<Without>,
    cluster: Cluster,
    office: Office,
    clock: Arc<ManualClock>,
    points: Arc<Points>,
    progress: Arc<Mutex<Progress>>,
    traffic: Arc<Traffic>,
    folders: Vec<TempDir>,
    process: Arc<Process>,
    /// The first process, held up in the middle of something, and until when.
    frozen: Option<(Work<()>, Timestamp)>,
    /// How many calls had come when it went on.
    thawed: Option<usize>,
    /// What was asked of the cluster before a death from which this goes on.
    asked: Option<Vec<Recorded>>,
}

/// Tells a scenario, with one thing that goes wrong, or without a rule.
pub fn play(prepared: &Prepared, disturbance: Option<&Disturbance>, without: Option<Without>) -> Told {
    runtime().block_on(async {
        let mut stage = Stage::set(prepared, disturbance, without).await;
        stage.play().await;
        stage.tell().await
    })
}

/// Tells a scenario in which nothing goes wrong, and every moment of it at which the process might have died.
pub fn witness(prepared: &Prepared, without: Option<Without>) -> (Told, Vec<Moment>) {
    runtime().block_on(async {
        let mut stage = Stage::set(prepared, None, without).await;
        let moments = stage.witness();
        stage.play().await;
        (stage.tell().await, moments.take())
    })
}

/// Tells how it goes on after a death.
pub fn go_on(prepared: &Prepared, moment: &Moment, without: Option<Without>) -> Told {
    runtime().block_on(async {
        let mut stage = Stage::after(prepared, moment, without).await;
        stage.play().await;
        stage.tell().await
    })
}

impl<'a> Stage<'a> {
    async fn set(prepared: &'a Prepared, disturbance: Option<&'a Disturbance>, without: Option<Without>) -> Self {
        let cluster = Cluster(prepared.cluster.0.fork());
        let mut stop_at = None;
        match disturbance.map(|disturbance| (disturbance.at, &disturbance.effect)) {
            Some((At::Point(number), _)) => stop_at = Some(number),
            Some((At::Call(number), effect)) => {
                let calls = Calls::any().by(FIRST);
                let rule = FaultRule::once(effect.fault()).after(number).on(calls);
                cluster.0.faults().add(rule);
            }
            None => {}
        }
        Self {
            disturbance,
            points: Points::new(stop_at),
            ..Self::of(
                prepared,
                (cluster, &prepared.office),
                &prepared.disk,
                (0, FIRST),
                without,
            )
            .await
        }
    }

    /// Has every moment written down.
    fn witness(&self) -> Arc<Moments> {
        let moments = Moments::of(self.folders[0].path(), &self.cluster, &self.office, &self.progress);
        self.points.witness(&moments);
        self.traffic.witness(&moments);
        moments
    }

    /// The process has died, and the next one starts on what is left.
    async fn after(prepared: &'a Prepared, moment: &Moment, without: Option<Without>) -> Self {
        let cluster = Cluster(moment.cluster.0.fork());
        cluster.0.advance(moment.at + DOWN);
        Self {
            progress: Arc::new(Mutex::new(moment.progress.clone())),
            asked: Some(moment.asked.clone()),
            ..Self::of(prepared, (cluster, &moment.office), &moment.disk, (1, NEXT), without).await
        }
    }

    /// A process in its life of this number starts on what is on the disk, and nothing goes wrong.
    async fn of(
        prepared: &'a Prepared,
        (cluster, office): (Cluster, &Office),
        disk: &Disk,
        (life, user): (u8, &str),
        without: Option<Without>,
    ) -> Self {
        let scenario = &prepared.scenario;
        let begin = prepared.cluster.0.now();
        let clock = Arc::new(ManualClock::at(begin));
        clock.pass(cluster.0.now().duration_since(begin).unsigned_abs());
        let folder = disk.lay_out();
        let traffic = Traffic::new();
        let office = office.fork(&clock);
        let around = Surroundings {
            clock: Arc::clone(&clock),
            wire: wire(&cluster, &traffic, user, without),
            office: office.clone(),
            without,
        };
        let process = Process::start(folder.path(), &scenario.settings, life, around).await;
        Self {
            scenario,
            disturbance: None,
            without,
            cluster,
            office,
            clock,
            points: Points::new(None),
            progress: Arc::default(),
            traffic,
            folders: vec![folder],
            process: Arc::new(process),
            frozen: None,
            thawed: None,
            asked: None,
        }
    }

    async fn tell(&self) -> Told {
        let mut calls = self.asked.clone().unwrap_or_default();
        calls.extend(self.cluster.0.calls());
        let witness = Witness {
            cluster: &self.cluster,
            shown: self.office.shown(),
            calls,
            points: self.points.passed(),
            thawed: self.thawed,
            stopped: self.asked.is_some() || self.folders.len() > 1 || self.thawed.is_some(),
            pauses: self.progress().pauses.clone(),
            begin: self.begin(),
        };
        tell(self.process.store(), witness).await
    }

    fn begin(&self) -> Timestamp {
        self.clock.now() - SignedDuration::try_from(self.clock.monotonic()).unwrap()
    }

    async fn play(&mut self) {
        let begin = self.begin();
        let acted = self.progress().acted;
        let mut script = self.scenario.script.iter().skip(acted).peekable();
        loop {
            while let Some((_, act)) = script.next_if(|(second, _)| begin + seconds(*second) <= self.clock.now()) {
                self.act(act).await;
                self.progress().acted += 1;
            }
            let due = self.work().await;
            if self
                .frozen
                .as_ref()
                .is_some_and(|(_, until)| *until <= self.clock.now())
            {
                self.thaw().await;
                continue;
            }
            let open = unfinished(self.process.store()).await || self.process.owes().await;
            let script_goes_on = script.peek().map(|(second, _)| begin + seconds(*second));
            let more = [script_goes_on, self.frozen.as_ref().map(|(_, until)| *until)];
            // What is due and not allowed yet is looked at again soon.
            let now = self.clock.now();
            let look = open.then(|| due.unwrap_or(Timestamp::MAX).clamp(now + SOON, now + LOOK));
            let Some(next) = more.into_iter().flatten().chain(look).min() else {
                return;
            };
            assert!(next < begin + LONGEST, "{}: the story has no end", self.scenario.name);
            self.advance(next);
        }
    }

    /// Time passes in the cluster and in the service alike.
    fn advance(&self, to: Timestamp) {
        self.cluster.0.advance(to);
        let passed = to.duration_since(self.clock.now());
        self.clock.pass(passed.max(SignedDuration::ZERO).unsigned_abs());
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap()
    }

    async fn act(&mut self, act: &Act) {
        let store = self.process.store().clone();
        match act {
            Act::Post(alerts) => {
                let posting = self.progress().posting.clone();
                let body = posting.unwrap_or_else(|| {
                    let alerts = alerts(&self.cluster, self.clock.now());
                    assert!(!alerts.is_empty(), "{}: nothing fires", self.scenario.name);
                    notification(&alerts)
                });
                self.progress().posting = Some(body.clone());
                // Alertmanager sends again until it is answered with 202.
                while !self.post(body.clone()).await {}
                self.progress().posting = None;
            }
            Act::Change(change) => change(&self.cluster),
            Act::Pause => {
                let pause = NewPause {
                    scope: PauseScope::All,
                    who: "oncall".to_owned(),
                    source: "test".to_owned(),
                    why: "a release is under way".to_owned(),
                    until: None,
                };
                store.pause(&pause).await.unwrap();
                let from = self.clock.now();
                self.progress().pauses.push((from, Timestamp::MAX));
            }
            Act::Resume => {
                for pause in store.pauses().await.unwrap() {
                    store.resume(&pause.id, "oncall", "test").await.unwrap();
                }
                let now = self.clock.now();
                let mut progress = self.progress();
                let open = progress.pauses.iter_mut().filter(|(_, until)| *until > now);
                open.for_each(|(_, until)| *until = now);
            }
            Act::Cancel => {
                let runs = store.runs(&Default::default(), None, 100).await.unwrap();
                for run in runs.items.iter().filter(|run| run.phase != "finished") {
                    let id = run.id.parse().map(selfhealer::domain::run::RunId).unwrap();
                    store.cancel(id, "oncall", "test", "we do it by hand").await.unwrap();
                }
            }
        }
    }

    async fn post(&mut self, body: serde_json::Value) -> bool {
        let process = self.process.clone();
        match self.attend(Box::pin(async move { process.post(&body).await })).await {
            Attended::Done(()) => true,
            Attended::Stopped(work) => {
                self.go_on_without(work).await;
                false
            }
        }
    }

    /// Lets the process do what is due, whatever becomes of it meanwhile.
    async fn work(&mut self) -> Option<Timestamp> {
        loop {
            let process = self.process.clone();
            match self.attend(Box::pin(async move { process.work().await })).await {
                Attended::Done(due) => return due,
                Attended::Stopped(work) => {
                    self.go_on_without(Box::pin(async {
                        let _ = work.await;
                    }))
                    .await
                }
            }
        }
    }

    /// Works until it is done or stands still.
    async fn attend<T: 'static>(&self, work: Work<T>) -> Attended<T> {
        let watch = self.points.watch();
        let mut work: Work<T> = Box::pin(watched(watch, work));
        let alone = self.folders.len() == 1 && self.frozen.is_none() && self.thawed.is_none();
        let stops = alone && self.disturbance.is_some_and(|disturbance| disturbance.effect.stops());
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Attended::Done(done),
                () = self.points.reached.notified() => return Attended::Stopped(work),
                () = self.stuck() => {}
            }
            if stops {
                return Attended::Stopped(work);
            }
            // Whoever waits for an answer waits for it or for the end of its patience.
            self.advance(self.clock.wakes().unwrap());
        }
    }

    /// Returns when a call is under way and nothing but time will answer it.
    async fn stuck(&self) {
        loop {
            self.traffic.begins().await;
            for _ in 0..STILL {
                tokio::task::yield_now().await;
            }
            // What the store has in hand is not waited for in the story's time, but by the disk's.
            if self.traffic.goes_on() && self.process.store().waiting_writes() == 0 {
                return;
            }
        }
    }

    /// The process died, or is held up: another goes on.
    async fn go_on_without(&mut self, work: Work<()>) {
        match self.disturbance.map(|disturbance| &disturbance.effect) {
            Some(Effect::Crash(_)) => self.restart(work).await,
            Some(Effect::Freeze(_)) => {
                let until = self.clock.now() + SignedDuration::try_from(LEASE).unwrap() + LOOK + LOOK;
                self.frozen = Some((work, until));
                self.process = Arc::new(self.process.twin(self.around_next()).await);
            }
            other => panic!("{other:?} stops nobody"),
        }
    }

    /// What the process after the first one finds.
    fn around_next(&self) -> Surroundings {
        Surroundings {
            clock: Arc::clone(&self.clock),
            wire: wire(&self.cluster, &self.traffic, NEXT, self.without),
            office: self.office.clone(),
            without: self.without,
        }
    }

    /// What is on the disk at this moment is all that is left.
    async fn restart(&mut self, work: Work<()>) {
        let folder = Disk::read(self.folders.last().unwrap().path()).lay_out();
        drop(work);
        self.advance(self.clock.now() + DOWN);
        let process = Process::start(folder.path(), &self.scenario.settings, 1, self.around_next()).await;
        self.process = Arc::new(process);
        self.folders.push(folder);
    }

    /// Whoever was held up goes on as if nothing had happened.
    async fn thaw(&mut self) {
        let Some((work, _)) = self.frozen.take() else { return };
        self.thawed = Some(self.cluster.0.calls().len());
        self.points.release();
        self.cluster.0.faults().release();
        match self.attend(work).await {
            Attended::Done(()) => {}
            Attended::Stopped(_) => unreachable!("a process stands still once"),
        }
    }
}

fn seconds(seconds: u64) -> SignedDuration {
    SignedDuration::try_from(std::time::Duration::from_secs(seconds)).unwrap()
}
