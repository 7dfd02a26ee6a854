//! HTTP to services that people read: Slack, Teams, webhooks. The one user of reqwest.
//!
//! It never follows a redirect, reads a bounded answer, and tells apart what certainly was not sent from what may have
//! arrived. An address may be a secret (Slack's and Teams' webhooks are), so no error names it.

use std::{error::Error as _, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use reqwest::{Client, Url, redirect};
use serde_json::Value;

/// The longest answer that is read.
const ANSWER: usize = 1 << 20;
/// How long an answer may take.
pub const TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A way to the services: a port, so that a simulation can answer in the same process.
#[async_trait]
pub trait Outbound: Send + Sync {
    /// Sends it and waits for the answer.
    async fn post(&self, request: Request) -> Result<Reply, OutboundError>;
}

/// The way over the network: a client with a pool of connections.
#[derive(Clone, Debug)]
pub struct Http {
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
    /// The body, cut at a mebibyte if it came over the network.
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

impl Http {
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
}

#[async_trait]
impl Outbound for Http {
    async fn post(&self, request: Request) -> Result<Reply, OutboundError> {
        let request = reqwest::Request::try_from(request.into_http()?);
        let request = request.map_err(|error| OutboundError::NotSent(words(&error)))?;
        let mut response = self.client.execute(request).await.map_err(|error| failed(&error))?;
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers());
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

impl Request {
    /// The request as it goes over the wire.
    pub fn into_http(self) -> Result<http::Request<Bytes>, OutboundError> {
        let (content_type, body) = match self.body {
            Body::Json(value) => ("application/json", value.to_string().into()),
            Body::Written(text) => ("application/json", text.into()),
            Body::Form(fields) => ("application/x-www-form-urlencoded", form(&fields).into()),
            Body::Bytes(bytes) => ("application/octet-stream", bytes.into()),
        };
        let mut builder = http::Request::post(self.url).header(header::CONTENT_TYPE, content_type);
        if let Some(token) = self.bearer {
            let secret = HeaderValue::try_from(format!("Bearer {token}")).map(|mut value| {
                value.set_sensitive(true);
                value
            });
            let secret = secret.map_err(|_| OutboundError::NotSent("the token is no header's value".to_owned()))?;
            builder = builder.header(header::AUTHORIZATION, secret);
        }
        for (name, value) in self.headers {
            builder = builder.header(name, value);
        }
        // Its own words would not name the address, but say less than these.
        builder
            .body(body)
            .map_err(|_| OutboundError::NotSent("not an address".to_owned()))
    }
}

impl Reply {
    /// An answer that is there as a whole.
    pub fn from_http(answer: http::Response<Bytes>) -> Self {
        Self {
            status: answer.status().as_u16(),
            retry_after: retry_after(answer.headers()),
            body: answer.into_body(),
        }
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?;
    value.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// Fields as a form writes them: the query of an address has the same syntax.
fn form(fields: &[(&'static str, String)]) -> String {
    let Ok(mut address) = Url::parse("http://form.invalid") else {
        return String::new();
    };
    address.query_pairs_mut().extend_pairs(fields);
    address.query().unwrap_or_default().to_owned()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_the_form_that_its_body_needs() {
        let request = |body| Request {
            url: "https://slack.example/api/x".to_owned(),
            bearer: Some("xoxb".to_owned()),
            headers: Vec::new(),
            body,
        };
        let fields = vec![("channel", "#a b".to_owned()), ("text", "1&2".to_owned())];
        for (body, content_type, written) in [
            (
                Body::Form(fields),
                "application/x-www-form-urlencoded",
                "channel=%23a+b&text=1%262",
            ),
            (
                Body::Json(serde_json::json!({"a": 1})),
                "application/json",
                r#"{"a":1}"#,
            ),
            (Body::Bytes(b"x".to_vec()), "application/octet-stream", "x"),
        ] {
            let sent = request(body).into_http().expect("it can be sent");
            assert_eq!(sent.headers()[header::CONTENT_TYPE], content_type);
            assert_eq!(sent.body(), written);
            assert!(sent.headers()[header::AUTHORIZATION].is_sensitive());
        }
    }

    #[test]
    fn what_is_no_address_is_not_sent_and_not_told() {
        let request = Request {
            url: "https://hooks.example/secret with spaces".to_owned(),
            bearer: None,
            headers: Vec::new(),
            body: Body::Written(String::new()),
        };
        let refused = request.into_http().expect_err("it has no address");
        assert_eq!(refused, OutboundError::NotSent("not an address".to_owned()));
    }
}
