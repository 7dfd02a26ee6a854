//! Where people read what the service tells: a Slack in this process, reached without a socket.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::BodyExt;
use jiff::Timestamp;
use selfhealer::{
    clock::{Clock, ManualClock},
    outbound::{Outbound, OutboundError, Reply, Request},
};
use simulated_cluster::{
    serve::Answer,
    slack::{Message, Slack},
};
use tempfile::TempDir;

/// Where the service tells.
pub const CHANNEL: &str = "#healing";

/// A Slack with one channel, and the token that lets the service post there.
#[derive(Clone)]
pub struct Office {
    slack: Slack,
    /// The file of the token, which outlives every process.
    token: Arc<(TempDir, PathBuf)>,
}

impl Office {
    /// Nobody has written anything yet.
    pub fn new(now: Timestamp) -> Self {
        let slack = Slack::new(Arc::new(move || now));
        let token = slack.install_app("selfhealer", &["chat:write", "files:write", "channels:history"]);
        slack.add_channel(CHANNEL);
        slack.invite(&token, CHANNEL);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, token).unwrap();
        Self {
            slack,
            token: Arc::new((folder, file)),
        }
    }

    /// The same from now on, for itself, by this clock.
    pub fn fork(&self, clock: &Arc<ManualClock>) -> Self {
        let clock = Arc::clone(clock);
        self.fork_at(Arc::new(move || clock.now()))
    }

    /// As it is at a moment: it does not change any more.
    pub fn still(&self, now: Timestamp) -> Self {
        self.fork_at(Arc::new(move || now))
    }

    fn fork_at(&self, now: simulated_cluster::slack::Now) -> Self {
        Self {
            slack: self.slack.fork(now),
            token: Arc::clone(&self.token),
        }
    }

    pub fn token(&self) -> &Path {
        &self.token.1
    }

    /// How much has happened here: what was posted, edited or asked.
    pub fn calls(&self) -> usize {
        self.slack.calls().len()
    }

    /// What people read in the channel, in order.
    pub fn shown(&self) -> Shown {
        let all = self.slack.messages(CHANNEL);
        let mut shown = Shown::default();
        for message in all.iter().filter(|message| !message.is_reply()) {
            if may_be_a_duplicate(message) {
                // What stands there twice is one message; the first of the two is not edited any more.
                shown.messages.pop();
                shown.twice += 1;
            }
            let replies = self.slack.replies(CHANNEL, &message.ts);
            let again = replies.iter().filter(|reply| may_be_a_duplicate(reply)).count();
            shown.twice += again;
            let line = message.text.lines().next().unwrap_or_default();
            let replies = replies.len() - again;
            shown.messages.push(format!("{line} (replies: {replies})"));
        }
        shown
    }
}

/// What a channel shows.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// The headline of each message, whatever it said before, and how many replies it has.
    pub messages: Vec<String>,
    /// How many messages and replies stand there a second time, and say so.
    pub twice: usize,
}

fn may_be_a_duplicate(message: &Message) -> bool {
    let first = message.edits.first().map_or(&message.blocks, |edit| &edit.blocks);
    let text = serde_json::to_string(first).unwrap();
    text.contains("may be a duplicate") || message.text.contains("may be a duplicate")
}

#[async_trait]
impl Outbound for Office {
    async fn post(&self, request: Request) -> Result<Reply, OutboundError> {
        match self.slack.answer(request.into_http()?).await {
            Answer::Response(response) => {
                let (head, body) = response.into_parts();
                let body: Bytes = body.collect().await.unwrap().to_bytes();
                Ok(Reply::from_http(http::Response::from_parts(head, body)))
            }
            Answer::Cut => Err(OutboundError::NoAnswer("the connection broke".to_owned())),
        }
    }
}
