//! From known episodes and new posts to what must be written: pure, and the same however often it is asked.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use jiff::Timestamp;

use super::{super::metrics::AlertResult, Options, Post, matching::Candidate};
use crate::{
    domain::{
        alert::{Alert, Fingerprint},
        episode::{Closed, Latest, Transition, classify},
        next::after,
        reason::Reason,
        run::{EpisodeId, Finish, Outcome, Run, RunId, Track},
    },
    ids::Ids,
    store::{Attached, Known, LastRun, NewEpisode, NewRun, SeenEpisode, Unfolded},
};

/// How long after a run's end a repeat means that the alert still fires: alerts outlive what they are about.
const DECAY: Duration = Duration::from_secs(10 * 60);

/// How long a value of the cluster label counts after it was last seen: one alert that went astray must not stop us for ever.
const SPOKEN_OF: Duration = Duration::from_secs(24 * 60 * 60);

/// What is told of a batch besides what is written.
#[derive(Clone, Debug, Default)]
pub(super) struct Folded {
    /// How many alerts came to what.
    pub counts: HashMap<AlertResult, u64>,
    /// The values of the cluster label that are spoken of, where none is configured.
    pub clusters: BTreeSet<String>,
}

/// The work on one batch.
pub(super) struct Fold<'a> {
    known: Known,
    options: &'a Options,
    ids: &'a Ids,
    now: Timestamp,
    /// Episodes that are in the database, by identity, as they stand after the batch.
    seen: HashMap<EpisodeId, SeenEpisode>,
    /// Where a new episode stands in `unfolded.episodes`.
    fresh: HashMap<EpisodeId, usize>,
    /// The values of the cluster label that count, this batch's included.
    clusters: BTreeSet<String>,
    seen_clusters: BTreeSet<String>,
    unfolded: Unfolded,
    counts: HashMap<AlertResult, u64>,
}

impl<'a> Fold<'a> {
    pub fn new(known: Known, options: &'a Options, ids: &'a Ids, now: Timestamp) -> Self {
        Self {
            clusters: spoken_of(&known, now),
            known,
            options,
            ids,
            now,
            seen_clusters: BTreeSet::new(),
            seen: HashMap::new(),
            fresh: HashMap::new(),
            unfolded: Unfolded::default(),
            counts: HashMap::new(),
        }
    }

    pub fn post(&mut self, post: &Post) {
        let received = post.stored.received_at;
        for (alert, candidates) in post.notification.alerts.iter().zip(&post.candidates) {
            self.alert(alert, candidates, received);
        }
        self.unfolded.posts.push(post.stored.id);
    }

    pub fn finish(mut self) -> (Unfolded, Folded) {
        self.unfolded.seen = self.seen.into_values().collect();
        self.unfolded.clusters = self.seen_clusters.into_iter().collect();
        let folded = Folded {
            counts: self.counts,
            clusters: self.clusters,
        };
        (self.unfolded, folded)
    }

    fn alert(&mut self, alert: &Alert, candidates: &[Candidate], received: Timestamp) {
        let known = self.known.episodes.get(&alert.fingerprint).cloned();
        let latest = known.as_ref().map(|episode| episode.latest);
        let meaning = classify(latest, alert, received);
        let result = match meaning {
            Transition::Opens { started } => {
                let id = self.open(alert, Latest { started, closed: None }, received);
                self.firing(alert, id, candidates);
                AlertResult::Opened
            }
            Transition::OpensClosed { started, closed } => {
                let latest = Latest {
                    started,
                    closed: Some(closed),
                };
                let id = self.open(alert, latest, received);
                self.explain(id, Reason::Resolved);
                AlertResult::ResolvedUnseen
            }
            Transition::Continues { started } => {
                if let Some(id) = self.update(alert.fingerprint, started, None, received) {
                    self.firing(alert, id, candidates);
                }
                AlertResult::Repeated
            }
            Transition::Reopens => {
                let started = latest.map_or(received, |latest| latest.started);
                if let Some(id) = self.update(alert.fingerprint, started, None, received) {
                    self.firing(alert, id, candidates);
                }
                AlertResult::Reopened
            }
            Transition::Closes(closed) => {
                let started = latest.map_or(received, |latest| latest.started);
                self.update(alert.fingerprint, started, Some(closed), received);
                AlertResult::Resolved
            }
            Transition::StaleFiring => AlertResult::StaleFiring,
            Transition::StaleResolved => AlertResult::StaleResolved,
        };
        *self.counts.entry(result).or_default() += 1;
    }

    fn open(&mut self, alert: &Alert, latest: Latest, received: Timestamp) -> EpisodeId {
        let id = self.ids.episode();
        let known = crate::store::KnownEpisode { id, latest };
        if let Some(before) = self.known.episodes.insert(alert.fingerprint, known) {
            match self.fresh.get(&before.id) {
                Some(index) => self.unfolded.episodes[*index].is_latest = false,
                None => self.unfolded.superseded.push(before.id),
            }
        }
        self.fresh.insert(id, self.unfolded.episodes.len());
        self.unfolded.episodes.push(NewEpisode {
            id,
            fingerprint: alert.fingerprint,
            latest,
            is_latest: true,
            first_seen: received,
            last_seen: received,
            reason: None,
            labels: alert.labels.clone(),
            annotations: alert.annotations.clone(),
            generator_url: alert.generator_url.clone(),
        });
        id
    }

