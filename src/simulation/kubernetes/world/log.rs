//! What containers print.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// Lines that are kept of one container's run.
const KEPT: usize = 2_000;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When it was printed.
    pub at: Timestamp,
    /// Without the newline.
    pub text: Arc<str>,
}

impl Line {
    /// As a kubelet hands it out.
    pub fn write(&self, timestamp: bool) -> String {
        if timestamp {
            format!("{:.9} {}\n", self.at, self.text)
        } else {
            format!("{}\n", self.text)
        }
    }
}

/// The logs of one container: of its present run and of the one before.
#[derive(Clone, Debug, Default)]
struct Log {
    current: Vec<Line>,
    previous: Option<Vec<Line>>,
    /// Those who follow the present run.
    followers: Vec<UnboundedSender<Line>>,
}

/// What containers print, by pod and container.
#[derive(Clone, Debug, Default)]
pub struct Logs {
    logs: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Log>>,
}

impl Logs {
    /// A container prints a line.
    pub fn print(&mut self, pod: &str, container: &str, at: Timestamp, text: &str) {
        let log = self.of(pod, container);
        if log.current.len() >= KEPT {
            log.current.drain(..KEPT / 2);
        }
        let line = Line { at, text: text.into() };
        log.followers.retain(|follower| follower.send(line.clone()).is_ok());
        log.current.push(line);
    }

    /// A container starts again: what it has printed is the previous log now.
    pub fn restart(&mut self, pod: &str, container: &str) {
        let log = self.of(pod, container);
        log.previous = Some(std::mem::take(&mut log.current));
        log.followers.clear();
    }

    /// Every line that a container prints from now on, until it starts again or its pod is gone.
    pub fn follow(&mut self, pod: &str, container: &str) -> UnboundedReceiver<Line> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.of(pod, container).followers.push(sender);
        receiver
    }

    pub(super) fn lines(&self, pod: &str, container: &str, previous: bool) -> Option<&[Line]> {
        let log = self.logs.get(pod)?.get(container)?;
        if previous {
            log.previous.as_deref()
        } else {
            Some(&log.current)
        }
    }

    pub(super) fn forget(&mut self, pod: &str) {
        self.logs.remove(pod);
    }

    fn of(&mut self, pod: &str, container: &str) -> &mut Log {
        self.logs
            .entry(pod.into())
            .or_default()
            .entry(container.into())
            .or_default()
    }
}
