#![allow(clippy::unwrap_used)]

mod notify;
mod slips;

use std::time::Duration;

use super::*;
use crate::domain::{
    runbook::{Mode, Rate},
    step::{StepAction, StepName},
};

/// A runbook with every field.
const RUNBOOK: &str = r#"apiVersion: selfhealer.dev/v1alpha1
kind: Runbook
metadata:
  name: evict
spec:
  description: Evict a pod.
  priority: 5
  match:
    - alertname = KubePodCrashLooping
  target:
    apiVersion: v1
    kind: Pod
    namespace: "{{labels.namespace}}"
    name: "{{labels.pod}}"
  conditions:
    - expr: target.spec.?paused.orValue(false) == false
      reason: paused
  mode: shadow
  guards:
    cooldown: 30m
    maxAttempts: 1
    rate: 4/1d
    quiet: 1h
    settle: 10s
  steps:
    - collect: {events: true}
    - evict: {limit: 1}
      timeout: 5m
  verify:
    within: 10m
    stableFor: 1m
    expect:
      - target.status.phase == "Running"
  deadline: 30m
"#;

/// The findings of a file, without its name.
fn told(text: &str) -> Vec<String> {
    runbooks("a.yaml", text)
        .problems
        .iter()
        .map(|problem| {
            let severity = if problem.is_error() { "" } else { "warning " };
            format!("{severity}{}", problem.to_string().replacen("a.yaml:", "", 1))
        })
        .collect()
}

fn one(text: &str) -> Parsed {
    let mut contents = runbooks("a.yaml", text);
    assert_eq!(contents.problems, []);
    assert_eq!(contents.runbooks.len(), 1);
    contents.runbooks.remove(0)
}

#[test]
fn every_field_is_read() {
    let parsed = one(RUNBOOK);
    let runbook = &parsed.runbook;
    assert_eq!(runbook.name, "evict");
    assert_eq!(runbook.description.as_deref(), Some("Evict a pod."));
    assert_eq!(runbook.priority, 5);
    assert_eq!(runbook.matchers[0].to_string(), "alertname=\"KubePodCrashLooping\"");
    assert!(!runbook.continue_matching);
    assert_eq!(
        (runbook.target.api_version.as_str(), runbook.target.kind.as_str()),
        ("v1", "Pod")
    );
    assert_eq!(runbook.target.name.source, "{{labels.pod}}");
    assert_eq!((runbook.target.name.line, runbook.target.name.column), (14, 12));
    assert_eq!(runbook.conditions[0].reason, "paused");
    assert_eq!(
        (runbook.conditions[0].expr.line, runbook.conditions[0].expr.column),
        (16, 13)
    );
    assert_eq!(runbook.mode, Mode::Shadow);
    assert_eq!(runbook.guards.settle, Some(Duration::from_secs(10)));
    assert_eq!(runbook.guards.cooldown, Duration::from_secs(1800));
    assert_eq!(runbook.guards.max_attempts, 1);
    assert_eq!(
        runbook.guards.rates,
        [Rate {
            count: 4,
            per: Duration::from_secs(86_400)
        }]
    );
    assert_eq!(runbook.guards.quiet, Duration::from_secs(3600));
    let names: Vec<&str> = runbook.steps.iter().map(|step| step.action.name()).collect();
    assert_eq!(names, ["collect", "evict"]);
    assert_eq!(runbook.steps[1].timeout, Some(Duration::from_secs(300)));
    assert_eq!(runbook.verify.within, Duration::from_secs(600));
    assert_eq!(runbook.verify.stable_for, Duration::from_secs(60));
    assert_eq!(runbook.verify.expect[0].source, "target.status.phase == \"Running\"");
    assert_eq!(runbook.deadline, Duration::from_secs(1800));
    assert_eq!((parsed.programs.conditions.len(), parsed.programs.expect.len()), (1, 1));
    assert!(parsed.programs.namespace.is_some());
}

#[test]
fn what_is_left_out_has_its_default() {
    let text = "apiVersion: selfhealer.dev/v1alpha1\nkind: Runbook\nmetadata: {name: a}\nspec:\n  match: [alertname = A]\n  \
                target: {apiVersion: v1, kind: Pod, namespace: x, name: y}\n  steps:\n    - evict:\n";
    let runbook = one(text).runbook;
    assert_eq!(
        (runbook.priority, runbook.mode, runbook.description),
        (0, Mode::Shadow, None)
    );
    assert_eq!(runbook.guards.cooldown, crate::domain::runbook::COOLDOWN);
    assert_eq!(runbook.guards.settle, None);
    assert_eq!(runbook.verify.within, crate::domain::runbook::VERIFY_WITHIN);
    assert_eq!(runbook.deadline, crate::domain::runbook::DEADLINE);
    let StepAction::Evict(evict) = &runbook.steps[0].action else {
        panic!("not an eviction")
    };
    assert_eq!(evict.limit, EVICT_LIMIT);
}

