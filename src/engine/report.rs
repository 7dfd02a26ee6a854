//! Telling what happened: the log, the metrics, Kubernetes Events on the object, and messages that are owed.
//!
//! The Event about an action is posted after its answer was recorded, since a slow API server must not come between the two;
//! whoever finds an answer as the last entry of a journal posts it again. The one about the end goes before the commit, and is
//! repeated with it. Both have names made from the run, so that a repeat is the same Event; and one that cannot be posted never
//! holds up a run.

use std::{ops::ControlFlow, sync::Arc};

use super::{Engine, reconcile::Reconciler};
use crate::{
    cluster::{EventType, NewEvent},
    domain::{
        alert::Labels,
        journal::{Entry, Intent},
        notify::worth_telling,
        run::{Finish, Outcome},
        state::State,
        target::Target,
    },
    runbooks::Compiled,
    store::{CommitError, Owed},
};

/// Who is told of a run, as its runbook, the configuration and its first alert say.
pub(super) struct Audience {
    runbook: Arc<Compiled>,
    engine: Engine,
    labels: Labels,
    annotations: Labels,
}

impl Audience {
    /// Who is to be told of these entries in a message, and whether they are the last.
    ///
    /// What was started is told with its answer: nothing stands between judging and acting that can wait.
    pub fn owed(&self, after: &State, entries: &[Entry]) -> Option<Owed> {
        let news = entries
            .iter()
            .any(|entry| !matches!(entry, Entry::Bound(_) | Entry::Started { .. }));
        if !news || !worth_telling(after, &self.runbook.runbook.notify) {
            return None;
        }
        let own = self.own_channel();
        let to = self.engine.options.routes.destinations(&self.labels, own.as_deref());
        (!to.is_empty()).then(|| Owed {
            to,
            last: after.finished.is_some(),
        })
    }

    /// The channel that the runbook names, if its template has a text for these labels.
    fn own_channel(&self) -> Option<String> {
        let template = self.runbook.channel.as_ref()?;
        match template.render(&self.labels, &self.annotations) {
            Ok(channel) => Some(channel),
            Err(error) => {
                tracing::warn!(error = %error, "the runbook's channel has no name for this alert; the configured one is used");
                None
            }
        }
    }
}

impl Reconciler<'_> {
    /// Ends the run.
    pub(super) async fn finish(&mut self, finish: Finish) -> Result<ControlFlow<()>, CommitError> {
        if self.state.acted {
            self.tell_end(&finish).await;
        }
        failpoint!(FinishBeforeCommit);
        let flow = self
            .commit(vec![Entry::Finished(finish.clone())], None, Vec::new())
            .await?;
        failpoint!(FinishAfterCommit);
        self.told(&finish);
        Ok(flow)
    }

    /// Who is told of this run.
    pub(super) fn audience(&self) -> Audience {
        let alert = self.claimed.alerts.first();
        Audience {
            runbook: self.runbook.clone(),
            engine: self.engine.clone(),
            labels: alert.map(|alert| alert.labels.clone()).unwrap_or_default(),
            annotations: alert.map(|alert| alert.annotations.clone()).unwrap_or_default(),
        }
    }

    /// Wakes whoever delivers what was just owed.
    pub(super) fn announce(&self, news: bool) {
        if news {
            self.engine.outbox.send_replace(());
        }
    }

    /// Log and metrics of an end that was committed.
    pub(super) fn told(&self, finish: &Finish) {
        let metrics = &self.engine.metrics;
        metrics.run_finished(&self.run.runbook, finish.outcome, finish.reason);
        // A refused eviction touched nothing, and yet a pod was to be healed.
        let pods = self.state.touched.len().max(1) as u64;
        let counter = match finish.outcome {
            Outcome::Succeeded => Some(&metrics.pods_healed),
            Outcome::Failed | Outcome::Inconclusive if self.state.sent => Some(&metrics.pods_failed),
            _ => None,
        };
        if let Some(counter) = counter {
            counter.inc_by(pods);
        }
        tracing::info!(
            runbook = self.run.runbook,
            object = self.run.object.as_ref().map(tracing::field::display),
            mode = self.run.mode.as_str(),
            outcome = finish.outcome.as_str(),
            reason = finish.reason.as_str(),
            detail = finish.detail,
            "the run has finished"
        );
    }

    /// Tells again of an answer after which somebody died.
    pub(super) async fn tell_last_action(&self) {
        let journal = self.claimed.journal.as_deref().unwrap_or_default();
        if let Some(Entry::Done { .. }) = journal.last().map(|recorded| &recorded.entry)
            && let Some(done) = self.state.done.last()
            && self.state.touched.last() == Some(done.intent.target())
        {
            self.tell_action(&done.intent.clone()).await;
        }
    }

    /// Tells of an action that was carried out and recorded.
    pub(super) async fn tell_action(&self, intent: &Intent) {
        let (reason, action) = match intent {
            Intent::Evict { .. } => ("HealingEvicted", "Evict"),
            Intent::Collect { .. } => return,
        };
        let note = format!(
            "evicted by selfhealer run {} of runbook {}",
            self.run.id, self.run.runbook
        );
        let number = self.state.touched.len().saturating_sub(1);
        let name = format!("selfhealer-{}-{number}", self.run.id);
        self.post(name, intent.target(), reason, action, note, EventType::Normal)
            .await;
    }

    async fn tell_end(&self, finish: &Finish) {
        let Some(first) = self.state.binding.as_ref().and_then(|binding| binding.alerts.first()) else {
            return;
        };
        let (reason, event_type) = match finish.outcome {
            Outcome::Succeeded => ("HealingSucceeded", EventType::Normal),
            Outcome::Failed => ("HealingFailed", EventType::Warning),
            Outcome::Inconclusive => ("HealingInconclusive", EventType::Warning),
            Outcome::Suppressed | Outcome::Canceled => ("HealingCanceled", EventType::Normal),
        };
        let note = format!(
            "selfhealer run {} of runbook {} {}: {} ({})",
            self.run.id,
            self.run.runbook,
            finish.outcome.as_str(),
            finish.detail,
            finish.reason
        );
        let name = format!("selfhealer-{}-end", self.run.id);
        self.post(name, &first.target, reason, "Verify", note, event_type).await;
    }

    async fn post(
        &self,
        name: String,
        regarding: &Target,
        reason: &'static str,
        action: &'static str,
        note: String,
        event_type: EventType,
    ) {
        let event = NewEvent {
            name,
            regarding: regarding.clone(),
            related: self.state.binding.as_ref().map(|binding| binding.root.0.clone()),
            reason,
            action,
            note,
            event_type,
            at: self.now(),
        };
        if let Err(error) = self.engine.cluster.post_event(&event).await {
            self.engine.metrics.events_failed.inc();
            tracing::warn!(error = %error, "the Kubernetes Event could not be posted");
        }
    }
}
