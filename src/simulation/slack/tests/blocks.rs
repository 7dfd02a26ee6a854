use serde_json::{Value, json};

use crate::slack::blocks::{faults, too_long};

fn text(kind: &str, length: usize) -> Value {
    json!({ "type": kind, "text": "x".repeat(length) })
}

fn section(length: usize) -> Value {
    json!({ "type": "section", "text": text("mrkdwn", length) })
}

fn button() -> Value {
    json!({ "type": "button", "text": { "type": "plain_text", "text": "Open" } })
}

fn with(mut value: Value, name: &str, field: Value) -> Value {
    value[name] = field;
    value
}

fn actions(elements: Vec<Value>) -> Value {
    json!({ "type": "actions", "elements": elements })
}

fn context(elements: Vec<Value>) -> Value {
    json!({ "type": "context", "elements": elements })
}

fn fields(fields: Vec<Value>) -> Value {
    json!({ "type": "section", "fields": fields })
}

#[test]
fn blocks_at_their_limits_are_taken() {
    let image = json!({ "type": "image", "image_url": "https://example.com/a.png", "alt_text": "a" });
    let link = with(
        button(),
        "url",
        json!(format!("https://example.com/{}", "x".repeat(2980))),
    );
    let ids = (0..25).map(|id| with(button(), "action_id", json!(format!("{id:0>255}"))));
    for block in [
        section(3000),
        with(section(1), "accessory", button()),
        with(section(1), "accessory", image.clone()),
        fields(vec![text("mrkdwn", 2000); 10]),
        json!({ "type": "header", "text": text("plain_text", 150), "block_id": "x".repeat(255) }),
        json!({ "type": "divider" }),
        context(vec![text("plain_text", 1), image.clone()]),
        context(vec![text("mrkdwn", 3000); 10]),
        actions(vec![link]),
        actions(ids.collect()),
        actions(vec![with(
            with(button(), "text", text("plain_text", 75)),
            "style",
            json!("danger"),
        )]),
        image,
        json!({ "type": "markdown", "text": "x".repeat(12_000) }),
    ] {
        assert_eq!(faults(std::slice::from_ref(&block)), [""; 0], "{block}");
    }
    assert_eq!(faults(&vec![json!({ "type": "divider" }); 50]), [""; 0]);
}

