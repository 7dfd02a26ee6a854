use serde_json::json;

use super::Stage;

#[tokio::test]
async fn a_message_is_posted_edited_and_replied_to() {
    let stage = Stage::new().await;
    let blocks = json!([{ "type": "section", "text": { "type": "mrkdwn", "text": "*web* is broken" } }]);
    let metadata = json!({ "event_type": "run", "event_payload": { "id": "r1" } });
    stage.pass(0.25);
    let posted = stage
        .call(
            "chat.postMessage",
            json!({ "channel": "#ops", "text": "web is broken", "blocks": blocks, "metadata": metadata }),
        )
        .await;
    assert_eq!(posted["ok"], true);
    assert_eq!(posted["channel"], stage.ops);
    assert_eq!(posted["ts"], "1772366400.250000");
    assert_eq!(posted["message"]["text"], "web is broken");
    assert!(posted["message"]["blocks"][0]["block_id"].is_string());

    let edited = stage
        .call(
            "chat.update",
            json!({ "channel": stage.ops, "ts": posted["ts"], "text": "web is well", "blocks": [] }),
        )
        .await;
    assert_eq!(edited["ok"], true);
    assert_eq!(edited["ts"], posted["ts"]);
    assert_eq!(edited["text"], "web is well");

    let ts = posted["ts"].as_str().unwrap();
    let reply = stage.post_with(json!({ "text": "pod evicted", "thread_ts": ts })).await;

    let messages = stage.slack.messages("#ops");
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0].text, "web is well");
    assert_eq!(messages[0].blocks.len(), 0);
    assert_eq!(messages[0].metadata, Some(metadata));
    assert_eq!(messages[0].edits.len(), 1);
    assert_eq!(messages[0].edits[0].text, "web is broken");
    assert_eq!(messages[0].edits[0].blocks[0]["text"]["text"], "*web* is broken");
    assert_eq!(messages[1].ts, reply);
    assert_eq!(messages[1].thread_ts.as_deref(), Some(ts));
    assert!(messages[1].is_reply() && !messages[0].is_reply());
    assert_eq!(stage.slack.replies("#ops", ts), messages[1..]);
}

#[tokio::test]
async fn what_an_edit_leaves_unsaid_stays() {
    let stage = Stage::new().await;
    let blocks = json!([{ "type": "divider", "block_id": "line" }]);
    let metadata = json!({ "event_type": "run", "event_payload": {} });
    let ts = stage
        .post_with(json!({ "text": "a", "blocks": blocks, "metadata": metadata }))
        .await;
    stage
        .call("chat.update", json!({ "channel": stage.ops, "ts": ts, "text": "b" }))
        .await;
    let message = stage.slack.messages("#ops").remove(0);
    assert_eq!((message.text.as_str(), message.blocks.len()), ("b", 1));
    assert_eq!(message.metadata, Some(metadata));
    let cleared = json!({ "channel": stage.ops, "ts": ts, "blocks": [], "metadata": {} });
    assert_eq!(stage.call("chat.update", cleared).await["ok"], true);
    let message = stage.slack.messages("#ops").remove(0);
    assert_eq!((message.text.as_str(), message.blocks.len()), ("b", 0));
    assert_eq!(message.metadata, None);
    assert_eq!(message.edits.len(), 2);
}

#[tokio::test]
async fn every_message_has_a_ts_of_its_own_though_time_stands() {
    let stage = Stage::new().await;
    stage.slack.add_channel("dev");
    stage.slack.invite(&stage.token, "dev");
    let first = stage
        .call("chat.postMessage", json!({ "channel": "ops", "text": "a" }))
        .await;
    let second = stage
        .call("chat.postMessage", json!({ "channel": "dev", "text": "b" }))
        .await;
    assert_eq!(first["ts"], "1772366400.000000");
    assert_eq!(second["ts"], "1772366400.000001");
}

#[tokio::test]
async fn only_what_is_ones_own_and_still_there_can_be_edited_or_deleted() {
    let stage = Stage::new().await;
    let other = stage.slack.install_app("other", &["chat:write", "chat:write.public"]);
    let posted = stage
        .send(
            "chat.postMessage",
            &other,
            &json!({ "channel": stage.ops, "text": "theirs" }),
        )
        .await;
    let theirs: serde_json::Value = posted.unwrap().json().await.unwrap();
    let ours = stage.post("ours").await;
    let edit = async |ts: &str| {
        let answer = stage
            .call("chat.update", json!({ "channel": stage.ops, "ts": ts, "text": "x" }))
            .await;
        answer["error"].clone()
    };
    let delete = async |ts: &str| {
        let answer = stage
            .call("chat.delete", json!({ "channel": stage.ops, "ts": ts }))
            .await;
        answer["error"].clone()
    };
    let theirs = theirs["ts"].as_str().unwrap();
    assert_eq!(edit(theirs).await, "cant_update_message");
    assert_eq!(delete(theirs).await, "cant_delete_message");
    assert_eq!(edit("1.000000").await, "message_not_found");
    assert_eq!(delete(&ours).await, json!(null));
    assert_eq!(edit(&ours).await, "message_not_found");
    assert_eq!(delete(&ours).await, "message_not_found");
    assert_eq!(stage.slack.messages("#ops").len(), 1);
    // By its name, a channel can be posted to, and nothing else.
    let answer = stage
        .call("chat.update", json!({ "channel": "#ops", "ts": theirs, "text": "x" }))
        .await;
    assert_eq!(answer["error"], "channel_not_found");
}

