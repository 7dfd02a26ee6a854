//! From a document's tree to a checked [`Runbook`].

use std::{ops::RangeInclusive, time::Duration};

use super::{
    Programs,
    node::{At, Node, Value},
    reader::{Fields, Reader},
    steps,
};
use crate::{
    cel::Expression,
    domain::{
        duration,
        matcher::Matcher,
        runbook::{
            Condition, DEADLINE, Guards, Mode, Runbook, STABLE_FOR, TargetTemplate, Text, VERIFY_WITHIN, Verify,
        },
    },
    render::Template,
};

/// The version of the format.
pub const API_VERSION: &str = "selfhealer.dev/v1alpha1";
/// The kind of a runbook's document.
pub const KIND: &str = "Runbook";

/// Fields that the design has and this version does not.
const LATER_SPEC: &[&str] = &["escalate", "notify", "finally", "onResolve"];
const LATER_GUARDS: &[&str] = &[
    "concurrency",
    "budget",
    "storm",
    "freeze",
    "windows",
    "approval",
    "freshness",
];

/// The most matchers, conditions, steps or expectations.
const MAX_ITEMS: usize = 32;
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Bounds of each duration. They catch slips such as `30d` for `30m`; nothing sensible lies outside.
const SETTLE: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(60 * 60);
const COOLDOWN: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(90 * 24 * 60 * 60);
const QUIET: RangeInclusive<Duration> = MINUTE..=Duration::from_secs(30 * 24 * 60 * 60);
const WITHIN: RangeInclusive<Duration> = SECOND..=DAY;
const STABLE: RangeInclusive<Duration> = Duration::ZERO..=DAY;
const RUN_DEADLINE: RangeInclusive<Duration> = MINUTE..=DAY;
const RATE_WINDOW: RangeInclusive<Duration> = MINUTE..=Duration::from_secs(90 * 24 * 60 * 60);
const MAX_ATTEMPTS: RangeInclusive<i64> = 1..=100;

/// Kinds whose group everybody knows: a wrong one is a slip, and would only show on the first alert.
const WELL_KNOWN: &[(&str, &str, bool)] = &[
    ("Pod", "v1", true),
    ("Service", "v1", true),
    ("PersistentVolumeClaim", "v1", true),
    ("Node", "v1", false),
    ("Namespace", "v1", false),
    ("PersistentVolume", "v1", false),
    ("Deployment", "apps/v1", true),
    ("StatefulSet", "apps/v1", true),
    ("DaemonSet", "apps/v1", true),
    ("ReplicaSet", "apps/v1", true),
    ("Job", "batch/v1", true),
    ("CronJob", "batch/v1", true),
    ("HorizontalPodAutoscaler", "autoscaling/v2", true),
];

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
        .and_then(|node| reader.integer(node, "priority", -1000..=1000));
    let matchers = matchers(reader, &spec);
    let continue_matching = spec.get("continue").and_then(|node| reader.boolean(node, "continue"));
    let target = target(reader, &spec, &mut programs);
    let conditions = conditions(reader, &spec, &mut programs);
    let mode = spec.get("mode").and_then(|node| mode(reader, node, "mode"));
    let (guards, settle_at) = guards(reader, &spec);
    let deadline = spec
        .get("deadline")
        .and_then(|node| reader.duration(node, "deadline", RUN_DEADLINE))
        .unwrap_or(DEADLINE);
    let steps = steps::read(reader, &spec, deadline, target.as_ref());
    let verify = verify(reader, &spec, &mut programs);
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
    };
    let programs = Programs {
        namespace: programs.namespace,
        name: programs.name?,
        conditions: programs.conditions,
        expect: programs.expect,
    };
    Some((runbook, programs))
}

/// What the texts of a runbook became, as far as they could be read.
#[derive(Default)]
struct ProgramsRead {
    namespace: Option<Template>,
    name: Option<Template>,
    conditions: Vec<Expression>,
    expect: Vec<Expression>,
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

fn target(reader: &mut Reader<'_>, spec: &Fields<'_>, programs: &mut ProgramsRead) -> Option<TargetTemplate> {
    let node = reader.require(spec, "target", "{apiVersion: v1, kind: Pod, …}")?;
    let fields = reader.fields(
        node,
        "target",
        spec.at("target"),
        &["apiVersion", "kind", "namespace", "name"],
        &["cluster", "climb", "uid"],
    )?;
    let api_version = reader.require(&fields, "apiVersion", "apps/v1").and_then(|node| {
        let text = reader.text(node, "apiVersion")?;
        if is_api_version(text) {
            return Some(text.to_owned());
        }
        reader.error(
            node.at,
            format!("`{text}` is not a group and version"),
            "write for example `v1` or `apps/v1`",
        );
        None
    });
    let kind = reader.require(&fields, "kind", "Deployment").and_then(|node| {
        let text = reader.text(node, "kind")?;
        if text.starts_with(|c: char| c.is_ascii_uppercase()) && text.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Some(text.to_owned());
        }
        let names = WELL_KNOWN.iter().map(|(kind, ..)| *kind);
        let singular = text.trim_end_matches('s');
        let help = match crate::suggestion::nearest(singular, names) {
            Some(kind) => format!("did you mean `{kind}`?"),
            None => "write it as in a manifest: `Deployment`, not `deployments`".to_owned(),
        };
        reader.error(node.at, format!("`{text}` is not a kind"), help);
        None
    });
    let name = reader.require(&fields, "name", "\"{{labels.deployment}}\"");
    let name = name.and_then(|node| template(reader, node, "name"));
    let namespace = fields
        .get("namespace")
        .and_then(|node| template(reader, node, "namespace"));
    if let (Some(api_version), Some(kind)) = (&api_version, &kind) {
        well_known(reader, &fields, api_version, kind);
    }

