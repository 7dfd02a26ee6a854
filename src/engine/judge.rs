//! Planning a step's next action and judging it: facts from the cluster, the history from the store, one verdict.

use std::ops::ControlFlow;

use jiff::Timestamp;

use super::{
    reconcile::{Reconciler, canceled, deferral, told_wait, with_binding},
    report::Audience,
};
use crate::{
    domain::{
        guard::{self, Facts, Guard, History, Question, Verdict},
        journal::{Entry, Intent},
        next::after,
        reason::Reason,
        run::{Binding, Finish, Outcome, Run},
        runbook::{Guards, Mode},
        state::State,
    },
    steps::{self, Plan, Scene},
    store::{Admission, Admitted, Audit, Change, CommitError},
};

impl Reconciler<'_> {
    /// Plans the step's next action and has it judged.
    pub(super) async fn plan(&mut self, step: usize) -> Result<ControlFlow<()>, CommitError> {
        let runbook = self.runbook.clone();
        let Some(declared) = runbook.runbook.steps.get(step) else {
            return Ok(ControlFlow::Continue(()));
        };
        let Some(binding) = self.state.binding.clone() else {
            return Ok(ControlFlow::Continue(()));
        };
        // Read since the claim, with nothing waited for since; used once, since an action changes what is there.
        let seen = self.seen.take();
        let scene = Scene {
            seen: seen.as_ref(),
            ..self.scene(&binding)
        };
        let planned = steps::plan(&scene, &declared.action).await;
        let now = self.now();
        match planned {
            Ok(Plan::Act {
                intent,
                ready_after,
                facts,
            }) => self.judge(step, &binding, intent, ready_after, facts).await,
            Ok(Plan::Wait { reason, detail, again }) => self.defer(reason, detail, after(now, again)).await,
            Ok(Plan::Complete { detail }) => {
                let flow = self
                    .commit(vec![Entry::StepDone { step, detail }], None, Vec::new())
                    .await?;
                failpoint!(StepDoneAfterCommit);
                Ok(flow)
            }
            Ok(Plan::Refuse { reason, detail }) => self.refuse(step, reason, detail).await,
            Err(error) => {
                let again = after(now, steps::RETRY_DELAY);
                self.defer(error.reason(), error.to_string(), again).await
            }
        }
    }

    /// What must not be done ends the run; as a failure, if something was done before.
    async fn refuse(&mut self, step: usize, reason: Reason, detail: String) -> Result<ControlFlow<()>, CommitError> {
        if self.state.sent {
            return self
                .commit(vec![Entry::StepFailed { step, reason, detail }], None, Vec::new())
                .await;
        }
        self.finish(Finish::new(Outcome::Suppressed, reason, detail)).await
    }

    /// Judges and starts, in one transaction.
    async fn judge(
        &mut self,
        step: usize,
        binding: &Binding,
        intent: Intent,
        ready_after: Option<i64>,
        facts: Facts,
    ) -> Result<ControlFlow<()>, CommitError> {
        let judgement = Judgement {
            guards: self.engine.safeguards.guards.clone(),
            run: self.run.clone(),
            limits: self.guards.clone(),
            state: self.state.clone(),
            unsaved: self.unsaved.clone(),
            audience: self.audience(),
            step,
            intent,
            ready_after,
            facts: Facts {
                protected: self.protected(binding),
                ..facts
            },
        };
        let admission = self.admission(binding, move |history, now| judgement.decide(history, now));
        let (begun, now) = (self.engine.clock.monotonic(), self.now());
        let change = match self.engine.store.admit(admission).await? {
            Admitted::Merged { into } => return Ok(self.merged(into)),
            Admitted::Committed(change) => change,
        };
        self.lease.renewed(begun);
        self.unsaved = None;
        for entry in &change.entries {
            self.state.apply(now, entry);
        }
        self.fresh = self.state.open.is_some();
        if let Some(waiting) = self.state.waiting.as_ref().filter(|_| !change.entries.is_empty()) {
            told_wait(waiting.reason, &waiting.detail);
        }
        self.announce(change.owed.is_some());
        if let Some(finish) = &self.state.finished {
            self.told(finish);
        }
        Ok(self.flow(change.due_at))
    }

    /// What the store needs to bind the run, or to start something.
    pub(super) fn admission(
        &self,
        binding: &Binding,
        decide: impl Fn(&History, Timestamp) -> Change + Send + 'static,
    ) -> Admission {
        Admission {
            claim: self.claimed.claim.clone(),
            seen: self.state.entries,
            binding: binding.clone(),
            scope: self.scope.clone(),
            unsaved: self.unsaved.is_some(),
            guards: self.guards.clone(),
            decide: Box::new(decide),
        }
    }

    fn protected(&self, binding: &Binding) -> Option<String> {
        let targets = binding.alerts.iter().map(|alert| &alert.target.object);
        targets
            .chain([&binding.root.0])
            .filter_map(|object| object.namespace.as_ref())
            .find(|namespace| self.engine.options.protected.contains(namespace))
            .cloned()
    }
}

/// Everything that a verdict is made of but the history of the root: owned, since it is asked inside the store's transaction.
struct Judgement {
    guards: Vec<Guard>,
    run: Run,
    limits: Guards,
    state: State,
    unsaved: Option<Binding>,
    audience: Audience,
    step: usize,
    intent: Intent,
    ready_after: Option<i64>,
    facts: Facts,
}

impl Judgement {
    /// What is recorded of it. Pure.
    fn decide(&self, history: &History, now: Timestamp) -> Change {
        let (entry, due_at) = self.verdict(history, now);
        let entries = with_binding(self.unsaved.as_ref(), entry);
        let mut state = self.state.clone();
        for entry in &entries {
            state.apply(now, entry);
        }
        Change {
            audit: entries.iter().filter_map(intent_row).collect(),
            owed: self.audience.owed(&state, &entries),
            phase: state.phase(),
            entries,
            due_at,
        }
    }

    fn verdict(&self, history: &History, now: Timestamp) -> (Option<Entry>, Option<Timestamp>) {
        if let Some(cancel) = &history.cancel {
            return (Some(Entry::Finished(canceled(cancel))), None);
        }
        let question = Question {
            run: &self.run,
            guards: &self.limits,
            state: &self.state,
            facts: &self.facts,
            history,
            now,
        };
        let (step, intent) = (self.step, self.intent.clone());
        match guard::judge(&self.guards, &question) {
            Verdict::Allow if self.run.mode == Mode::Shadow => (Some(Entry::WouldStart { step, intent }), None),
            Verdict::Allow => {
                let started = Entry::Started {
                    step,
                    intent,
                    dry_run: self.run.mode == Mode::DryRun,
                    ready_after: self.ready_after,
                };
                (Some(started), None)
            }
            Verdict::Defer { reason, detail, until } => {
                let (entry, until) = deferral(&self.run, &self.state, reason, detail, until);
                (entry, Some(until))
            }
            Verdict::Suppress { reason, detail } if self.state.sent => {
                (Some(Entry::StepFailed { step, reason, detail }), None)
            }
            Verdict::Suppress { reason, detail } => {
                let finish = Finish::new(Outcome::Suppressed, reason, detail);
                (Some(Entry::Finished(finish)), None)
            }
        }
    }
}

fn intent_row(entry: &Entry) -> Option<Audit> {
    match entry {
        Entry::Started {
            intent, dry_run: false, ..
        } if intent.is_mutation() => Some(Audit {
            kind: "intent",
            who: "selfhealer".to_owned(),
            data: serde_json::json!(intent),
        }),
        _ => None,
    }
}
