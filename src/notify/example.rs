//! Messages of a runbook before it has ever run: made of an alert and of a journal as a run would write it.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    message::{Composer, Message},
    slack::blocks,
    text::plain,
    view::View,
};
use crate::{
    domain::{
        alert::Alert,
        journal::{Entry, Intent, Recorded},
        next::after,
        reason::Reason,
        run::{Binding, BoundAlert, EpisodeId, Finish, Outcome, Run, RunId},
        runbook::Mode,
        step::StepAction,
        target::{ObjectRef, Root, Target},
    },
    runbooks::Compiled,
    store::{RunAlert, RunHistory},
};

/// A moment of a run that a message tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// After the last step.
    Running,
    /// While the cluster is watched.
    Verifying,
    /// Seen healthy.
    Succeeded,
    /// Seen unhealthy at the deadline.
    Failed,
}

/// A message and what was wrong with the runbook's own template, if anything was.
pub struct Example {
    /// The message as a person reads it.
    pub text: String,
    /// The message as Slack gets it.
    pub slack: Value,
    /// Why our own words stand there instead of the author's.
    pub problem: Option<String>,
}

impl Moment {
    /// All of them, in the order of a run.
    pub const ALL: [Self; 4] = [Self::Running, Self::Verifying, Self::Succeeded, Self::Failed];

    /// The word on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Verifying => "verifying",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

/// The message about an alert's run at a moment.
pub fn example(
    composer: &Composer,
    runbook: &Compiled,
    object: &ObjectRef,
    alerts: &[Alert],
    moment: Moment,
) -> Example {
    let history = history(runbook, object, alerts, moment);
    let id = history.run.id.to_string();
    let view = composer.view(&history, Some(runbook));
    let composed = view.map(|view: View| composer.run(&id, &history, &view, Some(runbook)));
    match composed {
        Some(composed) => Example {
            text: as_text(&composed.message),
            slack: blocks::message(&composed.message),
            problem: composed.problem,
        },
        None => Example {
            text: String::new(),
            slack: Value::Null,
            problem: Some("the example cannot be told".to_owned()),
        },
    }
}

fn as_text(message: &Message) -> String {
    let mut text = format!(
        "{} {}\n{}\n{}",
        message.emoji,
        message.headline,
        plain(&message.text),
        plain(&message.footer)
    );
    if let Some(mention) = &message.mention {
        text.push_str(&format!("\n↳ {mention}"));
    }
    text
}

fn history(runbook: &Compiled, object: &ObjectRef, alerts: &[Alert], moment: Moment) -> RunHistory {
    let fired = alerts
        .iter()
        .map(|alert| alert.starts_at.0)
        .min()
        .unwrap_or(Timestamp::UNIX_EPOCH);
    let opened = after(fired, Duration::from_secs(1));
    let alerts: Vec<RunAlert> = alerts
        .iter()
        .zip(1..)
        .map(|(alert, n)| RunAlert {
            episode: EpisodeId(Uuid::from_u128(n)),
            labels: alert.labels.clone(),
            annotations: alert.annotations.clone(),
            started: alert.starts_at.0,
            firing: true,
        })
        .collect();
    let target = Target {
        object: object.clone(),
        uid: alerts
            .first()
            .and_then(|alert| alert.labels.get("uid").cloned())
            .unwrap_or_else(|| Uuid::nil().to_string()),
    };
    let mut journal = Journal {
        at: opened,
        entries: Vec::new(),
    };
    journal.add(Entry::Bound(Binding {
        alerts: alerts
            .iter()
            .map(|alert| BoundAlert {
                episode: alert.episode,
                target: target.clone(),
            })
            .collect(),
        root: Root(object.clone()),
        workload: None,
    }));
    for (step, declared) in runbook.runbook.steps.iter().enumerate() {
        journal.step(step, &declared.action, &target);
    }
    journal.end(runbook, moment);
    RunHistory {
        run: Run {
            id: RunId(Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0001)),
            runbook: runbook.runbook.name.clone(),
            version: runbook.version.clone(),
            mode: Mode::Enforce,
            object: Some(object.clone()),
            opened_at: opened,
            deadline: after(opened, runbook.runbook.deadline),
            attempt: 1,
        },
        journal: Ok(journal.entries),
        alerts,
    }
}

struct Journal {
    at: Timestamp,
    entries: Vec<Recorded>,
}

impl Journal {
    fn add(&mut self, entry: Entry) {
        self.entries.push(Recorded { at: self.at, entry });
        self.at = after(self.at, Duration::from_secs(1));
    }

    fn step(&mut self, step: usize, action: &StepAction, target: &Target) {
        let (intent, detail) = match action {
            StepAction::Collect(collect) => (
                Intent::Collect {
                    target: target.clone(),
                    evidence: collect.evidence,
                },
                "evidence collected".to_owned(),
            ),
            StepAction::Evict(_) => (
                Intent::Evict { target: target.clone() },
                format!("evicted {}", target.object.name),
            ),
        };
        self.add(Entry::Started {
            step,
            intent,
            dry_run: false,
            ready_after: None,
        });
        let result = json!({});
        self.add(Entry::Done { step, result });
        self.add(Entry::StepDone { step, detail });
    }

    fn end(&mut self, runbook: &Compiled, moment: Moment) {
        let verify = &runbook.runbook.verify;
        let observed = |healthy: bool| Entry::Observed {
            healthy: Some(healthy),
            detail: seen(healthy).to_owned(),
        };
        if moment == Moment::Running {
            return;
        }
        let until = after(self.at, verify.within);
        self.add(Entry::Verifying { until });
        self.add(observed(false));
        let (outcome, reason, healthy) = match moment {
            Moment::Running | Moment::Verifying => return,
            Moment::Succeeded => (Outcome::Succeeded, Reason::Healthy, true),
            Moment::Failed => (Outcome::Failed, Reason::NotHealthy, false),
        };
        self.at = if healthy {
            after(self.at, verify.stable_for)
        } else {
            until
        };
        self.add(observed(healthy));
        self.add(Entry::Finished(Finish::new(outcome, reason, seen(healthy))));
    }
}

fn seen(healthy: bool) -> &'static str {
    if healthy {
        "Deployment shop/example has 3 of 3 replicas ready"
    } else {
        "Deployment shop/example has 2 of 3 replicas ready"
    }
}
