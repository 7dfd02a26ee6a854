//! Whom to tell of a run, and when it is worth a message.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    alert::Labels,
    matcher::Matcher,
    reason::Reason,
    run::{Outcome, Phase},
    runbook::Text,
    state::State,
};

/// What a runbook says about its messages.
#[derive(Clone, Debug, Default)]
pub struct Notify {
    /// Instead of the channel that the configuration's routes say; a template of the alert's labels.
    pub channel: Option<Text>,
    /// Who is called when a run ends failed or inconclusive, as Slack writes it: `@here`, `<@U012AB3CD>`. Nobody else ever is.
    pub mention: Option<String>,
    /// Whether runs are told that changed nothing: in shadow, in dry run, or refused.
    pub suppressed: bool,
    /// Instead of our own words; a phase that is absent has ours.
    pub templates: BTreeMap<Phase, Text>,
}

/// A service that messages go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sink {
    /// Slack, by bot token or incoming webhook.
    Slack,
    /// Microsoft Teams, by a Workflow's webhook.
    Teams,
    /// Any receiver of JSON.
    Webhook,
}

/// Where one message goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Destination {
    /// Through which service.
    pub sink: Sink,
    /// Slack's channel; empty where the address itself is the channel.
    pub channel: String,
}

/// A channel for the alerts that match.
#[derive(Clone, Debug)]
pub struct Route {
    /// All must match the labels of a run's first alert.
    pub matchers: Vec<Matcher>,
    /// `#payments`, or a channel's id.
    pub channel: String,
}

/// Which services there are, and which of Slack's channels is for whom.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    /// The services that are configured.
    pub sinks: Vec<Sink>,
    /// Slack's, in order; the first that matches wins.
    pub slack: Vec<Route>,
    /// Slack's channel for everything else.
    pub slack_channel: String,
}

impl Sink {
    /// All of them, so that metrics exist before their first use.
    pub const ALL: &[Self] = &[Self::Slack, Self::Teams, Self::Webhook];

    /// The word in the store, metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::Teams => "teams",
            Self::Webhook => "webhook",
        }
    }
}

impl Routes {
    /// Where a run is told of. `own` is the channel that its runbook names.
    pub fn destinations(&self, labels: &Labels, own: Option<&str>) -> Vec<Destination> {
        let channel = || {
            let routed = self
                .slack
                .iter()
                .find(|route| route.matchers.iter().all(|matcher| matcher.matches(labels)));
            own.unwrap_or_else(|| routed.map_or(&self.slack_channel, |route| &route.channel))
                .to_owned()
        };
        self.sinks
            .iter()
            .map(|sink| Destination {
                sink: *sink,
                channel: match sink {
                    Sink::Slack => channel(),
                    Sink::Teams | Sink::Webhook => String::new(),
                },
            })
            .collect()
    }
}

/// Whether a run in this state is worth a message: when it has sent a mutation, or ended as nobody wishes. A run that changed
/// nothing posts nothing (rule 19), unless its runbook asks for it.
pub fn worth_telling(state: &State, notify: &Notify) -> bool {
    if state.sent {
        return true;
    }
    let reason = state.finished.as_ref().map(|finish| finish.reason);
    match state.finished.as_ref().map(|finish| finish.outcome) {
        Some(Outcome::Failed | Outcome::Inconclusive) => true,
        Some(Outcome::Suppressed) => notify.suppressed && reason != Some(Reason::Merged),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(routes: &Routes, labels: &[(&str, &str)], own: Option<&str>) -> String {
        let labels = labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        routes.destinations(&labels, own).remove(0).channel
    }

    #[test]
    fn the_runbooks_channel_goes_before_routes_and_the_first_route_that_matches_wins() {
        let route = |matchers: &[&str], channel: &str| Route {
            matchers: matchers
                .iter()
                .map(|matcher| Matcher::parse(matcher).expect("a matcher"))
                .collect(),
            channel: channel.to_owned(),
        };
        let routes = Routes {
            sinks: vec![Sink::Slack, Sink::Teams],
            slack: vec![
                route(&["severity = critical", "team = pay"], "#pay-oncall"),
                route(&["severity = critical"], "#oncall"),
                route(&["team =~ \"pay|cart\""], "#shop"),
            ],
            slack_channel: "#alerts".to_owned(),
        };
        for (labels, own, expected) in [
            (&[("severity", "warning")][..], None, "#alerts"),
            (&[("severity", "critical")], None, "#oncall"),
            (&[("severity", "critical"), ("team", "pay")], None, "#pay-oncall"),
            (&[("severity", "warning"), ("team", "cart")], None, "#shop"),
            (&[("severity", "critical")], Some("#mine"), "#mine"),
            (&[], None, "#alerts"),
        ] {
            assert_eq!(channel(&routes, labels, own), expected, "{labels:?}");
        }
        let none = Labels::new();
        assert_eq!(routes.destinations(&none, None)[1].channel, "", "Teams has no channels");
    }
}
