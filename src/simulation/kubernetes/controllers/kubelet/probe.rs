//! Probes of a container, asked only at moments at which the answer may matter.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::life::{Answers, Life};
use crate::kubernetes::controllers::{latency, pod::number};

/// What stands for the pod's address in a message.
pub(super) const POD: &str = "<pod>";

/// What a probe decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decides {
    Startup,
    Readiness,
    Liveness,
}

/// A probe and how it has gone so far.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    pub(super) decides: Decides,
    delay: SignedDuration,
    period: SignedDuration,
    success: i64,
    failure: i64,
    /// How it asks, for its messages.
    how: String,
    /// What it says: that all is well.
    pub(super) passed: bool,
    run: i64,
    last: Option<bool>,
    pub(super) next: Option<Timestamp>,
}

/// What came of asking once.
#[derive(Clone)]
pub(super) struct Asked {
    /// Whether what it says is another thing now.
    pub(super) changed: bool,
    /// What to say about a failure.
    pub(super) failure: Option<String>,
}

impl Probe {
    pub(super) fn read(container: &Value, field: &str, decides: Decides) -> Option<Self> {
        let probe = &container[field];
        if !probe.is_object() {
            return None;
        }
        let seconds = |field: &str, default| SignedDuration::from_secs(number(&probe[field], default));
        let how = if probe["httpGet"].is_object() {
            "HTTP probe failed with statuscode: 503".to_owned()
        } else if probe["tcpSocket"].is_object() {
            let port = port(container, &probe["tcpSocket"]["port"]);
            format!("dial tcp {POD}:{port}: connect: connection refused")
        } else if probe["grpc"].is_object() {
            "service unhealthy (responded with \"NOT_SERVING\")".to_owned()
        } else {
            // What the command prints, which is nothing.
            String::new()
        };
        Some(Self {
            decides,
            delay: seconds("initialDelaySeconds", 0),
            period: seconds("periodSeconds", 10).max(SignedDuration::from_secs(1)),
            success: number(&probe["successThreshold"], 1),
            failure: number(&probe["failureThreshold"], 3),
            how,
            passed: decides == Decides::Liveness,
            run: 0,
            last: None,
            next: None,
        })
    }

    /// The container started, or another script holds from now on.
    pub(super) fn start(&mut self, since: Timestamp, now: Timestamp, anew: bool) {
        if anew {
            self.passed = self.decides == Decides::Liveness;
            (self.run, self.last) = (0, None);
        }
        self.next = Some(self.tick(since, now));
    }

    pub(super) fn stop(&mut self) {
        self.next = None;
    }

    /// The first moment at which it asks, at or after a moment.
    fn tick(&self, since: Timestamp, at: Timestamp) -> Timestamp {
        let first = since + self.delay + latency::FIRST_PROBE;
        if at <= first {
            return first;
        }
        let periods = (at.duration_since(first).as_millis() + self.period.as_millis() - 1) / self.period.as_millis();
        first + self.period * i32::try_from(periods).unwrap_or(i32::MAX)
    }

    /// Asks, and says when to ask again.
    pub(super) fn ask(&mut self, life: &Life, since: Timestamp, now: Timestamp) -> Asked {
        let well = match self.decides {
            Decides::Liveness => life.alive_at(since, now),
            _ => life.answers_at(since, now),
        };
        self.run = if self.last == Some(well) { self.run + 1 } else { 1 };
        self.last = Some(well);
        let before = self.passed;
        if well && self.run >= self.success {
            self.passed = true;
        }
        if !well && self.run >= self.failure {
            self.passed = false;
        }
        let settled = well && self.passed;
        self.next = if settled {
            self.changes_after(life, since, now).map(|at| self.tick(since, at))
        } else {
            Some(now + self.period)
        };
        if self.decides == Decides::Startup && self.passed {
            self.next = None;
        }
        let name = match self.decides {
            Decides::Startup => "Startup",
            Decides::Readiness => "Readiness",
            Decides::Liveness => "Liveness",
        };
        Asked {
            // A startup probe that never passed fails by its threshold as well.
            changed: before != self.passed || (self.decides == Decides::Startup && !well && self.run == self.failure),
            failure: (!well).then(|| format!("{name} probe failed: {}", self.how)),
        }
    }

    /// When a program that answers now stops doing so, by its script.
    fn changes_after(&self, life: &Life, since: Timestamp, now: Timestamp) -> Option<Timestamp> {
        if self.decides == Decides::Liveness {
            return life.hangs.map(|hangs| since + hangs.after);
        }
        match &life.answers {
            Some(Answers::Flaps { up, down }) => {
                let round = (*up + *down).as_millis().max(1);
                let passed = now.duration_since(since).as_millis();
                let ends = passed - passed % round + up.as_millis();
                Some(since + SignedDuration::from_millis(i64::try_from(ends).unwrap_or(i64::MAX)))
            }
            Some(Answers::Never) => Some(now + self.period),
            _ => None,
        }
        .map(|at| at.max(now + SignedDuration::from_millis(1)))
    }
}

/// The number of a port, which may be named.
fn port(container: &Value, port: &Value) -> i64 {
    let ports = container["ports"].as_array().into_iter().flatten();
    let named = ports.filter(|named| named["name"] == *port);
    let number = named.map(|named| &named["containerPort"]).next().unwrap_or(port);
    number.as_i64().unwrap_or_default()
}
