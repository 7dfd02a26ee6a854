#![allow(clippy::unwrap_used)]

use super::*;

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn labels() -> BTreeMap<String, String> {
    map(&[
        ("namespace", "shop"),
        ("pod", "web-1"),
        ("app.kubernetes.io/name", "cart"),
        ("evil", "{{labels.pod}} <&\"'>"),
        ("empty", ""),
    ])
}

fn render(source: &str) -> Result<String, RenderError> {
    Template::compile(source)
        .unwrap()
        .render(&labels(), &map(&[("summary", "broken")]))
}

fn missing(path: &str) -> Result<String, RenderError> {
    Err(RenderError::MissingValue { path: path.to_owned() })
}

#[test]
fn values_are_put_in_as_they_are() {
    for (source, expected) in [
        ("", ""),
        ("web", "web"),
        ("{{labels.namespace}}", "shop"),
        ("{{ labels.namespace }}", "shop"),
        ("{{{labels.namespace}}}", "shop"),
        ("{{& labels.namespace}}", "shop"),
        ("{{this.labels.namespace}}", "shop"),
        ("{{labels.namespace}}/{{labels.pod}}-x", "shop/web-1-x"),
        ("{{labels.[app.kubernetes.io/name]}}", "cart"),
        ("{{annotations.summary}}", "broken"),
        ("a {{~labels.pod~}} b", "aweb-1b"),
        ("a{{! a comment }}b", "ab"),
        ("\\{{labels.pod}}", "{{labels.pod}}"),
        ("{{labels.empty}}", ""),
    ] {
        assert_eq!(render(source).as_deref(), Ok(expected), "{source}");
    }
}

#[test]
fn what_a_label_says_is_neither_read_again_nor_escaped() {
    assert_eq!(render("{{labels.evil}}").unwrap(), "{{labels.pod}} <&\"'>");
    assert_eq!(
        render("{{#if labels.pod}}{{labels.evil}}{{/if}}").unwrap(),
        "{{labels.pod}} <&\"'>"
    );
}

#[test]
fn a_missing_value_is_an_error_that_names_it() {
    assert_eq!(render("{{labels.deployment}}"), missing("labels.deployment"));
    assert_eq!(
        render("x-{{annotations.runbook_url}}"),
        missing("annotations.runbook_url")
    );
    assert_eq!(render("{{labels.[a.b/c]}}"), missing("labels.[a.b/c]"));
    assert_eq!(
        render("{{#if labels.pod}}{{labels.deployment}}{{/if}}"),
        missing("labels.deployment")
    );
    assert_eq!(render("{{#if (eq labels.x 'y')}}a{{/if}}"), missing("labels.x"));
    assert_eq!(
        render("{{labels.deployment}}").unwrap_err().to_string(),
        "the alert has no `labels.deployment`"
    );
}

#[test]
fn a_template_may_choose() {
    for (source, expected) in [
        ("{{#if labels.pod}}{{labels.pod}}{{else}}none{{/if}}", "web-1"),
        (
            "{{#if labels.deployment}}{{labels.deployment}}{{else}}none{{/if}}",
            "none",
        ),
        ("{{#if labels.empty}}a{{else}}b{{/if}}", "b"),
        ("{{#unless labels.deployment}}none{{/unless}}", "none"),
        ("{{#if (eq labels.namespace 'shop')}}a{{else}}b{{/if}}", "a"),
        (
            "{{#if (and (ne labels.namespace 'x') (not (eq labels.pod 'y')))}}a{{/if}}",
            "a",
        ),
        ("{{#if (or (eq labels.pod 'y') (eq labels.pod 'web-1'))}}a{{/if}}", "a"),
        ("{{#if (or labels.deployment labels.pod)}}a{{else}}b{{/if}}", "a"),
        ("{{#if (and labels.pod labels.deployment)}}a{{else}}b{{/if}}", "b"),
        ("{{#if (not labels.deployment)}}a{{/if}}", "a"),
        ("{{#if labels.x}}1{{else if labels.pod}}2{{else}}3{{/if}}", "2"),
    ] {
        assert_eq!(render(source).as_deref(), Ok(expected), "{source}");
    }
}

#[test]
fn a_template_says_what_handlebars_says() {
    let mut reference = handlebars::Handlebars::new();
    reference.set_strict_mode(true);
    reference.register_escape_fn(handlebars::no_escape);
    let values = serde_json::json!({"labels": labels(), "annotations": {"summary": "broken"}});
    for source in [
        "",
        "web",
        " a\n b\n",
        "{{labels.namespace}}",
        "{{{labels.evil}}}",
        "x{{~ labels.pod ~}}\n y {{annotations.summary}}\n\n",
        "{{labels.[app.kubernetes.io/name]}}{{! c }}{{!-- d --}}\n{{labels.pod}}",
        "\\{{labels.pod}} \\\\{{labels.pod}}",
        "{{labels.nosuch}}",
        "{{labels.pod}}{{annotations.nosuch}}",
        "{{./labels.nosuch}}",
        "{{#if labels.pod}}\n  a\n{{else}}\n  b\n{{/if}}\nc",
        "  {{#unless labels.pod}}x{{else}} {{labels.nosuch}}{{/unless}} ",
        "{{#if labels.empty}}a{{else if (eq labels.pod 'web-1')}}b{{else}}c{{/if}}",
        "{{#if (and labels.pod (ne labels.pod \"x\"))}}a{{~/if}} ",
        "{{#if (or (not labels.pod) labels.empty)}}a{{^}}b{{/if}}",
    ] {
        let ours = Template::compile(source)
            .unwrap()
            .render(&labels(), &map(&[("summary", "broken")]));
        let theirs = reference.render_template(source, &values).map_err(|error| {
            let handlebars::RenderErrorReason::MissingVariable(Some(path)) = error.reason() else {
                panic!("{source}: {error}");
            };
            RenderError::MissingValue { path: path.clone() }
        });
        assert_eq!(ours, theirs, "{source}");
    }
}

