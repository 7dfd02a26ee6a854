//! How often an app may call. Slack names a tier for each method and lets bursts through as it likes; here nothing
//! above the named number is, so that a client that passes here has no need of luck there.
//!
//! | what | Slack's words | here |
//! |---|---|---|
//! | posting | "1 per second" per channel; "short bursts >1 allowed", but "no guarantee that messages will be stored or displayed" | one a second and no burst: a message that nobody may see is no message. A tenth of a second is lent for the network's jitter and has to be paid back, so that a client that keeps the pace is never refused |
//! | posting, whole workspace | "also maintaining a workspace-wide limit" that is not published | 200 in any minute |
//! | tier 3 | "50+ per minute" | 50 in any minute |
//! | tier 4 | "100+ per minute" | 100 in any minute |
//! | incoming webhooks | "1 per second" | they are counted with the posts of their app to their channel |
//!
//! Calls are counted whatever becomes of them. A refusal names whole seconds, and until they are over the door stays
//! shut: calls that come sooner are refused again, and are remembered as not listening.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;

/// What is lent for the network's jitter.
const LENT: i64 = SECOND / 10;

/// More calls than this within a minute that did not wait as they were told, and the app is disabled: Slack's "may be
/// permanently disabled" has no published number.
const DEAF: usize = 50;

/// A limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// One each second.
    Second,
    /// So many in any minute.
    Minute(usize),
}

/// What calls have been made. Times are microseconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Rates {
    /// The moment at which the next call is due, by what is limited.
    due: BTreeMap<String, i64>,
    /// The calls of the last minute.
    recent: BTreeMap<String, VecDeque<i64>>,
    /// Until when a door is shut.
    shut: BTreeMap<String, i64>,
    /// By app, the calls of the last minute that did not wait.
    deaf: BTreeMap<String, VecDeque<i64>>,
}

/// A call that has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    /// Whole seconds.
    pub(super) seconds: u32,
    /// It had been told before.
    pub(super) told: bool,
}

impl Rates {
    /// Counts a call of what goes by this name, or says how long to wait.
    pub(super) fn admit(&mut self, now: Timestamp, what: &str, limit: Limit) -> Result<(), Wait> {
        let now = now.as_microsecond();
        if let Some(seconds) = self.shut.get(what).and_then(|until| seconds(until - now)) {
            return Err(Wait { seconds, told: true });
        }
        let wait = match limit {
            Limit::Second => {
                let due = self.due.entry(what.to_owned()).or_insert(now);
                let wait = seconds(*due - LENT - now);
                if wait.is_none() {
                    *due = now.max(*due) + SECOND;
                }
                wait
            }
            Limit::Minute(most) => {
                let recent = self.recent.entry(what.to_owned()).or_default();
                forget(recent, now);
                let wait =
                    (recent.len() >= most).then(|| recent.front().and_then(|first| seconds(first + MINUTE - now)));
                if wait.is_none() {
                    recent.push_back(now);
                }
                wait.flatten()
            }
        };
        match wait {
            None => Ok(()),
            Some(seconds) => {
                self.shut(now, what, seconds);
                Err(Wait { seconds, told: false })
            }
        }
    }

    /// Shuts a door though no limit was reached.
    pub(super) fn close(&mut self, now: Timestamp, what: &str, seconds: u32) {
        self.shut(now.as_microsecond(), what, seconds);
    }

    /// How long this door still is shut.
    pub(super) fn closed(&self, now: Timestamp, what: &str) -> Option<u32> {
        let until = self.shut.get(what)?;
        seconds(until - now.as_microsecond())
    }

    /// Remembers that an app did not wait as it was told; true when it was once too often.
    pub(super) fn ignored(&mut self, now: Timestamp, app: &str) -> bool {
        let now = now.as_microsecond();
        let deaf = self.deaf.entry(app.to_owned()).or_default();
        forget(deaf, now);
        deaf.push_back(now);
        deaf.len() > DEAF
    }

    fn shut(&mut self, now: i64, what: &str, seconds: u32) {
        self.shut.insert(what.to_owned(), now + i64::from(seconds) * SECOND);
    }
}

/// Whole seconds, rounded up, of what is left; none when nothing is.
fn seconds(left: i64) -> Option<u32> {
    let whole = left.max(0).unsigned_abs().div_ceil(SECOND.unsigned_abs());
    u32::try_from(whole).ok().filter(|seconds| *seconds > 0)
}

fn forget(times: &mut VecDeque<i64>, now: i64) {
    while times.front().is_some_and(|time| time + MINUTE <= now) {
        times.pop_front();
    }
}
