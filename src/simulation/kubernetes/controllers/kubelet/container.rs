//! One container: pulled, run, ended, started again after a back-off.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    life::{Ends, Life, Pull, Stops},
    probe::{Decides, Probe},
};
use crate::simulation::kubernetes::controllers::{latency, quantity::Quantity, record::Kind};

/// What a container is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It ends before the next one begins.
    Init,
    /// It begins before the next one and goes on beside it.
    Sidecar,
    App,
}

/// `restartPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Restart {
    Always,
    OnFailure,
    Never,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ended {
    pub(super) code: i64,
    pub(super) reason: &'static str,
    pub(super) started: Timestamp,
    pub(super) finished: Timestamp,
    pub(super) run: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum State {
    /// Nothing was done about it yet.
    Waiting,
    /// The script cannot be read.
    Unreadable(String),
    Pulling,
    /// The pull failed; `retry` is when the next one may be tried, `shown` whether it is shown as back-off.
    NotPulled {
        error: String,
        retry: Timestamp,
        backing_off: bool,
    },
    Running {
        since: Timestamp,
        ends: Option<(Timestamp, i64, &'static str)>,
        stopping: bool,
    },
    /// It ended. What is next, if anything.
    Ended(Ended),
    /// It ended and waits for its next start.
    BackOff(Ended),
}

/// A back-off as client-go counts it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BackOff {
    length: Option<SignedDuration>,
    updated: Timestamp,
}

impl BackOff {
    fn expired(&self, event: Timestamp) -> bool {
        event.duration_since(self.updated) > latency::BACK_OFF_RESET
    }

    /// Until when what happened then has to wait.
    pub(super) fn until(&self, event: Timestamp) -> Option<Timestamp> {
        self.length
            .filter(|_| !self.expired(event))
            .map(|length| event + length)
    }

    pub(super) fn next(&mut self, event: Timestamp, now: Timestamp) {
        let (first, longest) = latency::CRASH_BACK_OFF;
        self.length = Some(match self.length {
            Some(length) if !self.expired(event) => (length * 2).min(longest),
            _ => first,
        });
        self.updated = now;
    }

    pub(super) fn length(&self) -> SignedDuration {
        self.length.unwrap_or_default()
    }
}

/// Something to tell: an Event about the container, or what it printed.
#[derive(Clone, Debug)]
pub(super) enum Told {
    Event(Kind, &'static str, String),
    Printed(Timestamp, String),
    /// What was printed is the log of the previous run from now on.
    Restarted,
    /// The image is on the node now.
    Pulled,
}

/// What a container asks for, as JSON.
pub(super) fn resources(container: &Value) -> Option<Box<str>> {
    let resources = &container["resources"];
    resources.is_object().then(|| resources.to_string().into())
}

/// A container.
#[derive(Clone, Debug)]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) role: Role,
    pub(super) restart: Restart,
    pub(super) always_pull: bool,
    /// As JSON: there are many of these, and they are seldom read.
    pub(super) resources: Option<Box<str>>,
    pub(super) limit: i64,
    pub(super) pre_stop: SignedDuration,
    pub(super) grace: SignedDuration,
    pub(super) probes: Vec<Probe>,
    pub(super) state: State,
    pub(super) last: Option<Ended>,
    pub(super) restarts: u32,
    pub(super) pull_back_off: BackOff,
    pub(super) crash_back_off: BackOff,
    /// When it has to be looked at next.
    pub(super) next: Option<Timestamp>,
    /// The script of the present run.
    pub(super) life: Life,
}

impl Container {
    pub(super) fn read(container: &Value, role: Role, restart: Restart, grace: SignedDuration) -> Self {
        let image = container["image"].as_str().unwrap_or_default().to_owned();
        let untagged = image.ends_with(":latest") || !image.rsplit('/').next().unwrap_or_default().contains([':', '@']);
        let probes = [
            ("startupProbe", Decides::Startup),
            ("readinessProbe", Decides::Readiness),
            ("livenessProbe", Decides::Liveness),
        ];
        Self {
            name: container["name"].as_str().unwrap_or_default().to_owned(),
            role,
            restart: if role == Role::Sidecar {
                Restart::Always
            } else {
                restart
            },
            always_pull: match container["imagePullPolicy"].as_str() {
                Some(policy) => policy == "Always",
                None => untagged,
            },
            resources: resources(container),
            limit: Quantity::of(&container["resources"]["limits"]["memory"]).map_or(0, Quantity::whole),
            pre_stop: SignedDuration::from_secs(
                container["lifecycle"]["preStop"]["sleep"]["seconds"]
                    .as_i64()
                    .unwrap_or_default(),
            ),
            grace,
            probes: if role == Role::Init {
                Vec::new()
            } else {
                probes
                    .into_iter()
                    .filter_map(|(field, decides)| Probe::read(container, field, decides))
                    .collect()
            },
            image,
            state: State::Waiting,
            last: None,
            restarts: 0,
            pull_back_off: BackOff::default(),
            crash_back_off: BackOff::default(),
            next: None,
            life: Life::default(),
        }
    }

    /// When something happens next: the container's own affair, or a probe.
    pub(super) fn wakes(&self) -> Option<Timestamp> {
        let probes = self.probes.iter().filter_map(|probe| probe.next);
        self.next.into_iter().chain(probes).min()
    }

    pub(super) fn running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    /// Whether its startup is over.
    pub(super) fn started(&self) -> bool {
        self.running()
            && self
                .probes
                .iter()
                .all(|probe| probe.decides != Decides::Startup || probe.passed)
    }

    pub(super) fn ready(&self) -> bool {
        match self.role {
            Role::Init => matches!(&self.state, State::Ended(ended) if ended.code == 0),
            _ => {
                self.started()
                    && self
                        .probes
                        .iter()
                        .all(|probe| probe.decides != Decides::Readiness || probe.passed)
            }
        }
    }

    /// Whether the next init container, or the app, may begin.
    pub(super) fn lets_on(&self) -> bool {
        match self.role {
            Role::Init => self.ready(),
            Role::Sidecar => self.started(),
            Role::App => true,
        }
    }

    /// The image is asked for. `here`: it is on the node already.
    pub(super) fn pull(&mut self, life: Result<Life, String>, here: bool, now: Timestamp, told: &mut Vec<Told>) {
        match life {
            Err(error) => {
                told.push(Told::Event(Kind::Warning, "Failed", format!("Error: {error}")));
                self.state = State::Unreadable(error);
                self.next = Some(now + latency::WORKER_BACK_OFF);
                return;
            }
            Ok(life) => self.life = life,
        }
        let image = &self.image;
        if here && !self.always_pull && !matches!(self.life.pull, Some(Pull::Fails(_))) {
            let message = format!("Container image \"{image}\" already present on machine");
            told.push(Told::Event(Kind::Normal, "Pulled", message));
            self.run(now, told);
            return;
        }
        told.push(Told::Event(
            Kind::Normal,
            "Pulling",
            format!("Pulling image \"{image}\""),
        ));
        self.state = State::Pulling;
        self.next = Some(now + self.pull_time(here));
    }

    fn pull_time(&self, here: bool) -> SignedDuration {
        match &self.life.pull {
            Some(Pull::Takes(takes)) => *takes,
            Some(Pull::Fails(_)) => latency::PULL,
            None if here => SignedDuration::from_millis(300),
            None => latency::PULL,
        }
    }

    /// The pull is over.
    fn pulled(&mut self, now: Timestamp, here: bool, told: &mut Vec<Told>) {
        let image = self.image.clone();
        if let Some(Pull::Fails(error)) = self.life.pull.clone() {
            let message = format!("Failed to pull image \"{image}\": {error}");
            told.push(Told::Event(Kind::Warning, "Failed", message));
            told.push(Told::Event(Kind::Warning, "Failed", "Error: ErrImagePull".to_owned()));
            self.pull_back_off.next(now, now);
            self.state = State::NotPulled {
                error,
                retry: now + self.pull_back_off.length(),
                backing_off: false,
            };
            self.next = Some(now + latency::WORKER_BACK_OFF);
            return;
        }
        let took = self.pull_time(here).as_millis();
        let (seconds, rest) = (took / 1000, took % 1000);
        let took = match (seconds, rest) {
            (0, rest) => format!("{rest}ms"),
            (seconds, 0) => format!("{seconds}s"),
            (seconds, rest) => format!("{seconds}.{}s", format!("{rest:03}").trim_end_matches('0')),
        };
        let message = format!(
            "Successfully pulled image \"{image}\" in {took} ({took} including waiting). Image size: 52428800 bytes."
        );
        told.push(Told::Event(Kind::Normal, "Pulled", message));
        told.push(Told::Pulled);
        self.run(now, told);
    }

    /// It starts.
    fn run(&mut self, now: Timestamp, told: &mut Vec<Told>) {
        if self.last.is_some() {
            told.push(Told::Restarted);
        }
        told.push(Told::Event(Kind::Normal, "Created", "Container created".to_owned()));
        told.push(Told::Event(Kind::Normal, "Started", "Container started".to_owned()));
        for line in self.life.prints.clone() {
            told.push(Told::Printed(now, line));
        }
        self.state = State::Running {
            since: now,
            ends: None,
            stopping: false,
        };
        self.plan(now, now);
        let startup = self.probes.iter().any(|probe| probe.decides == Decides::Startup);
        for probe in &mut self.probes {
            probe.start(now, now, true);
            if startup && probe.decides != Decides::Startup {
                probe.stop();
            }
        }
    }

    /// When the present run ends by its script, counted from a moment.
    fn plan(&mut self, from: Timestamp, now: Timestamp) {
        let scripted = match &self.life.ends {
            Some(Ends::Crashes { after, exit_code, .. }) => Some((from + *after, *exit_code, "Error")),
            Some(Ends::Completes { after }) => Some((from + *after, 0, "Completed")),
            None if self.role == Role::Init => Some((from + latency::INIT, 0, "Completed")),
            None => None,
        };
        let full = self
            .life
            .full_after(self.limit)
            .map(|after| (from + after, 137, "OOMKilled"));
        let first = scripted.into_iter().chain(full).min_by_key(|(at, ..)| *at);
        if let State::Running { ends, stopping, .. } = &mut self.state
            && !*stopping
        {
            *ends = first.map(|(at, code, reason)| (at.max(now), code, reason));
            self.next = ends.map(|(at, ..)| at + latency::EXIT_SEEN);
        }
    }

    /// Another script holds from now on.
    pub(super) fn rescript(&mut self, life: Life, now: Timestamp) {
        if let State::Running { since, .. } = self.state {
            self.life = life;
            self.plan(now, now);
            for probe in &mut self.probes {
                if probe.next.is_some() || probe.passed {
                    probe.start(since, now, false);
                }
            }
        }
    }

    /// Its memory limit was changed in place.
    pub(super) fn relimit(&mut self, limit: i64, now: Timestamp) {
        self.limit = limit;
        if let State::Running { since, .. } = self.state {
            self.plan(since, now);
        }
    }

    /// It is asked to stop, with so long to do it.
    pub(super) fn stop(&mut self, grace: SignedDuration, now: Timestamp) {
        let takes = match self.life.stops {
            Some(Stops::Takes(takes)) => Some(takes),
            Some(Stops::Ignores) => None,
            None => Some(latency::STOP),
        };
        let takes = takes.map(|takes| takes + self.pre_stop).filter(|takes| *takes < grace);
        let (at, code, reason) = match takes {
            Some(takes) => (now + takes, 0, "Completed"),
            None => (now + grace, 137, "Error"),
        };
        for probe in &mut self.probes {
            probe.stop();
        }
        if let State::Running { ends, stopping, .. } = &mut self.state {
            let sooner = ends.is_some_and(|(planned, ..)| planned <= at);
            if !sooner {
                *ends = Some((at, code, reason));
            }
            *stopping = true;
            self.next = ends.map(|(at, ..)| at);
        } else {
            self.next = None;
        }
    }

    /// Does what is due. Returns whether what is shown differs now.
    pub(super) fn step(&mut self, now: Timestamp, here: bool, told: &mut Vec<Told>) -> bool {
        let mut changed = self.ask_probes(now, told);
        // What waits for its next start is started by its pod.
        if self.next.is_none_or(|next| next > now) || self.wants_start(now) {
            return changed;
        }
        self.next = None;
        changed = true;
        match self.state.clone() {
            State::Pulling => self.pulled(now, here, told),
            State::NotPulled { error, retry, .. } if now < retry => {
                let message = format!("Back-off pulling image \"{}\"", self.image);
                told.push(Told::Event(Kind::Normal, "BackOff", message));
                told.push(Told::Event(
                    Kind::Warning,
                    "Failed",
                    "Error: ImagePullBackOff".to_owned(),
                ));
                self.state = State::NotPulled {
                    error,
                    retry,
                    backing_off: true,
                };
                self.next = Some(now + latency::WORKER_BACK_OFF);
            }
            State::Running {
                since,
                ends: Some((at, code, reason)),
                stopping,
            } => {
                if let Some(Ends::Crashes { log, .. }) = self.life.ends.clone().filter(|_| reason == "Error") {
                    told.extend(log.into_iter().map(|line| Told::Printed(at, line)));
                }
                let ended = Ended {
                    code,
                    reason,
                    started: since,
                    finished: at,
                    run: self.restarts,
                };
                self.end(ended, stopping, now);
            }
            State::Ended(ended) => self.back_off(ended, now, told),
            _ => {}
        }
        changed
    }

    /// A run is over.
    fn end(&mut self, ended: Ended, stopping: bool, now: Timestamp) {
        for probe in &mut self.probes {
            probe.stop();
            probe.passed = probe.decides == Decides::Liveness;
        }
        let again = match (self.role, self.restart) {
            (Role::Init, Restart::Never) => false,
            (Role::Init, _) => ended.code != 0,
            (_, Restart::Always) => true,
            (_, Restart::OnFailure) => ended.code != 0,
            (_, Restart::Never) => false,
        };
        self.next = (again && !stopping).then(|| {
            let waits = self
                .crash_back_off
                .until(ended.finished)
                .is_some_and(|until| until > now);
            now + if waits { latency::NEXT_SYNC } else { latency::EXIT_SEEN }
        });
        self.state = State::Ended(ended);
    }

    /// A run that ended is followed by another one, now or later.
    fn back_off(&mut self, ended: Ended, now: Timestamp, told: &mut Vec<Told>) {
        match self.crash_back_off.until(ended.finished).filter(|until| *until > now) {
            Some(until) => {
                told.push(Told::Event(Kind::Warning, "BackOff", String::new()));
                self.state = State::BackOff(ended);
                self.next = Some(until);
            }
            None => {
                self.state = State::BackOff(ended);
                self.next = Some(now);
            }
        }
    }

    /// Whether the pod has to pull and start it now.
    pub(super) fn wants_start(&self, now: Timestamp) -> bool {
        let due = self.next.is_some_and(|next| next <= now);
        match &self.state {
            State::Waiting => true,
            State::BackOff(_) | State::Unreadable(_) => due,
            State::NotPulled { retry, .. } => due && *retry <= now,
            _ => false,
        }
    }

    /// It is about to start again: the last run is history.
    pub(super) fn begin_again(&mut self, now: Timestamp) {
        if let State::BackOff(ended) = self.state.clone() {
            self.crash_back_off.next(ended.finished, now);
            self.restarts += 1;
            self.last = Some(ended);
        }
        self.next = None;
    }

    fn ask_probes(&mut self, now: Timestamp, told: &mut Vec<Told>) -> bool {
        let State::Running { since, stopping, .. } = self.state else {
            return false;
        };
        let mut changed = false;
        let mut kill = None;
        let mut begin = false;
        for probe in &mut self.probes {
            if probe.next.is_none_or(|next| next > now) || stopping {
                continue;
            }
            let asked = probe.ask(&self.life, since, now);
            if let Some(message) = asked.failure {
                told.push(Told::Event(Kind::Warning, "Unhealthy", message));
            }
            if !asked.changed {
                continue;
            }
            changed = true;
            match probe.decides {
                Decides::Startup if probe.passed => begin = true,
                Decides::Startup => kill = Some("startup"),
                Decides::Liveness => kill = Some("liveness"),
                Decides::Readiness => {}
            }
        }
        if begin {
            for probe in self.probes.iter_mut().filter(|probe| probe.decides != Decides::Startup) {
                probe.start(since, now, false);
            }
        }
        if let Some(probe) = kill {
            self.kill(&format!("failed {probe} probe"), now, told);
        }
        changed
    }

    /// It is stopped and then started again, unlike what stops with its pod.
    fn kill(&mut self, why: &str, now: Timestamp, told: &mut Vec<Told>) {
        let message = format!("Container {} {why}, will be restarted", self.name);
        told.push(Told::Event(Kind::Normal, "Killing", message));
        self.stop(self.grace, now);
        if let State::Running { stopping, ends, .. } = &mut self.state {
            *stopping = false;
            if let Some((_, code, reason)) = ends {
                (*code, *reason) = (if *code == 0 { 143 } else { *code }, "Error");
            }
        }
    }

    /// Somebody has given it another image.
    pub(super) fn replace(&mut self, image: &str, now: Timestamp) -> Vec<Told> {
        let mut told = Vec::new();
        image.clone_into(&mut self.image);
        if self.running() && self.role != Role::Init {
            self.kill("definition changed", now, &mut told);
        }
        told
    }
}
