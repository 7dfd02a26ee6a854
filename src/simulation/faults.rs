//! Failures on demand, for any double that answers calls over HTTP: which call, how often, and what goes wrong. The
//! double asks before it serves a call and does what it is told; this keeps the rules, and the calls that are held.

use super::{
    holds::Holds,
    rules::{self, Rules},
};

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
pub type Rule = rules::Rule<Fault, Calls>;

/// Which calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    method: Option<String>,
    channel: Option<String>,
}

/// The rules in force, in the order in which they were made, and the calls that wait.
#[derive(Debug)]
pub struct Faults {
    rules: Rules<Fault, Calls>,
    holds: Holds,
}

impl Rule {
    /// Only calls of this method.
    pub fn on(mut self, method: impl Into<String>) -> Self {
        self.calls.method = Some(method.into());
        self
    }

    /// Only calls that concern this channel, by its id or `#name`.
    pub fn within(mut self, channel: impl Into<String>) -> Self {
        self.calls.channel = Some(channel.into());
        self
    }
}

impl Faults {
    pub(super) fn new() -> Self {
        Self {
            rules: Rules::new(),
            holds: Holds::new(),
        }
    }

    /// Adds a rule. Where several befall a call, the first that was made does.
    pub fn add(&self, rule: Rule) {
        self.rules.add(rule);
    }

    /// Nothing goes wrong from now on; calls that wait still do.
    pub fn clear(&self) {
        self.rules.clear();
    }

    /// The calls that wait go on.
    pub fn release(&self) {
        self.holds.release();
    }

    /// Returns when so many calls wait at once.
    pub async fn until_held(&self, count: usize) {
        self.holds.until_held(count).await;
    }

    /// Returns when no call waits any more: each was released, or its client has gone.
    pub async fn until_none_held(&self) {
        self.holds.until_none_held().await;
    }

    /// What befalls this call. `channel` is every name by which the channel goes.
    pub(super) fn befall(&self, method: &str, channel: &[&str]) -> Option<Fault> {
        self.rules.befall(|calls| {
            calls.method.as_deref().is_none_or(|wanted| wanted == method)
                && calls
                    .channel
                    .as_deref()
                    .is_none_or(|wanted| channel.contains(&wanted.trim_start_matches('#')))
        })
    }

    /// Waits for the next release.
    pub(super) async fn hold(&self) {
        self.holds.hold().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_befalls_the_method_and_the_channel_that_it_names() {
        let faults = Faults::new();
        faults.add(Rule::once(Fault::Cut).on("chat.update").within("#ops"));
        faults.add(Rule::always(Fault::Status(502)).on("auth.test"));
        let ops = ["C1", "ops"];
        assert_eq!(faults.befall("chat.postMessage", &ops), None);
        assert_eq!(faults.befall("chat.update", &["C2", "dev"]), None);
        assert_eq!(faults.befall("chat.update", &ops), Some(Fault::Cut));
        assert_eq!(faults.befall("chat.update", &ops), None);
        assert_eq!(faults.befall("auth.test", &[]), Some(Fault::Status(502)));
    }
}
