//! Any receiver of JSON, signed: `X-Selfhealer-Signature: v1=HEX`, HMAC-SHA256 of `v1:TIMESTAMP:BODY` under the shared
//! secret, in the manner of Slack's own requests.
//!
//! `X-Selfhealer-Delivery` is the same when the same state is sent again: a receiver that keeps it does nothing twice.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{
    message::Message,
    service::{Call, DeliveryError, Failure, Kind, Service, by_status, secret},
    text::plain,
};
use crate::{
    clock::Clock,
    domain::notify::Sink,
    limit::Class,
    outbound::{Body, Outbound, Request},
    store::Posted,
};

/// Where the address comes from.
pub enum Address {
    /// Written in the configuration.
    Plain(String),
    /// A secret.
    File(PathBuf),
}

/// A receiver.
pub struct Webhook {
    /// Where it is.
    pub address: Address,
    /// Holds the key of the signature; absent: nothing is signed.
    pub secret_file: Option<PathBuf>,
    /// How it is reached.
    pub outbound: Arc<dyn Outbound>,
    /// For the time stamp.
    pub clock: Arc<dyn Clock>,
}

#[async_trait]
impl Service for Webhook {
    fn sink(&self) -> Sink {
        Sink::Webhook
    }

    /// The message's id is where it stands: each state is told, and names what it replaces.
    fn can_edit(&self) -> bool {
        true
    }

    fn is_for_people(&self) -> bool {
        false
    }

    fn limits(&self, _: Kind, _: &str) -> Vec<(Class, String)> {
        vec![(Class::Webhook, String::new())]
    }

    async fn deliver(&self, call: &Call) -> Result<Option<Posted>, DeliveryError> {
        let (Call::Post { message, .. } | Call::Edit { message, .. }) = call else {
            return Ok(None);
        };
        let body = body(message).to_string();
        let timestamp = self.clock.now().as_second().to_string();
        let mut headers = vec![
            ("X-Selfhealer-Delivery", format!("{}-{}", message.id, message.told)),
            ("X-Selfhealer-Timestamp", timestamp.clone()),
        ];
        if let Some(file) = &self.secret_file {
            let signature = sign(secret(file)?.as_bytes(), &timestamp, &body);
            headers.push(("X-Selfhealer-Signature", signature));
        }
        let url = match &self.address {
            Address::Plain(url) => url.clone(),
            Address::File(file) => secret(file)?,
        };
        let request = Request {
            url,
            bearer: None,
            headers,
            body: Body::Written(body),
        };
        let reply = by_status(self.outbound.post(request).await?)?;
        match reply.status {
            200..=299 => Ok(Some(Posted {
                channel: String::new(),
                ts: message.id.clone(),
            })),
            status => Err(DeliveryError::Refused {
                failure: if matches!(status, 401 | 403) {
                    Failure::Unauthorized
                } else {
                    Failure::Rejected
                },
                words: format!("the receiver answered {status}, which says that sending it again will not help"),
            }),
        }
    }

    /// To send a state again does no harm here.
    async fn find(&self, _: &super::service::Lost) -> Result<Option<Posted>, DeliveryError> {
        Ok(None)
    }
}

/// What stands in the signature's header.
pub fn sign(key: &[u8], timestamp: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length will do");
    mac.update(format!("v1:{timestamp}:{body}").as_bytes());
    format!("v1={}", hex::encode(mac.finalize().into_bytes()))
}

fn body(message: &Message) -> Value {
    let mut body = json!({
        "version": "1",
        "id": message.id,
        "sequence": message.told,
        "last": message.last,
        "headline": message.headline,
        "text": plain(&message.text),
        "link": message.link,
    });
    if let (Value::Object(body), Value::Object(parts)) = (&mut body, message.parts.clone()) {
        for (name, value) in parts {
            body.entry(name).or_insert(value);
        }
    }
    body
}
