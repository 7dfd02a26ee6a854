//! What must be true before a runbook acts, and after it.

use std::{ops::RangeInclusive, time::Duration};

use super::{
    reader::{Fields, Reader},
    runbook::{ProgramsRead, items},
    texts::expression,
};
use crate::domain::{
    duration,
    runbook::{Condition, STABLE_FOR, VERIFY_WITHIN, Verify},
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Bounds. They catch slips such as `30d` for `30m`; nothing sensible lies outside.
pub(super) const WITHIN: RangeInclusive<Duration> = Duration::from_secs(1)..=DAY;
pub(super) const STABLE: RangeInclusive<Duration> = Duration::ZERO..=DAY;

/// A reason may not be longer: it becomes a label's value.
pub(super) const MAX_REASON: usize = 63;

/// Reads `conditions`.
pub(super) fn conditions(reader: &mut Reader<'_>, spec: &Fields<'_>, programs: &mut ProgramsRead) -> Vec<Condition> {
    let Some(node) = spec.get("conditions") else {
        return Vec::new();
    };
    let example = "- {expr: …, reason: rollout_paused}";
    let Some(items) = items(reader, node, "conditions", spec.at("conditions"), example) else {
        return Vec::new();
    };
    let mut conditions = Vec::new();
    for item in items {
        let Some(fields) = reader.fields(item, "a condition", item.at, &["expr", "reason"], &[]) else {
            continue;
        };
        let expr = reader.require(&fields, "expr", "target.spec.?paused.orValue(false) == false");
        let expr = expr.and_then(|node| expression(reader, node, "expr"));
        let reason = reader.require(&fields, "reason", "rollout_paused").and_then(|node| {
            let text = reader.text(node, "reason")?;
            if is_snake_case(text) {
                return Some(text.to_owned());
            }
            let help = format!("write lower case words with `_` between them: `{}`", snake_case(text));
            reader.error(node.at, format!("`{text}` is not a reason"), help);
            None
        });
        if let (Some((expr, program)), Some(reason)) = (expr, reason) {
            conditions.push(Condition { expr, reason });
            programs.conditions.push(program);
        }
    }
    conditions
}

fn is_snake_case(text: &str) -> bool {
    text.len() <= MAX_REASON
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The nearest thing to a reason, for a hint.
fn snake_case(text: &str) -> String {
    let mut snake = String::new();
    for c in text.chars().take(MAX_REASON) {
        if c.is_ascii_uppercase() && snake.ends_with(|c: char| c.is_ascii_lowercase()) {
            snake.push('_');
        }
        let c = c.to_ascii_lowercase();
        let fits = c.is_ascii_lowercase() || (c.is_ascii_digit() && !snake.is_empty());
        if fits {
            snake.push(c);
        } else if !snake.is_empty() && !snake.ends_with('_') {
            snake.push('_');
        }
    }
    let snake = snake.trim_end_matches('_');
    if snake.is_empty() {
        "rollout_paused".to_owned()
    } else {
        snake.to_owned()
    }
}

/// Reads `verify`.
pub(super) fn read(reader: &mut Reader<'_>, spec: &Fields<'_>, programs: &mut ProgramsRead) -> Verify {
    let mut verify = Verify::default();
    let Some(node) = spec.get("verify") else {
        return verify;
    };
    let known = &["within", "stableFor", "expect"];
    let Some(fields) = reader.fields(node, "verify", spec.at("verify"), known, &["onResolve"]) else {
        return verify;
    };
    let within = fields.get("within").map(|node| reader.duration(node, "within", WITHIN));
    let stable_for = fields
        .get("stableFor")
        .map(|node| reader.duration(node, "stableFor", STABLE));
    // Compared only when both can be read, so that one mistake is told once.
    if let (Some(within), Some(stable_for)) = (
        within.unwrap_or(Some(VERIFY_WITHIN)),
        stable_for.unwrap_or(Some(STABLE_FOR)),
    ) {
        verify.within = within;
        verify.stable_for = stable_for;
        if stable_for >= within {
            let default = |name: &str| {
                if fields.get(name).is_none() {
                    " (the default)"
                } else {
                    ""
                }
            };
            let message = format!(
                "`stableFor` is {}{}, but `within` is {}{}: it could never be seen stable in time",
                duration::format(stable_for),
                default("stableFor"),
                duration::format(within),
                default("within"),
            );
            let at = fields
                .get("stableFor")
                .or(fields.get("within"))
                .map_or(fields.at, |node| node.at);
            reader.error(at, message, "make `within` longer than `stableFor`");
        }
    }
    if let Some(node) = fields.get("expect")
        && let Some(items) = items(
            reader,
            node,
            "expect",
            fields.at("expect"),
            "- target.status.readyReplicas == target.spec.replicas",
        )
    {
        for item in items {
            if let Some((text, program)) = expression(reader, item, "expect") {
                verify.expect.push(text);
                programs.expect.push(program);
            }
        }
    }
    verify
}
