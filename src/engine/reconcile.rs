//! One run reconciled: from a claim to the moment at which the run waits or has ended.

use std::{ops::ControlFlow, time::Duration};

use futures::future::pending;
use jiff::Timestamp;

use super::{Engine, lease::Lease};
use crate::{
    domain::{
        guard::Cancel,
        journal::Entry,
        next::{Next, after, next},
        reason::Reason,
        run::{Binding, Finish, Outcome, Phase, Run, Scope},
        runbook::{Guards, Mode},
        state::State,
    },
    runbooks::Compiled,
    steps::{Scene, Seen},
    store::{Audit, Change, Claim, Claimed, CommitError, StoreError},
};

/// A run whose journal cannot be read is looked at again after so long: a newer program may have come.
const UNREADABLE: Duration = Duration::from_secs(15 * 60);

/// A claimed run, its journal folded, and what was seen since the claim.
pub(super) struct Reconciler<'a> {
    pub engine: &'a Engine,
    pub claimed: Claimed,
    pub run: Run,
    pub runbook: std::sync::Arc<Compiled>,
    /// The stricter of what the run was opened with and what is in force now.
    pub guards: Guards,
    pub state: State,
    /// What was seen since the claim and is not in the journal yet.
    pub unsaved: Option<Binding>,
    /// What resolving read of the cluster, for the plan that follows at once.
    pub seen: Option<Seen>,
    /// The open `started` was committed since the claim: its request cannot have been sent before.
    pub fresh: bool,
    /// Where the target stands.
    pub scope: Scope,
    /// The claim on the run, as it is renewed meanwhile.
    pub lease: &'a Lease,
}

impl Engine {
    /// Works on a claimed run. `claimed_at` is when the claim was asked for, on the clock that never jumps.
    #[tracing::instrument(name = "run", skip_all, fields(run = %claim.run))]
    pub(super) async fn reconcile(&self, claim: Claim, claimed_at: Duration) {
        let lease = Lease::new(claim, claimed_at);
        // Polled in one task: whoever is held up, is held up as a whole, and does not go on holding the run.
        tokio::select! {
            biased;
            () = self.work_on(&lease) => {}
            () = async {
                lease.keep(&self.store, &*self.clock).await;
                pending().await
            } => {}
        }
    }

    async fn work_on(&self, lease: &Lease) {
        loop {
            let reconciler = match self.load(lease).await {
                Ok(Some(reconciler)) => reconciler,
                Ok(None) => return,
                Err(error) => {
                    tracing::error!(reason = error.reason(), error = %error, "the run could not be read");
                    return;
                }
            };
            match reconciler.work().await {
                Ok(()) => return,
                // Siblings' alerts joined meanwhile: decide again with them.
                Err(CommitError::Stale) => {}
                Err(CommitError::LeaseLost) => {
                    tracing::warn!("the lease was lost; somebody else works on the run");
                    return;
                }
                Err(CommitError::Store(error)) => {
                    tracing::error!(reason = error.reason(), error = %error, "the run's progress could not be committed");
                    return;
                }
            }
        }
    }

    async fn load<'a>(&'a self, lease: &'a Lease) -> Result<Option<Reconciler<'a>>, StoreError> {
        let claim = lease.claim();
        let claimed = self.store.load(claim).await?;
        let later = after(self.clock.now(), UNREADABLE);
        let state = match &claimed.journal {
            Ok(journal) => State::fold(journal),
            Err(unknown) => {
                tracing::error!(reason = Reason::JournalUnknown.as_str(), error = %unknown, "the run is left alone");
                self.store.release(claim, later).await?;
                return Ok(None);
            }
        };
        let version = &claimed.run.version;
        let Some(runbook) = self.registry.version(&self.store, version).await? else {
            tracing::error!(
                reason = Reason::RunbookUnreadable.as_str(),
                runbook = claimed.run.runbook,
                version,
                "the run is left alone: its runbook version cannot be read by this program"
            );
            if self.clock.now() < claimed.run.deadline {
                self.store.release(claim, later.min(claimed.run.deadline)).await?;
            } else {
                self.abandon(&claimed, &state).await?;
            }
            return Ok(None);
        };
        let mut run = claimed.run.clone();
        let snapshot = self.registry.snapshot();
        let current = snapshot.set.get(&run.runbook);
        // A runbook that was removed acts no more.
        let allowed = current.map_or(Mode::Shadow, |current| self.registry.mode(&snapshot, current));
        run.mode = run.mode.min(allowed);
        let guards = match current {
            Some(current) => runbook.runbook.guards.stricter(&current.runbook.guards),
            None => runbook.runbook.guards.clone(),
        };
        Ok(Some(Reconciler {
            engine: self,
            claimed,
            run,
            runbook,
            guards,
            state,
            unsaved: None,
            seen: None,
            fresh: false,
            scope: Scope::default(),
            lease,
        }))
    }
}

impl Engine {
    /// Ends a run past its deadline whose runbook cannot be read.
    async fn abandon(&self, claimed: &Claimed, state: &State) -> Result<(), StoreError> {
        let outcome = if state.sent {
            Outcome::Inconclusive
        } else {
            Outcome::Suppressed
        };
        let detail = format!(
            "version {} of the runbook cannot be read by this program",
            claimed.run.version
        );
        let change = Change {
            entries: vec![Entry::Finished(Finish::new(outcome, Reason::RunbookUnreadable, detail))],
            phase: Phase::Finished,
            due_at: None,
            audit: Vec::new(),
            owed: None,
        };
        let name = &claimed.run.runbook;
        match self.store.record(&claimed.claim, state.entries, change).await {
            Ok(()) => self.metrics.run_finished(name, outcome, Reason::RunbookUnreadable),
            Err(CommitError::Store(error)) => return Err(error),
            // Somebody else has it, or it has changed: it is looked at again.
            Err(CommitError::LeaseLost | CommitError::Stale) => {}
        }
        Ok(())
    }
}