    /// Writes down what a known episode has become; `None` when there is none.
    fn update(
        &mut self,
        fingerprint: Fingerprint,
        started: Timestamp,
        closed: Option<Closed>,
        received: Timestamp,
    ) -> Option<EpisodeId> {
        let known = self.known.episodes.get_mut(&fingerprint)?;
        known.latest = Latest { started, closed };
        if let Some(index) = self.fresh.get(&known.id) {
            let episode = &mut self.unfolded.episodes[*index];
            episode.latest = known.latest;
            episode.last_seen = received;
        } else {
            let seen = self.seen.entry(known.id).or_insert(SeenEpisode {
                id: known.id,
                latest: known.latest,
                last_seen: received,
                reason: None,
            });
            seen.latest = known.latest;
            seen.last_seen = received;
        }
        Some(known.id)
    }

    fn explain(&mut self, id: EpisodeId, reason: Reason) {
        if let Some(index) = self.fresh.get(&id) {
            self.unfolded.episodes[*index].reason = Some(reason);
        } else if let Some(seen) = self.seen.get_mut(&id) {
            seen.reason = Some(reason);
        }
    }

    /// Opens what a firing alert calls for.
    fn firing(&mut self, alert: &Alert, episode: EpisodeId, candidates: &[Candidate]) {
        if self.is_of_another_cluster(alert) {
            self.explain(episode, Reason::OtherCluster);
            return;
        }
        if candidates.is_empty() {
            self.explain(episode, Reason::NoRunbook);
            return;
        }
        // Runs that are opened here must not count as earlier ones for the next candidate in the same track.
        let before = self.known.runs.get(&episode).cloned().unwrap_or_default();
        for candidate in candidates {
            if let Some(attempt) = self.attempt(&before, &candidate.track) {
                self.run(episode, candidate, attempt);
            }
        }
    }

    /// Which attempt a run would be; `None` when there is one, or when it is too early to tell that it did not help.
    fn attempt(&self, before: &[LastRun], track: &Track) -> Option<u32> {
        let mut attempt = 1;
        for run in before.iter().filter(|run| run.track == *track) {
            run.finished_at.filter(|at| after(*at, DECAY) <= self.now)?;
            attempt = attempt.max(run.attempt.saturating_add(1));
        }
        Some(attempt)
    }

    fn run(&mut self, episode: EpisodeId, candidate: &Candidate, attempt: u32) {
        let waiting = candidate
            .object_key
            .as_ref()
            .and_then(|key| self.known.waiting.get(key))
            .map(|waiting| waiting.id);
        let id = waiting.unwrap_or_else(|| self.open_run(candidate, attempt));
        self.unfolded.attached.push(Attached {
            run: id,
            track: candidate.track.clone(),
            episode,
        });
        let finished_at = candidate.object.is_err().then_some(self.now);
        self.known.runs.entry(episode).or_default().push(LastRun {
            track: candidate.track.clone(),
            attempt,
            finished_at,
        });
    }

    fn open_run(&mut self, candidate: &Candidate, attempt: u32) -> RunId {
        let id = self.ids.run();
        let runbook = &candidate.runbook.runbook;
        let settle = runbook.guards.settle.unwrap_or(self.options.settle);
        let finish = candidate
            .object
            .as_ref()
            .err()
            .map(|(reason, detail)| Finish::new(Outcome::Suppressed, *reason, detail));
        if let (Some(key), None) = (&candidate.object_key, &finish) {
            self.known.waiting.insert(key.clone(), crate::store::WaitingRun { id });
        }
        self.unfolded.runs.push(NewRun {
            run: Run {
                id,
                runbook: runbook.name.clone(),
                version: candidate.runbook.version.clone(),
                mode: candidate.mode,
                object: candidate.object.as_ref().ok().cloned(),
                opened_at: self.now,
                deadline: after(self.now, runbook.deadline),
                attempt,
            },
            track: candidate.track.clone(),
            object_key: candidate.object_key.clone(),
            settled: after(self.now, settle),
            finish,
        });
        id
    }

    /// Another value than the configured one; or, with none configured, any value as long as two are spoken of.
    fn is_of_another_cluster(&mut self, alert: &Alert) -> bool {
        let Some(value) = alert.labels.get(&self.options.cluster_label) else {
            return false;
        };
        if let Some(ours) = &self.options.cluster_value {
            return value != ours;
        }
        self.clusters.insert(value.clone());
        self.seen_clusters.insert(value.clone());
        self.clusters.len() > 1
    }
}

fn spoken_of(known: &Known, now: Timestamp) -> BTreeSet<String> {
    let recent = known.clusters.iter().filter(|(_, seen)| after(**seen, SPOKEN_OF) > now);
    recent.map(|(value, _)| value.clone()).collect()
}