#[test]
fn every_slip_is_told_with_its_place_and_what_to_write() {
    assert_eq!(told(RUNBOOK), [""; 0]);
    for (from, to, expected) in slips::SLIPS {
        assert!(RUNBOOK.contains(from), "{from}");
        assert_eq!(told(&RUNBOOK.replacen(from, to, 1)), *expected, "{from} → {to}");
    }
}

#[test]
fn all_mistakes_of_a_file_are_told_at_once_and_none_of_its_runbooks_is_used() {
    let broken = RUNBOOK
        .replace("cooldown: 30m", "coldown: 30m")
        .replace("limit: 1", "limit: 0");
    let contents = runbooks("a.yaml", &format!("{RUNBOOK}---\n{broken}"));
    assert_eq!(contents.runbooks.len(), 0);
    let lines: Vec<u32> = contents.problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [35 + 20, 35 + 27]);
}

#[test]
fn a_finding_shows_its_line() {
    let text = RUNBOOK.replace("target.spec.?paused", "targt.spec.?paused");
    insta::assert_snapshot!(runbooks("runbooks/a.yaml", &text).problems[0].render(false), @r"
    error: `targt` is not known: did you mean `target`?
      --> runbooks/a.yaml:16:13
       |
    16 |     - expr: targt.spec.?paused.orValue(false) == false
       |             ^
    ");
    let text = RUNBOOK.replace("mode: shadow", "mode: approve");
    insta::assert_snapshot!(runbooks("runbooks/a.yaml", &text).problems[0].render(false), @r"
    error: `approve` is not available in this version
      --> runbooks/a.yaml:18:9
       |
    18 |   mode: approve
       |         ^^^^^^^
       = help: write `shadow` until then, which tells what would be done and does nothing
    ");
}

#[test]
fn what_is_no_runbook_at_all_is_told_in_one_line() {
    for (text, expected) in [
        (
            "",
            "a.yaml: there is no runbook in this file (write one, or remove the file; it begins with `apiVersion: selfhealer.dev/v1alpha1`)",
        ),
        (
            "# only a comment\n---\n",
            "a.yaml: there is no runbook in this file (write one, or remove the file; it begins with `apiVersion: selfhealer.dev/v1alpha1`)",
        ),
        (
            "- a\n- b\n",
            "a.yaml:1:1: a runbook must be a mapping, not a list (write fields below it, such as `apiVersion: …`)",
        ),
        (
            "hello",
            "a.yaml:1:1: a runbook must be a mapping, not a text (write fields below it, such as `apiVersion: …`)",
        ),
        (
            "%YAML 1.2\n---\na: 1\n",
            "a.yaml:1:1: YAML directives are not supported (remove the line that begins with `%`)",
        ),
        ("a: [", "a.yaml:1:4: this is not YAML: unclosed bracket '['"),
        (
            "a: \u{7}",
            "a.yaml:1:4: this is not YAML: unexpected character: `\\u{7}'",
        ),
    ] {
        assert_eq!(runbooks("a.yaml", text).problems[0].to_string(), expected, "{text:?}");
    }
}

#[test]
fn bombs_are_refused_quickly() {
    let mut laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..9 {
        let inner = format!("*a{},", level - 1).repeat(9);
        laughs.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
    }
    let too_large = "the document is too large, nested too deep, or repeats anchored values too often";
    for bomb in [
        laughs,
        "[".repeat(100_000),
        "- ".repeat(100_000),
        "{a: ".repeat(200_000),
        "a: 1\n".repeat(100_000),
        "x".repeat(MAX_FILE + 1),
        format!("a: &a [*a]\n{RUNBOOK}"),
    ] {
        let begun = std::time::Instant::now();
        let contents = runbooks("a.yaml", &bomb);
        assert!(contents.runbooks.is_empty());
        let message = &contents.problems[0].message;
        let expected = message == too_large || message.contains("bytes large") || message.contains("recurs");
        assert!(expected, "{message}");
        // Generous: a debug build on a busy machine.
        assert!(begun.elapsed() < Duration::from_secs(10), "{message}");
    }
}

#[test]
fn a_file_from_another_system_is_read_too() {
    assert_eq!(one(&format!("\u{feff}{RUNBOOK}")).runbook.name, "evict");
    let windows = RUNBOOK.replace('\n', "\r\n");
    assert_eq!(one(&windows).runbook.name, "evict");
    let broken = windows.replace("cooldown: 30m", "coldown: 30m");
    assert_eq!(
        told(&broken),
        ["20:5: `coldown` is not a field of `guards` (did you mean `cooldown`?)"]
    );
    assert_eq!(
        runbooks("a.yaml", &broken).problems[0].snippet.as_deref(),
        Some("    coldown: 30m")
    );
    let problem = decode("a.yaml", b"a: 1\nb: caf\xe9\n").unwrap_err();
    assert_eq!(
        problem.to_string(),
        "a.yaml:2:7: the file is not UTF-8 text (save it as UTF-8)"
    );
    assert!(decode("a.yaml", b"\xff\xfea\0").is_err());
}

#[test]
fn the_version_is_that_of_the_document_alone() {
    let other = RUNBOOK.replace("name: evict", "name: other");
    let both = runbooks("a.yaml", &format!("# ours\n---\n{other}\n\n---\n\n{RUNBOOK}"));
    assert_eq!(both.problems, []);
    let alone = one(RUNBOOK);
    assert_eq!(both.runbooks[1].version, alone.version);
    assert_eq!(both.runbooks[1].line, 41);
    assert_ne!(both.runbooks[0].version, alone.version);
    assert_eq!(alone.version.len(), 16);
    assert_eq!(one(&alone.source).version, alone.version);
    let changed = one(&RUNBOOK.replace("Evict a pod.", "Evict a pod!"));
    assert_ne!(changed.version, alone.version);
}

#[test]
fn the_runbook_that_we_ship_is_right() {
    let parsed = one(include_str!("../../runbooks/crash-looping-pod.yaml"));
    assert_eq!(parsed.runbook.name, "crash-looping-pod");
    assert_eq!(parsed.runbook.mode, Mode::Shadow);
}

// === the documentation ===

const PAGE: &str = include_str!("../../docs/runbooks.md");

/// The cells of a row, without the marks of code around a whole cell.
fn cells(line: &str) -> Vec<&str> {
    let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
    inner.split('|').map(str::trim).map(uncoded).collect()
}

fn uncoded(cell: &str) -> &str {
    let inner = cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`'));
    inner.filter(|cell| !cell.contains('`')).unwrap_or(cell)
}

/// The rows of tables with this many columns, as cells.
fn rows(columns: usize) -> Vec<Vec<&'static str>> {
    PAGE.lines()
        .filter(|line| line.starts_with('|') && !line.starts_with("|--") && line.matches('|').count() == columns + 1)
        .map(|line| cells(line))
        .collect()
}

/// The blocks of this language.
fn examples(language: &str) -> Vec<&'static str> {
    let begin = format!("```{language}\n");
    let blocks: Vec<&str> = PAGE.split(begin.as_str()).skip(1).collect();
    blocks.into_iter().filter_map(|rest| rest.split("```").next()).collect()
}

