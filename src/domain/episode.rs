//! One continuous firing of one alert, put together from posts that repeat, overtake each other and come from several peers.
//!
//! There is no sequence number in the protocol, `startsAt` differs between peers and restarts, and `resolved` may never
//! come. So an alert is weighed against the latest episode of its fingerprint, and the answer says what it means.

use std::time::Duration;

use jiff::Timestamp;

use super::alert::{Alert, Status};

/// How soon after an end a firing of the same episode is still a straggler and not a recurrence: Alertmanager's default
/// `group_interval`. Within it, an older post that was retried may arrive after a newer one.
pub const GROUP_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// The latest known episode of a fingerprint, as far as weighing needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latest {
    /// When it began.
    pub started: Timestamp,
    /// Its end, if it ended.
    pub closed: Option<Closed>,
}

/// How an episode ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// When the alert ended by its own word.
    pub ended: Timestamp,
    /// When we were told.
    pub told: Timestamp,
}

/// What an alert means for the episodes of its fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// A firing that was not known.
    Opens {
        /// When it began.
        started: Timestamp,
    },
    /// The open episode goes on; its beginning may turn out to be earlier.
    Continues {
        /// The earlier of both beginnings.
        started: Timestamp,
    },
    /// We had closed it, and it still fires.
    Reopens,
    /// The open episode ended.
    Closes(Closed),
    /// A resolved alert that was never seen firing: kept, so that nothing acknowledged is without a trace.
    OpensClosed {
        /// When it began.
        started: Timestamp,
        /// How it ended.
        closed: Closed,
    },
    /// A firing of an ended episode that was overtaken on the way.
    StaleFiring,
    /// A resolved alert of an episode that is over anyway.
    StaleResolved,
}

/// Weighs one alert.
pub fn classify(latest: Option<Latest>, alert: &Alert, received: Timestamp) -> Transition {
    let started = alert.started(received);
    match (alert.status, latest) {
        (Status::Firing, None) => Transition::Opens { started },
        (
            Status::Firing,
            Some(Latest {
                started: known,
                closed: None,
            }),
        ) => Transition::Continues {
            started: started.min(known),
        },
        (
            Status::Firing,
            Some(Latest {
                closed: Some(closed), ..
            }),
        ) => {
            if started >= closed.ended {
                Transition::Opens { started }
            } else if received.duration_since(closed.told) >= signed(GROUP_INTERVAL) {
                Transition::Reopens
            } else {
                Transition::StaleFiring
            }
        }
        (Status::Resolved, None) => Transition::OpensClosed {
            started,
            closed: closed(alert, received),
        },
        (
            Status::Resolved,
            Some(Latest {
                started: known,
                closed: None,
            }),
        ) => {
            let closed = closed(alert, received);
            // An end before the beginning belongs to the firing before this one.
            if closed.ended < known {
                Transition::StaleResolved
            } else {
                Transition::Closes(closed)
            }
        }
        (
            Status::Resolved,
            Some(Latest {
                closed: Some(known), ..
            }),
        ) => {
            if started >= known.ended {
                Transition::OpensClosed {
                    started,
                    closed: closed(alert, received),
                }
            } else {
                Transition::StaleResolved
            }
        }
    }
}

fn closed(alert: &Alert, received: Timestamp) -> Closed {
    Closed {
        ended: alert.ended(received),
        told: received,
    }
}

fn signed(duration: Duration) -> jiff::SignedDuration {
    jiff::SignedDuration::try_from(duration).unwrap_or(jiff::SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::alert::{Fingerprint, Moment};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).expect("a valid second")
    }

    fn alert(status: Status, starts: i64, ends: Option<i64>) -> Alert {
        Alert {
            status,
            labels: Default::default(),
            annotations: Default::default(),
            starts_at: Moment(at(starts)),
            ends_at: ends.map(|second| Moment(at(second))),
            generator_url: String::new(),
            fingerprint: Fingerprint(1),
        }
    }

    fn open(started: i64) -> Option<Latest> {
        Some(Latest {
            started: at(started),
            closed: None,
        })
    }

    fn over(started: i64, ended: i64, told: i64) -> Option<Latest> {
        let closed = Some(Closed {
            ended: at(ended),
            told: at(told),
        });
        Some(Latest {
            started: at(started),
            closed,
        })
    }

    #[test]
    fn weighs_every_pair_of_known_and_told() {
        use Status::{Firing, Resolved};
        let firing = |starts| alert(Firing, starts, None);
        let resolved = |starts, ends| alert(Resolved, starts, Some(ends));
        let closes = |ended, told| {
            Transition::Closes(Closed {
                ended: at(ended),
                told: at(told),
            })
        };
        let cases = [
            ("first firing", None, firing(0), 5, Transition::Opens { started: at(0) }),
            (
                "from a clock that is ahead",
                None,
                firing(60),
                5,
                Transition::Opens { started: at(5) },
            ),
            (
                "a repeat",
                open(0),
                firing(0),
                600,
                Transition::Continues { started: at(0) },
            ),
            (
                "another peer saw it earlier",
                open(10),
                firing(0),
                600,
                Transition::Continues { started: at(0) },
            ),
            (
                "Alertmanager restarted and knows a later start",
                open(0),
                firing(99),
                600,
                Transition::Continues { started: at(0) },
            ),
            ("the end", open(0), resolved(0, 50), 55, closes(50, 55)),
            (
                "an end without a time",
                open(0),
                alert(Resolved, 0, None),
                55,
                closes(55, 55),
            ),
            ("an end in the future", open(0), resolved(0, 500), 55, closes(55, 55)),
            (
                "the end of the firing before",
                open(100),
                resolved(0, 50),
                155,
                Transition::StaleResolved,
            ),
            (
                "the end twice",
                over(0, 50, 55),
                resolved(0, 50),
                60,
                Transition::StaleResolved,
            ),
            (
                "the next firing",
                over(0, 50, 55),
                firing(90),
                95,
                Transition::Opens { started: at(90) },
            ),
            (
                "a firing that was overtaken by its end",
                over(0, 50, 55),
                firing(0),
                60,
                Transition::StaleFiring,
            ),
            (
                "a firing that goes on after its end",
                over(0, 50, 55),
                firing(0),
                55 + 300,
                Transition::Reopens,
            ),
            (
                "an end whose firing we never saw",
                None,
                resolved(0, 50),
                55,
                Transition::OpensClosed {
                    started: at(0),
                    closed: Closed {
                        ended: at(50),
                        told: at(55),
                    },
                },
            ),
            (
                "a later one whose firing we never saw",
                over(0, 50, 55),
                resolved(80, 90),
                95,
                Transition::OpensClosed {
                    started: at(80),
                    closed: Closed {
                        ended: at(90),
                        told: at(95),
                    },
                },
            ),
        ];
        for (name, latest, alert, received, expected) in cases {
            assert_eq!(classify(latest, &alert, at(received)), expected, "{name}");
        }
    }
}
