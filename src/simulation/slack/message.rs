//! What stands in a channel: messages with all that they said before, files with their bytes, and how Slack's API
//! describes them.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::mrkdwn::Mention;

/// A channel, and what stands in it.
#[derive(Clone, Debug)]
pub(super) struct Channel {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) private: bool,
    pub(super) archived: bool,
    pub(super) posting: Posting,
    /// The bot users that are members.
    pub(super) members: Vec<String>,
    /// In the order of their `ts`, replies among them.
    pub(super) messages: Vec<Message>,
}

/// Who may post to a channel, as its workspace sets it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Posting {
    /// Every member.
    #[default]
    Open,
    /// Nobody of ours: `restricted_action`.
    Restricted,
    /// Nobody: `restricted_action_read_only_channel`.
    ReadOnly,
    /// Replies only: `restricted_action_thread_only_channel`.
    ThreadsOnly,
    /// No replies: `restricted_action_non_threadable_channel`.
    NoThreads,
}

/// A message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Its id within the channel.
    pub ts: String,
    /// The `ts` of the message that it replies to; of itself, where it has replies.
    pub thread_ts: Option<String>,
    /// The name of the app that posted it.
    pub app: String,
    /// The `text` argument: what notifications show, and the message where there are no blocks.
    pub text: String,
    /// The blocks, each with its id.
    pub blocks: Vec<Value>,
    /// The metadata.
    pub metadata: Option<Value>,
    /// What it said before each edit, oldest first.
    pub edits: Vec<Edit>,
    /// When it was posted.
    pub posted: Timestamp,
    /// The files that came with it.
    pub files: Vec<File>,
    /// A reply that is shown in the channel too.
    pub broadcast: bool,
    /// Deleted; it stands for its thread only.
    pub tombstone: bool,
    /// Whom it has called, at its posting or by an edit.
    pub mentions: Vec<Mention>,
    /// The user of the bot that posted it.
    pub(super) user: String,
    /// The bot.
    pub(super) bot: String,
}

/// An edit of a message, with what stood there before.
#[derive(Clone, Debug, PartialEq)]
pub struct Edit {
    /// When it was edited.
    pub at: Timestamp,
    /// The text before.
    pub text: String,
    /// The blocks before.
    pub blocks: Vec<Value>,
}

/// A file that was shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its id.
    pub id: String,
    /// The name it was uploaded with.
    pub name: String,
    /// The title it is shown with.
    pub title: String,
    /// What is in it.
    pub bytes: Bytes,
}

impl Channel {
    pub(super) fn find(&self, ts: &str) -> Option<usize> {
        self.messages.iter().position(|message| message.ts == ts)
    }

    /// The replies to a message.
    pub(super) fn replies<'a>(&'a self, parent: &'a str) -> impl Iterator<Item = &'a Message> {
        self.messages
            .iter()
            .filter(move |message| message.is_reply() && message.thread_ts.as_deref() == Some(parent))
    }

    /// The message that a reply to this `ts` replies to. One that is gone, or is a reply itself, has no thread: Slack
    /// then posts to the channel and says nothing.
    pub(super) fn thread(&self, ts: Option<&str>) -> Option<String> {
        let message = &self.messages[self.find(ts?)?];
        (!message.is_reply()).then(|| message.ts.clone())
    }

    /// Removes a message. One that has replies leaves a tombstone.
    pub(super) fn remove(&mut self, at: usize) {
        let ts = self.messages[at].ts.clone();
        if self.replies(&ts).next().is_none() {
            let removed = self.messages.remove(at);
            self.let_go(removed.thread_ts.as_deref());
            return;
        }
        let message = &mut self.messages[at];
        message.tombstone = true;
        "This message was deleted.".clone_into(&mut message.text);
        message.blocks.clear();
        message.metadata = None;
        message.files.clear();
    }

    /// A message without replies is not a thread; a tombstone without replies is nothing.
    fn let_go(&mut self, parent: Option<&str>) {
        let Some(parent) = parent else { return };
        if self.replies(parent).next().is_some() {
            return;
        }
        if let Some(at) = self.find(parent) {
            match self.messages[at].tombstone {
                true => drop(self.messages.remove(at)),
                false => self.messages[at].thread_ts = None,
            }
        }
    }
}

impl Message {
    /// It stands in the thread of another.
    pub fn is_reply(&self) -> bool {
        self.thread_ts.as_ref().is_some_and(|parent| *parent != self.ts)
    }

    /// As `conversations.history` describes it.
    pub(super) fn describe(&self, channel: &Channel, app: &str, team: &str, with_metadata: bool) -> Value {
        let mut described = json!({
            "type": "message",
            "user": self.user,
            "bot_id": self.bot,
            "app_id": app,
            "team": team,
            "text": self.text,
            "ts": self.ts,
        });
        if !self.blocks.is_empty() {
            described["blocks"] = json!(self.blocks);
        }
        if let Some(edit) = self.edits.last() {
            described["edited"] = json!({ "user": self.user, "ts": format!("{}.000000", edit.at.as_second()) });
        }
        if let Some(metadata) = self.metadata.as_ref().filter(|_| with_metadata) {
            described["metadata"] = metadata.clone();
        }
        if !self.files.is_empty() {
            described["files"] = self.files.iter().map(File::describe).collect();
        }
        if let Some(thread) = &self.thread_ts {
            described["thread_ts"] = json!(thread);
        }
        if self.is_reply() {
            described["parent_user_id"] = json!(self.user);
        } else {
            let replies: Vec<_> = channel.replies(&self.ts).collect();
            if let Some(latest) = replies.last() {
                described["reply_count"] = json!(replies.len());
                described["latest_reply"] = json!(latest.ts);
            }
        }
        if self.broadcast {
            described["subtype"] = json!("thread_broadcast");
        }
        if self.tombstone {
            described["subtype"] = json!("tombstone");
            described["hidden"] = json!(true);
        }
        described
    }
}

impl File {
    fn describe(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "title": self.title,
            "size": self.bytes.len(),
        })
    }
}
