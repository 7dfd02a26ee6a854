//! A runbook: what to do about an alert, as its author declared it and `yaml` checked it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{matcher::Matcher, notify::Notify, step::Step};

/// The default of [`Runbook::deadline`].
pub const DEADLINE: Duration = Duration::from_secs(30 * 60);
/// The default of [`Guards::cooldown`].
pub const COOLDOWN: Duration = Duration::from_secs(30 * 60);
/// The default of [`Guards::max_attempts`].
pub const MAX_ATTEMPTS: u32 = 1;
/// The default of [`Guards::rates`].
pub const RATE: Rate = Rate {
    count: 4,
    per: Duration::from_secs(24 * 60 * 60),
};
/// The default of [`Guards::quiet`].
pub const QUIET: Duration = Duration::from_secs(60 * 60);
/// The default of [`Verify::within`].
pub const VERIFY_WITHIN: Duration = Duration::from_secs(5 * 60);
/// The default of [`Verify::stable_for`].
pub const STABLE_FOR: Duration = Duration::from_secs(30);

/// A declared remedy.
#[derive(Clone, Debug)]
pub struct Runbook {
    /// `metadata.name`: a DNS-1123 subdomain, unique among the loaded runbooks.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Lower is tried first; equal priorities are tried by name. 0 unless given.
    pub priority: i32,
    /// All must match the alert's labels.
    pub matchers: Vec<Matcher>,
    /// Whether later runbooks are tried too after this one matched.
    pub continue_matching: bool,
    /// The object that the alert is about.
    pub target: TargetTemplate,
    /// What must be true of the live object just before acting.
    pub conditions: Vec<Condition>,
    /// How far it may go; the configuration can lower or replace it.
    pub mode: Mode,
    /// When it may act.
    pub guards: Guards,
    /// What it does, in order.
    pub steps: Vec<Step>,
    /// How it is seen that the cluster healed.
    pub verify: Verify,
    /// How long a run may wait and act, from the moment it was opened; verification has its own time.
    pub deadline: Duration,
    /// Whom to tell, and how.
    pub notify: Notify,
}

/// Where the target's name comes from: never from whichever labels happen to exist.
#[derive(Clone, Debug)]
pub struct TargetTemplate {
    /// `v1`, `apps/v1`.
    pub api_version: String,
    /// `Pod`, `Deployment`.
    pub kind: String,
    /// Absent for cluster-scoped kinds.
    pub namespace: Option<Text>,
    /// The object's name.
    pub name: Text,
}

/// A template or an expression that was checked when it was read, and where it stands in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// As the author wrote it.
    pub source: String,
    /// 1-based line of its first character.
    pub line: u32,
    /// 1-based column of its first character.
    pub column: u32,
}

/// Something that must be true of the live object, or the run is suppressed.
#[derive(Clone, Debug)]
pub struct Condition {
    /// CEL.
    pub expr: Text,
    /// `snake_case`; told when the expression is false.
    pub reason: String,
}

/// How far a runbook may go. Ordered: a ceiling is the smaller of two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// Say what would be done, send nothing.
    #[default]
    Shadow,
    /// Send every mutation with the API server's own `dryRun=All`.
    DryRun,
    /// Act.
    Enforce,
}

impl Mode {
    /// The word in YAML, API, metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shadow => "shadow",
            Self::DryRun => "dryRun",
            Self::Enforce => "enforce",
        }
    }
}

/// The limits that a runbook sets itself; all count on the root.
#[derive(Clone, Debug)]
pub struct Guards {
    /// How long a run waits for the rest of a crowd before it is judged first; absent: the configuration's `settle`.
    pub settle: Option<Duration>,
    /// The least time between the starts of two runs that act on the same root.
    pub cooldown: Duration,
    /// How many runs may act on a root within one incident.
    pub max_attempts: u32,
    /// How many runs may act on a root in a window: each binds. Never empty.
    pub rates: Vec<Rate>,
    /// How long a root must be without alerts for its incident, and with it the attempts, to end.
    pub quiet: Duration,
}

