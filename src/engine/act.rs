//! Acting: record, send, record.

use std::ops::ControlFlow;

use serde_json::json;

use super::reconcile::Reconciler;
use crate::{
    domain::{
        journal::{Entry, Intent},
        next::after,
        reason::Reason,
        run::{Finish, Outcome},
    },
    steps::{Answer, RETRY_DELAY},
    store::{Audit, CommitError},
};

impl Reconciler<'_> {
    /// Sends the request of the open `started` and records what came of it.
    pub(super) async fn act(&mut self, intent: &Intent, dry_run: bool) -> Result<ControlFlow<()>, CommitError> {
        let resumed = !std::mem::take(&mut self.fresh);
        if resumed && let Some(open) = &self.state.open {
            // The one who started it may have sent it just before the end; it may still be on its way.
            let landed = after(open.at, self.engine.cluster.timeout());
            if landed > self.now() {
                return self.commit(Vec::new(), Some(landed), Vec::new()).await;
            }
        }
        self.renew_lease().await?;
        let begun = self.engine.clock.monotonic();
        let answer = self.engine.safeguards.sender.send(intent, dry_run, resumed).await;
        let seconds = (self.engine.clock.monotonic() - begun).as_secs_f64();
        let (step, result) = (intent.step(), answer.kind());
        self.engine.metrics.step(step, result, seconds);
        tracing::info!(step = step.as_str(), result = result.as_str(), object = %intent.target().object, resumed, dry_run, "a request was answered");
        let news = matches!(answer, Answer::Done { .. }) && intent.is_mutation() && !dry_run;
        failpoint!(AnswerBeforeCommit);
        let flow = self.record_answer(intent, dry_run, answer).await?;
        failpoint!(AnswerAfterCommit);
        if news {
            self.tell_action(intent).await;
        }
        Ok(flow)
    }

    async fn record_answer(
        &mut self,
        intent: &Intent,
        dry_run: bool,
        answer: Answer,
    ) -> Result<ControlFlow<()>, CommitError> {
        let step = self.state.step;
        let now = self.now();
        let audit = if intent.is_mutation() && !dry_run {
            vec![result_row(intent, &answer)]
        } else {
            Vec::new()
        };
        match answer {
            Answer::Done { result } => self.commit(vec![Entry::Done { step, result }], None, audit).await,
            Answer::Refused { reason, detail, again } => {
                let until = after(now, self.state.wait_after_refusal(again));
                let refused = Entry::Refused {
                    step,
                    reason,
                    detail,
                    until,
                };
                self.commit(vec![refused], Some(until), audit).await
            }
            Answer::Failed { reason, detail } => {
                let failed = Entry::StepFailed { step, reason, detail };
                self.commit(vec![failed], None, audit).await
            }
            Answer::Unanswered { detail } => {
                let unanswered = Entry::Unanswered { step, detail };
                self.commit(vec![unanswered], Some(after(now, RETRY_DELAY)), audit)
                    .await
            }
        }
    }

    /// The run's time is over and a request has no answer: look, and send nothing.
    pub(super) async fn look_up(&mut self, intent: &Intent) -> Result<ControlFlow<()>, CommitError> {
        let now = self.now();
        let patience = after(self.run.deadline, self.runbook.runbook.verify.within);
        match self.engine.safeguards.sender.look_up(intent).await {
            Answer::Unanswered { .. } if now < patience => {
                self.commit(Vec::new(), Some(after(now, RETRY_DELAY)), Vec::new()).await
            }
            Answer::Failed {
                reason: Reason::OutcomeUnknown,
                detail,
            }
            | Answer::Unanswered { detail } => {
                self.finish(Finish::new(Outcome::Inconclusive, Reason::OutcomeUnknown, detail))
                    .await
            }
            answer => self.record_answer(intent, false, answer).await,
        }
    }
}

fn result_row(intent: &Intent, answer: &Answer) -> Audit {
    let data = match answer {
        Answer::Done { result } => json!({"result": "done", "detail": result}),
        Answer::Refused { reason, detail, .. } | Answer::Failed { reason, detail } => {
            json!({"result": answer.kind().as_str(), "reason": reason, "detail": detail})
        }
        Answer::Unanswered { detail } => json!({"result": "unanswered", "detail": detail}),
    };
    Audit {
        kind: "result",
        who: "selfhealer".to_owned(),
        data: json!({"intent": intent, "answer": data}),
    }
}
