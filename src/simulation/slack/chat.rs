//! Posting, editing and deleting messages.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    content::{self, Content, Metadata},
    message::{Edit, Posting},
    methods::{Done, fields},
    refusal::Refusal,
    request::Arguments,
    workspace::{Draft, TEAM, Workspace},
};

impl Workspace {
    /// `chat.postMessage`. Members may; others need `chat:write.public`, which reaches public channels only.
    pub(super) fn post_message(&mut self, now: Timestamp, app: usize, public: bool, arguments: &Arguments) -> Done {
        let channel = arguments.required("channel")?;
        let channel = self.visible(app, self.named(&channel))?;
        if !public && !self.is_member(app, channel) {
            return Err("not_in_channel".into());
        }
        let thread_ts = arguments.string("thread_ts");
        self.may_post(channel, thread_ts.as_deref())?;
        let content = Content::posted(arguments)?;
        let warnings = content.warnings.clone();
        let draft = Draft {
            thread_ts,
            broadcast: arguments.flag("reply_broadcast") == Some(true),
            ..self.draft(content)
        };
        let message = self.insert(now, app, channel, draft).clone();
        let channel = &self.channels[channel];
        let mut answer = fields(json!({
            "channel": channel.id,
            "ts": message.ts,
            "message": message.describe(channel, &self.apps[app].id, TEAM, true),
        }));
        if let Some(metadata) = warned(&warnings) {
            answer.insert("response_metadata".to_owned(), metadata);
        }
        Ok(answer)
    }

    /// `chat.update`. Only an app's own messages; what is left unsaid stays as it was.
    pub(super) fn update(&mut self, now: Timestamp, app: usize, arguments: &Arguments) -> Done {
        let (channel, at) = self.own(app, arguments, "cant_update_message")?;
        if self.channels[channel].archived {
            return Err("is_inactive".into());
        }
        let content = Content::edited(arguments)?;
        let blocks = content.blocks.map(|blocks| self.with_ids(blocks));
        let before = self.channels[channel].messages[at].clone();
        let text = content.text.unwrap_or_else(|| before.text.clone());
        let blocks = blocks.unwrap_or_else(|| before.blocks.clone());
        if text.is_empty() && blocks.is_empty() && before.files.is_empty() {
            return Err("no_text".into());
        }
        let mentions = content::mentions(&text, content.bare, &blocks, self);

        let message = &mut self.channels[channel].messages[at];
        message.edits.push(Edit {
            at: now,
            text: std::mem::replace(&mut message.text, text),
            blocks: std::mem::replace(&mut message.blocks, blocks),
        });
        match content.metadata {
            Metadata::Unsaid => {}
            Metadata::Removed => message.metadata = None,
            Metadata::Set(metadata) => message.metadata = Some(metadata),
        }
        message.mentions.extend(mentions);
        message.mentions.sort();
        message.mentions.dedup();
        if arguments.flag("reply_broadcast") == Some(true) && message.is_reply() {
            message.broadcast = true;
        }
        let message = message.clone();
        let channel = &self.channels[channel];
        let mut answer = fields(json!({
            "channel": channel.id,
            "ts": message.ts,
            "text": message.text,
            "message": message.describe(channel, &self.apps[app].id, TEAM, true),
        }));
        if let Some(metadata) = warned(&content.warnings) {
            answer.insert("response_metadata".to_owned(), metadata);
        }
        Ok(answer)
    }

    /// `chat.delete`. Only an app's own messages.
    pub(super) fn delete(&mut self, app: usize, arguments: &Arguments) -> Done {
        let (channel, at) = self.own(app, arguments, "cant_delete_message")?;
        let channel = &mut self.channels[channel];
        let ts = channel.messages[at].ts.clone();
        channel.remove(at);
        Ok(fields(json!({ "channel": channel.id, "ts": ts })))
    }

    /// A message that this app has posted. Here a channel goes by its id only.
    fn own(&self, app: usize, arguments: &Arguments, denied: &str) -> Result<(usize, usize), Refusal> {
        let channel = arguments.required("channel")?;
        let channel = self.visible(app, self.with_id(&channel))?;
        let ts = arguments.required("ts")?;
        let at = self.channels[channel].find(&ts).ok_or("message_not_found")?;
        let message = &self.channels[channel].messages[at];
        if message.tombstone {
            return Err("message_not_found".into());
        }
        match message.bot == self.apps[app].bot {
            true => Ok((channel, at)),
            false => Err(denied.into()),
        }
    }

    /// Whether a channel takes messages, or replies, of bots.
    pub(super) fn may_post(&self, channel: usize, thread_ts: Option<&str>) -> Result<(), Refusal> {
        let channel = &self.channels[channel];
        if channel.archived {
            return Err("is_archived".into());
        }
        match (channel.posting, thread_ts) {
            (Posting::Restricted, _) => Err("restricted_action".into()),
            (Posting::ReadOnly, _) => Err("restricted_action_read_only_channel".into()),
            (Posting::ThreadsOnly, None) => Err("restricted_action_thread_only_channel".into()),
            (Posting::NoThreads, Some(_)) => Err("restricted_action_non_threadable_channel".into()),
            (Posting::Open | Posting::ThreadsOnly | Posting::NoThreads, _) => Ok(()),
        }
    }

    /// A draft of what the arguments say.
    pub(super) fn draft(&mut self, content: Content) -> Draft {
        let blocks = self.with_ids(content.blocks.unwrap_or_default());
        let text = content.text.unwrap_or_default();
        Draft {
            mentions: content::mentions(&text, content.bare, &blocks, self),
            text,
            blocks,
            metadata: match content.metadata {
                Metadata::Set(metadata) => Some(metadata),
                Metadata::Unsaid | Metadata::Removed => None,
            },
            ..Draft::default()
        }
    }

    /// Every block gets an id that has none.
    fn with_ids(&mut self, mut blocks: Vec<Value>) -> Vec<Value> {
        for block in &mut blocks {
            if block.get("block_id").is_none() {
                block["block_id"] = json!(self.id('b'));
            }
        }
        blocks
    }
}

fn warned(warnings: &[&str]) -> Option<Value> {
    let words = |warning: &&str| match *warning {
        "message_truncated" => {
            "[WARN] Your message was truncated but still posted. The `text` field accepts up to 40,000 characters."
                .to_owned()
        }
        other => format!("[WARN] {other}"),
    };
    let messages: Vec<_> = warnings.iter().map(words).collect();
    (!warnings.is_empty()).then(|| json!({ "warnings": warnings, "messages": messages }))
}
