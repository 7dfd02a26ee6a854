//! What a journal amounts to: where a run stands.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    journal::{Entry, Intent, Recorded},
    reason::Reason,
    run::{Binding, Finish, Phase},
    target::Target,
};

/// A journal, folded. It holds nothing that the entries do not say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// How many entries were folded: a commit names it, so that an entry from elsewhere is never overlooked.
    pub entries: usize,
    /// What the run was bound to, alerts that joined later included.
    pub binding: Option<Binding>,
    /// Index of the step that is not done yet.
    pub step: usize,
    /// A `started` without an end.
    pub open: Option<Open>,
    /// What was carried out in this step.
    pub done: Vec<DoneAction>,
    /// What a shadow run would have started in this step.
    pub would: Vec<Intent>,
    /// When this step's first action was started.
    pub step_started: Option<Timestamp>,
    /// Why the run waits, or why its last request was refused.
    pub waiting: Option<Waiting>,
    /// How often a request was refused since one was carried out.
    pub refusals: u32,
    /// A real mutation was sent, whatever its answer.
    pub sent: bool,
    /// A real mutation was carried out, or may have been.
    pub acted: bool,
    /// The objects that real mutations touched.
    pub touched: Vec<Target>,
    /// The step that will not succeed.
    pub failed: Option<(Reason, String)>,
    /// Until when verification looks.
    pub verify_until: Option<Timestamp>,
    /// The last observation.
    pub observed: Option<Option<bool>>,
    /// What was observed, in words.
    pub observed_detail: String,
    /// When the last recorded observation was made.
    pub observed_at: Option<Timestamp>,
    /// Since when every observation was healthy.
    pub healthy_since: Option<Timestamp>,
    /// What the last finished step came to, in words.
    pub step_detail: String,
    /// The end.
    pub finished: Option<Finish>,
}

/// A request that may have been sent and whose answer is not known.
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    /// The request.
    pub intent: Intent,
    /// With `dryRun=All`.
    pub dry_run: bool,
    /// Ready replicas that mean that the replacement is there.
    pub ready_after: Option<i64>,
    /// When it was started.
    pub at: Timestamp,
}

/// A request that was carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct DoneAction {
    /// The request.
    pub intent: Intent,
    /// Ready replicas that mean that the replacement is there.
    pub ready_after: Option<i64>,
    /// What came of it, in words.
    pub summary: Option<String>,
}

/// Why nothing happens now.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    /// Its stable name.
    pub reason: Reason,
    /// In words.
    pub detail: String,
    /// When to look again.
    pub until: Timestamp,
}

/// The longest wait after a refusal, unless the API server asks for more.
const MAX_BACKOFF: Duration = Duration::from_secs(30);

impl State {
    /// How long to wait when a request is refused once more: twice as long each time, since every try is two entries in the journal,
    /// two in the audit log, and a call that the API server has to refuse.
    pub fn wait_after_refusal(&self, first: Duration) -> Duration {
        let doubled = first.saturating_mul(1 << self.refusals.min(16));
        doubled.min(MAX_BACKOFF.max(first))
    }

    /// Folds a journal.
    pub fn fold<'a>(journal: impl IntoIterator<Item = &'a Recorded>) -> Self {
        let mut state = Self::default();
        for recorded in journal {
            state.apply(recorded.at, &recorded.entry);
        }
        state
    }

    /// Folds one more entry.
    pub fn apply(&mut self, at: Timestamp, entry: &Entry) {
        self.entries += 1;
        if !matches!(entry, Entry::Joined { .. } | Entry::Observed { .. }) {
            self.waiting = None;
        }
        match entry {
            Entry::Bound(binding) => self.binding = Some(binding.clone()),
            Entry::Joined { alerts, .. } => {
                if let Some(binding) = &mut self.binding {
                    binding.alerts.extend(alerts.iter().cloned());
                }
            }
            Entry::Deferred { reason, detail, until } => self.wait(*reason, detail, *until),
            Entry::Started {
                intent,
                dry_run,
                ready_after,
                ..
            } => {
                self.step_started.get_or_insert(at);
                let real = intent.is_mutation() && !dry_run;
                self.sent |= real;
                self.open = Some(Open {
                    intent: intent.clone(),
                    dry_run: *dry_run,
                    ready_after: *ready_after,
                    at,
                });
            }
            Entry::WouldStart { intent, .. } => {
                self.step_started.get_or_insert(at);
                self.would.push(intent.clone());
            }
            Entry::Done { result, .. } => {
                self.refusals = 0;
                if let Some(open) = self.open.take() {
                    if open.intent.is_mutation() && !open.dry_run {
                        self.acted = true;
                        self.touched.push(open.intent.target().clone());
                    }
                    self.done.push(DoneAction {
                        intent: open.intent,
                        ready_after: open.ready_after,
                        summary: result["summary"].as_str().map(str::to_owned),
                    });
                }
            }
            Entry::Refused {
                reason, detail, until, ..
            } => {
                self.open = None;
                self.refusals += 1;
                self.wait(*reason, detail, *until);
            }
            Entry::Unanswered { .. } => {
                if let Some(open) = &self.open {
                    self.acted |= open.intent.is_mutation() && !open.dry_run;
                }
            }
            Entry::StepDone { detail, .. } => {
                self.step_detail.clone_from(detail);
                self.step += 1;
                self.done.clear();
                self.would.clear();
                self.step_started = None;
                self.refusals = 0;
            }
            Entry::StepFailed { reason, detail, .. } => {
                self.open = None;
                self.failed = Some((*reason, detail.clone()));
            }
            Entry::Verifying { until } => self.verify_until = Some(*until),
            Entry::Observed { healthy, detail } => {
                self.observed = Some(*healthy);
                self.observed_at = Some(at);
                self.observed_detail.clone_from(detail);
                match healthy {
                    Some(true) => {
                        self.healthy_since.get_or_insert(at);
                    }
                    _ => self.healthy_since = None,
                }
            }
            Entry::Finished(finish) => self.finished = Some(finish.clone()),
        }
    }

    fn wait(&mut self, reason: Reason, detail: &str, until: Timestamp) {
        self.waiting = Some(Waiting {
            reason,
            detail: detail.to_owned(),
            until,
        });
    }

    /// The run's phase.
    pub fn phase(&self) -> Phase {
        if self.finished.is_some() {
            Phase::Finished
        } else if self.verify_until.is_some() {
            Phase::Verifying
        } else if self.step > 0 || self.step_started.is_some() {
            Phase::Running
        } else {
            Phase::Pending
        }
    }
}
