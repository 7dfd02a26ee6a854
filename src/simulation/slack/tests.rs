//! The double over real sockets, with a clock that is moved by hand.

#![allow(clippy::unwrap_used)]

mod blocks;
mod content;
mod faults;
mod files;
mod history;
mod limits;
mod markup;
mod messages;
mod permissions;
mod view;
mod webhook;

use std::{
    sync::{Arc, Mutex, Once},
    time::Duration,
};

use jiff::Timestamp;
use reqwest::{Client, Response};
use serde_json::{Value, json};

use super::Slack;
use crate::serve::Server;

const SCOPES: [&str; 3] = ["chat:write", "files:write", "channels:history"];

/// A workspace with a channel, a bot that is its member, and a client.
pub(crate) struct Stage {
    pub(super) slack: Slack,
    pub(super) server: Server,
    pub(super) token: String,
    /// The id of `#ops`.
    pub(super) ops: String,
    pub(super) client: Client,
    time: Arc<Mutex<Timestamp>>,
}

/// A client that waits for nobody for long.
pub(crate) fn client() -> Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let client = Client::builder().no_proxy().timeout(Duration::from_secs(20));
    client.build().unwrap()
}

/// A clock, and the hand that moves it.
pub(crate) fn clock() -> (super::Now, Arc<Mutex<Timestamp>>) {
    let time = Arc::new(Mutex::new("2026-03-01T12:00:00Z".parse().unwrap()));
    let hand = Arc::clone(&time);
    (Arc::new(move || *time.lock().unwrap()), hand)
}

impl Stage {
    async fn new() -> Self {
        let (now, time) = clock();
        let slack = Slack::new(now);
        let token = slack.install_app("healer", &SCOPES);
        let ops = slack.add_channel("#ops");
        slack.invite(&token, "#ops");
        Self {
            server: slack.serve().await.unwrap(),
            client: client(),
            slack,
            token,
            ops,
            time,
        }
    }

    fn pass(&self, seconds: f64) {
        *self.time.lock().unwrap() += Duration::from_secs_f64(seconds);
    }

    async fn send(&self, method: &str, token: &str, arguments: &Value) -> reqwest::Result<Response> {
        let request = self.client.post(format!("{}/api/{method}", self.server.url()));
        request.bearer_auth(token).json(arguments).send().await
    }

    async fn call(&self, method: &str, arguments: Value) -> Value {
        let answer = self.send(method, &self.token, &arguments).await.unwrap();
        answer.json().await.unwrap()
    }

    async fn form(&self, method: &str, body: &str) -> Value {
        let request = self.client.post(format!("{}/api/{method}", self.server.url()));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let request = request.bearer_auth(&self.token).body(body.to_owned());
        request.send().await.unwrap().json().await.unwrap()
    }

    /// Posts to `#ops` a second after whatever was before; gives the `ts`.
    async fn post(&self, text: &str) -> String {
        self.post_with(json!({ "text": text })).await
    }

    async fn post_with(&self, mut arguments: Value) -> String {
        self.pass(1.0);
        arguments["channel"] = json!("#ops");
        let answer = self.call("chat.postMessage", arguments).await;
        assert_eq!(answer["ok"], true, "{answer}");
        answer["ts"].as_str().unwrap().to_owned()
    }

    /// The error of a post to `#ops` a second after whatever was before.
    async fn refused(&self, mut arguments: Value) -> Value {
        self.pass(1.0);
        arguments["channel"] = json!("#ops");
        let answer = self.call("chat.postMessage", arguments).await;
        assert_eq!(answer["ok"], false, "{answer}");
        answer["error"].clone()
    }
}
