//! From a document's tree to a checked [`Runbook`].

use std::{collections::BTreeMap, ops::RangeInclusive, time::Duration};

use super::{
    Programs, guards,
    node::{At, Node, Value},
    notify,
    reader::{Fields, Reader},
    steps, target, verify,
};
use crate::{
    cel::Expression,
    domain::{
        duration,
        matcher::Matcher,
        run::Phase,
        runbook::{DEADLINE, Mode, Runbook},
    },
    render::{Template, message::MessageTemplate},
};

/// The version of the format.
pub const API_VERSION: &str = "selfhealer.dev/v1alpha1";
/// The kind of a runbook's document.
pub const KIND: &str = "Runbook";

/// Fields that the design has and this version does not.
const LATER_SPEC: &[&str] = &["escalate", "finally", "onResolve"];
/// The most matchers, conditions, steps or expectations.
pub(super) const MAX_ITEMS: usize = 32;
pub(super) const RUN_DEADLINE: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(24 * 60 * 60);

pub(super) const PRIORITY: RangeInclusive<i64> = -1000..=1000;

/// Reads a document. `None` when anything in it forbids its use; the reader has noted what.
pub(super) fn read(reader: &mut Reader<'_>, document: &Node) -> Option<(Runbook, Programs)> {
    let before = reader.count();
    let root = reader.fields(
        document,
        "a runbook",
        document.at,
        &["apiVersion", "kind", "metadata", "spec"],
        &[],
    )?;
    if !is_runbook(reader, &root) {
        return None;
    }
    let name = metadata(reader, &root);
    let spec = reader.require(&root, "spec", "…").and_then(|node| {
        reader.fields(
            node,
            "spec",
            root.at("spec"),
            &[
                "description",
                "priority",
                "match",
                "continue",
                "target",
                "conditions",
                "mode",
                "guards",
                "steps",
                "verify",
                "deadline",
                "notify",
            ],
            LATER_SPEC,
        )
    });
    let spec = spec?;

    let mut programs = ProgramsRead::default();
    let description = spec
        .get("description")
        .and_then(|node| reader.text(node, "description"));
    let priority = spec
        .get("priority")
        .and_then(|node| reader.integer(node, "priority", PRIORITY));
    let matchers = matchers(reader, &spec);
    let continue_matching = spec.get("continue").and_then(|node| reader.boolean(node, "continue"));
    let target = target::read(reader, &spec, &mut programs);
    let conditions = verify::conditions(reader, &spec, &mut programs);
    let mode = spec.get("mode").and_then(|node| mode(reader, node, "mode"));
    let (guards, settle_at) = guards::read(reader, &spec);
    let deadline = spec
        .get("deadline")
        .and_then(|node| reader.duration(node, "deadline", RUN_DEADLINE))
        .unwrap_or(DEADLINE);
    let steps = steps::read(reader, &spec, deadline, target.as_ref());
    let verify = verify::read(reader, &spec, &mut programs);
    let notify = notify::read(reader, &spec, &mut programs);
    if let Some(settle) = guards.settle.filter(|settle| *settle >= deadline) {
        let (settle, deadline) = (duration::format(settle), duration::format(deadline));
        let at = settle_at.unwrap_or(spec.at);
        let message =
            format!("`settle` is {settle}, but the run's `deadline` is {deadline}: it would end before it is judged");
        reader.error(at, message, "make `settle` shorter or `deadline` longer");
    }

    if reader.has_errors_since(before) {
        return None;
    }
    let runbook = Runbook {
        name: name?,
        description: description.map(|text| text.trim().to_owned()),
        priority: i32::try_from(priority.unwrap_or_default()).unwrap_or_default(),
        matchers,
        continue_matching: continue_matching.unwrap_or_default(),
        target: target?,
        conditions,
        mode: mode.unwrap_or_default(),
        guards,
        steps,
        verify,
        deadline,
        notify,
    };
    let programs = Programs {
        namespace: programs.namespace,
        name: programs.name?,
        conditions: programs.conditions,
        expect: programs.expect,
        channel: programs.channel,
        messages: programs.messages,
    };
    Some((runbook, programs))
}

/// What the texts of a runbook became, as far as they could be read.
#[derive(Default)]
pub(super) struct ProgramsRead {
    pub namespace: Option<Template>,
    pub name: Option<Template>,
    pub conditions: Vec<Expression>,
    pub expect: Vec<Expression>,
    pub channel: Option<Template>,
    pub messages: BTreeMap<Phase, MessageTemplate>,
}

/// Whether the document is meant for us at all; if not, the rest of it is not worth a word.
fn is_runbook(reader: &mut Reader<'_>, root: &Fields<'_>) -> bool {
    let before = reader.count();
    if let Some(node) = reader.require(root, "apiVersion", API_VERSION)
        && let Some(found) = reader.text(node, "apiVersion")
        && found != API_VERSION
    {
        reader.error(
            node.at,
            format!("`{found}` is not the version of a runbook"),
            format!("write `{API_VERSION}`"),
        );
    }
    if let Some(node) = reader.require(root, "kind", KIND)
        && let Some(found) = reader.text(node, "kind")
        && found != KIND
    {
        let message = format!("`kind` must be `{KIND}`, not `{found}`");
        reader.error(node.at, message, "other objects do not belong here");
        return false;
    }
    // A mapping without either is something else; the missing fields were told.
    !(reader.has_errors_since(before) && root.get("spec").is_none())
}

