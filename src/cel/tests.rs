#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::*;

fn pod() -> Json {
    json!({
        "metadata": {"name": "web-1", "labels": {"app.kubernetes.io/name": "web"}},
        "spec": {"nodeName": "n1", "containers": [{"name": "web"}, {"name": "side"}]},
        "status": {
            "phase": "Running",
            "containerStatuses": [
                {"name": "web", "restartCount": 7, "state": {"waiting": {"reason": "CrashLoopBackOff"}}},
                {"name": "side", "restartCount": 0, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}},
            ],
        },
    })
}

fn deployment() -> Json {
    json!({"kind": "Deployment", "spec": {"replicas": 3}, "status": {"readyReplicas": 2, "ratio": 0.5, "gone": null}})
}

fn variables() -> Variables {
    let labels = BTreeMap::from([("namespace".to_owned(), "shop".to_owned())]);
    let now: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
    Variables::new(Some(&pod()), Some(&deployment()), &labels, &BTreeMap::new(), now)
}

fn evaluate(source: &str) -> Result<bool, EvaluationError> {
    Expression::compile(source)
        .unwrap_or_else(|error| panic!("{source}: {error:?}"))
        .evaluate(&variables())
}

#[test]
fn an_expression_is_true_or_false_of_the_live_objects() {
    for (source, expected) in [
        ("true", true),
        ("target.status.phase == \"Running\"", true),
        ("target.status.phase in ['Pending', 'Failed']", false),
        (
            "target.status.containerStatuses.exists(c, c.state.?waiting.?reason.orValue('') == 'CrashLoopBackOff')",
            true,
        ),
        ("target.status.containerStatuses.all(c, c.restartCount >= 1)", false),
        (
            "target.status.containerStatuses.filter(c, c.restartCount > 3).size() == 1",
            true,
        ),
        (
            "target.status.containerStatuses.map(c, c.name) == ['web', 'side']",
            true,
        ),
        ("target.status.containerStatuses[0].name.startsWith('we')", true),
        (
            "target.metadata.labels['app.kubernetes.io/name'].matches('^w.b$')",
            true,
        ),
        ("has(target.spec.nodeName) && !has(target.spec.paused)", true),
        ("root.spec.replicas / 2 == 1", true),
        ("root.spec.replicas - 4 == -1", true),
        ("root.status.readyReplicas >= root.spec.replicas - 1", true),
        ("root.status.ratio == 0.5", true),
        ("root.status.gone == null", true),
        ("root.status.?unavailableReplicas.orValue(0) == 0", true),
        ("root.?spec.?strategy.?type.orValue('') == ''", true),
        ("labels.namespace == 'shop'", true),
        ("labels[?'team'].orValue('none') == 'none'", true),
        ("size(annotations) == 0", true),
        ("now - timestamp('2026-01-01T00:00:00Z') == duration('12h')", true),
        (
            "target.status.containerStatuses.exists(c, now - timestamp(c.state.?running.?startedAt.orValue('2026-01-01T12:00:00Z')) > duration('1h'))",
            true,
        ),
        ("type(root.spec.replicas) == int", true),
        ("optional.of(1).hasValue()", true),
        ("root.spec.replicas > 2 ? labels.namespace == 'shop' : false", true),
    ] {
        assert_eq!(evaluate(source), Ok(expected), "{source}");
    }
}

#[test]
fn an_absent_object_is_null() {
    let nothing = BTreeMap::new();
    let variables = Variables::new(None, None, &nothing, &nothing, Timestamp::UNIX_EPOCH);
    for (source, expected) in [
        ("target == null", true),
        ("target.?spec.?replicas.orValue(1) == 1", true),
        ("now == timestamp('1970-01-01T00:00:00Z')", true),
    ] {
        assert_eq!(Expression::compile(source).unwrap().evaluate(&variables), Ok(expected));
    }
    assert_eq!(
        Expression::compile("target.spec.replicas == 1")
            .unwrap()
            .evaluate(&variables),
        Err(EvaluationError::AbsentObject)
    );
}

#[test]
fn whole_numbers_are_signed_unless_they_do_not_fit() {
    let target = json!({"small": 3, "negative": -3, "large": u64::MAX, "half": 0.5});
    let nothing = BTreeMap::new();
    let variables = Variables::new(Some(&target), None, &nothing, &nothing, Timestamp::UNIX_EPOCH);
    for source in [
        "target.small * 2 == 6",
        "target.small - 5 < 0",
        "target.negative + 3 == 0",
        "target.large > 0",
        "target.large == 18446744073709551615u",
        "target.half + 0.5 == 1.0",
        "target.half < 1",
    ] {
        assert_eq!(
            Expression::compile(source).unwrap().evaluate(&variables),
            Ok(true),
            "{source}"
        );
    }
}

