//! The Workflow over real sockets.

#![allow(clippy::unwrap_used)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::Timestamp;
use reqwest::{Client, Response};
use serde_json::{Value, json};

use super::Teams;
use crate::{
    faults::{Fault, Rule},
    serve::Server,
    slack::tests::{client, clock},
};

struct Stage {
    teams: Teams,
    server: Server,
    client: Client,
    time: Arc<Mutex<Timestamp>>,
}

impl Stage {
    async fn new() -> Self {
        let (now, time) = clock();
        let teams = Teams::new(now);
        Self {
            server: teams.serve().await.unwrap(),
            client: client(),
            teams,
            time,
        }
    }

    fn pass(&self, seconds: u64) {
        *self.time.lock().unwrap() += Duration::from_secs(seconds);
    }

    async fn send(&self, body: impl Into<String>) -> reqwest::Result<Response> {
        let url = format!("{}{}", self.server.url(), self.teams.path());
        self.client.post(url).body(body.into()).send().await
    }

    /// The status a second after whatever was before.
    async fn status(&self, body: &Value) -> u16 {
        self.pass(1);
        self.send(body.to_string()).await.unwrap().status().as_u16()
    }
}

fn message(card: Value) -> Value {
    json!({
        "type": "message",
        "attachments": [{ "contentType": "application/vnd.microsoft.card.adaptive", "content": card }],
    })
}

fn card(body: Value) -> Value {
    json!({ "type": "AdaptiveCard", "version": "1.4", "body": body })
}

#[tokio::test]
async fn a_card_is_accepted_and_shown() {
    let stage = Stage::new().await;
    let mut first = card(json!([
        { "type": "TextBlock", "text": "Healed web", "size": "Large", "weight": "Bolder" },
        { "type": "FactSet", "facts": [
            { "title": "Target", "value": "Deployment shop/web" }, { "title": "Outcome", "value": "succeeded" },
        ] },
        { "type": "Container", "items": [{ "type": "TextBlock", "text": "evicted pod web-1" }] },
        { "type": "ColumnSet", "columns": [{ "type": "Column", "items": [{ "type": "TextBlock", "text": "<at>Alice</at>" }] }] },
    ]));
    first["actions"] = json!([{ "type": "Action.OpenUrl", "title": "Open the run", "url": "https://example.com/r1" }]);
    first["msteams"] = json!({ "entities": [
        { "type": "mention", "text": "<at>Alice</at>", "mentioned": { "id": "a", "name": "Alice" } },
        { "type": "mention", "text": "<at>Bob</at>", "mentioned": { "id": "b", "name": "Bob" } },
    ] });
    assert_eq!(stage.status(&message(first)).await, 202);
    assert_eq!(
        stage
            .status(&message(card(json!([{ "type": "TextBlock", "text": "again" }]))))
            .await,
        202
    );
    assert_eq!(stage.teams.cards()[0].mentions, ["Alice"]);
    insta::assert_snapshot!(stage.teams.channel_as_text(), @"
    12:00:01  Workflows
      ▌ Healed web
      Target   Deployment shop/web
      Outcome  succeeded
      evicted pod web-1
      <at>Alice</at>
      [Open the run](https://example.com/r1)

    12:00:02  Workflows
      again
    ");
}

#[tokio::test]
async fn what_is_no_card_is_refused() {
    let stage = Stage::new().await;
    for body in [
        json!([]),
        json!({ "type": "message" }),
        json!({ "type": "message", "attachments": [] }),
        json!({ "text": "hello" }),
        json!({ "type": "message", "attachments": [{ "contentType": "text/plain", "content": "a" }] }),
        message(json!({ "type": "MessageCard", "version": "1.4", "body": [] })),
        message(json!({ "type": "AdaptiveCard", "version": "1.6", "body": [] })),
        message(json!({ "type": "AdaptiveCard", "version": "1.4" })),
        message(card(json!({}))),
        message(card(json!([{ "type": "TextBlock" }]))),
        message(card(json!([{ "type": "Input.Text", "id": "a" }]))),
        message(card(json!([{ "type": "FactSet", "facts": [{ "title": "a" }] }]))),
        message(card(
            json!([{ "type": "ActionSet", "actions": [{ "type": "Action.Submit", "title": "a" }] }]),
        )),
        message(card(
            json!([{ "type": "ActionSet", "actions": [{ "type": "Action.OpenUrl", "title": "a", "url": "b" }] }]),
        )),
        message(card(json!([{ "type": "Container", "items": [{ "text": "a" }] }]))),
    ] {
        assert_eq!(stage.status(&body).await, 400, "{body}");
    }
    assert_eq!(stage.send("{").await.unwrap().status(), 400);
    assert_eq!(stage.teams.cards(), []);
}

#[tokio::test]
async fn a_request_has_28_kilobytes_and_the_signature() {
    let stage = Stage::new().await;
    let sized = |length: usize| {
        let empty = message(card(json!([{ "type": "TextBlock", "text": "" }])))
            .to_string()
            .len();
        message(card(
            json!([{ "type": "TextBlock", "text": "x".repeat(length - empty) }]),
        ))
    };
    assert_eq!(stage.status(&sized(28 * 1024)).await, 202);
    assert_eq!(stage.status(&sized(28 * 1024 + 1)).await, 413);
    let url = format!("{}{}x", stage.server.url(), stage.teams.path());
    assert_eq!(stage.client.post(url).body("{}").send().await.unwrap().status(), 401);
    let url = stage.server.url();
    assert_eq!(stage.client.post(url).body("{}").send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn four_cards_a_second_are_taken() {
    let stage = Stage::new().await;
    let body = message(card(json!([{ "type": "TextBlock", "text": "a" }]))).to_string();
    for _ in 0..4 {
        assert_eq!(stage.send(&*body).await.unwrap().status(), 202);
    }
    let answer = stage.send(&*body).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["retry-after"]),
        (429, &"1".parse().unwrap())
    );
    stage.pass(1);
    assert_eq!(stage.send(&*body).await.unwrap().status(), 202);
    let refused: Vec<_> = stage
        .teams
        .calls()
        .iter()
        .filter_map(|call| call.refused.clone())
        .collect();
    assert_eq!(refused, ["TooManyRequests"]);
}

#[tokio::test]
async fn faults_befall_cards_too() {
    let stage = Stage::new().await;
    let body = message(card(json!([{ "type": "TextBlock", "text": "a" }])));
    let faults = stage.teams.faults();
    for (fault, status, cards) in [
        (Fault::Status(502), Some(502), 0),
        (Fault::Refused("WorkflowTriggerIsNotEnabled".to_owned()), Some(400), 0),
        (Fault::Cut, None, 0),
        (Fault::AnswerLost, None, 1),
        (Fault::Garbled, Some(200), 2),
        (Fault::RateLimited(2), Some(429), 2),
    ] {
        stage.pass(1);
        faults.add(Rule::once(fault.clone()));
        let answer = stage.send(body.to_string()).await;
        assert_eq!(answer.ok().map(|answer| answer.status().as_u16()), status, "{fault:?}");
        assert_eq!(stage.teams.cards().len(), cards, "{fault:?}");
    }
    assert_eq!(stage.status(&body).await, 429);
    assert_eq!(stage.status(&body).await, 202);
    faults.add(Rule::once(Fault::AnswerHeld));
    stage.pass(1);
    let releasing = async {
        faults.until_held(1).await;
        faults.release();
    };
    let (answer, ()) = tokio::join!(stage.send(body.to_string()), releasing);
    assert_eq!(answer.unwrap().status(), 202);
}
