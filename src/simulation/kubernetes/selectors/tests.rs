#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::kubernetes::resources::{CONFIGMAPS, Conversion, NODES, PODS, Resources};

#[test]
fn label_selectors_mean_what_they_mean_there() {
    let labels: BTreeMap<&str, &str> = [("app", "web"), ("tier", "front"), ("n", "5"), ("empty", "")].into();
    for (text, wanted) in [
        ("", true),
        ("app=web", true),
        ("app==web", true),
        ("app = web , tier = front", true),
        ("app!=web", false),
        ("missing!=web", true),
        ("app in (web, db)", true),
        ("app in (db)", false),
        ("app notin (db)", true),
        ("missing notin (db)", true),
        ("missing in (db)", false),
        ("app", true),
        ("!app", false),
        ("!missing", true),
        ("missing", false),
        ("n>4", true),
        ("n>5", false),
        ("n<6", true),
        ("app>1", false),
        ("empty=", true),
        ("app=", false),
        ("app in (,web)", true),
        ("empty in ()", true),
        ("app=web,tier=back", false),
    ] {
        let selector = Labels::parse(text).unwrap();
        assert_eq!(selector.matches(|name| labels.get(name).copied()), wanted, "{text}");
    }
}

#[test]
fn broken_label_selectors_are_refused_in_the_same_words() {
    for (text, words) in [
        ("app=web,", "found '', expected: identifier after ','"),
        (",", "found ',', expected: !, identifier, or 'end of string'"),
        ("app in web", "unable to parse requirement: found 'web' expected: '('"),
        (
            "app web",
            "unable to parse requirement: found 'web', expected: in, notin, =, ==, !=, gt, lt",
        ),
        ("app=web tier=front", "found 'tier', expected: ',' or 'end of string'"),
        (
            "a>b",
            "unable to parse requirement: values[0]: Invalid value: \"b\": for 'Gt', 'Lt' operators, the value must be an integer",
        ),
    ] {
        assert_eq!(Labels::parse(text).unwrap_err(), words, "{text}");
    }
    let words = Labels::parse("-a=b").unwrap_err();
    assert!(words.starts_with("unable to parse requirement: <nil>: Invalid value: \"-a\": name part must consist of"));
}

#[test]
fn selectors_in_objects_select_nothing_when_absent_and_everything_when_empty() {
    let labels = json!({"app": "web"});
    for (selector, wanted) in [
        (json!(null), false),
        (json!({}), true),
        (json!({"matchLabels": {"app": "web"}}), true),
        (
            json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}),
            false,
        ),
        (
            json!({"matchExpressions": [{"key": "x", "operator": "DoesNotExist"}]}),
            true,
        ),
    ] {
        assert_eq!(
            Labels::from_object(&selector).matches_value(&labels),
            wanted,
            "{selector}"
        );
    }
}

#[test]
fn only_the_fields_of_the_real_one_can_be_asked_for() {
    let resources = Resources::default();
    let parse = |id, text: &str| Fields::parse(text, resources.get(id), "v1", Conversion::None);
    assert!(parse(PODS, "spec.nodeName=n1,status.phase!=Running").is_ok());
    assert_eq!(parse(PODS, "spec.host=n1").unwrap().exact("spec.nodeName"), Some("n1"));
    assert_eq!(
        parse(NODES, "spec.nodeName=a").unwrap_err(),
        "field label not supported: spec.nodeName"
    );
    assert_eq!(
        parse(CONFIGMAPS, "data.a=b").unwrap_err(),
        "\"data.a\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
    );
    assert_eq!(
        parse(PODS, "x").unwrap_err(),
        "invalid selector: 'x'; can't understand 'x'"
    );
    let events = resources.route("events.k8s.io", "v1", "events").unwrap();
    let fields = Fields::parse("regarding.uid=u", events.0, "v1", events.1).unwrap();
    assert_eq!(fields.exact("involvedObject.uid"), Some("u"));
}
