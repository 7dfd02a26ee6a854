//! What containers print.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

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

/// The logs of one container: of its present run and of the one before.
#[derive(Clone, Debug, Default)]
struct Log {
    current: Vec<Line>,
    previous: Option<Vec<Line>>,
}

/// What containers print, by pod and container.
#[derive(Clone, Debug, Default)]
pub struct Logs {
    logs: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Log>>,
}

impl Logs {
    /// A container prints a line.
    pub fn print(&mut self, pod: &str, container: &str, at: Timestamp, text: &str) {
        let lines = &mut self.of(pod, container).current;
        if lines.len() >= KEPT {
            lines.drain(..KEPT / 2);
        }
        lines.push(Line { at, text: text.into() });
    }

    /// A container starts again: what it has printed is the previous log now.
    pub fn restart(&mut self, pod: &str, container: &str) {
        let log = self.of(pod, container);
        log.previous = Some(std::mem::take(&mut log.current));
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
