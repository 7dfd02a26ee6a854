//! The outbox's values: which messages are owed, who delivers which, and what came of it.
//!
//! A message is owed in the transaction that records what it should tell, so neither is ever without the other. Delivery
//! claims it under a lease and an epoch, as runs are claimed, and every answer is recorded under that epoch.

use jiff::Timestamp;

use crate::domain::{notify::Destination, run::RunId};

/// Where a run is told of.
#[derive(Clone, Debug)]
pub struct Owed {
    /// To whom.
    pub to: Vec<Destination>,
    /// The run is over: this is the last that there is to tell.
    pub last: bool,
}

/// What a message is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// A run.
    Run(RunId),
    /// Many runs.
    Digest,
    /// What a step collected, as a reply to the run's message.
    Evidence {
        /// The run.
        run: RunId,
        /// The entry of its journal.
        entry: usize,
    },
    /// That somebody is wanted, as a reply to the message about this run, or to the digest that it is in.
    Mention {
        /// The run.
        run: RunId,
    },
}

/// A message that is due.
#[derive(Clone, Debug)]
pub struct DueMessage {
    /// Its id.
    pub id: String,
    /// What it is about.
    pub about: About,
    /// Where it goes.
    pub channel: String,
    /// When it was first owed.
    pub opened_at: Timestamp,
    /// How much it should tell.
    pub wanted: i64,
    /// How much it tells.
    pub told: i64,
    /// Whether its runs are over.
    pub last: bool,
    /// Where it was posted, or for a reply: where its parent was.
    pub posted: Option<Posted>,
    /// Since when a first post is under way whose answer was never recorded.
    pub posting: Option<Timestamp>,
    /// It was posted afresh, since the first one was gone.
    pub renewed: bool,
    /// It is told without blocks, since they were refused.
    pub plain: bool,
    /// How often in a row it failed and may succeed later.
    pub attempts: u32,
}

/// Where a message stands at its service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// The channel's id.
    pub channel: String,
    /// The message's.
    pub ts: String,
}

impl DueMessage {
    /// Whether it stands below another message.
    pub fn is_reply(&self) -> bool {
        matches!(self.about, About::Evidence { .. } | About::Mention { .. })
    }
}

/// The right to deliver a message.
#[derive(Clone, Debug)]
pub struct MessageClaim {
    pub(super) id: String,
    pub(super) epoch: i64,
}

/// What came of a delivery.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// It was told.
    Told {
        /// How much.
        told: i64,
        /// Where it stands; none for services that do not say.
        posted: Option<Posted>,
        /// Replies that are owed now.
        replies: Vec<About>,
    },
    /// Later.
    PutOff {
        /// When.
        until: Timestamp,
        /// It may have been posted all the same.
        perhaps_posted: bool,
        /// It counts as an attempt.
        failed: bool,
    },
    /// What was posted is not there any more, or is not ours to edit: once more from the start.
    Renew,
    /// The blocks were refused: once more without.
    Plain,
    /// Never.
    GivenUp {
        /// Its stable name.
        failure: &'static str,
    },
}