fn span(bounds: &std::ops::RangeInclusive<Duration>) -> String {
    use crate::domain::duration::format;
    format!("{} to {}", format(*bounds.start()), format(*bounds.end()))
}

fn numbers(bounds: &std::ops::RangeInclusive<i64>) -> String {
    format!("{} to {}", bounds.start(), bounds.end())
}

#[test]
fn the_documentation_has_every_field_with_its_default_and_its_bounds() {
    use crate::domain::{
        duration::format,
        runbook::{self as defaults},
    };
    let at_most = format!("at most {}", runbook::MAX_ITEMS);
    let text = str::to_owned;
    let required = || text("required");
    let expected = [
        ("apiVersion", required(), text("")),
        ("kind", required(), text("")),
        ("metadata.name", required(), text("")),
        ("spec.description", text("none"), text("")),
        ("spec.priority", text("0"), numbers(&runbook::PRIORITY)),
        ("spec.match", required(), at_most.clone()),
        ("spec.continue", text("false"), text("")),
        ("spec.target", required(), text("")),
        ("spec.conditions", text("none"), at_most.clone()),
        ("spec.mode", text(Mode::default().as_str()), text("")),
        (
            "spec.guards.settle",
            text("the configuration's `settle`"),
            span(&guards::SETTLE),
        ),
        (
            "spec.guards.cooldown",
            format(defaults::COOLDOWN),
            span(&guards::COOLDOWN),
        ),
        (
            "spec.guards.maxAttempts",
            defaults::MAX_ATTEMPTS.to_string(),
            numbers(&guards::MAX_ATTEMPTS),
        ),
        (
            "spec.guards.rate",
            defaults::RATE.to_string(),
            format!(
                "count 1 to {}, window {}",
                defaults::RATE_COUNT,
                span(&guards::RATE_WINDOW)
            ),
        ),
        ("spec.guards.quiet", format(defaults::QUIET), span(&guards::QUIET)),
        ("spec.steps", required(), at_most.clone()),
        (
            "spec.verify.within",
            format(defaults::VERIFY_WITHIN),
            span(&verify::WITHIN),
        ),
        (
            "spec.verify.stableFor",
            format(defaults::STABLE_FOR),
            span(&verify::STABLE),
        ),
        ("spec.verify.expect", text("the steps' own rule"), at_most),
        (
            "spec.deadline",
            format(defaults::DEADLINE),
            span(&runbook::RUN_DEADLINE),
        ),
    ];
    let documented: Vec<(&str, String, String)> = rows(5)
        .into_iter()
        .filter(|row| row[0] != "field")
        .map(|row| (row[0], row[2].to_owned(), row[3].to_owned()))
        .collect();
    assert_eq!(documented, expected);
}

