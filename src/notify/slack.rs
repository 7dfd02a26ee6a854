//! Slack by bot token: one message that is edited, evidence and mentions in its thread.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use serde_json::{Value, json};

pub(super) mod answer;
pub(super) mod blocks;

use super::{
    service::{Call, DeliveryError, Kind, Lost, Service, secret},
    text::{cut, escape},
};
use crate::{
    domain::notify::Sink,
    limit::Class,
    outbound::{Body, Outbound, Request},
    store::Posted,
};

/// The longest evidence that stands in the thread itself; what is longer is a file.
const INLINE: usize = 2_500;
/// Replies that a search for a lost message reads.
const MAX_REPLIES: u32 = 200;
/// Under which our messages can be told from others'.
const EVENT: &str = "selfhealer_message";

/// A workspace, by the token of an app in it.
pub struct Slack {
    /// Ends with a slash.
    pub api_url: String,
    /// Holds the token.
    pub token_file: PathBuf,
    /// How it is reached.
    pub outbound: Arc<dyn Outbound>,
}

#[async_trait]
impl Service for Slack {
    fn sink(&self) -> Sink {
        Sink::Slack
    }

    fn can_edit(&self) -> bool {
        true
    }

    fn is_for_people(&self) -> bool {
        true
    }

    fn limits(&self, kind: Kind, channel: &str) -> Vec<(Class, String)> {
        let workspace = String::new;
        match kind {
            Kind::Post => vec![
                (Class::SlackChannel, channel.to_owned()),
                (Class::SlackPosts, workspace()),
            ],
            Kind::Edit => vec![(Class::SlackUpdates, workspace())],
            Kind::Evidence => vec![
                (Class::SlackChannel, channel.to_owned()),
                (Class::SlackPosts, workspace()),
                (Class::SlackFiles, workspace()),
            ],
            Kind::Lookup => vec![(Class::SlackLookups, workspace())],
        }
    }

    async fn deliver(&self, call: &Call) -> Result<Option<Posted>, DeliveryError> {
        match call {
            Call::Post { channel, message } => {
                let mut body = blocks::message(message);
                body["channel"] = json!(channel);
                body["metadata"] = metadata(&message.id);
                self.post(body).await.map(Some)
            }
            Call::Edit { posted, message } => {
                let mut body = blocks::message(message);
                body["channel"] = json!(posted.channel);
                body["ts"] = json!(posted.ts);
                body["metadata"] = metadata(&message.id);
                self.call("chat.update", Body::Json(body)).await?;
                Ok(Some(posted.clone()))
            }
            Call::Evidence {
                parent,
                id,
                title,
                text,
                inline,
                perhaps_twice,
            } => {
                if *inline || text.chars().count() <= INLINE {
                    let body = blocks::evidence(title, &cut(text, INLINE), *perhaps_twice);
                    self.reply(parent, id, body).await.map(Some)
                } else {
                    self.file(parent, id, title, text, *perhaps_twice).await.map(|()| None)
                }
            }
            Call::Mention {
                parent,
                id,
                mention,
                text,
                perhaps_twice,
            } => {
                let body = blocks::mention(mention, text, *perhaps_twice);
                self.reply(parent, id, body).await.map(Some)
            }
        }
    }

    async fn find(&self, lost: &Lost) -> Result<Option<Posted>, DeliveryError> {
        let mut fields = vec![
            ("channel", lost.channel.clone()),
            ("include_all_metadata", "true".to_owned()),
            ("limit", MAX_REPLIES.to_string()),
            ("oldest", format!("{}.000000", lost.since.as_second())),
        ];
        let method = match &lost.thread {
            Some(thread) => {
                fields.push(("ts", thread.clone()));
                "conversations.replies"
            }
            None => "conversations.history",
        };
        let answer = self.call(method, Body::Form(fields)).await?;
        // A file brings no metadata; its name is ours.
        let file = file_name(&lost.id);
        let has_file = |message: &Value| {
            let files = message["files"].as_array();
            files.is_some_and(|files| files.iter().any(|found| found["name"] == json!(file)))
        };
        let ours =
            |message: &&Value| message["metadata"]["event_payload"]["message"] == json!(lost.id) || has_file(message);
        let found = answer["messages"].as_array().into_iter().flatten().find(ours);
        Ok(found.and_then(|message| {
            Some(Posted {
                channel: lost.channel.clone(),
                ts: message["ts"].as_str()?.to_owned(),
            })
        }))
    }
}

impl Slack {
    async fn reply(&self, parent: &Posted, id: &str, mut body: Value) -> Result<Posted, DeliveryError> {
        body["channel"] = json!(parent.channel);
        body["thread_ts"] = json!(parent.ts);
        body["metadata"] = metadata(id);
        self.post(body).await
    }

    async fn post(&self, body: Value) -> Result<Posted, DeliveryError> {
        let answer = self.call("chat.postMessage", Body::Json(body)).await?;
        let text = |field: &str| answer[field].as_str().map(str::to_owned);
        match text("channel").zip(text("ts")) {
            Some((channel, ts)) => Ok(Posted { channel, ts }),
            None => Err(DeliveryError::Unavailable {
                detail: "Slack did not say where the message stands".to_owned(),
                perhaps_taken: true,
            }),
        }
    }

    /// The three calls of an external upload; only the last one shows anything.
    async fn file(
        &self,
        parent: &Posted,
        id: &str,
        title: &str,
        text: &str,
        perhaps_twice: bool,
    ) -> Result<(), DeliveryError> {
        let fields = vec![("filename", file_name(id)), ("length", text.len().to_string())];
        let ticket = self.call("files.getUploadURLExternal", Body::Form(fields)).await?;
        let (Some(url), Some(file)) = (ticket["upload_url"].as_str(), ticket["file_id"].as_str()) else {
            return Err(DeliveryError::Unavailable {
                detail: "Slack did not say where to upload to".to_owned(),
                perhaps_taken: false,
            });
        };
        let upload = Request {
            url: url.to_owned(),
            bearer: None,
            headers: Vec::new(),
            body: Body::Bytes(text.as_bytes().to_vec()),
        };
        answer::upload(self.outbound.post(upload).await.map_err(answer::not_taken)?)?;
        let mut comment = escape(title);
        if perhaps_twice {
            comment.push_str(blocks::TWICE);
        }
        let body = json!({
            "files": [{"id": file, "title": cut(title, 200)}],
            "channel_id": parent.channel,
            "thread_ts": parent.ts,
            "initial_comment": comment,
        });
        self.call("files.completeUploadExternal", Body::Json(body)).await?;
        Ok(())
    }

    async fn call(&self, method: &str, body: Body) -> Result<Value, DeliveryError> {
        let request = Request {
            url: format!("{}{method}", self.api_url),
            bearer: Some(secret(&self.token_file)?),
            headers: Vec::new(),
            body,
        };
        answer::api(method, self.outbound.post(request).await?)
    }
}

fn file_name(id: &str) -> String {
    format!("evidence-{id}.txt")
}

fn metadata(id: &str) -> Value {
    json!({"event_type": EVENT, "event_payload": {"message": id}})
}
