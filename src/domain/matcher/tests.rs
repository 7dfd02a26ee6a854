#![allow(clippy::unwrap_used)]

use super::*;

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn matches(matcher: &str, pairs: &[(&str, &str)]) -> bool {
    Matcher::parse(matcher).unwrap().matches(&labels(pairs))
}

#[test]
fn compares_as_alertmanager_does() {
    let shop = &[("namespace", "shop"), ("severity", "critical")];
    for (matcher, expected) in [
        ("namespace = shop", true),
        ("namespace=shop", true),
        ("  namespace   =   shop  ", true),
        ("namespace = \"shop\"", true),
        ("namespace = Shop", false),
        ("namespace != shop", false),
        ("namespace =~ sh.p", true),
        ("namespace =~ \"shop|cart\"", true),
        ("namespace !~ \"kube-.*\"", true),
        ("namespace !~ shop", false),
        ("severity =~ \"warning|critical\"", true),
    ] {
        assert_eq!(matches(matcher, shop), expected, "{matcher}");
    }
}

#[test]
fn a_regular_expression_is_anchored_at_both_ends() {
    assert!(!matches("namespace =~ kube", &[("namespace", "kube-system")]));
    assert!(!matches("namespace =~ system", &[("namespace", "kube-system")]));
    assert!(matches("namespace !~ kube", &[("namespace", "kube-system")]));
    assert!(!matches("namespace =~ \"a|b\"", &[("namespace", "ab")]));
    assert!(!matches("namespace =~ a", &[("namespace", "a\n")]));
}

#[test]
fn an_absent_label_is_the_empty_string() {
    for (matcher, expected) in [
        ("team = \"\"", true),
        ("team =", true),
        ("team != \"\"", false),
        ("team = x", false),
        ("team != x", true),
        ("team =~ \".*\"", true),
        ("team =~ \".+\"", false),
        ("team !~ \".+\"", true),
    ] {
        assert_eq!(matches(matcher, &[]), expected, "{matcher}");
        assert_eq!(Matcher::parse(matcher).unwrap().accepts_absence(), expected);
    }
}