#[test]
fn what_cannot_be_evaluated_is_an_error_that_tells_no_values() {
    for (source, message) in [
        (
            "labels.nosuch == 'x'",
            "there is no `nosuch`: where it may be absent, write `.?nosuch` or `[?\"nosuch\"]`, and `.orValue(…)` at the end",
        ),
        (
            "target.spec.paused == false",
            "there is no `paused`: where it may be absent, write `.?paused` or `[?\"paused\"]`, and `.orValue(…)` at the end",
        ),
        (
            "root.status.gone.deeper == 1",
            "a field of something absent: write `.?` before the first field that may be absent, and `.orValue(…)` at the end",
        ),
        (
            "target.spec.nodeName",
            "the result is of type string: it must be true or false",
        ),
        (
            "target.status.?phase.orValue(1)",
            "the result is of type string: it must be true or false",
        ),
        ("root.spec.replicas < '3'", "`<` does not work on int and string"),
        ("target.spec.nodeName + 1 == 'x'", "`+` does not work on string and int"),
        ("root.spec.replicas / 0 == 1", "division by zero"),
        (
            "9223372036854775807 + root.spec.replicas > 0",
            "a number became too large",
        ),
        (
            "target.spec.containers[5].name == 'x'",
            "the list is shorter than that: write `list[?0]`, and `.orValue(…)` at the end",
        ),
        (
            "timestamp(target.spec.nodeName) < now",
            "`timestamp` cannot read its argument",
        ),
        ("!target.spec.nodeName", "`!` does not work on string"),
    ] {
        assert_eq!(evaluate(source).unwrap_err().to_string(), message, "{source}");
    }
}

#[test]
fn mistakes_are_told_where_they_stand() {
    for (source, line, column, message) in [
        (
            "",
            1,
            1,
            "an expression is missing: write for example `target.spec.replicas > 1`",
        ),
        ("  \n ", 1, 1, "an expression is missing"),
        (
            "targt.spec.replicas == 1",
            1,
            1,
            "`targt` is not known: did you mean `target`?",
        ),
        (
            "true && label.x == 'y'",
            1,
            9,
            "`label` is not known: did you mean `labels`?",
        ),
        (
            "object.spec.replicas == 1",
            1,
            1,
            "`object` is not known: the live object is `target`, its topmost controller `root`",
        ),
        (
            "spec.replicas == 1",
            1,
            1,
            "`spec` is not known: did you mean `target.spec`?",
        ),
        (
            "alert.x == 1",
            1,
            1,
            "`alert` is not known: expected `target`, `root`, `labels`, `annotations` or `now`",
        ),
        ("target.a.all(c, d.ready)", 1, 17, "`d` is not known"),
        ("target.a.all(c, c.ready) && c.x", 1, 29, "`c` is not known"),
        (
            "target.name.startswith('a')",
            1,
            13,
            "there is no function `startswith`: did you mean `startsWith`?",
        ),
        ("quantity('1Gi') > 1", 1, 1, "there is no function `quantity` here"),
        (
            "target.a.lowerAscii() == 'x'",
            1,
            10,
            "there is no function `lowerAscii` here",
        ),
        ("optional.off(1).hasValue()", 1, 10, "there is no function `off`"),
        (
            "optional.size() == 1",
            1,
            10,
            "there is no `optional.size`: expected `of`, `none` or `ofNonZeroValue`",
        ),
        (
            "target.a.all(c)",
            1,
            10,
            "`all` is not used like this: write for example `list.all(c, c.ready)`",
        ),
        (
            "has(target)",
            1,
            5,
            "`has` takes a field: write for example `has(target.spec.replicas)`",
        ),
        (
            "target.a.all(1, true)",
            1,
            14,
            "the first argument is a new name for each element",
        ),
        (
            "target.spec ==",
            1,
            15,
            "the expression ends too early: something is missing here",
        ),
        ("target.", 1, 8, "the expression ends too early"),
        (
            "target.spec.replicas = 1",
            1,
            22,
            "`=` is not an operator: write == to compare",
        ),
        ("target.a and target.b", 1, 10, "`and` is not an operator: write &&"),
        ("target.a or target.b", 1, 10, "`or` is not an operator: write ||"),
        ("not target.a", 1, 5, "`target` is not expected here"),
        ("target.a & target.b", 1, 10, "`&` is not an operator: write &&"),
        ("target.a == 'x", 1, 13, "the closing quote is missing"),
        ("target.a == \"x", 1, 13, "the closing quote is missing"),
        ("target.a == 1)", 1, 14, "`)` is not expected here"),
        ("(target.a == 1", 1, 15, "the expression ends too early"),
        ("target.a == 1\n  && root.b ==\n  2 2", 3, 5, "`2` is not expected here"),
        ("labels.`a-b` == 'x'", 1, 7, "stands in brackets"),
        (
            "{{labels.x}} == 'x'",
            1,
            1,
            "templates do not exist here: write `labels.namespace` without braces",
        ),
        (
            "1 + 1",
            1,
            1,
            "this is neither true nor false: compare it, for example `… == 1`",
        ),
        ("'true'", 1, 1, "this is neither true nor false"),
        ("target", 1, 1, "this is neither true nor false"),
        ("[true]", 1, 1, "this is neither true nor false"),
        ("size(labels)", 1, 1, "this is neither true nor false"),
        ("target.?spec", 1, 1, "this is neither true nor false"),
        ("target.a.matches('[')", 1, 18, "`[` is not a regular expression"),
        ("Pod{name: 'x'} == target", 1, 4, "objects cannot be made here"),
        ("target.a.all(a, a.b.all(b, b.c.all(c, c)))", 1, 35, "at most 2 deep"),
        ("target.a.map(x, x).map(x, x).all(x, x)", 1, 13, "at most 2 deep"),
        (
            "target.a.all(a,a) && target.a.all(a,a) && target.a.all(a,a) && target.a.all(a,a) && target.a.all(a,a)",
            1,
            97,
            "at most 4 times",
        ),
        (
            "['x'].map(a, a+a+a+a+a+a).size() == 1",
            1,
            17,
            "`+` may stand at most 4 times",
        ),
    ] {
        let error = match Expression::compile(source) {
            Ok(_) => panic!("{source} was accepted"),
            Err(error) => error,
        };
        assert!(error.message.contains(message), "{source}: {}", error.message);
        assert_eq!(
            (error.line, error.column),
            (line, column),
            "{source}: {}",
            error.message
        );
    }
    assert_eq!(
        Expression::compile(&" ".repeat(1024).replacen(' ', "true ", 1))
            .unwrap_err()
            .message,
        "the expression is 1028 bytes long: at most 1024"
    );
}

