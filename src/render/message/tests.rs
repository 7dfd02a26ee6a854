#![allow(clippy::unwrap_used)]
use super::*;
#[test]
fn probe() {
    let deep = |unit: &str, close: &str| {
        let n = MAX_LENGTH / (unit.len() + close.len());
        format!("{}{}", unit.repeat(n), close.repeat(n))
    };
    for (name, source) in [
        ("brackets", format!("{{{{eq {}", "[".repeat(8000))),
        (
            "brackets closed",
            format!("{{{{eq {}{}}}}}", "[".repeat(4000), "]".repeat(4000)),
        ),
        ("objects", format!("{{{{eq {}", "{\"\":".repeat(2000))),
        ("parens", format!("{{{{#if {}", "(a ".repeat(2700))),
        (
            "parens closed",
            format!("{{{{#if {}x{}}}}}{{{{/if}}}}", "(a ".repeat(2000), ")".repeat(2000)),
        ),
        (
            "parens eq",
            format!("{{{{#if {}x{}}}}}{{{{/if}}}}", "(eq ".repeat(1600), ")".repeat(1600)),
        ),
        (
            "hash parens",
            format!("{{{{#if {}x{}}}}}{{{{/if}}}}", "(a b=".repeat(1300), ")".repeat(1300)),
        ),
        ("if", deep("{{#if labels.a}}", "{{/if}}")),
        ("a", deep("{{#a}}", "{{/a}}")),
        ("a open", deep("{{#a}}", "")),
        ("partial", deep("{{#>a}}", "{{/a}}")),
        ("decorator", deep("{{#*a}}", "{{/a}}")),
        ("braces", "{".repeat(8192)),
        (
            "else if",
            format!("{{{{#if a}}}}{}{{{{/if}}}}", "{{else if a}}".repeat(600)),
        ),
    ] {
        let source = &source[..source.len().min(MAX_LENGTH)];
        let start = std::time::Instant::now();
        let error = MessageTemplate::compile(source).map(|_| ()).unwrap_err();
        eprintln!(
            "{name}: {:?} {}:{} {}",
            start.elapsed(),
            error.line,
            error.column,
            error.message.chars().take(150).collect::<String>()
        );
    }
}
