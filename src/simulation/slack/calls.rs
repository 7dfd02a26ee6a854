//! The log of every call: what was asked, when, and what became of it.

use std::fmt;

use jiff::Timestamp;

use crate::faults::Fault;

/// One call as Slack saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// When it was served.
    pub at: Timestamp,
    /// `chat.postMessage` and its like, `webhook`, or `upload`.
    pub method: String,
    /// The id of the channel that it concerns.
    pub channel: Option<String>,
    /// Slack's name of the error, unless it was done.
    pub refused: Option<String>,
    /// What went wrong besides, on demand.
    pub fault: Option<Fault>,
    /// Arguments of a call that was done which mean nothing to the method: Slack says nothing about them.
    pub ignored: Vec<String>,
}

impl Call {
    /// It had its effect.
    pub fn took_effect(&self) -> bool {
        let before = |fault: &Fault| {
            matches!(
                fault,
                Fault::Cut | Fault::Status(_) | Fault::RateLimited(_) | Fault::Refused(_)
            )
        };
        self.refused.is_none() && !self.fault.as_ref().is_some_and(before)
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.at.strftime("%H:%M:%S%.3f"), self.method)?;
        if let Some(channel) = &self.channel {
            write!(f, " {channel}")?;
        }
        match &self.refused {
            Some(error) => write!(f, ": {error}")?,
            None => f.write_str(": ok")?,
        }
        match &self.fault {
            Some(fault) => write!(f, " ({fault:?})"),
            None => Ok(()),
        }
    }
}