/// Each answers whether to ask `next` again, or whether the run waits or has ended and the claim is given back.
impl Reconciler<'_> {
    async fn work(mut self) -> Result<(), CommitError> {
        self.tell_last_action().await;
        loop {
            if let Some(cancel) = &self.claimed.cancel
                && self.state.finished.is_none()
            {
                return self.finish(canceled(cancel)).await.map(drop);
            }
            let now = self.now();
            let flow = match next(&self.run, &self.runbook.runbook, &self.state, self.claimed.settled, now) {
                Next::Resolve => self.resolve().await?,
                Next::Wait(until) => self.wait(until).await?,
                Next::Plan { step } => self.plan(step).await?,
                Next::Act { intent, dry_run } => self.act(&intent, dry_run).await?,
                Next::LookUp { intent } => self.look_up(&intent).await?,
                Next::BeginVerify { until } => self.begin_verify(until).await?,
                Next::Observe => self.observe().await?,
                Next::Finish(finish) => self.finish(finish).await?,
                Next::Over => ControlFlow::Break(()),
            };
            if flow.is_break() {
                return Ok(());
            }
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.engine.clock.now()
    }

    /// Commits entries and folds them. `due_at`: give the claim back and look again then.
    pub(super) async fn commit(
        &mut self,
        entries: Vec<Entry>,
        due_at: Option<Timestamp>,
        audit: Vec<Audit>,
    ) -> Result<ControlFlow<()>, CommitError> {
        let entries = with_binding(self.unsaved.as_ref(), entries);
        let mut state = self.state.clone();
        let now = self.now();
        for entry in &entries {
            state.apply(now, entry);
        }
        let change = Change {
            owed: self.audience().owed(&state, &entries),
            entries,
            phase: state.phase(),
            due_at,
            audit,
        };
        let news = change.owed.is_some();
        let begun = self.engine.clock.monotonic();
        self.engine
            .store
            .record(&self.claimed.claim, self.state.entries, change)
            .await?;
        self.lease.renewed(begun);
        self.unsaved = None;
        self.state = state;
        self.announce(news);
        Ok(self.flow(due_at))
    }

    /// Whether to go on after a commit that named this moment to look again.
    pub(super) fn flow(&self, due_at: Option<Timestamp>) -> ControlFlow<()> {
        match (due_at, &self.state.finished) {
            (None, None) => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    }

    /// Makes sure that the lease outlasts a request: whoever claims the run after it must not meet ours on its way.
    pub(super) async fn renew_lease(&mut self) -> Result<(), CommitError> {
        let left = self.lease.left(self.engine.clock.monotonic());
        if !(self.engine.safeguards.lease)(left, self.engine.cluster.timeout()) {
            return self.commit(Vec::new(), None, Vec::new()).await.map(drop);
        }
        Ok(())
    }

    /// Gives the claim back until then.
    async fn wait(&mut self, until: Timestamp) -> Result<ControlFlow<()>, CommitError> {
        self.commit(Vec::new(), Some(until), Vec::new()).await
    }

    /// Waits for a reason; the journal tells it once.
    pub(super) async fn defer(
        &mut self,
        reason: Reason,
        detail: String,
        until: Timestamp,
    ) -> Result<ControlFlow<()>, CommitError> {
        let (entry, until) = deferral(&self.run, &self.state, reason, detail, until);
        if let Some(Entry::Deferred { reason, detail, .. }) = &entry {
            told_wait(*reason, detail);
        }
        self.commit(entry.into_iter().collect(), Some(until), Vec::new()).await
    }

    pub(super) fn scene<'a>(&'a self, binding: &'a Binding) -> Scene<'a> {
        Scene {
            cluster: &self.engine.cluster,
            run: &self.run,
            runbook: &self.runbook,
            state: &self.state,
            binding,
            alerts: &self.claimed.alerts,
            now: self.now(),
            seen: None,
        }
    }
}

/// A binding that is not recorded yet goes before whatever is recorded next.
pub(super) fn with_binding(unsaved: Option<&Binding>, entries: impl IntoIterator<Item = Entry>) -> Vec<Entry> {
    let binding = unsaved.cloned().map(Entry::Bound);
    binding.into_iter().chain(entries).collect()
}

/// The entry about a wait, unless the last one told the same, and when it ends.
pub(super) fn deferral(
    run: &Run,
    state: &State,
    reason: Reason,
    detail: String,
    until: Timestamp,
) -> (Option<Entry>, Timestamp) {
    let until = until.min(run.deadline);
    let waiting = state.waiting.as_ref();
    if waiting.is_some_and(|waiting| waiting.reason == reason) {
        return (None, until);
    }
    (Some(Entry::Deferred { reason, detail, until }), until)
}

/// Logs a wait.
pub(super) fn told_wait(reason: Reason, detail: &str) {
    tracing::info!(reason = reason.as_str(), detail, "the run waits");
}

/// The end that a person asked for.
pub(super) fn canceled(cancel: &Cancel) -> Finish {
    let detail = format!("by {}: {}", cancel.who, cancel.why);
    Finish::new(Outcome::Canceled, Reason::Canceled, detail)
}
