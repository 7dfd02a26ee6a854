use serde_json::{Value, json};

use super::Stage;
use crate::slack::rates::{Limit, Rates, Wait};

async fn post(stage: &Stage, channel: &str) -> (u16, Option<String>, Value) {
    let answer = stage
        .send(
            "chat.postMessage",
            &stage.token,
            &json!({ "channel": channel, "text": "a" }),
        )
        .await
        .unwrap();
    let retry_after = answer.headers().get("retry-after");
    let retry_after = retry_after.map(|value| value.to_str().unwrap().to_owned());
    (answer.status().as_u16(), retry_after, answer.json().await.unwrap())
}

#[tokio::test]
async fn a_channel_takes_a_message_a_second() {
    let stage = Stage::new().await;
    stage.slack.add_channel("dev");
    stage.slack.invite(&stage.token, "dev");
    assert_eq!(post(&stage, "#ops").await.0, 200);
    stage.pass(0.5);
    let (status, retry_after, body) = post(&stage, &stage.ops).await;
    assert_eq!((status, retry_after.as_deref()), (429, Some("1")));
    assert_eq!(body, json!({ "ok": false, "error": "ratelimited" }));
    assert_eq!(
        post(&stage, "#dev").await.0,
        200,
        "another channel has a limit of its own"
    );
    // A second since the last message, but not since the refusal.
    stage.pass(0.5);
    assert_eq!(post(&stage, "#ops").await.0, 429);
    stage.pass(0.5);
    assert_eq!(post(&stage, "#ops").await.0, 200);
    assert_eq!(stage.slack.messages("#ops").len(), 2);
}

#[test]
fn jitter_is_lent_and_has_to_be_paid_back() {
    let admitted = |times: &[i64]| {
        let mut rates = Rates::default();
        let times = times
            .iter()
            .map(|milliseconds| jiff::Timestamp::from_millisecond(*milliseconds).unwrap());
        let admitted = times.map(|time| rates.admit(time, "a", Limit::Second).is_ok());
        admitted.collect::<Vec<_>>()
    };
    assert_eq!(admitted(&[0, 1000, 2000, 3000]), [true; 4]);
    assert_eq!(admitted(&[0, 950, 2050, 2950, 4000]), [true; 5]);
    assert_eq!(admitted(&[0, 900, 1800]), [true, true, false]);
    assert_eq!(admitted(&[0, 899]), [true, false]);
    assert_eq!(
        admitted(&[0, 10_000, 10_001]),
        [true, true, false],
        "what was not used is not saved"
    );
}

#[test]
fn a_tier_is_so_many_calls_in_any_minute() {
    let mut rates = Rates::default();
    let at = |milliseconds| jiff::Timestamp::from_millisecond(milliseconds).unwrap();
    for call in 0..50 {
        assert_eq!(rates.admit(at(call * 100), "a", Limit::Minute(50)), Ok(()));
    }
    let wait = |seconds, told| Err(Wait { seconds, told });
    assert_eq!(rates.admit(at(5_000), "a", Limit::Minute(50)), wait(55, false));
    assert_eq!(rates.admit(at(5_500), "a", Limit::Minute(50)), wait(55, true));
    assert_eq!(rates.admit(at(5_500), "b", Limit::Minute(50)), Ok(()));
    assert_eq!(rates.admit(at(59_999), "a", Limit::Minute(50)), wait(1, true));
    assert_eq!(rates.admit(at(60_000), "a", Limit::Minute(50)), Ok(()));
    assert_eq!(rates.admit(at(60_001), "a", Limit::Minute(50)), wait(1, false));
}

#[tokio::test]
async fn edits_are_counted_for_the_whole_workspace() {
    let stage = Stage::new().await;
    let ts = stage.post("a").await;
    let edit = json!({ "channel": stage.ops, "ts": ts, "text": "b" });
    for _ in 0..50 {
        assert_eq!(stage.call("chat.update", edit.clone()).await["ok"], true);
    }
    let answer = stage.send("chat.update", &stage.token, &edit).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["retry-after"]),
        (429, &"60".parse().unwrap())
    );
    assert_eq!(
        stage
            .call("chat.delete", json!({ "channel": stage.ops, "ts": "1.0" }))
            .await["error"],
        "message_not_found"
    );
    stage.pass(60.0);
    assert_eq!(stage.call("chat.update", edit).await["ok"], true);
}

#[tokio::test]
async fn a_workspace_takes_two_hundred_messages_a_minute() {
    let stage = Stage::new().await;
    let channels: Vec<_> = (0..201)
        .map(|index| stage.slack.add_channel(&format!("c{index}")))
        .collect();
    channels
        .iter()
        .for_each(|channel| stage.slack.invite(&stage.token, channel));
    for channel in &channels[..200] {
        assert_eq!(post(&stage, channel).await.0, 200);
    }
    assert_eq!(post(&stage, &channels[200]).await.0, 429);
    stage.pass(60.0);
    assert_eq!(post(&stage, &channels[200]).await.0, 200);
}

#[tokio::test]
async fn an_app_that_does_not_wait_is_disabled() {
    let stage = Stage::new().await;
    assert_eq!(post(&stage, "#ops").await.0, 200);
    // The first refusal tells it to wait; fifty more are borne.
    for _ in 0..51 {
        assert_eq!(post(&stage, "#ops").await.0, 429);
        assert!(!stage.slack.is_disabled(&stage.token));
    }
    assert_eq!(post(&stage, "#ops").await.0, 429);
    assert!(stage.slack.is_disabled(&stage.token));
    stage.pass(3600.0);
    assert_eq!(post(&stage, "#ops").await.2["error"], "account_inactive");
    assert_eq!(stage.call("auth.test", json!({})).await["error"], "account_inactive");
}

#[tokio::test]
async fn an_app_that_waits_is_refused_as_often_as_it_likes() {
    let stage = Stage::new().await;
    for _ in 0..60 {
        assert_eq!(post(&stage, "#ops").await.0, 200);
        stage.pass(0.5);
        assert_eq!(post(&stage, "#ops").await.0, 429);
        stage.pass(1.0);
    }
    assert!(!stage.slack.is_disabled(&stage.token));
    assert_eq!(stage.slack.messages("#ops").len(), 60);
}