fn metadata(reader: &mut Reader<'_>, root: &Fields<'_>) -> Option<String> {
    let node = reader.require(root, "metadata", "{name: my-runbook}")?;
    let metadata = reader.fields(
        node,
        "metadata",
        root.at("metadata"),
        &["name"],
        &["labels", "annotations"],
    )?;
    let node = reader.require(&metadata, "name", "my-runbook")?;
    let name = reader.text(node, "name")?;
    match invalid_name(name) {
        None => Some(name.to_owned()),
        Some(why) => {
            reader.error(
                node.at,
                format!("`{name}` is not a name: {why}"),
                "write for example `crash-looping-pod`",
            );
            None
        }
    }
}

/// Why a text is not a DNS-1123 subdomain, as Kubernetes wants for the names of objects.
pub(crate) fn invalid_name(name: &str) -> Option<&'static str> {
    if name.len() > 253 {
        return Some("it is longer than 253 characters");
    }
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    if !name.chars().all(allowed) {
        return Some("only lower case letters, digits, `-` and `.` may stand in it");
    }
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let parts_fit = |part: &str| edge(part.chars().next()) && edge(part.chars().last());
    if !name.split('.').all(parts_fit) {
        return Some("it and every part between dots begins and ends with a letter or digit");
    }
    None
}

fn matchers(reader: &mut Reader<'_>, spec: &Fields<'_>) -> Vec<Matcher> {
    let Some(node) = reader.require(spec, "match", "[alertname = KubePodCrashLooping]") else {
        return Vec::new();
    };
    let Some(items) = items(
        reader,
        node,
        "match",
        spec.at("match"),
        "- alertname = KubePodCrashLooping",
    ) else {
        return Vec::new();
    };
    let mut found: Vec<(Matcher, At)> = Vec::new();
    let mut whole = true;
    for item in items {
        let Some(matcher) = matcher(reader, item) else {
            whole = false;
            continue;
        };
        if found.iter().any(|(other, _)| other.to_string() == matcher.to_string()) {
            reader.warn(item.at, format!("`{matcher}` is written twice"), "remove one");
        } else if let Some((other, _)) = found.iter().find(|(other, _)| !other.compatible(&matcher)) {
            let message = format!("no alert can match this and `{other}`");
            reader.error(
                item.at,
                message,
                "all matchers must match: for alternatives write `label =~ \"a|b\"`",
            );
        }
        found.push((matcher, item.at));
    }
    if whole && found.iter().all(|(matcher, _)| matcher.accepts_absence()) {
        reader.error(
            spec.at("match"),
            "this matches alerts without any labels, and so nearly every alert",
            "add a matcher that needs a label, for example `alertname = KubePodCrashLooping`",
        );
    }
    found.into_iter().map(|(matcher, _)| matcher).collect()
}

fn matcher(reader: &mut Reader<'_>, item: &Node) -> Option<Matcher> {
    if let Value::Map(entries) = &item.value
        && let Some((key, value)) = entries.first()
        && !item.value.is_unquoted_template()
    {
        let value = match &value.value {
            Value::Text(text) => text.as_str(),
            _ => "value",
        };
        let help = format!("write `{} = {value}`", key.name);
        reader.error(item.at, "a matcher is one text, not a mapping", help);
        return None;
    }
    let text = reader.text(item, "match")?;
    match Matcher::parse(text) {
        Ok(matcher) => Some(matcher),
        Err(error) => {
            reader.error(item.at, error.to_string(), "");
            None
        }
    }
}

/// Reads one of the modes; `approve` exists, but not yet.
pub(crate) fn mode(reader: &mut Reader<'_>, node: &Node, name: &str) -> Option<Mode> {
    let text = reader.text(node, name)?;
    let modes = [Mode::Shadow, Mode::DryRun, Mode::Enforce];
    if let Some(mode) = modes.into_iter().find(|mode| mode.as_str() == text) {
        return Some(mode);
    }
    if text == "approve" {
        reader.error(
            node.at,
            "`approve` is not available in this version",
            "write `shadow` until then, which tells what would be done and does nothing",
        );
        return None;
    }
    let words = modes.map(Mode::as_str);
    let hint = match text {
        "dry-run" | "dry_run" => "did you mean `dryRun`?".to_owned(),
        "off" | "disabled" | "none" => "did you mean `shadow`?".to_owned(),
        "on" | "active" | "live" => "did you mean `enforce`?".to_owned(),
        _ => crate::suggestion::hint(text, &words),
    };
    reader.error(node.at, format!("`{text}` is not a value of `{name}`"), hint);
    None
}

/// The items of a list that may be neither empty nor endless.
pub(super) fn items<'n>(
    reader: &mut Reader<'_>,
    node: &'n Node,
    name: &str,
    at: At,
    example: &str,
) -> Option<&'n [Node]> {
    let items = reader.list(node, name)?;
    if items.is_empty() {
        reader.error(
            at,
            format!("`{name}` is empty"),
            format!("write for example `{example}`"),
        );
        return None;
    }
    if items.len() > MAX_ITEMS {
        let message = format!("`{name}` has {} items: at most {MAX_ITEMS}", items.len());
        reader.error(at, message, "");
        return None;
    }
    Some(items)
}
