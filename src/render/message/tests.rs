//! Templates as authors write them, well and badly, and labels as attackers would.

#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;

fn view() -> Json {
    json!({
        "headline": "Healed Pod shop/cart-1", "emoji": "✅", "firedAt": "2026-03-01 03:12:00 UTC", "alertname": "PodCrashLooping",
        "labels": {"namespace": "shop", "pod": "cart-1", "app.kubernetes.io/name": "cart"}, "annotations": {},
        "alertCount": 2, "more": 1,
        "alerts": [
            {"alertname": "PodCrashLooping", "labels": {"pod": "cart-1"}, "annotations": {}, "startsAt": "03:12", "firing": true},
            {"alertname": "PodCrashLooping", "labels": {"pod": "cart-2"}, "annotations": {}, "startsAt": "03:13", "firing": false},
        ],
        "run": {"id": "r1", "runbook": "evict", "mode": "enforce", "phase": "finished", "outcome": "succeeded",
            "reason": "healthy", "attempt": 1, "openedAt": "03:12", "finishedAt": "03:13", "took": "1m"},
        "target": {"kind": "Pod", "namespace": "shop", "name": "cart-1", "text": "Pod shop/cart-1"},
        "steps": [{"mark": "✔", "name": "evict", "state": "done", "detail": "evicted cart-1"}],
    })
}

#[test]
fn what_authors_write_is_rendered() {
    for (template, text) in [
        ("{{emoji}} {{headline}}", "✅ Healed Pod shop/cart-1"),
        ("{{labels.namespace}}/{{labels.[app.kubernetes.io/name]}}", "shop/cart"),
        (
            "{{#each alerts}}{{@index}}:{{labels.pod}}{{#unless @last}}, {{/unless}}{{/each}}",
            "0:cart-1, 1:cart-2",
        ),
        (
            "{{#each steps}}{{name}} of {{../run.runbook}}{{else}}none{{/each}}",
            "evict of evict",
        ),
        ("{{#if waiting}}waits{{else}}goes on{{/if}}", "goes on"),
        ("{{#if (eq run.outcome \"succeeded\")}}:tada:{{/if}}", ":tada:"),
        ("{{#if (and labels.pod (not labels.team))}}no team{{/if}}", "no team"),
        ("{{alertCount}} alerts, {{more}} more", "2 alerts, 1 more"),
        ("{{{headline}}}", "Healed Pod shop/cart-1"),
        ("plain", "plain"),
    ] {
        let rendered = MessageTemplate::compile(template).unwrap().render(&view()).unwrap();
        assert_eq!(rendered, text, "{template}");
    }
}

#[test]
fn what_is_not_there_is_an_error_and_never_nothing() {
    for (template, path) in [
        ("{{labels.team}}", "labels.team"),
        ("{{waiting.reason}}", "waiting.reason"),
        ("{{run.link}}", "run.link"),
        ("{{#each alerts}}{{labels.team}}{{/each}}", "labels.team"),
        ("{{annotations.summary}}", "annotations.summary"),
    ] {
        let error = MessageTemplate::compile(template).unwrap().render(&view()).unwrap_err();
        assert_eq!(
            error,
            MessageError::MissingValue { path: path.to_owned() },
            "{template}"
        );
    }
}

/// Templates that cannot be used, each with the line and column where they cannot.
const MALFORMED: &[&str] = &[
    "{{",
    "}}{{",
    "{{headline",
    "{{headline}",
    "{{{headline}}",
    "{{}}",
    "{{ }}",
    "{{headline headline}}",
    "{{1}}",
    "{{\"a\"}}",
    "{{true}}",
    "{{null}}",
    "{{[}}",
    "{{labels.[a}}",
    "{{labels.}}",
    "{{.labels}}",
    "{{labels..a}}",
    "{{labels/a/../b}}",
    "{{this}}",
    "{{.}}",
    "{{..}}",
    "{{../headline}}",
    "{{headlines}}",
    "{{Headline}}",
    "{{label.pod}}",
    "{{labels}}",
    "{{run}}",
    "{{run.ids}}",
    "{{steps}}",
    "{{steps.name}}",
    "{{alerts.[0]}}",
    "{{target.uid}}",
    "{{root.kindd}}",
    "{{waiting.until.now}}",
    "{{headline.x}}",
    "{{@root.headline}}",
    "{{@index}}",
    "{{@first}}",
    "{{@foo}}",
    "{{secret}}",
    "{{env.HOME}}",
    "{{constructor}}",
    "{{__proto__}}",
    "{{lookup labels \"a\"}}",
    "{{log \"x\"}}",
    "{{len steps}}",
    "{{> partial}}",
    "{{#> partial}}{{/partial}}",
    "{{* decorator}}",
    "{{#*inline \"a\"}}{{/inline}}",
    "{{{{raw}}}}{{{{/raw}}}}",
    "{{#with run}}{{id}}{{/with}}",
    "{{#foo}}{{/foo}}",
    "{{#if}}{{/if}}",
    "{{#if headline}}",
    "{{#if headline}}{{/unless}}",
    "{{/if}}",
    "{{else}}",
    "{{#if headline run}}{{/if}}",
    "{{#unless}}{{/unless}}",
    "{{#each}}{{/each}}",
    "{{#each headline}}{{/each}}",
    "{{#each run}}{{/each}}",
    "{{#each nosuch}}{{/each}}",
    "{{#each alerts}}{{#each alerts}}{{/each}}",
    "{{#each steps}}{{nam}}{{/each}}",
    "{{#each alerts}}{{headlin}}{{/each}}",
    "{{#if (foo headline)}}{{/if}}",
    "{{#if (eq headline)}}{{/if}}",
    "{{#if (eq)}}{{/if}}",
    "{{#if (and)}}{{/if}}",
    "{{#if (not)}}{{/if}}",
    "{{#if (eq headline \"a)}}{{/if}}",
    "{{#if (eq (eq 1 1) 2)}}{{/if}}",
    "{{#if headlin}}{{/if}}",
    "{{#if labels.a.b}}{{/if}}",
    "{{eq headline \"a\"}}",
    "{{if headline}}",
    "{{each steps}}",
    "{{headline format=\"x\"}}",
    "{{#if headline foo=1}}{{/if}}",
    "{{^}}",
    "{{^headline}}{{/headline}}",
    "{{&headline",
    "{{~}}",
    "{{!-- unfinished",
    "\n\n  {{nosuch}}",
    "a\u{0}{{nosuch}}",
    "ä\n{{ö}}",
];

