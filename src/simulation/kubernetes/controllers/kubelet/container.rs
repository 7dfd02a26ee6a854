//! One container: pulled, run, ended, started again after a back-off.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    back_off::BackOff,
    life::{Ends, Life, Stops},
    needs::Need,
    probe::{Decides, Probe},
    start::Refusal,
};
use crate::kubernetes::controllers::{latency, quantity::Quantity, record::Kind};

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
    /// It has not run yet.
    Waiting,
    /// It cannot be made, for this reason: it is tried again and again.
    Refused(&'static str, String),
    /// The pull failed; `retry` is when the next one may be tried. `shown` and `came`: whether the last turn but one, which
    /// is what shows, and the last one came to a back-off or to a pull.
    NotPulled {
        error: String,
        retry: Timestamp,
        shown: bool,
        came: bool,
    },
    Running {
        since: Timestamp,
        ends: Option<(Timestamp, i64, &'static str)>,
        stopping: bool,
    },
    /// It ended, and shows as that.
    Ended(Ended),
    /// It ended and shows as waiting for its next start.
    BackOff(Ended),
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
    pub(super) never_pull: bool,
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
    /// Its image is on its way.
    pub(super) pulling: bool,
    /// What it is made with.
    pub(super) needs: Vec<Need>,
    /// What keeps it from being made when the image is there.
    pub(super) refusal: Option<Refusal>,
    /// Why its last run did not even start.
    pub(super) not_started: Option<String>,
    /// The kubelet is ending this run, and starts the next one in the same turn.
    pub(super) killed: bool,
    /// The last turn found it in its back-off, which shows with the next one.
    pub(super) held: bool,
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
            never_pull: container["imagePullPolicy"] == "Never",
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
            pulling: false,
            needs: Vec::new(),
            refusal: None,
            not_started: None,
            killed: false,
            held: false,
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

    /// When the present run ends by its script, counted from a moment.
    pub(super) fn plan(&mut self, from: Timestamp, now: Timestamp) {
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
        // Who may take any time at all gets at least so much.
        let grace = if grace.is_zero() {
            grace
        } else {
            grace.max(latency::LEAST_GRACE)
        };
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
            self.pulling = false;
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
        if self.pulling {
            self.pulled(now, here, told);
            return changed;
        }
        match self.state.clone() {
            State::NotPulled { error, retry, came, .. } => {
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
                    shown: came,
                    came: true,
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
                self.end(ended, stopping, now, told);
            }
            State::Ended(ended) => {
                let held = self.held;
                self.state = State::BackOff(ended.clone());
                if held {
                    self.hold(&ended, now, told);
                } else {
                    self.next = Some(now);
                }
            }
            State::BackOff(ended) => self.hold(&ended, now, told),
            _ => {}
        }
        changed
    }
}