#[test]
fn the_longest_and_deepest_expressions_do_not_overflow_the_stack() {
    let long_sum = format!("{}0 == 1", "1+".repeat(500));
    assert_eq!(evaluate(&long_sum), Ok(false));
    let long_or = format!("{}true", "true||".repeat(160));
    assert_eq!(evaluate(&long_or), Ok(true));
    for deep in [
        "[".repeat(1024),
        "(".repeat(1024),
        format!("{}true{}", "(".repeat(500), ")".repeat(500)),
        format!("{}true", "!".repeat(1000)),
        format!("{}1 == 1", "-".repeat(1000)),
        format!("{}1{} == 1", "[".repeat(500), "]".repeat(500)),
        format!("target{} == 1", ".a".repeat(500)),
        format!("{}true", "true?".repeat(200)),
    ] {
        if let Ok(expression) = Expression::compile(&deep) {
            drop(expression.evaluate(&variables()));
        }
    }
}

#[test]
fn expressions_and_variables_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Expression>();
    shared::<Variables>();
}

#[test]
fn every_function_that_is_offered_exists() {
    for source in [
        "size('a') == 1 && 'a'.contains('a') && 'a'.startsWith('a') && 'a'.endsWith('a') && 'a'.matches('a')",
        "int('1') == 1 && uint('1') == 1u && double('1') == 1.0 && string(1) == '1' && bytes('a') == b'a' && bool('true') && dyn(1) == 1",
        "type(1) == int && [1].exists_one(x, x == 1) && duration('1s') < duration('2s')",
        "now.getFullYear() == 2026 && now.getMonth() == 0 && now.getDate() == 1 && now.getDayOfMonth() == 0 && now.getDayOfWeek() == 4",
        "now.getDayOfYear() == 0 && now.getHours() == 12 && now.getMinutes() == 0 && now.getSeconds() == 0 && now.getMilliseconds() == 0",
        "optional.of(1).hasValue() && !optional.none().hasValue() && !optional.ofNonZeroValue(0).hasValue()",
        "optional.none().or(optional.of(1)).value() == 1 && optional.none().orValue(2) == 2",
    ] {
        assert_eq!(evaluate(source), Ok(true), "{source}");
    }
}

#[test]
fn the_optional_syntax_works_as_documented() {
    for (source, expected) in [
        (
            "target.metadata.?labels[?\"app.kubernetes.io/managed-by\"].orValue(\"\") != \"Helm\"",
            Ok(true),
        ),
        (
            "target.metadata.?labels[?\"app.kubernetes.io/name\"].orValue(\"\") == \"web\"",
            Ok(true),
        ),
        // Every field after the first `.?` is optional too.
        ("target.?nosuch.deeper.still.orValue(1) == 1", Ok(true)),
        ("target.?spec.nosuch.orValue(1) == 1", Ok(true)),
        ("target.spec.?nosuch.deeper.orValue(1) == 1", Ok(true)),
        // But none before it.
        (
            "target.nosuch.?deeper.orValue(1) == 1",
            Err(EvaluationError::Absent("nosuch".to_owned())),
        ),
        (
            "has(target.nosuch.deeper)",
            Err(EvaluationError::Absent("nosuch".to_owned())),
        ),
        // A label is always a text.
        ("labels.namespace == 3", Ok(false)),
    ] {
        assert_eq!(evaluate(source), expected, "{source}");
    }
}