#[test]
fn the_documentation_has_every_step_with_its_parameters() {
    let expected = [
        ("any", "timeout", "the run's deadline".to_owned(), span(&steps::TIMEOUT)),
        ("collect", "events", "false".to_owned(), String::new()),
        ("collect", "yaml", "false".to_owned(), String::new()),
        (
            "collect",
            "logs.tailLines",
            steps::TAIL_LINES_DEFAULT.to_string(),
            numbers(&steps::TAIL_LINES),
        ),
        ("collect", "logs.previous", "false".to_owned(), String::new()),
        ("collect", "text", "false".to_owned(), String::new()),
        ("collect", "share", "false".to_owned(), String::new()),
        ("evict", "limit", EVICT_LIMIT.to_string(), numbers(&steps::LIMIT)),
    ];
    let documented: Vec<(&str, &str, String, String)> = rows(6)
        .into_iter()
        .filter(|row| row[0] != "step")
        .map(|row| (row[0], row[1], row[3].to_owned(), row[4].to_owned()))
        .collect();
    assert_eq!(documented, expected);
    assert!(STEPS.iter().copied().eq(StepName::ALL.iter().map(|step| step.as_str())));
    assert!(STEPS.iter().all(|step| documented.iter().any(|row| row.0 == *step)));
}

#[test]
fn the_documentation_has_the_limits_and_words_of_the_code() {
    use crate::{cel, render};
    for word in cel::FUNCTIONS
        .iter()
        .chain(cel::VARIABLES)
        .chain(render::TESTS)
        .chain(render::BLOCKS)
    {
        let (plain, optional) = (format!("`{word}`"), format!("`optional.{word}`"));
        assert!(PAGE.contains(&plain) || PAGE.contains(&optional), "{word}");
    }
    for sentence in [
        format!("A template is at most {} bytes long.", render::MAX_LENGTH),
        format!("An expression is at most {} bytes long.", cel::MAX_LENGTH),
        format!(
            "at most\n  {} times in one expression and {} deep, with at most {} `+` inside",
            cel::MAX_WALKS,
            cel::MAX_WALK_DEPTH,
            cel::MAX_WALK_ADDITIONS
        ),
        format!("at most {} MiB", MAX_FILE >> 20),
        format!("at most {} characters", verify::MAX_REASON),
    ] {
        assert!(PAGE.contains(&sentence), "{sentence}");
    }
    for mode in [Mode::Shadow, Mode::DryRun, Mode::Enforce] {
        assert!(rows(2).iter().any(|row| row[0] == mode.as_str()), "{}", mode.as_str());
    }
}

#[test]
fn the_documented_examples_are_right() {
    let yaml = examples("yaml");
    assert_eq!(yaml.len(), 3);
    assert_eq!(one(yaml[0]).runbook.name, "crash-looping-pod");
    assert!(!one(yaml[2]).programs.messages.is_empty());
    for line in yaml[1].lines().skip(1) {
        let matcher = line.trim().trim_start_matches("- ").trim_matches('\'');
        assert!(crate::domain::matcher::Matcher::parse(matcher).is_ok(), "{matcher}");
    }
    for line in examples("cel").concat().lines() {
        assert!(Expression::compile(line).is_ok(), "{line}");
    }
    for row in rows(2).iter().filter(|row| row[0].contains("{{")) {
        assert!(Template::compile(row[0]).is_ok(), "{}", row[0]);
    }
}
