//! Planning a step's next action and judging it: facts from the cluster, the ledger from the store, one verdict.

use jiff::Timestamp;

use super::turn::{Flow, Interrupt, Turn, canceled};
use crate::{
    domain::{
        guard::{self, Facts, Ledger, Question, Verdict},
        journal::{Entry, Intent},
        next::after,
        reason::Reason,
        run::{Binding, Finish, Outcome},
        runbook::Mode,
    },
    steps::{self, Plan, Scene},
    store::{Audit, Change, Judged},
};

impl Turn<'_> {
    /// Plans the step's next action and has it judged.
    pub(super) async fn plan(&mut self, step: usize) -> Result<Flow, Interrupt> {
        let runbook = self.runbook.clone();
        let Some(declared) = runbook.runbook.steps.get(step) else {
            return Ok(Flow::Continue);
        };
        let Some(binding) = self.state.binding.clone() else {
            return Ok(Flow::Continue);
        };
        // Read in this turn, with nothing waited for since; used once, since an action changes what is there.
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
                let again = after(now, steps::AGAIN);
                self.defer(error.reason(), error.to_string(), again).await
            }
        }
    }

    /// What must not be done ends the run; as a failure, if something was done before.
    async fn refuse(&mut self, step: usize, reason: Reason, detail: String) -> Result<Flow, Interrupt> {
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
    ) -> Result<Flow, Interrupt> {
        let facts = Facts {
            protected: self.protected(binding),
            ..facts
        };
        let now = self.now();
        let mut after_change = self.state.clone();
        let decide = |ledger: &Ledger| {
            let (entry, due_at) = self.verdict(step, &intent, ready_after, &facts, ledger, now);
            let entries = self.with_binding(entry.into_iter().collect());
            for entry in &entries {
                after_change.apply(now, entry);
            }
            let audit = entries.iter().filter_map(intent_row).collect();
            Change {
                owed: self.owed(&after_change, &entries),
                entries,
                phase: after_change.phase(),
                due_at,
                audit,
            }
        };
        let begun = self.engine.clock.monotonic();
        let judged = self
            .engine
            .store
            .judge(
                &self.claimed,
                self.state.entries,
                self.unsaved.as_ref(),
                binding,
                &self.guards,
                decide,
            )
            .await?;
        let change = match judged {
            Judged::Merged { into } => return Ok(self.merged(into)),
            Judged::Committed(change) => change,
        };
        self.leased_at = begun;
        self.unsaved = None;
        self.state = after_change;
        self.fresh = self.state.open.is_some();
        self.announce(&change);
        if let Some(finish) = &self.state.finished {
            self.told(finish);
        }
        Ok(self.flow(change.due_at))
    }

    fn verdict(
        &self,
        step: usize,
        intent: &Intent,
        ready_after: Option<i64>,
        facts: &Facts,
        ledger: &Ledger,
        now: Timestamp,
    ) -> (Option<Entry>, Option<Timestamp>) {
        if let Some(cancel) = &ledger.cancel {
            return (Some(Entry::Finished(canceled(cancel))), None);
        }
        let question = Question {
            run: &self.run,
            guards: &self.guards,
            state: &self.state,
            facts,
            ledger,
            now,
        };
        match guard::judge(&self.engine.safeguards.guards, &question) {
            Verdict::Allow if self.run.mode == Mode::Shadow => {
                let intent = intent.clone();
                (Some(Entry::WouldStart { step, intent }), None)
            }
            Verdict::Allow => {
                let started = Entry::Started {
                    step,
                    intent: intent.clone(),
                    dry_run: self.run.mode == Mode::DryRun,
                    ready_after,
                };
                (Some(started), None)
            }
            Verdict::Defer { reason, detail, until } => {
                let (entry, until) = self.deferral(reason, detail, until);
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

    fn protected(&self, binding: &Binding) -> Option<String> {
        let targets = binding.alerts.iter().map(|alert| &alert.target.object);
        targets
            .chain([&binding.root.0])
            .filter_map(|object| object.namespace.as_ref())
            .find(|namespace| self.engine.options.protected.contains(namespace))
            .cloned()
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
