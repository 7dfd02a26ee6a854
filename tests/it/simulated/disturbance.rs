//! What goes wrong in a story, and when.

use jiff::SignedDuration;
use simulated_cluster::kubernetes::faults::{Failure, Fault};

/// One thing that goes wrong.
#[derive(Clone, Debug)]
pub struct Disturbance {
    /// When.
    pub at: At,
    /// What.
    pub effect: Effect,
}

/// A moment in the life of the first process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Its failpoint of this number.
    Point(usize),
    /// Its call of this number to the API server.
    Call(u32),
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Effect {
    /// The process dies, and another starts on what is on the disk. A call under way meets this fault.
    Crash(Fault),
    /// The process is held up for longer than its lease; another goes on with its runs, and then it continues. A call
    /// under way meets this fault.
    Freeze(Fault),
    /// The process lives, and a call meets this fault.
    Fault(Fault),
}

/// Well within the time limit of a call, and long after it.
const SOON: SignedDuration = SignedDuration::from_secs(3);
const NEVER: SignedDuration = SignedDuration::from_mins(1);

/// A death that leaves a call, if there is one, without effect.
pub const DEATH: Effect = Effect::Crash(Fault::Held);
/// A death after the call under way had its effect.
pub const LATE_DEATH: Effect = Effect::Crash(Fault::AnswerHeld);

/// On its way for some time: whoever asked may be gone when it arrives.
const SLOW: Fault = Fault::Latency {
    request: SOON,
    answer: NEVER,
};

impl Effect {
    /// What can go wrong besides deaths at a call that only reads, without the run ending otherwise.
    pub fn at_a_read() -> Vec<Self> {
        vec![
            Self::Freeze(Fault::Held),
            Self::Fault(Fault::Cut),
            Self::Fault(SLOW),
            Self::Fault(Fault::Refused(Failure::Unavailable)),
            Self::Fault(Fault::Refused(Failure::Overloaded(2))),
            Self::Fault(Fault::Refused(Failure::Page(502))),
        ]
    }

    /// The same at a call that changes something: it may have its effect without an answer, and late.
    pub fn at_a_change() -> Vec<Self> {
        let mut effects = Self::at_a_read();
        effects.extend([
            Self::Crash(SLOW),
            Self::Freeze(Fault::AnswerHeld),
            Self::Fault(Fault::AnswerLost),
            Self::Fault(Fault::BrokenOff),
            Self::Fault(Fault::DeliveredLate(SOON)),
            Self::Fault(Fault::Refused(Failure::Storage)),
            Self::Fault(Fault::Failed(Failure::Storage)),
            Self::Fault(Fault::Refused(Failure::Webhook)),
            Self::Fault(Fault::Failed(Failure::Timeout)),
        ]);
        effects
    }

    /// The fault that a call meets.
    pub fn fault(&self) -> Fault {
        let (Self::Crash(fault) | Self::Freeze(fault) | Self::Fault(fault)) = self;
        fault.clone()
    }

    /// The process dies or stands still.
    pub fn stops(&self) -> bool {
        !matches!(self, Self::Fault(_))
    }
}
