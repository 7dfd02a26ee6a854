//! Slack by incoming webhook: nothing can be edited, so the first and the last state are posts of their own.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;

use super::{
    service::{Call, DeliveryError, Failure, Kind, Service, secret},
    slack::{answer, blocks},
};
use crate::{
    domain::notify::Sink,
    limit::Class,
    outbound::{Body, Outbound, Request},
    store::Posted,
};

/// A channel, by the webhook that was made for it.
pub struct IncomingWebhook {
    /// Holds the address, which is the secret.
    pub url_file: PathBuf,
    /// How it is reached.
    pub outbound: Arc<dyn Outbound>,
}

#[async_trait]
impl Service for IncomingWebhook {
    fn sink(&self) -> Sink {
        Sink::Slack
    }

    fn can_edit(&self) -> bool {
        false
    }

    fn is_for_people(&self) -> bool {
        true
    }

    fn limits(&self, _: Kind, _: &str) -> Vec<(Class, String)> {
        vec![(Class::SlackWebhook, String::new())]
    }

    async fn deliver(&self, call: &Call) -> Result<Option<Posted>, DeliveryError> {
        let Call::Post { message, .. } = call else {
            return Err(DeliveryError::Refused {
                failure: Failure::Rejected,
                words: "an incoming webhook can neither edit nor reply".to_owned(),
            });
        };
        let request = Request {
            url: secret(&self.url_file)?,
            bearer: None,
            headers: Vec::new(),
            body: Body::Json(blocks::webhook(message)),
        };
        answer::webhook(self.outbound.post(request).await?)?;
        Ok(None)
    }
}
