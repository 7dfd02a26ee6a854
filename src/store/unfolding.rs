//! Unfolding's values: what is known of the alerts in a batch, and what the batch comes to.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use crate::domain::{
    alert::{Fingerprint, Labels},
    episode::Latest,
    reason::Reason,
    run::{EpisodeId, Finish, Run, RunId, Track},
};

/// What the store knows of the alerts in a batch.
#[derive(Debug, Default)]
pub struct Known {
    /// The latest episode of each fingerprint.
    pub episodes: HashMap<Fingerprint, KnownEpisode>,
    /// The runs of those episodes, in the order in which they were opened.
    pub runs: HashMap<EpisodeId, Vec<LastRun>>,
    /// Runs that have not looked at the cluster yet, by the key of what they are about.
    pub waiting: HashMap<String, WaitingRun>,
    /// The values of the cluster label seen so far, and when last.
    pub clusters: BTreeMap<String, Timestamp>,
}

/// The latest episode of a fingerprint.
#[derive(Clone, Debug)]
pub struct KnownEpisode {
    /// Its identity.
    pub id: EpisodeId,
    /// When it began and ended.
    pub latest: Latest,
}

/// A run of an episode.
#[derive(Clone, Debug)]
pub struct LastRun {
    /// Which ledger it counts in.
    pub track: Track,
    /// Which attempt it was.
    pub attempt: u32,
    /// When it ended, if it did.
    pub finished_at: Option<Timestamp>,
}

/// A run that more alerts about the same object may still join.
#[derive(Clone, Copy, Debug)]
pub struct WaitingRun {
    /// Its identity.
    pub id: RunId,
}

/// What a batch comes to.
#[derive(Clone, Debug, Default)]
pub struct Unfolded {
    /// The posts that are done with this.
    pub posts: Vec<i64>,
    /// Episodes that are not the latest of their fingerprint any more.
    pub superseded: Vec<EpisodeId>,
    /// Known episodes that go on, end or open again.
    pub seen: Vec<SeenEpisode>,
    /// New episodes.
    pub episodes: Vec<NewEpisode>,
    /// New runs.
    pub runs: Vec<NewRun>,
    /// Which runs episodes belong to, new runs included.
    pub attached: Vec<Attached>,
    /// Values of the cluster label that were seen.
    pub clusters: Vec<String>,
}

/// An alert that a run is about. The run has not been bound yet.
#[derive(Clone, Debug)]
pub struct Attached {
    /// The run.
    pub run: RunId,
    /// Its track.
    pub track: Track,
    /// The alert's episode.
    pub episode: EpisodeId,
}

/// A known episode, as it stands now.
#[derive(Clone, Debug)]
pub struct SeenEpisode {
    /// Its identity.
    pub id: EpisodeId,
    /// When it began and ended.
    pub latest: Latest,
    /// When a post last spoke of it.
    pub last_seen: Timestamp,
    /// Why no run was opened, when that is decided again.
    pub reason: Option<Reason>,
}

/// An episode that was not known.
#[derive(Clone, Debug)]
pub struct NewEpisode {
    /// Its identity.
    pub id: EpisodeId,
    /// The alert's.
    pub fingerprint: Fingerprint,
    /// When it began and ended.
    pub latest: Latest,
    /// No later episode of this fingerprint is in the same batch.
    pub is_latest: bool,
    /// When the first post came, and the last one so far.
    pub first_seen: Timestamp,
    /// When a post last spoke of it.
    pub last_seen: Timestamp,
    /// Why no run was opened.
    pub reason: Option<Reason>,
    /// The alert's labels.
    pub labels: Labels,
    /// The alert's annotations.
    pub annotations: Labels,
    /// Where the rule can be seen.
    pub generator_url: String,
}

/// A run that is opened.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// What it will execute, and on what.
    pub run: Run,
    /// Which ledger it counts in.
    pub track: Track,
    /// Under which key more alerts about the same object find it.
    pub object_key: Option<String>,
    /// When the crowd has arrived.
    pub settled: Timestamp,
    /// Set when it ends as it begins, because its target cannot be told.
    pub finish: Option<Finish>,
}
