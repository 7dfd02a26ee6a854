//! The start of a container: its image comes, it is made, and it runs or does not.

use jiff::{SignedDuration, Timestamp};

use super::{
    container::{Container, Ended, State, Told},
    life::{Life, Pull, Starts},
    probe::Decides,
};
use crate::kubernetes::controllers::{latency, record::Kind};

/// Why a container is not even tried: the reason that is shown, and the message.
pub(super) type Refusal = (&'static str, String);

impl Container {
    /// Whether the pod has to pull and start it now.
    pub(super) fn wants_start(&self, now: Timestamp) -> bool {
        let due = !self.pulling && self.next.is_some_and(|next| next <= now);
        match &self.state {
            State::Waiting => !self.pulling,
            State::BackOff(ended) => due && (self.killed || !self.crash_back_off.holds(ended.finished, now)),
            State::Refused(..) => due,
            State::NotPulled { retry, .. } => due && *retry <= now,
            _ => false,
        }
    }

    /// It is tried once more. The kubelet counts by the run before, as far as it had seen it when its turn began: one that
    /// it has killed in this very turn it has not.
    pub(super) fn begin_again(&mut self, now: Timestamp) {
        self.next = None;
        let State::BackOff(ended) = &self.state else { return };
        let counted = if self.killed { self.last.as_ref() } else { Some(ended) };
        if let Some(finished) = counted.map(|ended| ended.finished) {
            self.crash_back_off.next(finished, now);
        }
    }

    /// The run that ended is the last one now.
    fn settle(&mut self) {
        if let State::BackOff(ended) = &self.state {
            self.last = Some(ended.clone());
        }
        (self.killed, self.held) = (false, false);
    }

    /// The image is asked for. `here`: it is on the node already; `refusal`: something else is missing.
    pub(super) fn pull(
        &mut self,
        life: Result<Life, String>,
        (here, refusal): (bool, Option<Refusal>),
        now: Timestamp,
        told: &mut Vec<Told>,
    ) {
        match life {
            Err(error) => return self.refuse(("CreateContainerConfigError", error), now, told),
            Ok(life) => self.life = life,
        }
        let image = self.image.clone();
        let fails = matches!(self.life.pull, Some(Pull::Fails(_)));
        if fails && self.never_pull {
            let message = format!("Container image \"{image}\" is not present with pull policy of Never");
            told.push(Told::Event(Kind::Warning, "ErrImageNeverPull", message.clone()));
            told.push(Told::Event(
                Kind::Warning,
                "Failed",
                "Error: ErrImageNeverPull".to_owned(),
            ));
            self.settle();
            self.state = State::Refused("ErrImageNeverPull", message);
            self.next = Some(now + latency::WORKER_BACK_OFF);
            return;
        }
        if here && !self.always_pull && !fails {
            let message = format!("Container image \"{image}\" already present on machine");
            told.push(Told::Event(Kind::Normal, "Pulled", message));
            match refusal {
                Some(refusal) => self.refuse(refusal, now, told),
                None => self.run(now, told),
            }
            return;
        }
        told.push(Told::Event(
            Kind::Normal,
            "Pulling",
            format!("Pulling image \"{image}\""),
        ));
        if let State::NotPulled { shown, came, .. } = &mut self.state {
            *shown = *came;
        }
        self.refusal = refusal;
        self.pulling = true;
        self.next = Some(now + self.pull_time(here));
    }

    fn refuse(&mut self, (reason, message): Refusal, now: Timestamp, told: &mut Vec<Told>) {
        told.push(Told::Event(Kind::Warning, "Failed", format!("Error: {message}")));
        self.settle();
        self.state = State::Refused(reason, message);
        self.next = Some(now + latency::WORKER_BACK_OFF);
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
    pub(super) fn pulled(&mut self, now: Timestamp, here: bool, told: &mut Vec<Told>) {
        self.pulling = false;
        let image = self.image.clone();
        if let Some(Pull::Fails(error)) = self.life.pull.clone() {
            let message = format!("Failed to pull image \"{image}\": {error}");
            told.push(Told::Event(Kind::Warning, "Failed", message));
            told.push(Told::Event(Kind::Warning, "Failed", "Error: ErrImagePull".to_owned()));
            self.pull_back_off.next(now, now);
            let retry = now + self.pull_back_off.length();
            self.settle();
            // The pod's sandbox gives the kubelet another turn soon after the first; later ones come by the clock.
            (self.state, self.next) = match &self.state {
                State::NotPulled { shown, .. } => (
                    State::NotPulled {
                        error,
                        retry,
                        shown: *shown,
                        came: false,
                    },
                    Some(now + latency::WORKER_BACK_OFF),
                ),
                _ => (
                    State::NotPulled {
                        error,
                        retry,
                        shown: false,
                        came: false,
                    },
                    Some(now + latency::STARTING),
                ),
            };
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
        match self.refusal.take() {
            Some(refusal) => self.refuse(refusal, now, told),
            None => self.run(now, told),
        }
    }

    /// It is made, and starts.
    fn run(&mut self, now: Timestamp, told: &mut Vec<Told>) {
        self.settle();
        if let Some(last) = &self.last {
            self.restarts = last.run + 1;
            told.push(Told::Restarted);
        }
        told.push(Told::Event(Kind::Normal, "Created", "Container created".to_owned()));
        if let Some(Starts::Fails(error)) = self.life.starts.clone() {
            told.push(Told::Event(Kind::Warning, "Failed", format!("Error: {error}")));
            self.not_started = Some(error);
            let ended = Ended {
                code: 128,
                reason: "StartError",
                started: Timestamp::UNIX_EPOCH,
                finished: now,
                run: self.restarts,
            };
            return self.end(ended, false, now, told);
        }
        told.push(Told::Event(Kind::Normal, "Started", "Container started".to_owned()));
        self.not_started = None;
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
}
