//! An answer: JSON, text, or a stream of events.

use std::io;

use bytes::Bytes;
use futures::{FutureExt, Stream};
use http::{HeaderValue, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use serde_json::Value;

use super::{refusal::Refusal, yaml};

/// The body of an answer.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;

/// An answer.
pub struct Reply {
    /// The status.
    pub code: u16,
    /// The type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: Body,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u32>,
    /// What the client is warned of.
    pub warnings: Vec<String>,
}

impl Reply {
    /// JSON.
    pub fn json(code: u16, value: &Value) -> Self {
        let mut bytes = serde_json::to_vec(value).expect("a JSON value can be written");
        // A document ends with its line, by which some read it.
        bytes.push(b'\n');
        Self::bytes(code, "application/json", bytes.into())
    }

    /// Bytes of some type.
    pub fn bytes(code: u16, content_type: &'static str, bytes: Bytes) -> Self {
        Self {
            code,
            content_type,
            body: Full::new(bytes).map_err(|never| match never {}).boxed_unsync(),
            retry_after: None,
            warnings: Vec::new(),
        }
    }

    /// Text.
    pub fn text(code: u16, text: impl Into<String>) -> Self {
        Self::bytes(code, "text/plain; charset=utf-8", text.into().into())
    }

    /// A stream of chunks.
    pub fn stream(content_type: &'static str, chunks: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        use futures::StreamExt;
        Self::breakable(content_type, chunks.map(Ok))
    }

    /// A stream of chunks that may break off.
    pub fn breakable(
        content_type: &'static str,
        chunks: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Self {
        use futures::StreamExt;
        let frames = chunks.map(|chunk| chunk.map(Frame::data)).fuse();
        Self {
            code: 200,
            content_type,
            body: StreamBody::new(frames).boxed_unsync(),
            retry_after: None,
            warnings: Vec::new(),
        }
    }

    /// The same in YAML, if it is JSON that is known already.
    pub fn in_yaml(self) -> Self {
        if self.content_type != "application/json" {
            return self;
        }
        let (mut content_type, mut bytes) = (self.content_type, Bytes::new());
        if let Some(Ok(body)) = self.body.collect().now_or_never() {
            bytes = body.to_bytes();
        }
        if let Ok(value) = serde_json::from_slice(&bytes) {
            (content_type, bytes) = ("application/yaml", yaml::write(&value).into());
        }
        Self {
            content_type,
            body: Self::bytes(self.code, content_type, bytes).body,
            ..self
        }
    }

    /// As HTTP.
    pub fn into_response(self) -> Response<Body> {
        let mut response = Response::new(self.body);
        *response.status_mut() = StatusCode::from_u16(self.code).expect("the codes here are valid");
        let headers = response.headers_mut();
        if self.code != StatusCode::NO_CONTENT.as_u16() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        for warning in self.warnings {
            let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
            if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
                headers.append(header::WARNING, value);
            }
        }
        response
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        Self {
            retry_after: refusal.retry_after,
            ..Self::json(refusal.code, &refusal.status())
        }
    }
}
