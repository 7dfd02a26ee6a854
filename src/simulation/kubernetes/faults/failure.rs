//! Answers of an API server that is not well, in its own words.

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::{
    discovery,
    refusal::{About, Refusal},
    reply::Reply,
    request::Call,
    verbs::{list, watch},
};

/// What is answered instead.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// 403: the user has no right to it.
    Forbidden,
    /// 404: there is no such object, or no such resource.
    NotFound,
    /// 409: there is one already, or somebody was faster.
    Conflict,
    /// 410: what is asked for is too old, also a `continue`. A watch says so in its first event.
    Expired,
    /// 429 in plain text with a `Retry-After` in seconds: priority and fairness has no room for it.
    Overloaded(u32),
    /// 429 with a `Retry-After` in seconds, also in the Status: the server reads this resource anew.
    Initializing(u32),
    /// 500 without a reason: etcd did not answer in time. Nobody knows whether it was carried out.
    Storage,
    /// 500 with `InternalError`: an admission webhook could not be called.
    Webhook,
    /// 503 with `ServiceUnavailable` and a `Retry-After`: the server shuts down.
    Unavailable,
    /// 504 with `Timeout`: it took longer than the server allows. Nobody knows whether it was carried out.
    Timeout,
    /// This status with a page of HTML, as proxies answer.
    Page(u16),
    /// These words.
    Refusal(Refusal),
}

/// What somebody hears who is not the first.
const MODIFIED: &str = "the object has been modified; please apply your changes to the latest version and try again";

impl Failure {
    /// The answer to a call.
    pub(in super::super) fn reply(&self, call: &Call) -> Reply {
        match self {
            Self::Forbidden => call.forbidden().into(),
            Self::NotFound => not_found(call).into(),
            Self::Conflict => conflict(call).into(),
            Self::Expired => expired(call),
            Self::Overloaded(seconds) => Reply {
                retry_after: Some(*seconds),
                ..Reply::text(429, "Too many requests, please try again later.\n")
            },
            Self::Initializing(seconds) => Refusal {
                details: Some(json!({"retryAfterSeconds": seconds})),
                retry_after: Some(*seconds),
                ..Refusal::new(429, "TooManyRequests", "storage is (re)initializing")
            }
            .into(),
            Self::Storage => Refusal::new(500, "", "etcdserver: request timed out").into(),
            Self::Webhook => {
                let why = "failed calling webhook \"policy.example.com\": failed to call webhook: Post \
                           \"https://policy.example.svc:443/validate?timeout=10s\": context deadline exceeded";
                Refusal {
                    details: Some(json!({"causes": [{"message": why}]})),
                    ..Refusal::new(500, "InternalError", format!("Internal error occurred: {why}"))
                }
                .into()
            }
            Self::Unavailable => Refusal {
                retry_after: Some(1),
                ..Refusal::new(503, "ServiceUnavailable", "apiserver is shutting down")
            }
            .into(),
            Self::Timeout => {
                let words = "Timeout: request did not complete within the allotted timeout";
                Refusal {
                    details: Some(json!({})),
                    ..Refusal::new(504, "Timeout", words)
                }
                .into()
            }
            Self::Page(code) => Reply::bytes(*code, "text/html", page(*code)),
            Self::Refusal(refusal) => refusal.clone().into(),
        }
    }
}

fn not_found(call: &Call) -> Refusal {
    match &call.about {
        Some(about) if about.name.is_some() => {
            let resource = About::new(&about.group, &about.plural);
            Refusal::not_found(resource, about.name.as_deref().unwrap_or_default())
        }
        _ => discovery::missing(),
    }
}

fn conflict(call: &Call) -> Refusal {
    let Some(about) = &call.about else {
        return Refusal::new(409, "Conflict", MODIFIED);
    };
    let resource = About::new(&about.group, &about.plural);
    match &about.name {
        Some(name) => Refusal::conflict(resource, name, MODIFIED),
        None => {
            let given: Value = serde_json::from_slice(&call.body).unwrap_or_default();
            let given = given["metadata"]["name"].as_str().unwrap_or_default();
            Refusal::already_exists(resource, given)
        }
    }
}

fn expired(call: &Call) -> Reply {
    if call.about.as_ref().is_some_and(|about| about.verb == "watch") {
        let version = call.query.text("resourceVersion").unwrap_or("0");
        let words = format!("too old resource version: {version} ({version})");
        let status = Refusal::new(410, "Expired", words).status();
        let line = watch::line("ERROR", status.to_string().as_bytes());
        return Reply::bytes(200, "application/json", line);
    }
    if call.query.text("continue").is_some() {
        return list::expired().into();
    }
    let words = "The resourceVersion for the provided list is too old.";
    Refusal::new(410, "Expired", words).into()
}

fn page(code: u16) -> Bytes {
    let title = match code {
        502 => "502 Bad Gateway",
        503 => "503 Service Temporarily Unavailable",
        504 => "504 Gateway Time-out",
        _ => "500 Internal Server Error",
    };
    let page = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
         <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    );
    page.into()
}