#[test]
fn whatever_breaks_a_rule_is_named_with_its_place() {
    let confirm =
        json!({ "title": text("plain_text", 101), "text": text("mrkdwn", 1), "confirm": text("plain_text", 1) });
    for (block, expected) in [
        (json!("text"), "must provide an object [json-pointer:/blocks/0]"),
        (
            json!({ "text": "a" }),
            "missing required field: type [json-pointer:/blocks/0]",
        ),
        (
            json!({ "type": "rich_text" }),
            "unsupported type: rich_text [json-pointer:/blocks/0/type]",
        ),
        (
            json!({ "type": "section" }),
            "must define either `text` or `fields` [json-pointer:/blocks/0/type]",
        ),
        (
            section(0),
            "must be more than 0 characters [json-pointer:/blocks/0/text/text]",
        ),
        (
            section(3001),
            "must be less than 3001 characters [json-pointer:/blocks/0/text/text]",
        ),
        (
            json!({ "type": "section", "text": "plain" }),
            "must provide an object [json-pointer:/blocks/0/text]",
        ),
        (
            json!({ "type": "section", "text": { "type": "markdown", "text": "a" } }),
            "unsupported type: markdown [json-pointer:/blocks/0/text/type]",
        ),
        (
            json!({ "type": "section", "text": { "type": "mrkdwn" } }),
            "missing required field: text [json-pointer:/blocks/0/text]",
        ),
        (
            json!({ "type": "section", "text": { "type": "mrkdwn", "text": 1 } }),
            "must provide a string [json-pointer:/blocks/0/text/text]",
        ),
        (
            json!({ "type": "section", "text": { "type": "mrkdwn", "text": "a", "emoji": true } }),
            "invalid additional property: emoji [json-pointer:/blocks/0/text]",
        ),
        (
            json!({ "type": "section", "text": { "type": "mrkdwn", "text": "a", "verbatim": "yes" } }),
            "must be a boolean [json-pointer:/blocks/0/text/verbatim]",
        ),
        (
            with(section(1), "color", json!("red")),
            "invalid additional property: color [json-pointer:/blocks/0]",
        ),
        (
            fields(vec![]),
            "must provide at least 1 items [json-pointer:/blocks/0/fields]",
        ),
        (
            fields(vec![text("mrkdwn", 1); 11]),
            "no more than 10 items allowed [json-pointer:/blocks/0/fields]",
        ),
        (
            fields(vec![text("mrkdwn", 1), text("mrkdwn", 2001)]),
            "must be less than 2001 characters [json-pointer:/blocks/0/fields/1/text]",
        ),
        (
            json!({ "type": "header", "text": text("plain_text", 151) }),
            "must be less than 151 characters [json-pointer:/blocks/0/text/text]",
        ),
        (
            json!({ "type": "header", "text": text("mrkdwn", 1) }),
            "unsupported type: mrkdwn [json-pointer:/blocks/0/text/type]",
        ),
        (
            json!({ "type": "header" }),
            "missing required field: text [json-pointer:/blocks/0]",
        ),
        (
            json!({ "type": "divider", "text": "a" }),
            "invalid additional property: text [json-pointer:/blocks/0]",
        ),
        (
            json!({ "type": "divider", "block_id": "x".repeat(256) }),
            "must be less than 256 characters [json-pointer:/blocks/0/block_id]",
        ),
        (
            context(vec![]),
            "must provide at least 1 items [json-pointer:/blocks/0/elements]",
        ),
        (
            context(vec![text("mrkdwn", 1); 11]),
            "no more than 10 items allowed [json-pointer:/blocks/0/elements]",
        ),
        (
            context(vec![button()]),
            "unsupported type: button [json-pointer:/blocks/0/elements/0/type]",
        ),
        (
            json!({ "type": "context", "elements": "a" }),
            "must provide an array [json-pointer:/blocks/0/elements]",
        ),
        (
            actions(vec![]),
            "must provide at least 1 items [json-pointer:/blocks/0/elements]",
        ),
        (
            actions(vec![button(); 26]),
            "no more than 25 items allowed [json-pointer:/blocks/0/elements]",
        ),
        (
            actions(vec![with(button(), "action_id", json!("a")); 2]),
            "`action_id` \"a\" is already used [json-pointer:/blocks/0/elements/1/action_id]",
        ),
        (
            actions(vec![with(button(), "action_id", json!("x".repeat(256)))]),
            "must be less than 256 characters [json-pointer:/blocks/0/elements/0/action_id]",
        ),
        (
            actions(vec![with(button(), "text", text("plain_text", 76))]),
            "must be less than 76 characters [json-pointer:/blocks/0/elements/0/text/text]",
        ),
        (
            actions(vec![with(button(), "text", text("mrkdwn", 1))]),
            "unsupported type: mrkdwn [json-pointer:/blocks/0/elements/0/text/type]",
        ),
        (
            actions(vec![with(button(), "value", json!("x".repeat(2001)))]),
            "must be less than 2001 characters [json-pointer:/blocks/0/elements/0/value]",
        ),
        (
            actions(vec![with(
                button(),
                "url",
                json!(format!("https://{}", "x".repeat(2993))),
            )]),
            "must be less than 3001 characters [json-pointer:/blocks/0/elements/0/url]",
        ),
        (
            actions(vec![with(button(), "url", json!("runs/1"))]),
            "must be a valid url [json-pointer:/blocks/0/elements/0/url]",
        ),
        (
            actions(vec![with(button(), "style", json!("default"))]),
            "must be a valid enum value [json-pointer:/blocks/0/elements/0/style]",
        ),
        (
            actions(vec![with(button(), "disabled", json!(true))]),
            "invalid additional property: disabled [json-pointer:/blocks/0/elements/0]",
        ),
        (
            actions(vec![with(button(), "block_id", json!("a"))]),
            "invalid additional property: block_id [json-pointer:/blocks/0/elements/0]",
        ),
        (
            actions(vec![json!({ "type": "checkboxes" })]),
            "unsupported type: checkboxes [json-pointer:/blocks/0/elements/0/type]",
        ),
        (
            actions(vec![with(button(), "confirm", confirm.clone())]),
            "missing required field: deny [json-pointer:/blocks/0/elements/0/confirm]",
        ),
        (
            json!({ "type": "image", "image_url": "https://example.com/a.png" }),
            "missing required field: alt_text [json-pointer:/blocks/0]",
        ),
    ] {
        let found = faults(std::slice::from_ref(&block));
        assert_eq!(found.first().map(String::as_str), Some(expected), "{block}");
    }
    let block = actions(vec![with(button(), "confirm", confirm)]);
    let found = faults(&[block]);
    assert_eq!(
        found[1],
        "must be less than 101 characters [json-pointer:/blocks/0/elements/0/confirm/title/text]"
    );
}

#[test]
fn a_message_has_fifty_blocks_and_no_two_of_one_id() {
    let divider = json!({ "type": "divider" });
    assert_eq!(
        faults(&vec![divider; 51]),
        ["no more than 50 items allowed [json-pointer:/blocks]"]
    );
    let named = json!({ "type": "divider", "block_id": "a" });
    assert_eq!(
        faults(&[named.clone(), named]),
        ["`block_id` \"a\" is already used [json-pointer:/blocks/1/block_id]"]
    );
    let markdown = json!({ "type": "markdown", "text": "x".repeat(6001) });
    assert_eq!(
        faults(&[markdown.clone(), markdown]),
        ["must be less than 12001 characters [json-pointer:/blocks]"]
    );
}

#[test]
fn all_texts_together_have_a_limit_too() {
    // Four sections cost 500 besides their text.
    assert!(!too_long(&[section(3000), section(3000), section(3000), section(2500)]));
    assert!(too_long(&[section(3000), section(3000), section(3000), section(2501)]));
    assert!(too_long(&[fields(vec![text("mrkdwn", 2000); 6])]));
}