#[test]
fn quotes_and_escapes_are_alertmanagers() {
    for (matcher, value) in [
        (r#"a = "x y""#, "x y"),
        (r#"a = x y"#, "x y"),
        (r#"a = "say \"hi\"""#, "say \"hi\""),
        (r#"a = "one\ntwo""#, "one\ntwo"),
        (r#"a = "C:\\dir""#, r"C:\dir"),
        (r#"a = "\d""#, r"\d"),
        (r"a = \d", r"\d"),
        (r#"a = """#, ""),
        (r#"a = "=~""#, "=~"),
        (r#"a = "{},'""#, "{},'"),
        (r#"a = x,y"#, "x,y"),
        (r#"a = "日本""#, "日本"),
    ] {
        assert!(matches(matcher, &[("a", value)]), "{matcher}");
    }
    assert!(matches(
        r#""app.kubernetes.io/name" = cart"#,
        &[("app.kubernetes.io/name", "cart")]
    ));
    assert!(matches(
        "app.kubernetes.io/name = cart",
        &[("app.kubernetes.io/name", "cart")]
    ));
    assert!(matches("größe = 1", &[("größe", "1")]));
    assert!(matches(r#""a b" = 1"#, &[("a b", "1")]));
    assert!(matches(r#"pod =~ "web-\d+""#, &[("pod", "web-7")]));
}

#[test]
fn the_canonical_form_is_read_as_the_same_matcher() {
    for (text, canonical) in [
        ("a=b", r#"a="b""#),
        ("a != b c", r#"a!="b c""#),
        (r#"namespace !~ "kube-.*""#, r#"namespace!~"kube-.*""#),
        (r#"pod =~ "web-\d+""#, r#"pod=~"web-\\d+""#),
        (r#"a = "\"\n\\""#, r#"a="\"\n\\""#),
        ("app.kubernetes.io/name = x", r#""app.kubernetes.io/name"="x""#),
    ] {
        let matcher = Matcher::parse(text).unwrap();
        assert_eq!(matcher.to_string(), canonical);
        let again = Matcher::parse(canonical).unwrap();
        assert_eq!(again.to_string(), canonical);
        assert_eq!((again.name, again.value), (matcher.name, matcher.value));
    }
}

#[test]
fn refuses_what_is_not_one_matcher_and_says_what_to_write() {
    for (text, message) in [
        (
            "",
            "a matcher is missing: write a label, an operator and a value, for example `severity = critical`",
        ),
        (
            "   ",
            "a matcher is missing: write a label, an operator and a value, for example `severity = critical`",
        ),
        (
            "= x",
            "the label's name is missing: write for example `severity = critical`",
        ),
        (
            "\"\" = x",
            "the label's name is missing: write for example `severity = critical`",
        ),
        (
            "severity",
            "there is no operator after `severity`: write =, !=, =~ or !~, for example `severity = value`",
        ),
        (
            "severity: critical",
            "there is no operator after `severity`: write =, !=, =~ or !~, for example `severity = value`",
        ),
        (
            "severity ! critical",
            "there is no operator after `severity`: write =, !=, =~ or !~, for example `severity = value`",
        ),
        ("severity == critical", "`==` is not an operator: write = for equality"),
        (
            "severity ~= critical",
            "`~=` is not an operator: write =~ for a regular expression",
        ),
        (
            "my label = x",
            "`my label` is not a label name: put it in double quotes, for example `\"my label\" = value`",
        ),
        (
            "'severity' = x",
            "single quotes do not quote in a matcher: use double quotes",
        ),
        (
            "severity = 'x'",
            "single quotes do not quote in a matcher: use double quotes",
        ),
        ("severity = \"x", "the closing double quote is missing"),
        ("severity = \"x\\\"", "the closing double quote is missing"),
        (
            "severity = \"x\" y",
            "`y` stands after the closing quote: one matcher ends there; write another as its own list entry",
        ),
        (
            "a = x\"y",
            "the value has a double quote in it: quote the whole value and write the inner quote as \\\"",
        ),
        (
            "a = x, b = y",
            "this is more than one matcher: write each as its own list entry",
        ),
        (
            "a = x, b = \"y\"",
            "this is more than one matcher: write each as its own list entry",
        ),
        (
            "{a = x}",
            "a matcher stands without braces: write for example `severity = critical`",
        ),
        (
            "a =~ \"[\"",
            "`[` is not a regular expression: unclosed character class",
        ),
        ("a =~ \"a)(b\"", "`a)(b` is not a regular expression: unopened group"),
        (
            "a =~ \"(?=x)\"",
            "`(?=x)` is not a regular expression: look-around, including look-ahead and look-behind, is not supported",
        ),
        (
            "a =~ \"((x{99}){99}){99}\"",
            "the regular expression is too large: list fewer alternatives or repeat less",
        ),
    ] {
        assert_eq!(Matcher::parse(text).unwrap_err().to_string(), message, "{text}");
    }
    let long = format!("a = {}", "x".repeat(MAX_LENGTH));
    assert_eq!(
        Matcher::parse(&long).unwrap_err().to_string(),
        "the matcher is 4100 bytes long: at most 4096"
    );
    assert!(Matcher::parse(&format!("a =~ {}", "(".repeat(MAX_LENGTH - 10))).is_err());
}

#[test]
fn alternatives_without_any_other_expression_are_plain_values() {
    for (text, values) in [
        ("a = b", Some(vec!["b"])),
        ("a =~ b", Some(vec!["b"])),
        ("a =~ \"b|c-d|\"", Some(vec!["b", "c-d", ""])),
        ("a =~ \"b.*\"", None),
        ("a =~ \"(b|c)\"", None),
        ("a != b", None),
        ("a !~ b", None),
    ] {
        let matcher = Matcher::parse(text).unwrap();
        assert_eq!(matcher.values(), values, "{text}");
        for value in values.unwrap_or_default() {
            assert!(matcher.matches(&labels(&[("a", value)])), "{text} {value}");
        }
    }
}

#[test]
fn two_matchers_that_exclude_each_other_are_seen() {
    for (one, other, compatible) in [
        ("a = x", "a = y", false),
        ("a = x", "a != x", false),
        ("a = x", "a =~ \"y|z\"", false),
        ("a !~ \"x.*\"", "a = xy", false),
        ("a = x", "b = y", true),
        ("a = x", "a =~ \"x|y\"", true),
        ("a =~ x", "a =~ y", true),
    ] {
        let (one, other) = (Matcher::parse(one).unwrap(), Matcher::parse(other).unwrap());
        assert_eq!(one.compatible(&other), compatible, "{one} {other}");
    }
}