impl Guards {
    /// The narrower of two: a run holds to what it was opened with and to what is in force now.
    ///
    /// Of two rates, the one that allows less in every window; where each allows less in some, both bind.
    pub fn stricter(&self, other: &Self) -> Self {
        let mut rates: Vec<Rate> = Vec::new();
        for rate in self.rates.iter().chain(&other.rates) {
            if !rates.iter().any(|kept| kept.implies(rate)) {
                rates.retain(|kept| !rate.implies(kept));
                rates.push(*rate);
            }
        }
        Self {
            settle: self.settle.max(other.settle),
            cooldown: self.cooldown.max(other.cooldown),
            max_attempts: self.max_attempts.min(other.max_attempts),
            rates,
            quiet: self.quiet.max(other.quiet),
        }
    }

    /// How many of a root's latest attempts these limits look back on, however long its history is.
    pub fn attempts(&self) -> u32 {
        let rates = self.rates.iter().map(|rate| rate.count);
        rates.chain([self.max_attempts, 1]).max().unwrap_or(1)
    }
}

/// The largest count of a rate: so many attempts at the most are read of a root's history.
pub const RATE_COUNT: u32 = 100;

/// So many in a window: `4/1d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In how long.
    pub per: Duration,
}

impl Rate {
    /// Whoever keeps to this one keeps to the other in every window.
    fn implies(&self, other: &Self) -> bool {
        self.count <= other.count && self.per >= other.per
    }
}

/// How it is seen that the cluster healed.
#[derive(Clone, Debug)]
pub struct Verify {
    /// How long after the last step the cluster may take.
    pub within: Duration,
    /// How long it must stay healthy without a break.
    pub stable_for: Duration,
    /// CEL on the live object; empty means the default of the steps.
    pub expect: Vec<Text>,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            settle: None,
            cooldown: COOLDOWN,
            max_attempts: MAX_ATTEMPTS,
            rates: vec![RATE],
            quiet: QUIET,
        }
    }
}

impl Default for Verify {
    fn default() -> Self {
        Self {
            within: VERIFY_WITHIN,
            stable_for: STABLE_FOR,
            expect: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 60 * 60;

    fn guards(rates: &[(u32, u64)]) -> Guards {
        let rates = rates.iter().map(|(count, seconds)| Rate {
            count: *count,
            per: Duration::from_secs(*seconds),
        });
        Guards {
            rates: rates.collect(),
            ..Guards::default()
        }
    }

    fn both(one: (u32, u64), other: (u32, u64)) -> Vec<(u32, u64)> {
        let rates = guards(&[one]).stricter(&guards(&[other])).rates;
        let mut rates: Vec<_> = rates.iter().map(|rate| (rate.count, rate.per.as_secs())).collect();
        rates.sort_unstable();
        rates
    }

    #[test]
    fn of_two_rates_the_one_that_allows_less_in_every_window_binds_else_both() {
        assert_eq!(both((4, 24 * HOUR), (2, 24 * HOUR)), [(2, 24 * HOUR)]);
        assert_eq!(both((4, 24 * HOUR), (4, HOUR)), [(4, 24 * HOUR)]);
        assert_eq!(both((1, 24 * HOUR), (1, 24 * HOUR)), [(1, 24 * HOUR)]);
        // Ten in ten minutes are more a day than one in a day, and yet allow less in none of them; twenty a day and two an hour
        // each do in some window.
        assert_eq!(both((10, 600), (1, 24 * HOUR)), [(1, 24 * HOUR)]);
        assert_eq!(both((20, 24 * HOUR), (2, HOUR)), [(2, HOUR), (20, 24 * HOUR)]);
    }

    #[test]
    fn as_many_attempts_are_read_as_any_limit_counts() {
        assert_eq!(guards(&[(4, HOUR), (60, 24 * HOUR)]).attempts(), 60);
        let patient = Guards {
            max_attempts: 7,
            ..guards(&[(4, HOUR)])
        };
        assert_eq!(patient.attempts(), 7);
    }
}
