//! The steps of a runbook.

use std::{ops::RangeInclusive, time::Duration};

use super::{
    node::{Node, Value},
    reader::{Fields, Reader},
    runbook::items,
};
use crate::domain::{
    duration,
    runbook::TargetTemplate,
    step::{Collect, Evict, Evidence, Logs, Step, StepAction, StepName},
};

/// The names of the steps.
pub const STEPS: &[&str] = &[StepName::Evict.as_str(), StepName::Collect.as_str()];
/// How many pods `evict` evicts unless it says.
pub const EVICT_LIMIT: u32 = 1;

/// Steps that the design has and this version does not.
const LATER: &[&str] = &[
    "deletePod",
    "deletePods",
    "exec",
    "rolloutRestart",
    "rollback",
    "pauseRollout",
    "resumeRollout",
    "scale",
    "resize",
    "hpa",
    "cordon",
    "uncordon",
    "drain",
    "taint",
    "label",
    "deleteNode",
    "scaleNodes",
    "rebalance",
    "deleteJob",
    "rerunJob",
    "suspendCronJob",
    "expandVolume",
    "patch",
    "apply",
    "runJob",
    "http",
    "silence",
    "wait",
    "query",
    "annotate",
    "notify",
    "approve",
    "onFailure",
];
const LATER_COLLECT: &[&str] = &["graph", "query"];
pub(super) const TAIL_LINES: RangeInclusive<i64> = 1..=1000;
pub(super) const TAIL_LINES_DEFAULT: u32 = 80;
pub(super) const LIMIT: RangeInclusive<i64> = 1..=100;
pub(super) const TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 60 * 60);

/// Reads `steps`; a step that cannot be read is left out after it was noted.
pub(super) fn read(
    reader: &mut Reader<'_>,
    spec: &Fields<'_>,
    deadline: Duration,
    target: Option<&TargetTemplate>,
) -> Vec<Step> {
    let Some(node) = reader.require(spec, "steps", "[{evict: {}}]") else {
        return Vec::new();
    };
    let Some(items) = items(reader, node, "steps", spec.at("steps"), "- evict: {}") else {
        return Vec::new();
    };
    let mut steps: Vec<Step> = Vec::new();
    for item in items {
        let Some((step, at)) = step(reader, item, deadline) else {
            continue;
        };
        let is_evict = matches!(step.action, StepAction::Evict(_));
        let is_collect = matches!(step.action, StepAction::Collect(_));
        if let Some(target) = target.filter(|target| is_evict && target.kind != "Pod") {
            let message = format!("`evict` works on a Pod, and the target is a {}", target.kind);
            reader.error(
                at,
                message,
                "in this version the target of `evict` is a Pod (apiVersion: v1)",
            );
        }
        if is_collect && steps.iter().any(|step| step.action.is_mutation()) {
            let message = "`collect` after a change finds what the change left";
            reader.warn(at, message, "move it before the first step that changes anything");
        }
        if is_evict && steps.iter().any(|step| matches!(step.action, StepAction::Evict(_))) {
            reader.error(at, "`evict` is there already", "write one with a higher `limit`");
        }
        steps.push(step);
    }
    steps
}

fn step(reader: &mut Reader<'_>, item: &Node, deadline: Duration) -> Option<(Step, super::node::At)> {
    if let Value::Text(text) = &item.value
        && STEPS.contains(&text.as_str())
    {
        reader.error(
            item.at,
            "a step is a mapping, not a text",
            format!("write `{text}:` with a colon"),
        );
        return None;
    }
    let before = reader.count();
    let known: Vec<&str> = STEPS.iter().copied().chain(["timeout"]).collect();
    let fields = reader.fields(item, "a step", item.at, &known, LATER)?;
    let mut actions = fields.iter().filter(|(name, _)| STEPS.contains(name));
    let Some((name, node)) = actions.next() else {
        // An unknown name was told already.
        if !reader.has_errors_since(before) {
            reader.error(
                item.at,
                "this step does nothing",
                "name what it does, for example `evict: {}`",
            );
        }
        return None;
    };
    if let Some((other, _)) = actions.next() {
        let message = format!("a step does one thing, and this one does `{name}` and `{other}`");
        reader.error(
            fields.at(other),
            message,
            format!("write `- {other}:` as a step of its own"),
        );
    }
    let timeout = fields
        .get("timeout")
        .and_then(|node| Some((node, reader.duration(node, "timeout", TIMEOUT)?)));
    if let Some((node, timeout)) = timeout.filter(|(_, timeout)| *timeout > deadline) {
        let (timeout, deadline) = (duration::format(timeout), duration::format(deadline));
        let message = format!("`timeout` is {timeout}, but the run's `deadline` is {deadline}");
        reader.error(node.at, message, "make it shorter, or `deadline` longer");
    }
    let at = fields.at(name);
    let action = match name {
        "evict" => evict(reader, node, at),
        _ => collect(reader, node, at),
    }?;
    let timeout = timeout.map(|(_, timeout)| timeout);
    Some((Step { action, timeout }, at))
}

fn evict(reader: &mut Reader<'_>, node: &Node, at: super::node::At) -> Option<StepAction> {
    let mut evict = Evict { limit: EVICT_LIMIT };
    if !matches!(node.value, Value::Null) {
        let fields = reader.fields(node, "evict", at, &["limit"], &[])?;
        if let Some(node) = fields.get("limit") {
            evict.limit = u32::try_from(reader.integer(node, "limit", LIMIT)?).unwrap_or(EVICT_LIMIT);
        }
    }
    Some(StepAction::Evict(evict))
}

fn collect(reader: &mut Reader<'_>, node: &Node, at: super::node::At) -> Option<StepAction> {
    let mut evidence = Evidence::default();
    let mut share = false;
    let before = reader.count();
    if !matches!(node.value, Value::Null) {
        let known = ["events", "yaml", "logs", "text", "share"];
        let fields = reader.fields(node, "collect", at, &known, LATER_COLLECT)?;
        let mut read = |name| {
            fields
                .get(name)
                .and_then(|node| reader.boolean(node, name))
                .unwrap_or_default()
        };
        evidence.events = read("events");
        evidence.yaml = read("yaml");
        share = read("share");
        let text = read("text");
        if let Some(node) = fields.get("logs") {
            evidence.logs = logs(reader, node, fields.at("logs"));
            if !text {
                let message = "`logs` are free text, in which anything may stand, and `text` is not true";
                reader.error(
                    fields.at("logs"),
                    message,
                    "write `text: true` beside it if they may be kept",
                );
            }
        }
    }
    if evidence == Evidence::default() {
        if !reader.has_errors_since(before) {
            reader.error(
                at,
                "`collect` collects nothing",
                "write `collect: {events: true, yaml: true}`",
            );
        }
        return None;
    }
    Some(StepAction::Collect(Collect { evidence, share }))
}

fn logs(reader: &mut Reader<'_>, node: &Node, at: super::node::At) -> Option<Logs> {
    let mut logs = Logs {
        previous: false,
        tail_lines: TAIL_LINES_DEFAULT,
    };
    let fields = reader.fields(node, "logs", at, &["previous", "tailLines"], &[])?;
    if let Some(node) = fields.get("previous") {
        logs.previous = reader.boolean(node, "previous")?;
    }
    if let Some(node) = fields.get("tailLines") {
        logs.tail_lines = u32::try_from(reader.integer(node, "tailLines", TAIL_LINES)?).unwrap_or(TAIL_LINES_DEFAULT);
    }
    Some(logs)
}