#[test]
fn malformed_and_huge_templates_are_refused_with_their_place() {
    let nested = |open: &str, close: &str, times: usize| format!("{}x{}", open.repeat(times), close.repeat(times));
    let mut templates: Vec<String> = MALFORMED.iter().map(|template| (*template).to_owned()).collect();
    templates.extend([
        "x".repeat(MAX_LENGTH + 1),
        "{".repeat(MAX_LENGTH),
        "{{".repeat(MAX_LENGTH / 2),
        "{{headline}} ".repeat(1_000),
        nested("{{#if headline}}", "{{/if}}", 9),
        nested("{{#if headline}}", "{{/if}}", 350),
        nested("{{#unless headline}}", "{{/unless}}", 200),
        nested("{{#each alerts}}", "{{/each}}", 3),
        nested("{{#each alerts}}", "{{/each}}", 300),
        nested("{{#a}}", "{{/a}}", 600),
        format!(
            "{{{{#if {}headline{}}}}}{{{{/if}}}}",
            "(not ".repeat(1_000),
            ")".repeat(1_000)
        ),
        format!("{{{{eq {}", "[".repeat(8_000)),
        format!("{{{{eq {}", "{\"\":".repeat(1_600)),
        format!("{{{{{}}}}}", "labels.".repeat(1_100)),
        format!("{{{{{}}}}}", "../".repeat(2_600)),
        "{{else if headline}}".repeat(400),
    ]);
    assert!(templates.len() >= 100, "{}", templates.len());
    for template in &templates {
        let shown: String = template.chars().take(60).collect();
        let error = match MessageTemplate::compile(template) {
            Ok(_) => panic!("{shown:?} was taken"),
            Err(error) => error,
        };
        assert!(!error.message.trim().is_empty(), "{shown:?}");
        let lines: Vec<&str> = template.split('\n').collect();
        let line = lines.get(error.line as usize - 1);
        assert!(
            line.is_some_and(|line| (1..=line.chars().count() + 1).contains(&(error.column as usize))),
            "{shown:?}: {}:{} is not in it",
            error.line,
            error.column
        );
    }
}

#[test]
fn labels_are_data_whatever_they_say() {
    let template = MessageTemplate::compile("{{labels.evil}}{{#if (eq labels.evil \"x\")}}!{{/if}}").unwrap();
    for evil in [
        "",
        " ",
        "{{headline}}",
        "{{{headline}}}",
        "{{#each alerts}}{{/each}}",
        "{{> x}}",
        "\\{{headline}}",
        "\0",
        "\u{202e}",
        "\n\n\n",
        "<!channel>",
        "&lt;",
        "\u{1f4a3}",
        "%s%n",
        "${HOME}",
        "$(id)",
        "'; DROP TABLE runs; --",
        "../../etc/passwd",
        "\u{feff}",
        "]]>",
        "a\tb",
        "\r\n",
        "{{",
        "}}",
        "{{!",
        "--}}",
    ] {
        let mut view = view();
        view["labels"]["evil"] = json!(evil);
        assert_eq!(template.render(&view).unwrap(), evil);
    }
    let mut view = view();
    view["labels"]["evil"] = json!("ä".repeat(MAX_OUTPUT + 1));
    assert_eq!(template.render(&view), Err(MessageError::TooLong));
}

#[test]
fn work_is_bounded_though_nothing_is_written() {
    let many: Vec<Json> = (0..50_000).map(|_| json!({"labels": {}, "firing": true})).collect();
    let mut view = view();
    view["alerts"] = json!(many);
    let nested = "{{#each alerts}}{{#each ../alerts}}{{/each}}{{/each}}";
    let template = MessageTemplate::compile(nested).unwrap();
    assert_eq!(template.render(&view), Err(MessageError::TooMuchWork));
    let long = MessageTemplate::compile("{{#each alerts}}0123456789{{/each}}").unwrap();
    assert_eq!(long.render(&view), Err(MessageError::TooLong));
}
