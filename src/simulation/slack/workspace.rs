//! The workspace behind the API: its apps with their tokens, its channels, users and hooks, and what limits and logs
//! remember. It knows who may do what; the methods stand beside it.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;

use super::{
    calls::Call,
    message::{Channel, File, Message},
    mrkdwn::{Mention, Names},
    rates::{Limit, Rates},
    refusal::Refusal,
};

pub(super) const TEAM: &str = "T00000001";

/// The workspace.
#[derive(Clone, Debug, Default)]
pub(super) struct Workspace {
    pub(super) apps: Vec<App>,
    pub(super) tokens: BTreeMap<String, Token>,
    pub(super) channels: Vec<Channel>,
    pub(super) users: BTreeMap<String, String>,
    pub(super) hooks: Vec<Hook>,
    /// Files on their way, by the secret of their upload URL.
    pub(super) uploads: BTreeMap<String, Upload>,
    pub(super) rates: Rates,
    pub(super) calls: Vec<Call>,
    last: i64,
    counted: u32,
}

/// An app that is installed, with its bot.
#[derive(Clone, Debug)]
pub(super) struct App {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) user: String,
    pub(super) bot: String,
    /// Slack has disabled it.
    pub(super) disabled: bool,
}

/// A bot token.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) app: usize,
    pub(super) scopes: Vec<String>,
    pub(super) revoked: bool,
}

/// An incoming webhook.
#[derive(Clone, Debug)]
pub(super) struct Hook {
    pub(super) id: String,
    pub(super) secret: String,
    pub(super) app: usize,
    pub(super) channel: String,
    pub(super) removed: bool,
}

/// A file on its way.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    pub(super) app: usize,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) length: usize,
    /// What has arrived.
    pub(super) bytes: Option<Bytes>,
}

/// What is to be posted.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) text: String,
    pub(super) blocks: Vec<serde_json::Value>,
    pub(super) metadata: Option<serde_json::Value>,
    pub(super) thread_ts: Option<String>,
    pub(super) broadcast: bool,
    pub(super) files: Vec<File>,
    pub(super) mentions: Vec<Mention>,
}

impl Workspace {
    /// A fresh id with this letter in front, as long as Slack's.
    pub(super) fn id(&mut self, letter: char) -> String {
        self.counted += 1;
        format!("{letter}{:08}", self.counted)
    }

    /// A fresh `ts`: this time in microseconds, later than any before.
    fn ts(&mut self, now: Timestamp) -> String {
        self.last = now.as_microsecond().max(self.last + 1);
        format!("{}.{:06}", self.last / 1_000_000, self.last % 1_000_000)
    }

    /// The app and the scopes of a token that is good.
    pub(super) fn authenticate(&self, token: Option<&str>) -> Result<(usize, &[String]), Refusal> {
        let token = token.ok_or("not_authed")?;
        if token.starts_with("xapp-") {
            return Err("not_allowed_token_type".into());
        }
        let token = self.tokens.get(token).ok_or("invalid_auth")?;
        if self.apps[token.app].disabled {
            return Err("account_inactive".into());
        }
        if token.revoked {
            return Err("token_revoked".into());
        }
        Ok((token.app, &token.scopes))
    }

    /// A channel by its id, or by its name with or without `#`.
    pub(super) fn named(&self, channel: &str) -> Option<usize> {
        self.with_id(channel).or_else(|| {
            let name = channel.trim_start_matches('#');
            self.channels.iter().position(|channel| channel.name == name)
        })
    }

    pub(super) fn with_id(&self, id: &str) -> Option<usize> {
        self.channels.iter().position(|channel| channel.id == id)
    }

    /// Whether an app's bot is a member.
    pub(super) fn is_member(&self, app: usize, channel: usize) -> bool {
        self.channels[channel].members.contains(&self.apps[app].user)
    }

    /// A channel that an app may see at all: what is private does not exist for others.
    pub(super) fn visible(&self, app: usize, channel: Option<usize>) -> Result<usize, Refusal> {
        let channel = channel.ok_or("channel_not_found")?;
        match self.channels[channel].private && !self.is_member(app, channel) {
            true => Err("channel_not_found".into()),
            false => Ok(channel),
        }
    }

    /// Counts a call against a limit. An app that does not listen is disabled.
    pub(super) fn admit(&mut self, now: Timestamp, app: usize, what: &str, limit: Limit) -> Result<(), Refusal> {
        let admitted = self.rates.admit(now, what, limit);
        admitted.map_err(|wait| {
            if wait.told {
                self.not_listened(now, app);
            }
            Refusal::limited(wait.seconds)
        })
    }

    /// An app called before it should have.
    pub(super) fn not_listened(&mut self, now: Timestamp, app: usize) {
        if self.rates.ignored(now, &self.apps[app].id) {
            self.apps[app].disabled = true;
        }
    }

    /// Puts a message into a channel.
    pub(super) fn insert(&mut self, now: Timestamp, app: usize, channel: usize, draft: Draft) -> &Message {
        let ts = self.ts(now);
        let App { name, user, bot, .. } = self.apps[app].clone();
        let channel = &mut self.channels[channel];
        let thread_ts = channel.thread(draft.thread_ts.as_deref());
        if let Some(parent) = thread_ts.as_deref().and_then(|parent| channel.find(parent)) {
            channel.messages[parent].thread_ts.clone_from(&thread_ts);
        }
        let broadcast = draft.broadcast && thread_ts.is_some();
        channel.messages.push(Message {
            ts,
            thread_ts,
            app: name,
            text: draft.text,
            blocks: draft.blocks,
            metadata: draft.metadata,
            edits: Vec::new(),
            posted: now,
            files: draft.files,
            broadcast,
            tombstone: false,
            mentions: draft.mentions,
            user,
            bot,
        });
        &channel.messages[channel.messages.len() - 1]
    }
}

impl Names for Workspace {
    fn user(&self, id: &str) -> Option<&str> {
        self.users.get(id).map(String::as_str)
    }

    fn user_named(&self, name: &str) -> Option<&str> {
        let mut users = self.users.iter();
        users.find(|(_, user)| *user == name).map(|(id, _)| id.as_str())
    }

    fn channel(&self, id: &str) -> Option<&str> {
        self.with_id(id).map(|at| self.channels[at].name.as_str())
    }
}
