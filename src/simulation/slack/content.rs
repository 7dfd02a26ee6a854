//! What a message may say: its text, blocks and metadata as `chat.postMessage`, `chat.update` and webhooks take them,
//! and whom it calls.

use serde_json::{Value, json};

use super::{
    blocks,
    mrkdwn::{self, Mention, Names},
    refusal::Refusal,
    request::Arguments,
};

/// Longer texts of new messages are cut.
const POSTED: usize = 40_000;

/// Longer texts of edits are refused: `chat.update` documents the cutting too, and answers `msg_too_long`.
const EDITED: usize = 4_000;

/// The most that metadata may be, as JSON. `metadata_too_large` is documented, its limit is not.
const METADATA: usize = 8_000;

/// What the arguments say about a message; `None` where they say nothing.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) text: Option<String>,
    pub(super) blocks: Option<Vec<Value>>,
    pub(super) metadata: Metadata,
    /// Whether `@name` is read as a mention, as it is when Slack is asked to find names.
    pub(super) bare: bool,
    pub(super) warnings: Vec<&'static str>,
}

/// What the arguments say about metadata.
#[derive(Debug, Default, PartialEq)]
pub(super) enum Metadata {
    #[default]
    Unsaid,
    Removed,
    Set(Value),
}

impl Content {
    /// The content of a new message.
    pub(super) fn posted(arguments: &Arguments) -> Result<Self, Refusal> {
        let mut content = Self::read(arguments, "none")?;
        if let Some(text) = &mut content.text
            && let Some((end, _)) = text.char_indices().nth(POSTED)
        {
            text.truncate(end);
            content.warnings.push("message_truncated");
        }
        if content.text.is_none() && content.blocks.as_ref().is_none_or(Vec::is_empty) {
            return Err("no_text".into());
        }
        Ok(content)
    }

    /// The content of an edit. Slack reads its text as if a person had typed it, unless `parse` says otherwise.
    pub(super) fn edited(arguments: &Arguments) -> Result<Self, Refusal> {
        let content = Self::read(arguments, "client")?;
        if content.text.as_ref().is_some_and(|text| text.chars().count() > EDITED) {
            return Err("msg_too_long".into());
        }
        if content.text.is_none() && content.blocks.is_none() && content.metadata == Metadata::Unsaid {
            return Err("no_text".into());
        }
        Ok(content)
    }

    fn read(arguments: &Arguments, parse: &str) -> Result<Self, Refusal> {
        for display in ["mrkdwn", "unfurl_links", "unfurl_media"] {
            arguments.flag(display);
        }
        let attached = arguments.data("attachments");
        if attached.is_some_and(|read| read.is_ok_and(|value| value != json!([]))) {
            // Slack takes attachments; they are its legacy, and nothing here shows them.
            return Err("invalid_attachments".into());
        }
        let parse = arguments.string("parse").unwrap_or_else(|| parse.to_owned());
        let mut content = Self {
            text: arguments.string("text").filter(|text| !text.trim().is_empty()),
            bare: parse != "none" || arguments.flag("link_names") == Some(true),
            ..Self::default()
        };
        content.blocks = arguments.data("blocks").map(read_blocks).transpose()?;
        content.read_metadata(arguments)?;
        Ok(content)
    }

    fn read_metadata(&mut self, arguments: &Arguments) -> Result<(), Refusal> {
        let Some(read) = arguments.data("metadata") else {
            return Ok(());
        };
        let Ok(Value::Object(fields)) = read else {
            return Err("invalid_metadata_format".into());
        };
        if fields.is_empty() {
            self.metadata = Metadata::Removed;
            return Ok(());
        }
        let (Some(Value::String(kind)), Some(Value::Object(_)), 2) =
            (fields.get("event_type"), fields.get("event_payload"), fields.len())
        else {
            return Err("invalid_metadata_format".into());
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if kind.is_empty() || !kind.chars().all(is_name) {
            // Documented as a warning: the message is posted without it.
            self.warnings.push("invalid_metadata_schema");
            return Ok(());
        }
        let metadata = Value::Object(fields);
        if metadata.to_string().len() > METADATA {
            return Err("metadata_too_large".into());
        }
        self.metadata = Metadata::Set(metadata);
        Ok(())
    }
}

fn read_blocks(read: Result<Value, ()>) -> Result<Vec<Value>, Refusal> {
    let Ok(Value::Array(blocks)) = read else {
        return Err("invalid_blocks_format".into());
    };
    let faults = blocks::faults(&blocks);
    if !faults.is_empty() {
        return Err(Refusal::blocks(faults));
    }
    match blocks::too_long(&blocks) {
        true => Err("msg_blocks_too_long".into()),
        false => Ok(blocks),
    }
}

/// Whom a message calls. The text counts though there are blocks: notifications show it.
pub(super) fn mentions(text: &str, bare: bool, blocks: &[Value], names: &dyn Names) -> Vec<Mention> {
    let mut found = mrkdwn::read(text, names, bare).mentions;
    let mut texts = Vec::new();
    blocks.iter().for_each(|block| markup_within(block, &mut texts));
    for (text, bare) in texts {
        found.extend(mrkdwn::read(text, names, bare).mentions);
    }
    found.sort();
    found.dedup();
    found
}

/// Every text that Slack reads as markup. In those that are not `verbatim` it finds "certain mentions" by itself.
fn markup_within<'a>(value: &'a Value, found: &mut Vec<(&'a str, bool)>) {
    match value {
        Value::Object(fields) => match (fields.get("type").and_then(Value::as_str), fields.get("text")) {
            (Some("mrkdwn"), Some(Value::String(text))) => {
                found.push((text, fields.get("verbatim") != Some(&Value::Bool(true))));
            }
            (Some("markdown"), Some(Value::String(text))) => found.push((text, true)),
            _ => fields.values().for_each(|value| markup_within(value, found)),
        },
        Value::Array(items) => items.iter().for_each(|item| markup_within(item, found)),
        _ => {}
    }
}