#[test]
fn mistakes_are_told_where_they_stand() {
    for (source, line, column, message) in [
        ("{{label.pod}}", 1, 3, "`label` is not known: did you mean `labels`?"),
        ("a {{ lables.pod }}", 1, 6, "did you mean `labels`?"),
        (
            "{{pod}}",
            1,
            3,
            "`pod` is not known: write {{labels.pod}} for the label of that name",
        ),
        (
            "{{target.metadata.name}}",
            1,
            3,
            "`target` is not known: expected `labels` or `annotations`",
        ),
        (
            "{{labels}}",
            1,
            3,
            "`labels` is all of them: name one, for example {{labels.namespace}}",
        ),
        (
            "{{labels.app.kubernetes.io/name}}",
            1,
            3,
            "a name with dots or slashes stands in brackets: {{labels.[app.kubernetes.io/name]}}",
        ),
        ("{{@root/labels.pod}}", 1, 3, "does not exist here"),
        ("{{@index}}", 1, 3, "does not exist here"),
        ("{{../labels.pod}}", 1, 3, "does not exist here"),
        ("a\nbc{{> other}}", 2, 3, "partials (`{{> …}}`) do not exist here"),
        (
            "{{#each labels}}{{this}}{{/each}}",
            1,
            4,
            "`each` does not exist here: name each value, for example {{labels.namespace}}",
        ),
        ("{{#fi labels.pod}}{{/fi}}", 1, 4, "`fi` is not a block"),
        ("{{lower labels.pod}}", 1, 3, "`lower` is not a helper"),
        ("{{lookup labels 'pod'}}", 1, 3, "`lookup` is not a helper"),
        (
            "{{#if (neq labels.pod 'x')}}a{{/if}}",
            1,
            8,
            "`neq` is not a test: did you mean `ne`?",
        ),
        ("{{#if (eq labels.pod)}}a{{/if}}", 1, 8, "`eq` takes two, not 1"),
        (
            "{{#if (eq labels.replicas 3)}}a{{/if}}",
            1,
            27,
            "every value is a text: write \"3\" with quotes",
        ),
        (
            "{{#if (and labels.pod)}}a{{/if}}",
            1,
            8,
            "`and` takes two or more, not 1",
        ),
        (
            "{{#if (not labels.pod labels.x)}}a{{/if}}",
            1,
            8,
            "`not` takes one, not 2",
        ),
        (
            "{{eq}}",
            1,
            3,
            "`eq` is a test: use it in a block, for example {{#if (eq …)}}…{{/if}}",
        ),
        ("{{eq labels.pod 'x'}}", 1, 3, "`eq` is a test"),
        ("{{#if}}a{{/if}}", 1, 4, "`if` takes one value or test, not 0"),
        ("{{if labels.pod}}", 1, 3, "`if` is a block: write {{#if …}}…{{/if}}"),
        (
            "{{#if (eq labels.pod 'x' strict=true)}}a{{/if}}",
            1,
            8,
            "`eq` takes no named parameters",
        ),
        (
            "{{#*inline 'x'}}a{{/inline}}",
            1,
            1,
            "decorators (`{{* …}}`) do not exist here",
        ),
        (
            "{{#if labels.pod}}a{{/unless}}",
            1,
            20,
            "`{{#if}}` is closed by `{{/unless}}`: close it by `{{/if}}`",
        ),
        ("{{#if labels.pod}}a", 1, 20, "a block is not closed"),
        (
            "{{labels.pod",
            1,
            13,
            "a `{{` is not closed: write `}}` after the value",
        ),
        (
            "{{labels.pod}",
            1,
            13,
            "a `{{` is not closed: write `}}` after the value",
        ),
        ("{{ }}", 1, 4, "this is not a template"),
        (
            "{{labels.a+b}}",
            1,
            11,
            "in brackets: {{labels.[app.kubernetes.io/name]}}",
        ),
        ("{{{{raw}}}}x{{{{/raw}}}}", 1, 5, "`raw` is not a block"),
    ] {
        let error = Template::compile(source).unwrap_err();
        assert!(error.message.contains(message), "{source}: {}", error.message);
        assert_eq!(
            (error.line, error.column),
            (line, column),
            "{source}: {}",
            error.message
        );
    }
    assert_eq!(
        Template::compile(&"x".repeat(1025)).unwrap_err().message,
        "the template is 1025 bytes long: at most 1024"
    );
}

#[test]
fn the_deepest_template_that_fits_does_not_overflow_the_stack() {
    for source in [
        "{{#if labels.x}}".repeat(64),
        format!("{}{}", "{{#if a.x}}".repeat(48), "{{/if}}".repeat(48)),
        format!(
            "{{{{#if {}labels.pod{}}}}}a{{{{/if}}}}",
            "(not ".repeat(150),
            ")".repeat(150)
        ),
        "{".repeat(1024),
        format!("{{{{{}", "(".repeat(1022)),
        format!("{{{{eq {}", "[".repeat(1000)),
    ] {
        if let Ok(template) = Template::compile(&source) {
            drop(template.render(&labels(), &labels()));
        }
    }
}
