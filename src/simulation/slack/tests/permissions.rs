use serde_json::{Value, json};

use super::Stage;
use crate::slack::Posting;

async fn post(stage: &Stage, token: &str, channel: &str) -> Value {
    stage.pass(1.0);
    let answer = stage
        .send("chat.postMessage", token, &json!({ "channel": channel, "text": "a" }))
        .await;
    answer.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn a_token_has_to_be_there_known_and_good() {
    let stage = Stage::new().await;
    let url = format!("{}/api/chat.postMessage", stage.server.url());
    let body = json!({ "channel": "#ops", "text": "a", "token": stage.token });
    let bare: Value = stage
        .client
        .post(url)
        .json(&body)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(bare["error"], "not_authed", "JSON brings no token");
    assert_eq!(post(&stage, "xoxb-unknown", "#ops").await["error"], "invalid_auth");
    assert_eq!(post(&stage, "xapp-1", "#ops").await["error"], "not_allowed_token_type");
    let test = stage.call("auth.test", json!({})).await;
    assert_eq!(
        (test["ok"].clone(), test["user"].clone()),
        (json!(true), json!("healer"))
    );
    stage.slack.revoke(&stage.token);
    assert_eq!(post(&stage, &stage.token, "#ops").await["error"], "token_revoked");
    assert_eq!(stage.call("auth.test", json!({})).await["error"], "token_revoked");
    stage.slack.disable_app(&stage.token, true);
    assert_eq!(post(&stage, &stage.token, "#ops").await["error"], "account_inactive");
    assert_eq!(stage.slack.messages("#ops"), []);
}

#[tokio::test]
async fn a_scope_that_is_missing_is_named() {
    let stage = Stage::new().await;
    stage.slack.remove_scope(&stage.token, "chat:write");
    let answer = post(&stage, &stage.token, "#ops").await;
    let expected = json!({
        "ok": false, "error": "missing_scope", "needed": "chat:write", "provided": "files:write,channels:history",
    });
    assert_eq!(answer, expected);
    stage.slack.remove_scope(&stage.token, "channels:history");
    let answer = stage
        .form("conversations.history", &format!("channel={}", stage.ops))
        .await;
    assert_eq!(
        (answer["error"].clone(), answer["needed"].clone()),
        (json!("missing_scope"), json!("channels:history"))
    );
    stage.slack.add_scope(&stage.token, "chat:write");
    assert_eq!(post(&stage, &stage.token, "#ops").await["ok"], true);
}

#[tokio::test]
async fn strangers_need_a_scope_for_public_channels_and_never_see_private_ones() {
    let stage = Stage::new().await;
    stage.slack.add_channel("dev");
    let secret = stage.slack.add_private_channel("secret");
    assert_eq!(post(&stage, &stage.token, "#dev").await["error"], "not_in_channel");
    assert_eq!(
        post(&stage, &stage.token, "#nowhere").await["error"],
        "channel_not_found"
    );
    assert_eq!(post(&stage, &stage.token, &secret).await["error"], "channel_not_found");
    stage.slack.add_scope(&stage.token, "chat:write.public");
    assert_eq!(post(&stage, &stage.token, "#dev").await["ok"], true);
    assert_eq!(post(&stage, &stage.token, &secret).await["error"], "channel_not_found");
    stage.slack.invite(&stage.token, "secret");
    assert_eq!(post(&stage, &stage.token, &secret).await["ok"], true);
    stage.slack.remove(&stage.token, "secret");
    assert_eq!(post(&stage, &stage.token, &secret).await["error"], "channel_not_found");
}

#[tokio::test]
async fn archived_and_restricted_channels_say_why() {
    let stage = Stage::new().await;
    let ts = stage.post("before").await;
    stage.slack.archive("#ops");
    assert_eq!(stage.refused(json!({ "text": "a" })).await, "is_archived");
    let edit = json!({ "channel": stage.ops, "ts": ts, "text": "x" });
    assert_eq!(stage.call("chat.update", edit).await["error"], "is_inactive");
    stage.slack.unarchive("#ops");
    for (posting, top, reply) in [
        (
            Posting::Restricted,
            Some("restricted_action"),
            Some("restricted_action"),
        ),
        (
            Posting::ReadOnly,
            Some("restricted_action_read_only_channel"),
            Some("restricted_action_read_only_channel"),
        ),
        (
            Posting::ThreadsOnly,
            Some("restricted_action_thread_only_channel"),
            None,
        ),
        (
            Posting::NoThreads,
            None,
            Some("restricted_action_non_threadable_channel"),
        ),
        (Posting::Open, None, None),
    ] {
        stage.slack.restrict("#ops", posting);
        for (arguments, error) in [
            (json!({ "text": "a" }), top),
            (json!({ "text": "a", "thread_ts": ts }), reply),
        ] {
            stage.pass(1.0);
            let mut arguments = arguments;
            arguments["channel"] = json!("#ops");
            let answer = stage.call("chat.postMessage", arguments).await;
            assert_eq!(answer["error"].as_str(), error, "{posting:?}");
        }
    }
}
