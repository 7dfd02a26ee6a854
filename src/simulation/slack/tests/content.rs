use serde_json::json;

use super::Stage;
use crate::slack::Mention;

#[tokio::test]
async fn a_message_says_something_in_a_form_that_slack_knows() {
    let stage = Stage::new().await;
    let section = |length| json!({ "type": "section", "text": { "type": "mrkdwn", "text": "x".repeat(length) } });
    let metadata = |metadata| json!({ "text": "a", "metadata": metadata });
    for (arguments, error) in [
        (json!({}), "no_text"),
        (json!({ "text": "" }), "no_text"),
        (json!({ "text": " \n" }), "no_text"),
        (json!({ "blocks": [] }), "no_text"),
        (json!({ "blocks": "not json" }), "invalid_blocks_format"),
        (json!({ "blocks": { "type": "divider" } }), "invalid_blocks_format"),
        (json!({ "blocks": [{ "type": "shout" }] }), "invalid_blocks"),
        (
            json!({ "blocks": [section(3000), section(3000), section(3000), section(3000)] }),
            "msg_blocks_too_long",
        ),
        (
            json!({ "text": "a", "attachments": [{ "text": "b" }] }),
            "invalid_attachments",
        ),
        (metadata(json!("a")), "invalid_metadata_format"),
        (metadata(json!({ "event_type": "a" })), "invalid_metadata_format"),
        (
            metadata(json!({ "event_type": 1, "event_payload": {} })),
            "invalid_metadata_format",
        ),
        (
            metadata(json!({ "event_type": "a", "event_payload": "b" })),
            "invalid_metadata_format",
        ),
        (
            metadata(json!({ "event_type": "a", "event_payload": {}, "x": 1 })),
            "invalid_metadata_format",
        ),
        (
            metadata(json!({ "event_type": "a", "event_payload": { "x": "x".repeat(8000) } })),
            "metadata_too_large",
        ),
    ] {
        assert_eq!(stage.refused(arguments.clone()).await, error, "{arguments}");
    }
    assert_eq!(stage.slack.messages("#ops"), []);
    stage.post_with(json!({ "blocks": "[{\"type\":\"divider\"}]" })).await;
}

#[tokio::test]
async fn the_faults_of_blocks_are_told_twice_as_slack_does() {
    let stage = Stage::new().await;
    let blocks = json!([{ "type": "header", "text": { "type": "plain_text", "text": "" } }]);
    let answer = stage
        .call("chat.postMessage", json!({ "channel": "#ops", "blocks": blocks }))
        .await;
    let fault = "must be more than 0 characters [json-pointer:/blocks/0/text/text]";
    let expected = json!({
        "ok": false,
        "error": "invalid_blocks",
        "errors": [fault],
        "response_metadata": { "messages": [format!("[ERROR] {fault}")] },
    });
    assert_eq!(answer, expected);
}

#[tokio::test]
async fn a_long_text_is_cut_when_posted_and_refused_when_edited() {
    let stage = Stage::new().await;
    let posted = stage
        .call(
            "chat.postMessage",
            json!({ "channel": "#ops", "text": "ä".repeat(40_001) }),
        )
        .await;
    assert_eq!(posted["ok"], true);
    assert_eq!(posted["response_metadata"]["warnings"], json!(["message_truncated"]));
    assert_eq!(stage.slack.messages("#ops")[0].text.chars().count(), 40_000);
    let edit = |length| json!({ "channel": stage.ops, "ts": posted["ts"], "text": "ä".repeat(length) });
    assert_eq!(stage.call("chat.update", edit(4001)).await["error"], "msg_too_long");
    assert_eq!(stage.call("chat.update", edit(4000)).await["ok"], true);
    let nothing = json!({ "channel": stage.ops, "ts": posted["ts"] });
    assert_eq!(stage.call("chat.update", nothing).await["error"], "no_text");
}

#[tokio::test]
async fn metadata_of_a_name_that_is_none_is_dropped_with_a_warning() {
    let stage = Stage::new().await;
    let metadata = json!({ "event_type": "run.started", "event_payload": {} });
    let posted = stage
        .call(
            "chat.postMessage",
            json!({ "channel": "#ops", "text": "a", "metadata": metadata }),
        )
        .await;
    assert_eq!(posted["ok"], true);
    assert_eq!(
        posted["response_metadata"]["warnings"],
        json!(["invalid_metadata_schema"])
    );
    assert_eq!(stage.slack.messages("#ops")[0].metadata, None);
}

#[tokio::test]
async fn it_is_known_whom_a_message_has_called() {
    let stage = Stage::new().await;
    let alice = stage.slack.add_user("alice");
    let section = |text: &str, verbatim: bool| json!([{ "type": "section", "text": { "type": "mrkdwn", "text": text, "verbatim": verbatim } }]);
    let header = json!([{ "type": "header", "text": { "type": "plain_text", "text": "<!channel> @here" } }]);
    for (arguments, expected) in [
        (json!({ "text": "&lt;!channel&gt; @channel" }), vec![]),
        (json!({ "text": "<!channel>" }), vec![Mention::Channel]),
        (
            json!({ "text": format!("<@{alice}>") }),
            vec![Mention::User(alice.clone())],
        ),
        (json!({ "text": "@here", "link_names": true }), vec![Mention::Here]),
        (
            json!({ "text": "@alice", "parse": "full" }),
            vec![Mention::User(alice.clone())],
        ),
        (json!({ "text": "a", "blocks": header }), vec![]),
        (
            json!({ "text": "a", "blocks": section("<!here>", true) }),
            vec![Mention::Here],
        ),
        // What is not verbatim, Slack looks through for mentions.
        (
            json!({ "text": "a", "blocks": section("@here", false) }),
            vec![Mention::Here],
        ),
        (
            json!({ "text": "a", "blocks": section("@here &lt;!here&gt;", true) }),
            vec![],
        ),
        (
            json!({ "text": "<!here>", "blocks": section("a", true) }),
            vec![Mention::Here],
        ),
    ] {
        stage.post_with(arguments.clone()).await;
        let message = stage.slack.messages("#ops").pop().unwrap();
        assert_eq!(message.mentions, expected, "{arguments}");
    }
    let everyone = [Mention::Channel, Mention::Here, Mention::User(alice)];
    assert_eq!(stage.slack.mentions("#ops"), everyone);
}

#[tokio::test]
async fn an_edit_reads_names_as_a_person_would_unless_it_is_told_not_to() {
    let stage = Stage::new().await;
    let ts = stage.post("a").await;
    let edit = |parse: Option<&str>| json!({ "channel": stage.ops, "ts": ts, "text": "@channel", "parse": parse });
    stage.call("chat.update", edit(Some("none"))).await;
    assert_eq!(stage.slack.mentions("#ops"), []);
    stage.call("chat.update", edit(None)).await;
    assert_eq!(stage.slack.mentions("#ops"), [Mention::Channel]);
}
