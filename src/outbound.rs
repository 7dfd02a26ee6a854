//! HTTP to services that people read: Slack, Teams, webhooks. The one user of reqwest.
//!
//! It never follows a redirect, reads a bounded answer, and tells apart what certainly was not sent from what may have
//! arrived. An address may be a secret (Slack's and Teams' webhooks are), so no error names it.

use std::{error::Error as _, time::Duration};

use bytes::Bytes;
use reqwest::{Client, header, redirect};
use serde_json::Value;

/// The longest answer that is read.
const ANSWER: usize = 1 << 20;
/// How long an answer may take.
pub const TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A client with a pool of connections.
#[derive(Clone, Debug)]
pub struct Outbound {
    client: Client,
}

/// A `POST`.
pub struct Request {
    /// Where to.
    pub url: String,
    /// `Authorization: Bearer …`.
    pub bearer: Option<String>,
    /// More headers.
    pub headers: Vec<(&'static str, String)>,
    /// What.
    pub body: Body,
}

/// What is sent.
pub enum Body {
    /// `application/json`.
    Json(Value),
    /// `application/json` that was written before, since it is signed.
    Written(String),
    /// `application/x-www-form-urlencoded`.
    Form(Vec<(&'static str, String)>),
    /// A file.
    Bytes(Vec<u8>),
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// `Retry-After` in seconds.
    pub retry_after: Option<Duration>,
    /// The body, cut at a mebibyte.
    pub body: Bytes,
}

/// Nothing came back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// It was not sent: no connection, or no address to connect to.
    #[error("{0}")]
    NotSent(String),
    /// It may have arrived: the connection broke, or the time was over.
    #[error("{0}")]
    NoAnswer(String),
}

impl Outbound {
    /// A client that nobody waits for longer than [`TIMEOUT`].
    pub fn new() -> Result<Self, OutboundError> {
        let client = Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("selfhealer/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| OutboundError::NotSent(words(&error)))?;
        Ok(Self { client })
    }

    /// Sends it and waits for the answer.
    pub async fn post(&self, request: Request) -> Result<Reply, OutboundError> {
        let mut builder = self.client.post(&request.url);
        if let Some(token) = &request.bearer {
            builder = builder.bearer_auth(token);
        }
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        let builder = match request.body {
            Body::Json(value) => builder.json(&value),
            Body::Written(text) => builder.header(header::CONTENT_TYPE, "application/json").body(text),
            Body::Form(fields) => builder.form(&fields),
            Body::Bytes(bytes) => builder
                .header(header::CONTENT_TYPE, "application/octet-stream")
                .body(bytes),
        };
        let mut response = builder.send().await.map_err(|error| failed(&error))?;
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error))? {
            body.extend_from_slice(&chunk[..chunk.len().min(ANSWER - body.len())]);
            if body.len() == ANSWER {
                break;
            }
        }
        Ok(Reply {
            status,
            retry_after,
            body: body.into(),
        })
    }
}

fn failed(error: &reqwest::Error) -> OutboundError {
    if error.is_connect() || error.is_builder() {
        OutboundError::NotSent(words(error))
    } else {
        OutboundError::NoAnswer(words(error))
    }
}

/// The causes, innermost last. The error's own words would name the address.
fn words(error: &reqwest::Error) -> String {
    let mut words = match () {
        () if error.is_timeout() => "no answer in time".to_owned(),
        () if error.is_connect() => "no connection".to_owned(),
        () if error.is_builder() => "not an address".to_owned(),
        () => "the exchange broke off".to_owned(),
    };
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !text.contains("://") {
            words.push_str(": ");
            words.push_str(&text);
        }
        cause = error.source();
    }
    words
}
