//! How fast a size may change: stabilisation, rates, bounds.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::kubernetes::controllers::pod::number;

/// How long the highest recommendation holds when nobody says.
const DOWN: i64 = 300;

/// What an autoscaler recommended and did.
#[derive(Clone, Default)]
pub(super) struct History {
    pub(super) looked: Option<Timestamp>,
    recommended: Vec<(Timestamp, i64)>,
    /// By how much it grew or, below zero, shrank.
    scaled: Vec<(Timestamp, i64)>,
}

/// The size after all limits, with what the conditions say.
pub(super) struct Normalized {
    pub(super) desired: i64,
    pub(super) able: (&'static str, &'static str),
    pub(super) limit: (&'static str, &'static str),
}

const WITHIN: (&str, &str) = ("DesiredWithinRange", "the desired count is within the acceptable range");
const READY: (&str, &str) = ("ReadyForNewScale", "recommended size matches current size");
const TOO_MANY: (&str, &str) = (
    "TooManyReplicas",
    "the desired replica count is more than the maximum replica count",
);
const TOO_FEW: (&str, &str) = (
    "TooFewReplicas",
    "the desired replica count is less than the minimum replica count",
);
const UP_LIMIT: (&str, &str) = (
    "ScaleUpLimit",
    "the desired replica count is increasing faster than the maximum scale rate",
);
const DOWN_LIMIT: (&str, &str) = (
    "ScaleDownLimit",
    "the desired replica count is decreasing faster than the maximum scale rate",
);
const STABILIZED_DOWN: (&str, &str) = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
);
const STABILIZED_UP: (&str, &str) = (
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
);

impl History {
    pub(super) fn scaled(&mut self, from: i64, to: i64, now: Timestamp) {
        self.scaled.push((now, to - from));
        self.scaled
            .retain(|(at, _)| now.duration_since(*at) <= SignedDuration::from_hours(1));
    }

    pub(super) fn normalize(
        &mut self,
        behavior: &Value,
        (current, proposed): (i64, i64),
        (least, most): (i64, i64),
        now: Timestamp,
    ) -> Normalized {
        let down = number(&behavior["scaleDown"]["stabilizationWindowSeconds"], DOWN);
        let up = number(&behavior["scaleUp"]["stabilizationWindowSeconds"], 0);
        let (lowest, highest) = self.recommendations(proposed, (up, down), now);
        self.recommended.push((now, proposed));
        let kept = SignedDuration::from_secs(up.max(down).max(1));
        self.recommended.retain(|(at, _)| now.duration_since(*at) <= kept);
        // Without rules of its own only the highest recommendation counts, also on the way up.
        let stabilized = if behavior.is_object() {
            current.max(lowest).min(highest.max(lowest))
        } else {
            highest
        };
        let able = if stabilized == proposed {
            READY
        } else if proposed < current || !behavior.is_object() {
            STABILIZED_DOWN
        } else {
            STABILIZED_UP
        };
        let (desired, limit) = if behavior.is_object() {
            self.by_rules(behavior, (current, stabilized), (least, most), now)
        } else {
            by_default((current, stabilized), (least, most))
        };
        Normalized { desired, able, limit }
    }

    /// The lowest recommendation of the window upwards, the highest of the window downwards.
    fn recommendations(&self, proposed: i64, (up, down): (i64, i64), now: Timestamp) -> (i64, i64) {
        let within = |seconds: i64| {
            self.recommended
                .iter()
                .filter(move |(at, _)| now.duration_since(*at) < SignedDuration::from_secs(seconds))
                .map(|(_, size)| *size)
        };
        let lowest = within(up).chain([proposed]).min().unwrap_or(proposed);
        let highest = within(down).chain([proposed]).max().unwrap_or(proposed);
        (lowest, highest)
    }

    fn by_rules(
        &self,
        behavior: &Value,
        (current, wanted): (i64, i64),
        (least, most): (i64, i64),
        now: Timestamp,
    ) -> (i64, (&'static str, &'static str)) {
        let moved = |seconds: i64, sign: i64| -> i64 {
            self.scaled
                .iter()
                .filter(|(at, by)| now.duration_since(*at) < SignedDuration::from_secs(seconds) && by.signum() == sign)
                .map(|(_, by)| *by)
                .sum()
        };
        if wanted > current {
            let rule = &behavior["scaleUp"];
            let default = serde_json::json!([
                {"type": "Pods", "value": 4, "periodSeconds": 15}, {"type": "Percent", "value": 100, "periodSeconds": 15}]);
            let policies = if rule["policies"].is_array() {
                &rule["policies"]
            } else {
                &default
            };
            let limits = policies.as_array().into_iter().flatten().map(|policy| {
                let (value, seconds) = (number(&policy["value"], 0), number(&policy["periodSeconds"], 15));
                // Counted from the size at the beginning of the period.
                let before = current - moved(seconds, 1);
                if policy["type"] == "Pods" {
                    before + value
                } else {
                    before + (before * value + 99) / 100
                }
            });
            let limit = match rule["selectPolicy"].as_str() {
                Some("Disabled") => Some(current),
                Some("Min") => limits.min(),
                _ => limits.max(),
            };
            let limit = limit.unwrap_or(current).max(current);
            if wanted > limit.min(most) {
                return if most < limit {
                    (most, TOO_MANY)
                } else {
                    (limit, UP_LIMIT)
                };
            }
        } else if wanted < current {
            let rule = &behavior["scaleDown"];
            let default = serde_json::json!([{"type": "Percent", "value": 100, "periodSeconds": 15}]);
            let policies = if rule["policies"].is_array() {
                &rule["policies"]
            } else {
                &default
            };
            let limits = policies.as_array().into_iter().flatten().map(|policy| {
                let (value, seconds) = (number(&policy["value"], 0), number(&policy["periodSeconds"], 15));
                let before = current - moved(seconds, -1);
                if policy["type"] == "Pods" {
                    before - value
                } else {
                    before * (100 - value) / 100
                }
            });
            let limit = match rule["selectPolicy"].as_str() {
                Some("Disabled") => Some(current),
                Some("Min") => limits.max(),
                _ => limits.min(),
            };
            let limit = limit.unwrap_or(current).min(current);
            if wanted < limit.max(least) {
                return if least > limit {
                    (least, TOO_FEW)
                } else {
                    (limit, DOWN_LIMIT)
                };
            }
        }
        (wanted, WITHIN)
    }
}

/// At most twice as many at once, or four.
fn by_default((current, wanted): (i64, i64), (least, most): (i64, i64)) -> (i64, (&'static str, &'static str)) {
    let rate = (2 * current).max(4);
    if wanted < least {
        (least, TOO_FEW)
    } else if wanted > most.min(rate) {
        if most < rate {
            (most, TOO_MANY)
        } else {
            (rate, UP_LIMIT)
        }
    } else {
        (wanted, WITHIN)
    }
}
