//! Failures on demand, for any double that answers calls over HTTP: which call, how often, and what goes wrong. The
//! double asks before it serves a call and does what it is told; this keeps the rules, and the calls that are held.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 429 with this `Retry-After`, in seconds. Whoever calls again sooner gets it again.
    RateLimited(u32),
    /// The service's own way of saying no, with this error.
    Refused(String),
    /// This status (500, 502, 503) with a page of HTML, as proxies answer.
    Status(u16),
    /// The connection is cut before the call has an effect.
    Cut,
    /// The call has its effect, and the connection is cut before the answer.
    AnswerLost,
    /// The call waits, without effect, until it is released; then it is served. A client that goes away first has had
    /// no effect.
    Held,
    /// The call has its effect at once; its answer waits until it is released.
    AnswerHeld,
    /// The call has its effect, and its answer is a 200 that ends in the middle of the JSON.
    Garbled,
}

/// A fault, and the calls it befalls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    fault: Fault,
    method: Option<String>,
    channel: Option<String>,
    left: Option<u32>,
}

/// The rules in force, in the order in which they were made, and the calls that wait.
#[derive(Debug)]
pub struct Faults {
    rules: Mutex<Vec<Rule>>,
    releases: watch::Sender<u64>,
    waiting: watch::Sender<usize>,
}

/// One call that waits; it does no longer when this is dropped.
struct Waiting<'a>(&'a watch::Sender<usize>);

impl Rule {
    /// Every call, until the rules are cleared.
    pub fn always(fault: Fault) -> Self {
        Self {
            fault,
            method: None,
            channel: None,
            left: None,
        }
    }

    /// The next so many calls.
    pub fn times(count: u32, fault: Fault) -> Self {
        Self {
            left: Some(count),
            ..Self::always(fault)
        }
    }

    /// The next call.
    pub fn once(fault: Fault) -> Self {
        Self::times(1, fault)
    }

    /// Only calls of this method.
    pub fn on(mut self, method: impl Into<String>) -> Self {
        self.method = Some(method.into());
        self
    }

    /// Only calls that concern this channel, by its id or `#name`.
    pub fn within(mut self, channel: impl Into<String>) -> Self {
        self.channel = Some(channel.into());
        self
    }
}

impl Faults {
    pub(super) fn new() -> Self {
        Self {
            rules: Mutex::new(Vec::new()),
            releases: watch::Sender::new(0),
            waiting: watch::Sender::new(0),
        }
    }

    /// Adds a rule. Where several befall a call, the first that was made does.
    pub fn add(&self, rule: Rule) {
        self.rules().push(rule);
    }

    /// Nothing goes wrong from now on; calls that wait still do.
    pub fn clear(&self) {
        self.rules().clear();
    }

    /// The calls that wait go on.
    pub fn release(&self) {
        self.releases.send_modify(|count| *count += 1);
    }

    /// Returns when so many calls wait at once.
    pub async fn until_held(&self, count: usize) {
        let mut waiting = self.waiting.subscribe();
        // The sender lives as long as `self`.
        let _ = waiting.wait_for(|now| *now >= count).await;
    }

    /// Returns when no call waits any more: each was released, or its client has gone.
    pub async fn until_none_held(&self) {
        let mut waiting = self.waiting.subscribe();
        let _ = waiting.wait_for(|now| *now == 0).await;
    }

    /// What befalls this call. `channel` is every name by which the channel goes.
    pub(super) fn befall(&self, method: &str, channel: &[&str]) -> Option<Fault> {
        let mut rules = self.rules();
        let at = rules.iter().position(|rule| {
            rule.left != Some(0)
                && rule.method.as_deref().is_none_or(|wanted| wanted == method)
                && rule
                    .channel
                    .as_deref()
                    .is_none_or(|wanted| channel.contains(&wanted.trim_start_matches('#')))
        })?;
        let fault = rules[at].fault.clone();
        if let Some(left) = &mut rules[at].left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                rules.remove(at);
            }
        }
        Some(fault)
    }

    /// Waits for the next release.
    pub(super) async fn hold(&self) {
        let mut releases = self.releases.subscribe();
        let _waiting = Waiting::new(&self.waiting);
        let _ = releases.changed().await;
    }

    fn rules(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Waiting<'a> {
    fn new(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_befalls_the_calls_it_names_and_as_often_as_it_says() {
        let faults = Faults::new();
        faults.add(Rule::times(2, Fault::Cut).on("chat.update").within("#ops"));
        faults.add(Rule::always(Fault::Status(502)).on("auth.test"));
        let ops = ["C1", "ops"];
        assert_eq!(faults.befall("chat.postMessage", &ops), None);
        assert_eq!(faults.befall("chat.update", &["C2", "dev"]), None);
        assert_eq!(faults.befall("chat.update", &ops), Some(Fault::Cut));
        assert_eq!(faults.befall("auth.test", &[]), Some(Fault::Status(502)));
        assert_eq!(faults.befall("chat.update", &ops), Some(Fault::Cut));
        assert_eq!(faults.befall("chat.update", &ops), None);
        assert_eq!(faults.befall("auth.test", &[]), Some(Fault::Status(502)));
        faults.clear();
        assert_eq!(faults.befall("auth.test", &[]), None);
    }

    #[test]
    fn the_rule_that_was_made_first_wins_and_then_makes_room() {
        let faults = Faults::new();
        faults.add(Rule::once(Fault::Cut));
        faults.add(Rule::once(Fault::Garbled));
        assert_eq!(faults.befall("x", &[]), Some(Fault::Cut));
        assert_eq!(faults.befall("x", &[]), Some(Fault::Garbled));
        assert_eq!(faults.befall("x", &[]), None);
    }
}
