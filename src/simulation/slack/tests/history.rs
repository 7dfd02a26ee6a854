use serde_json::{Value, json};

use super::Stage;

fn texts(answer: &Value) -> Vec<&str> {
    let messages = answer["messages"].as_array().unwrap_or_else(|| panic!("{answer}"));
    messages
        .iter()
        .map(|message| message["text"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_channel_is_read_newest_first_and_page_by_page() {
    let stage = Stage::new().await;
    let first = stage.post("first").await;
    for index in 0..3 {
        stage
            .post_with(json!({ "text": format!("reply {index}"), "thread_ts": first }))
            .await;
    }
    stage
        .post_with(json!({ "text": "shown", "thread_ts": first, "reply_broadcast": true }))
        .await;
    let last = stage.post("last").await;

    let page = format!("channel={}&limit=2", stage.ops);
    let answer = stage.form("conversations.history", &page).await;
    assert_eq!(texts(&answer), ["last", "shown"]);
    assert_eq!(answer["messages"][1]["subtype"], "thread_broadcast");
    assert_eq!(answer["has_more"], true);
    let cursor = answer["response_metadata"]["next_cursor"].as_str().unwrap();
    let answer = stage
        .form("conversations.history", &format!("{page}&cursor={cursor}"))
        .await;
    assert_eq!(texts(&answer), ["first"]);
    assert_eq!(answer["has_more"], false);
    assert_eq!(answer["messages"][0]["reply_count"], 4);

    let replies = stage
        .form(
            "conversations.replies",
            &format!("channel={}&ts={first}&limit=3", stage.ops),
        )
        .await;
    assert_eq!(texts(&replies), ["first", "reply 0", "reply 1"]);
    assert_eq!(replies["has_more"], true);

    let range = format!("channel={}&oldest={first}", stage.ops);
    assert_eq!(
        texts(&stage.form("conversations.history", &range).await),
        ["last", "shown"]
    );
    let inclusive = format!("channel={}&oldest={first}&latest={first}&inclusive=true", stage.ops);
    assert_eq!(texts(&stage.form("conversations.history", &inclusive).await), ["first"]);
    let until = format!("channel={}&latest={last}", stage.ops);
    assert_eq!(
        texts(&stage.form("conversations.history", &until).await),
        ["shown", "first"]
    );
    let since = format!("channel={}&oldest=1772366406", stage.ops);
    assert_eq!(texts(&stage.form("conversations.history", &since).await), [""; 0]);
}

#[tokio::test]
async fn a_message_whose_answer_was_lost_is_found_by_its_metadata() {
    let stage = Stage::new().await;
    let metadata = json!({ "event_type": "run", "event_payload": { "id": "r1" } });
    stage.post_with(json!({ "text": "a", "metadata": metadata })).await;
    let with = format!("channel={}&include_all_metadata=true", stage.ops);
    let answer = stage.form("conversations.history", &with).await;
    assert_eq!(answer["messages"][0]["metadata"], metadata);
    let answer = stage
        .form("conversations.history", &format!("channel={}", stage.ops))
        .await;
    assert_eq!(answer["messages"][0]["metadata"], json!(null));
}

#[tokio::test]
async fn reading_is_for_members_and_asks_in_forms() {
    let stage = Stage::new().await;
    let ts = stage.post("a").await;
    for (method, arguments, error) in [
        ("conversations.history", "channel=ops".to_owned(), "channel_not_found"),
        (
            "conversations.history",
            format!("channel={}&limit=1000", stage.ops),
            "invalid_limit",
        ),
        (
            "conversations.history",
            format!("channel={}&limit=0", stage.ops),
            "invalid_limit",
        ),
        (
            "conversations.history",
            format!("channel={}&limit=x", stage.ops),
            "invalid_arguments",
        ),
        (
            "conversations.history",
            format!("channel={}&cursor=x", stage.ops),
            "invalid_cursor",
        ),
        (
            "conversations.history",
            format!("channel={}&cursor=next_ts:1", stage.ops),
            "invalid_cursor",
        ),
        (
            "conversations.history",
            format!("channel={}&oldest=x", stage.ops),
            "invalid_ts_oldest",
        ),
        (
            "conversations.history",
            format!("channel={}&latest=x", stage.ops),
            "invalid_ts_latest",
        ),
        (
            "conversations.replies",
            format!("channel={}", stage.ops),
            "invalid_arguments",
        ),
        (
            "conversations.replies",
            format!("channel={}&ts=1.0", stage.ops),
            "thread_not_found",
        ),
    ] {
        assert_eq!(stage.form(method, &arguments).await["error"], error, "{arguments}");
    }
    let json = stage
        .call("conversations.history", json!({ "channel": stage.ops }))
        .await;
    assert_eq!(json["error"], "invalid_arguments");
    let url = format!(
        "{}/api/conversations.replies?channel={}&ts={ts}",
        stage.server.url(),
        stage.ops
    );
    let answer = stage.client.get(url).bearer_auth(&stage.token).send().await.unwrap();
    assert_eq!(texts(&answer.json().await.unwrap()), ["a"]);
    stage.slack.remove(&stage.token, "#ops");
    let answer = stage
        .form("conversations.history", &format!("channel={}", stage.ops))
        .await;
    assert_eq!(answer["error"], "not_in_channel");
}
