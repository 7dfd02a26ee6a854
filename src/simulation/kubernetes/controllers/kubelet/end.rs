//! The end of a container's run, and what follows: nothing, another run at once, or a back-off. Probes may be what ends it.

use jiff::Timestamp;

use super::{
    back_off,
    container::{Container, Ended, Restart, Role, State, Told},
    probe::Decides,
};
use crate::kubernetes::controllers::{latency, record::Kind};

impl Container {
    /// A run is over.
    pub(super) fn end(&mut self, ended: Ended, stopping: bool, now: Timestamp, told: &mut Vec<Told>) {
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
        self.next = None;
        if !again || stopping {
            self.state = State::Ended(ended);
            return;
        }
        if std::mem::take(&mut self.killed) {
            // The turn that killed it starts it again, unless the run before ended too short a time ago.
            let before = self.last.as_ref().map(|last| last.finished);
            let held = before.is_some_and(|before| self.crash_back_off.holds(before, now));
            self.state = State::BackOff(ended.clone());
            if held {
                // Said twice: in the turn that killed it, and in the next one, which sees that it has ended.
                told.push(Told::Event(Kind::Warning, "BackOff", String::new()));
                self.hold(&ended, now, told);
            } else {
                self.killed = true;
                self.next = Some(now);
            }
            return;
        }
        self.state = State::Ended(ended.clone());
        self.hold(&ended, now, told);
    }

    /// A turn that finds that it ended: it has to wait, or is started.
    pub(super) fn hold(&mut self, ended: &Ended, now: Timestamp, told: &mut Vec<Told>) {
        let until = self.crash_back_off.until(ended.finished).filter(|until| *until > now);
        self.held = until.is_some();
        self.next = Some(match until {
            Some(until) => {
                told.push(Told::Event(Kind::Warning, "BackOff", String::new()));
                back_off::turn(until, now)
            }
            None => now + latency::STARTING,
        });
    }

    pub(super) fn ask_probes(&mut self, now: Timestamp, told: &mut Vec<Told>) -> bool {
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
        if let State::Running { stopping, .. } = &mut self.state {
            *stopping = false;
            self.killed = true;
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
