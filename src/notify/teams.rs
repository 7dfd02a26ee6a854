//! Microsoft Teams by a Workflow's webhook: an Adaptive Card for the first state and one for the last.
//!
//! Everything that came from outside stands in text runs, which Teams shows as they are: its Markdown would read links and
//! mentions out of a label.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{
    message::Message,
    service::{Call, DeliveryError, Failure, Kind, Service, by_status, secret},
    text::{cut, plain, plain_words},
};
use crate::{
    domain::notify::Sink,
    limit::Class,
    outbound::{Body, Outbound, Request},
    store::Posted,
};

/// Teams takes 28 KB; what JSON adds to the text needs room.
const TEXT: usize = 6_000;

/// A channel, by the Workflow that posts there.
pub struct Teams {
    /// Holds the address, which is the secret.
    pub url_file: PathBuf,
    /// How it is reached.
    pub outbound: Arc<dyn Outbound>,
}

#[async_trait]
impl Service for Teams {
    fn sink(&self) -> Sink {
        Sink::Teams
    }

    fn can_edit(&self) -> bool {
        false
    }

    fn is_for_people(&self) -> bool {
        true
    }

    fn limits(&self, _: Kind, _: &str) -> Vec<(Class, String)> {
        vec![(Class::Teams, String::new())]
    }

    async fn deliver(&self, call: &Call) -> Result<Option<Posted>, DeliveryError> {
        let Call::Post { message, .. } = call else {
            return Err(rejected("a Workflow can neither edit nor reply"));
        };
        let request = Request {
            url: secret(&self.url_file)?,
            bearer: None,
            headers: Vec::new(),
            body: Body::Json(card(message)),
        };
        let reply = by_status(self.outbound.post(request).await?)?;
        match reply.status {
            200..=299 => Ok(None),
            400 | 413 => Err(DeliveryError::Content(format!("Teams answered {}", reply.status))),
            401 | 403 | 404 | 410 => Err(DeliveryError::Refused {
                failure: Failure::Unauthorized,
                words: format!(
                    "Teams answered {}: the Workflow is gone or its address is not accepted; put a valid one into the file",
                    reply.status
                ),
            }),
            other => Err(rejected(&format!("Teams answered {other}"))),
        }
    }
}

fn rejected(words: &str) -> DeliveryError {
    DeliveryError::Refused {
        failure: Failure::Rejected,
        words: words.to_owned(),
    }
}

fn card(message: &Message) -> Value {
    let run = |text: String, more: Value| {
        let mut run = json!({"type": "TextRun", "text": text});
        if let (Value::Object(run), Value::Object(more)) = (&mut run, more) {
            run.extend(more);
        }
        json!({"type": "RichTextBlock", "inlines": [run]})
    };
    let mut footer = plain_words(&message.footer);
    if message.perhaps_twice {
        footer.push_str(super::slack::blocks::TWICE);
    }
    let mut body = vec![run(
        format!("{} {}", message.emoji, message.headline),
        json!({"weight": "bolder", "size": "large"}),
    )];
    let text = cut(&plain(&message.text), TEXT);
    if message.plain {
        body.push(run(text, json!({})));
    } else {
        body.extend(
            text.lines()
                .filter(|line| !line.is_empty())
                .take(60)
                .map(|line| run(line.to_owned(), json!({}))),
        );
    }
    body.push(run(footer, json!({"size": "small", "isSubtle": true})));
    let mut card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": body,
    });
    if let Some(link) = &message.link {
        card["actions"] = json!([{"type": "Action.OpenUrl", "title": "Open", "url": link}]);
    }
    json!({
        "type": "message",
        "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}],
    })
}
