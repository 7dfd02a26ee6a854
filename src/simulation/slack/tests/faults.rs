use std::time::Duration;

use serde_json::{Value, json};

use super::Stage;
use crate::faults::{Fault, Rule};

fn message() -> Value {
    json!({ "channel": "#ops", "text": "a" })
}

async fn posted(stage: &Stage) -> reqwest::Result<reqwest::Response> {
    stage.pass(1.0);
    stage.send("chat.postMessage", &stage.token, &message()).await
}

#[tokio::test]
async fn a_limit_on_demand_holds_until_its_time_is_over() {
    let stage = Stage::new().await;
    stage
        .slack
        .faults()
        .add(Rule::once(Fault::RateLimited(30)).on("chat.postMessage").within("#ops"));
    let answer = posted(&stage).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["retry-after"]),
        (429, &"30".parse().unwrap())
    );
    let answer = posted(&stage).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["retry-after"]),
        (429, &"29".parse().unwrap())
    );
    stage.pass(28.0);
    assert_eq!(posted(&stage).await.unwrap().status(), 200);
    assert_eq!(stage.slack.messages("#ops").len(), 1);
}

#[tokio::test]
async fn an_error_on_demand_is_answered_as_slack_would() {
    let stage = Stage::new().await;
    stage
        .slack
        .faults()
        .add(Rule::times(2, Fault::Refused("fatal_error".to_owned())));
    for _ in 0..2 {
        let answer = posted(&stage).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(
            answer.json::<Value>().await.unwrap(),
            json!({ "ok": false, "error": "fatal_error" })
        );
    }
    assert_eq!(posted(&stage).await.unwrap().json::<Value>().await.unwrap()["ok"], true);
}

#[tokio::test]
async fn a_proxy_answers_with_a_page() {
    let stage = Stage::new().await;
    for status in [500, 502, 503] {
        stage.slack.faults().add(Rule::once(Fault::Status(status)));
        let answer = posted(&stage).await.unwrap();
        assert_eq!(answer.status(), status);
        assert!(answer.text().await.unwrap().contains("<h1>"));
    }
    assert_eq!(stage.slack.messages("#ops"), []);
    assert!(stage.slack.calls().iter().all(|call| !call.took_effect()));
}

#[tokio::test]
async fn a_cut_comes_before_the_effect_or_after_it() {
    let stage = Stage::new().await;
    stage.slack.faults().add(Rule::once(Fault::Cut));
    posted(&stage).await.unwrap_err();
    assert_eq!(stage.slack.messages("#ops"), []);
    stage.slack.faults().add(Rule::once(Fault::AnswerLost));
    posted(&stage).await.unwrap_err();
    assert_eq!(stage.slack.messages("#ops").len(), 1);
    let effects: Vec<_> = stage.slack.calls().iter().map(|call| call.took_effect()).collect();
    assert_eq!(effects, [false, true]);
}

#[tokio::test]
async fn an_answer_that_breaks_off_was_an_answer() {
    let stage = Stage::new().await;
    stage.slack.faults().add(Rule::once(Fault::Garbled));
    let answer = posted(&stage).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.json::<Value>().await.unwrap_err().is_decode());
    assert_eq!(stage.slack.messages("#ops").len(), 1);
}

#[tokio::test]
async fn a_held_call_has_its_effect_when_it_is_released() {
    let stage = Stage::new().await;
    stage.slack.faults().add(Rule::once(Fault::Held));
    let posting = posted(&stage);
    let releasing = async {
        stage.slack.faults().until_held(1).await;
        assert_eq!(stage.slack.messages("#ops"), []);
        stage.pass(5.0);
        stage.slack.faults().release();
    };
    let (answer, ()) = tokio::join!(posting, releasing);
    assert_eq!(
        answer.unwrap().json::<Value>().await.unwrap()["ts"],
        "1772366406.000000"
    );
}

#[tokio::test]
async fn a_held_call_whose_client_went_away_never_happens() {
    let stage = Stage::new().await;
    stage.slack.faults().add(Rule::once(Fault::Held));
    tokio::select! {
        answer = posted(&stage) => panic!("{answer:?}"),
        () = stage.slack.faults().until_held(1) => {}
    }
    // The connection closes in its own time; the next call on demand is the only one that is left.
    stage.slack.faults().until_none_held().await;
    stage.slack.faults().release();
    assert_eq!(posted(&stage).await.unwrap().status(), 200);
    assert_eq!(stage.slack.messages("#ops").len(), 1);
}

#[tokio::test]
async fn a_held_answer_comes_late_to_what_was_done_at_once() {
    let stage = Stage::new().await;
    stage.slack.faults().add(Rule::once(Fault::AnswerHeld));
    let posting = posted(&stage);
    let releasing = async {
        stage.slack.faults().until_held(1).await;
        assert_eq!(stage.slack.messages("#ops").len(), 1);
        stage.slack.faults().release();
    };
    let (answer, ()) = tokio::join!(posting, releasing);
    assert_eq!(answer.unwrap().status(), 200);
}

#[tokio::test]
async fn an_outage_hears_nobody_until_it_is_over() {
    let stage = Stage::new().await;
    assert_eq!(posted(&stage).await.unwrap().status(), 200);
    stage.server.go_down();
    for _ in 0..3 {
        posted(&stage).await.unwrap_err();
    }
    stage.server.come_up();
    assert_eq!(posted(&stage).await.unwrap().status(), 200);
    assert_eq!(stage.slack.calls().len(), 2);
}

#[tokio::test]
async fn a_server_ends_with_its_handle() {
    let stage = Stage::new().await;
    let url = stage.server.url();
    let Stage { server, client, .. } = stage;
    drop(server);
    // The accepting task ends at its next turn; from then on the port is closed.
    let refused = async {
        loop {
            tokio::task::yield_now().await;
            let answer = client.post(format!("{url}/api/auth.test")).send().await;
            if answer.is_err_and(|error| error.is_connect()) {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), refused).await.unwrap();
}
