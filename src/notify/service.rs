//! What a service is asked, and what its answers mean.

use std::{io, path::Path, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;

use super::message::Message;
use crate::{
    domain::notify::Sink,
    limit::Class,
    outbound::{OutboundError, Reply},
    store::Posted,
};

/// One thing to deliver.
#[derive(Clone, Debug)]
pub enum Call {
    /// A message for the first time.
    Post {
        /// The channel, as the configuration names it.
        channel: String,
        /// The message.
        message: Message,
    },
    /// What was posted says something else now.
    Edit {
        /// Where it stands.
        posted: Posted,
        /// The message.
        message: Message,
    },
    /// Evidence, below a message.
    Evidence {
        /// The message.
        parent: Posted,
        /// The reply's own id.
        id: String,
        /// What it is, in a line; not escaped.
        title: String,
        /// The evidence, as it was found.
        text: String,
        /// As a reply, even when it has to be cut: files were refused.
        inline: bool,
        /// It may stand there twice.
        perhaps_twice: bool,
    },
    /// Somebody is called, below a message: an edit would notify nobody.
    Mention {
        /// The message.
        parent: Posted,
        /// The reply's own id.
        id: String,
        /// Who, as Slack writes it.
        mention: String,
        /// Why; not escaped.
        text: String,
        /// It may stand there twice.
        perhaps_twice: bool,
    },
}

/// Somewhere to look for what may have been posted.
#[derive(Clone, Debug)]
pub struct Lost {
    /// The message's own id.
    pub id: String,
    /// The channel's id.
    pub channel: String,
    /// For a reply: its parent's.
    pub thread: Option<String>,
    /// It was not posted before.
    pub since: Timestamp,
}

/// Why something was not delivered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// The service says that it is too much now; it did not take it.
    #[error("the service asks to wait {} s", .0.as_secs())]
    RateLimited(Duration),
    /// The service cannot take it now.
    #[error("{detail}")]
    Unavailable {
        /// In words.
        detail: String,
        /// It may have been taken all the same.
        perhaps_taken: bool,
    },
    /// What should be edited or replied to is not there, or not ours.
    #[error("the message cannot be changed any more ({0})")]
    Gone(String),
    /// What it says, or the form that it says it in, is refused.
    #[error("the service refuses what the message says ({0})")]
    Content(String),
    /// Nothing from us is taken in this channel, until a person mends it.
    #[error("{words}")]
    Refused {
        /// The stable name.
        failure: Failure,
        /// What is wrong and what to do.
        words: String,
    },
}

/// Why a message was given up: the label of the metric, and what stands in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    /// The token or address is not accepted.
    Unauthorized,
    /// The token may not do this.
    MissingPermission,
    /// The channel is not there, is archived, or is closed to us.
    ChannelUnavailable,
    /// What was posted was gone, twice.
    MessageGone,
    /// What the message says is refused, even without blocks.
    ContentRefused,
    /// The secret cannot be read.
    SecretUnreadable,
    /// Anything else that will not change by itself.
    Rejected,
}

impl Failure {
    /// All of them, so that metrics exist before their first use.
    pub const ALL: [Self; 7] = [
        Self::Unauthorized,
        Self::MissingPermission,
        Self::ChannelUnavailable,
        Self::MessageGone,
        Self::ContentRefused,
        Self::SecretUnreadable,
        Self::Rejected,
    ];

    /// The word in the store, metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::MissingPermission => "missing_permission",
            Self::ChannelUnavailable => "channel_unavailable",
            Self::MessageGone => "message_gone",
            Self::ContentRefused => "content_refused",
            Self::SecretUnreadable => "secret_unreadable",
            Self::Rejected => "rejected",
        }
    }
}

/// A chat service, or a receiver of JSON.
#[async_trait]
pub trait Service: Send + Sync {
    /// Which one.
    fn sink(&self) -> Sink;

    /// Whether what was posted can be changed and replied to; otherwise only the first and the last state are told.
    fn can_edit(&self) -> bool;

    /// Whether people read it, who would rather read one digest than many messages.
    fn is_for_people(&self) -> bool;

    /// What a delivery of this kind counts against: class, and what within it.
    fn limits(&self, kind: Kind, channel: &str) -> Vec<(Class, String)>;

    /// Delivers. Where it stands now, if the service says so.
    async fn deliver(&self, call: &Call) -> Result<Option<Posted>, DeliveryError>;

    /// Looks for a message whose answer was lost. `Refused`: this service, or our token, cannot look.
    async fn find(&self, _: &Lost) -> Result<Option<Posted>, DeliveryError> {
        Err(DeliveryError::Refused {
            failure: Failure::MissingPermission,
            words: "this service shows nothing".to_owned(),
        })
    }
}

/// What kind of delivery it will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A message for the first time, or a short reply.
    Post,
    /// An edit.
    Edit,
    /// A reply that may be a file.
    Evidence,
    /// Looking for what may have been posted.
    Lookup,
}

/// A secret's file, read anew at every use: whoever changes it need not restart anything.
pub(super) fn secret(file: &Path) -> Result<String, DeliveryError> {
    let unreadable = |error: io::Error| DeliveryError::Refused {
        failure: Failure::SecretUnreadable,
        words: format!("{} cannot be read: {error}", file.display()),
    };
    let text = std::fs::read_to_string(file).map_err(unreadable)?;
    match text.trim() {
        "" => Err(unreadable(io::Error::new(io::ErrorKind::InvalidData, "it is empty"))),
        secret => Ok(secret.to_owned()),
    }
}

/// What the status of an answer means where nothing else does.
pub(super) fn by_status(reply: Reply) -> Result<Reply, DeliveryError> {
    match reply.status {
        200..=299 => Ok(reply),
        429 => Err(DeliveryError::RateLimited(
            reply
                .retry_after
                .unwrap_or(Duration::from_secs(30))
                .max(Duration::from_secs(1)),
        )),
        408 | 500..=599 => Err(DeliveryError::Unavailable {
            detail: format!("the service answered {}", reply.status),
            perhaps_taken: true,
        }),
        _ => Ok(reply),
    }
}

impl From<OutboundError> for DeliveryError {
    fn from(error: OutboundError) -> Self {
        Self::Unavailable {
            perhaps_taken: matches!(error, OutboundError::NoAnswer(_)),
            detail: error.to_string(),
        }
    }
}