#[tokio::test]
async fn a_reply_to_what_is_gone_stands_in_the_channel_and_nobody_says_so() {
    let stage = Stage::new().await;
    let parent = stage.post("parent").await;
    stage.slack.delete_message("#ops", &parent);
    stage.post_with(json!({ "text": "lost", "thread_ts": parent })).await;
    let messages = stage.slack.messages("#ops");
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].thread_ts, None);
    let reply = stage
        .post_with(json!({ "text": "reply", "thread_ts": messages[0].ts }))
        .await;
    // A reply has no thread of its own.
    stage
        .post_with(json!({ "text": "to a reply", "thread_ts": reply }))
        .await;
    assert_eq!(stage.slack.messages("#ops")[2].thread_ts, None);
}

#[tokio::test]
async fn a_deleted_parent_leaves_a_tombstone_as_long_as_there_are_replies() {
    let stage = Stage::new().await;
    let parent = stage.post("parent").await;
    let reply = stage.post_with(json!({ "text": "reply", "thread_ts": parent })).await;
    stage.slack.delete_message("#ops", &parent);
    let stone = &stage.slack.messages("#ops")[0];
    assert!(stone.tombstone);
    assert_eq!(stone.text, "This message was deleted.");
    let edit = json!({ "channel": stage.ops, "ts": parent, "text": "x" });
    assert_eq!(stage.call("chat.update", edit).await["error"], "message_not_found");
    let second = stage.post_with(json!({ "text": "goes on", "thread_ts": parent })).await;
    assert_eq!(stage.slack.replies("#ops", &parent).len(), 2);
    stage.slack.delete_message("#ops", &reply);
    assert_eq!(stage.slack.messages("#ops").len(), 2);
    stage.slack.delete_message("#ops", &second);
    assert_eq!(stage.slack.messages("#ops"), []);
}

#[tokio::test]
async fn arguments_come_as_json_or_as_a_form() {
    let stage = Stage::new().await;
    let body = format!(
        "channel={}&text=100%25+of+%3Cweb%3E&blocks=%5B%7B%22type%22%3A%22divider%22%7D%5D&reply_broadcast=false",
        stage.ops
    );
    assert_eq!(stage.form("chat.postMessage", &body).await["ok"], true);
    let message = stage.slack.messages("#ops").remove(0);
    assert_eq!(message.text, "100% of <web>");
    assert_eq!(message.blocks[0]["type"], "divider");

    let url = format!("{}/api/auth.test", stage.server.url());
    let bare = stage
        .client
        .post(&url)
        .header("content-type", "application/x-www-form-urlencoded");
    let answer = bare.body(format!("token={}", stage.token)).send().await.unwrap();
    assert_eq!(answer.json::<serde_json::Value>().await.unwrap()["user"], "healer");
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_by_name() {
    let stage = Stage::new().await;
    let url = format!("{}/api/chat.postMessage", stage.server.url());
    for (content_type, body, error) in [
        ("application/json", "{", "invalid_json"),
        ("application/json; charset=utf-8", "[]", "json_not_object"),
        ("application/xml", "<a/>", "invalid_post_type"),
        ("", "text=a", "missing_post_type"),
    ] {
        let mut request = stage.client.post(&url).bearer_auth(&stage.token).body(body);
        if !content_type.is_empty() {
            request = request.header("content-type", content_type);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let answer: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(answer, json!({ "ok": false, "error": error }));
    }
    let unknown = stage.call("chat.shout", json!({})).await;
    assert_eq!(
        unknown,
        json!({ "ok": false, "error": "unknown_method", "req_method": "chat.shout" })
    );
    let missing = stage.call("chat.postMessage", json!({ "text": "a" })).await;
    assert_eq!(missing["error"], "invalid_arguments");
    assert_eq!(
        missing["response_metadata"]["messages"],
        json!(["[ERROR] missing required field: channel"])
    );
    let nowhere = stage.client.get(stage.server.url()).send().await.unwrap();
    assert_eq!(nowhere.status(), 404);
}

#[tokio::test]
async fn the_log_keeps_every_call_and_what_it_said_in_vain() {
    let stage = Stage::new().await;
    stage
        .post_with(json!({ "text": "a", "thread-ts": "1.0", "icon_emoji": ":x:" }))
        .await;
    stage.refused(json!({})).await;
    let calls = stage.slack.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].method, "chat.postMessage");
    assert_eq!(calls[0].channel.as_ref(), Some(&stage.ops));
    assert_eq!(calls[0].ignored, ["icon_emoji", "thread-ts"]);
    assert!(calls[0].took_effect());
    assert_eq!(calls[1].refused.as_deref(), Some("no_text"));
    assert!(!calls[1].took_effect());
    let line = format!("12:00:02.000 chat.postMessage {}: no_text", stage.ops);
    assert_eq!(calls[1].to_string(), line);
}