    let (name, name_template) = name.unzip();
    let (namespace, namespace_template) = namespace.unzip();
    programs.name = name_template;
    programs.namespace = namespace_template;
    Some(TargetTemplate {
        api_version: api_version?,
        kind: kind?,
        namespace,
        name: name?,
    })
}

fn is_api_version(text: &str) -> bool {
    let (group, version) = text.rsplit_once('/').unwrap_or(("", text));
    let group_fits = !text.contains('/') || invalid_name(group).is_none();
    let digits = version.strip_prefix('v').unwrap_or_default();
    group_fits
        && digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
}

fn well_known(reader: &mut Reader<'_>, fields: &Fields<'_>, api_version: &str, kind: &str) {
    let Some((_, right, namespaced)) = WELL_KNOWN.iter().find(|(known, ..)| *known == kind) else {
        return;
    };
    if api_version != *right {
        let at = fields.get("apiVersion").map_or(fields.at, |node| node.at);
        reader.error(
            at,
            format!("a {kind} is not in `{api_version}`"),
            format!("write `apiVersion: {right}`"),
        );
    }
    match (namespaced, fields.get("namespace")) {
        (true, None) => {
            let message = format!("a {kind} stands in a namespace, and `target` has no `namespace`");
            reader.error(fields.at, message, "write `namespace: \"{{labels.namespace}}\"`");
        }
        (false, Some(_)) => {
            reader.error(
                fields.at("namespace"),
                format!("a {kind} stands in no namespace"),
                "remove the line",
            );
        }
        _ => {}
    }
}

fn conditions(reader: &mut Reader<'_>, spec: &Fields<'_>, programs: &mut ProgramsRead) -> Vec<Condition> {
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
    text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The nearest thing to a reason, for a hint.
fn snake_case(text: &str) -> String {
    let mut snake = String::new();
    for c in text.chars().take(63) {
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

/// The guards, and where `settle` stands.
fn guards(reader: &mut Reader<'_>, spec: &Fields<'_>) -> (Guards, Option<At>) {
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
        guards.rate = rate;
    }
    if let Some(quiet) = fields
        .get("quiet")
        .and_then(|node| reader.duration(node, "quiet", QUIET))
    {
        guards.quiet = quiet;
    }
    (guards, fields.get("settle").map(|node| node.at))
}

fn rate(reader: &mut Reader<'_>, node: &Node) -> Option<crate::domain::runbook::Rate> {
    let text = match &node.value {
        Value::Text(text) => text.trim().to_owned(),
        Value::Int(number) => number.to_string(),
        _ => reader.text(node, "rate")?.to_owned(),
    };
    match duration::parse_rate(&text) {
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

fn verify(reader: &mut Reader<'_>, spec: &Fields<'_>, programs: &mut ProgramsRead) -> Verify {
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

fn template(reader: &mut Reader<'_>, node: &Node, name: &str) -> Option<(Text, Template)> {
    let source = reader.text(node, name)?;
    match Template::compile(source) {
        Ok(template) => Some((text(reader, node, source), template)),
        Err(error) => {
            let at = place_within(reader, node, source, error.line, error.column);
            reader.error(at, error.message, "");
            None
        }
    }
}

fn expression(reader: &mut Reader<'_>, node: &Node, name: &str) -> Option<(Text, Expression)> {
    let source = reader.text(node, name)?;
    match Expression::compile(source) {
        Ok(expression) => Some((text(reader, node, source), expression)),
        Err(error) => {
            let at = place_within(reader, node, source, error.line, error.column);
            reader.error(at, error.message, "");
            None
        }
    }
}

fn text(reader: &Reader<'_>, node: &Node, source: &str) -> Text {
    let at = first_character(reader, node);
    Text {
        source: source.to_owned(),
        line: at.line,
        column: at.column,
    }
}

/// A quoted value begins after its quote.
fn first_character(reader: &Reader<'_>, node: &Node) -> At {
    let quoted = matches!(reader.char_at(node.at.line, node.at.column), Some('"' | '\''));
    At {
        column: node.at.column + u32::from(quoted),
        ..node.at
    }
}

/// Where a place in a value stands in the file.
///
/// That is plain for a value on one line and for a block (`|`). Folded lines and escapes move characters; if the file
/// does not have the same character there, the value as a whole is shown.
fn place_within(reader: &Reader<'_>, node: &Node, source: &str, line: u32, column: u32) -> At {
    let first = first_character(reader, node);
    let at = At {
        line: first.line + line - 1,
        column: first.column + column - 1,
        length: 1,
        ..first
    };
    let inner: Vec<char> = source
        .lines()
        .nth(line as usize - 1)
        .unwrap_or_default()
        .chars()
        .collect();
    let same = |back: u32| {
        let expected = (column as usize)
            .checked_sub(1 + back as usize)
            .and_then(|index| inner.get(index));
        expected.is_some() && expected.copied() == reader.char_at(at.line, at.column.saturating_sub(back))
    };
    // One past the end has no character of its own.
    let past_end = column as usize == inner.len() + 1;
    if same(0) || (past_end && (inner.is_empty() || same(1))) {
        at
    } else {
        node.at
    }
}
