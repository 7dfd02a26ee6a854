//! The guards of a runbook.

use std::{ops::RangeInclusive, time::Duration};

use super::{
    node::{At, Node, Value},
    reader::{Fields, Reader},
};
use crate::domain::{
    duration,
    runbook::{Guards, RATE_COUNT, Rate},
};

/// Guards that the design has and this version does not.
const LATER_GUARDS: &[&str] = &[
    "concurrency",
    "budget",
    "storm",
    "freeze",
    "windows",
    "approval",
    "freshness",
];

const MINUTE: Duration = Duration::from_secs(60);
const DAY: u64 = 24 * 60 * 60;
/// Bounds. They catch slips such as `30d` for `30m`; nothing sensible lies outside.
pub(super) const SETTLE: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(60 * 60);
pub(super) const COOLDOWN: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(90 * DAY);
pub(super) const QUIET: RangeInclusive<Duration> = MINUTE..=Duration::from_secs(30 * DAY);
pub(super) const RATE_WINDOW: RangeInclusive<Duration> = MINUTE..=Duration::from_secs(90 * DAY);
pub(super) const MAX_ATTEMPTS: RangeInclusive<i64> = 1..=100;

/// Reads `guards`, and tells where `settle` stands.
pub(super) fn read(reader: &mut Reader<'_>, spec: &Fields<'_>) -> (Guards, Option<At>) {
    let mut guards = Guards::default();
    let Some(node) = spec.get("guards") else {
        return (guards, None);
    };
    let known = &["settle", "cooldown", "maxAttempts", "rate", "quiet"];
    let Some(fields) = reader.fields(node, "guards", spec.at("guards"), known, LATER_GUARDS) else {
        return (guards, None);
    };
    guards.settle = fields
        .get("settle")
        .and_then(|node| reader.duration(node, "settle", SETTLE));
    if let Some(node) = fields.get("cooldown")
        && let Some(cooldown) = reader.duration(node, "cooldown", COOLDOWN)
    {
        guards.cooldown = cooldown;
        if cooldown.is_zero() {
            let message = "without a cooldown, a run may act again at once";
            reader.warn(
                node.at,
                message,
                "write for example `30m`, unless `maxAttempts` and `rate` are enough",
            );
        }
    }
    if let Some(attempts) = fields
        .get("maxAttempts")
        .and_then(|node| reader.integer(node, "maxAttempts", MAX_ATTEMPTS))
    {
        guards.max_attempts = u32::try_from(attempts).unwrap_or(guards.max_attempts);
    }
    if let Some(rate) = fields.get("rate").and_then(|node| rate(reader, node)) {
        guards.rates = vec![rate];
    }
    if let Some(quiet) = fields
        .get("quiet")
        .and_then(|node| reader.duration(node, "quiet", QUIET))
    {
        guards.quiet = quiet;
    }
    (guards, fields.get("settle").map(|node| node.at))
}

fn rate(reader: &mut Reader<'_>, node: &Node) -> Option<Rate> {
    let text = match &node.value {
        Value::Text(text) => text.trim().to_owned(),
        Value::Int(number) => number.to_string(),
        _ => reader.text(node, "rate")?.to_owned(),
    };
    match duration::parse_rate(&text) {
        Ok(rate) if rate.count > RATE_COUNT => {
            let message = format!(
                "`rate` allows {} runs, but at most {RATE_COUNT} are counted",
                rate.count
            );
            reader.error(node.at, message, "take a shorter window with a smaller count");
            None
        }
        Ok(rate) if RATE_WINDOW.contains(&rate.per) => Some(rate),
        Ok(_) => {
            let (least, most) = (
                duration::format(*RATE_WINDOW.start()),
                duration::format(*RATE_WINDOW.end()),
            );
            reader.error(
                node.at,
                format!("the window of `rate` must be between {least} and {most}"),
                "",
            );
            None
        }
        Err(error) => {
            reader.error(node.at, error.to_string(), "");
            None
        }
    }
}
