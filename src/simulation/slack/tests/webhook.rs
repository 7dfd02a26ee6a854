use serde_json::{Value, json};

use super::Stage;
use crate::{
    faults::{Fault, Rule},
    slack::Posting,
};

async fn post(stage: &Stage, path: &str, body: impl Into<String>) -> (u16, String) {
    stage.pass(1.0);
    let request = stage.client.post(format!("{}{path}", stage.server.url()));
    let request = request.header("content-type", "application/json").body(body.into());
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn a_webhook_posts_to_its_channel() {
    let stage = Stage::new().await;
    let hook = stage.slack.add_webhook(&stage.token, "#ops");
    let body = json!({ "text": "a", "blocks": [{ "type": "divider" }] }).to_string();
    assert_eq!(post(&stage, &hook, body).await, (200, "ok".to_owned()));
    let message = stage.slack.messages("#ops").remove(0);
    assert_eq!((message.text.as_str(), message.blocks.len()), ("a", 1));
    let reply = json!({ "text": "b", "thread_ts": message.ts }).to_string();
    post(&stage, &hook, reply).await;
    assert_eq!(stage.slack.replies("#ops", &message.ts).len(), 1);
}

#[tokio::test]
async fn a_webhook_refuses_in_plain_text_with_a_status() {
    let stage = Stage::new().await;
    let hook = stage.slack.add_webhook(&stage.token, "#ops");
    let text = r#"{"text":"a"}"#;
    let (rest, secret) = hook.rsplit_once('/').unwrap();
    for (path, body, status, error) in [
        (hook.clone(), "{", 400, "invalid_payload"),
        (hook.clone(), "[]", 400, "invalid_payload"),
        (hook.clone(), "{}", 400, "no_text"),
        (hook.clone(), r#"{"blocks":[{"type":"x"}]}"#, 400, "invalid_blocks"),
        (hook.clone(), r#"{"blocks":"x"}"#, 400, "invalid_blocks_format"),
        (format!("{rest}/wrong"), text, 403, "invalid_token"),
        (format!("/services/T00000001/B0/{secret}"), text, 404, "no_service"),
        (format!("/services/T0/B0/{secret}"), text, 404, "no_team"),
    ] {
        assert_eq!(
            post(&stage, &path, body).await,
            (status, error.to_owned()),
            "{path} {body}"
        );
    }
    stage.slack.archive("#ops");
    assert_eq!(post(&stage, &hook, text).await, (410, "channel_is_archived".to_owned()));
    stage.slack.unarchive("#ops");
    stage.slack.restrict("#ops", Posting::Restricted);
    assert_eq!(post(&stage, &hook, text).await, (403, "action_prohibited".to_owned()));
    stage.slack.restrict("#ops", Posting::Open);
    assert_eq!(post(&stage, &hook, text).await.0, 200);
    stage.slack.remove_webhook(&hook);
    assert_eq!(post(&stage, &hook, text).await, (404, "no_service".to_owned()));
}

#[tokio::test]
async fn a_webhook_takes_a_message_a_second() {
    let stage = Stage::new().await;
    let hook = stage.slack.add_webhook(&stage.token, "#ops");
    let url = format!("{}{hook}", stage.server.url());
    let send = || stage.client.post(&url).json(&json!({ "text": "a" })).send();
    assert_eq!(send().await.unwrap().status(), 200);
    let answer = send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["retry-after"]),
        (429, &"1".parse().unwrap())
    );
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body, json!({ "retry_after": 1, "ok": false, "error": "rate_limited" }));
    stage.pass(1.0);
    assert_eq!(send().await.unwrap().status(), 200);
    // It shares the limit with its app's other posts to the channel.
    let post = stage
        .call("chat.postMessage", json!({ "channel": "#ops", "text": "b" }))
        .await;
    assert_eq!(post["error"], "ratelimited");
}

#[tokio::test]
async fn faults_befall_webhooks_too() {
    let stage = Stage::new().await;
    let hook = stage.slack.add_webhook(&stage.token, "#ops");
    let text = r#"{"text":"a"}"#;
    stage.slack.faults().add(
        Rule::once(Fault::Refused("rollup_error".to_owned()))
            .on("webhook")
            .within(&stage.ops),
    );
    assert_eq!(post(&stage, &hook, text).await, (500, "rollup_error".to_owned()));
    stage
        .slack
        .faults()
        .add(Rule::once(Fault::RateLimited(5)).on("webhook"));
    assert_eq!(post(&stage, &hook, text).await.0, 429);
    assert_eq!(post(&stage, &hook, text).await.0, 429);
    stage.pass(5.0);
    assert_eq!(post(&stage, &hook, text).await.0, 200);
    assert_eq!(stage.slack.messages("#ops").len(), 1);
    assert_eq!(stage.slack.calls().len(), 4);
}
