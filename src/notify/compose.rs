//! What exactly is sent: read from the journal as it stands now.

use super::{
    Notifier, evidence,
    message::mention,
    service::{Call, Service},
    view::{View, named, time},
};
use crate::{
    domain::{
        journal::{Entry, Recorded},
        run::{Phase, RunId},
        step::StepAction,
    },
    runbooks::Compiled,
    store::{About, DueMessage, RunHistory, StoreError},
};

/// Something to send, and what is owed when it was.
pub(super) struct Composition {
    pub call: Call,
    /// How much of the journal it tells.
    pub told: i64,
    /// Replies that its thread then owes.
    pub replies: Vec<About>,
}

impl Notifier {
    /// `None`: there is nothing to tell any more, or nothing new for this service.
    pub(super) async fn compose(
        &self,
        service: &dyn Service,
        due: &DueMessage,
        perhaps_twice: bool,
    ) -> Result<Option<Composition>, StoreError> {
        match &due.about {
            About::Run(run) => self.about_run(service, due, *run, perhaps_twice).await,
            About::Digest => self.about_digest(service, due, perhaps_twice).await,
            About::Evidence { run, entry } => self.about_evidence(due, *run, *entry, perhaps_twice).await,
            About::Mention { run } => self.about_mention(due, *run, perhaps_twice).await,
        }
    }

    async fn about_run(
        &self,
        service: &dyn Service,
        due: &DueMessage,
        run: RunId,
        perhaps_twice: bool,
    ) -> Result<Option<Composition>, StoreError> {
        let Some((history, runbook, view)) = self.view(run).await? else {
            return Ok(None);
        };
        // Without edits, only the first and the last state are told.
        if !service.can_edit() && due.told > 0 && view.phase != Phase::Finished {
            return Ok(None);
        }
        let mut composed = self.composer.run(&due.id, &history, &view, runbook.as_deref());
        if let Some(problem) = composed.problem {
            self.failures.template(&history.run.runbook, view.phase, &problem);
            self.metrics.templates_failed.inc();
        }
        composed.message.plain = due.plain;
        composed.message.perhaps_twice = perhaps_twice;
        let mut replies = Vec::new();
        if service.can_edit() && service.is_for_people() {
            let shared = shared_evidence(&history, runbook.as_deref());
            replies.extend(shared.map(|entry| About::Evidence { run, entry }));
            replies.extend(composed.message.mention.take().map(|_| About::Mention { run }));
        }
        Ok(Some(Composition {
            told: view.entries,
            call: self.first_or_edit(service, due, composed.message),
            replies,
        }))
    }

    async fn about_digest(
        &self,
        service: &dyn Service,
        due: &DueMessage,
        perhaps_twice: bool,
    ) -> Result<Option<Composition>, StoreError> {
        let (mut views, mut mentioned) = (Vec::new(), None);
        for run in self.store.digest_runs(&due.id).await? {
            if let Some((_, runbook, view)) = self.view(run).await? {
                let notify = runbook.as_ref().map(|runbook| &runbook.runbook.notify);
                mentioned = mentioned.or_else(|| Some((run, mention(notify, &view)?)));
                views.push(view);
            }
        }
        let over = views.iter().all(|view| view.phase == Phase::Finished);
        if views.is_empty() || (!service.can_edit() && due.told > 0 && !over) {
            return Ok(None);
        }
        let who = mentioned.as_ref().map(|(_, mention)| mention.clone());
        let mut message = self.composer.digest(&due.id, &views, due.wanted, who);
        message.plain = due.plain;
        message.perhaps_twice = perhaps_twice;
        let mut replies = Vec::new();
        if service.can_edit() && message.mention.take().is_some() {
            // One call for the whole digest, whatever else fails in it later.
            replies.extend(mentioned.map(|(run, _)| About::Mention { run }));
        }
        Ok(Some(Composition {
            told: due.wanted,
            call: self.first_or_edit(service, due, message),
            replies,
        }))
    }

    async fn about_evidence(
        &self,
        due: &DueMessage,
        run: RunId,
        entry: usize,
        perhaps_twice: bool,
    ) -> Result<Option<Composition>, StoreError> {
        let (Some(parent), Some(history)) = (&due.posted, self.store.history(run).await?) else {
            return Ok(None);
        };
        let Some(Recorded {
            at,
            entry: Entry::Done { result, .. },
        }) = history.journal.as_ref().ok().and_then(|journal| journal.get(entry))
        else {
            return Ok(None);
        };
        let object = history.run.object.as_ref().map(named).unwrap_or_default();
        Ok(Some(Composition {
            told: due.wanted,
            call: Call::Evidence {
                parent: parent.clone(),
                id: due.id.clone(),
                title: format!("Evidence of {object}, collected {}", time(*at)),
                text: evidence::text(result),
                inline: due.plain,
                perhaps_twice,
            },
            replies: Vec::new(),
        }))
    }

    async fn about_mention(
        &self,
        due: &DueMessage,
        run: RunId,
        perhaps_twice: bool,
    ) -> Result<Option<Composition>, StoreError> {
        let (Some(parent), Some((_, runbook, view))) = (&due.posted, self.view(run).await?) else {
            return Ok(None);
        };
        let Some(mention) = mention(runbook.as_ref().map(|runbook| &runbook.runbook.notify), &view) else {
            return Ok(None);
        };
        Ok(Some(Composition {
            told: due.wanted,
            call: Call::Mention {
                parent: parent.clone(),
                id: due.id.clone(),
                mention,
                text: view.line(),
                perhaps_twice,
            },
            replies: Vec::new(),
        }))
    }

    fn first_or_edit(&self, service: &dyn Service, due: &DueMessage, message: super::message::Message) -> Call {
        match due.posted.as_ref().filter(|_| service.can_edit()) {
            Some(posted) => Call::Edit {
                posted: posted.clone(),
                message,
            },
            None => Call::Post {
                channel: due.channel.clone(),
                message,
            },
        }
    }

    /// A run that is still there and whose journal can be read, as messages tell it.
    async fn view(
        &self,
        run: RunId,
    ) -> Result<Option<(RunHistory, Option<std::sync::Arc<Compiled>>, View)>, StoreError> {
        let Some(history) = self.store.history(run).await? else {
            return Ok(None);
        };
        let runbook = self.registry.version(&self.store, &history.run.version).await?;
        let view = self.composer.view(&history, runbook.as_deref());
        Ok(view.map(|view| (history, runbook, view)))
    }
}

/// Entries with evidence that the runbook shares.
fn shared_evidence<'a>(history: &'a RunHistory, runbook: Option<&'a Compiled>) -> impl Iterator<Item = usize> + 'a {
    let journal: &[Recorded] = history.journal.as_deref().unwrap_or_default();
    let shares = move |step: usize| {
        runbook
            .and_then(|runbook| runbook.runbook.steps.get(step))
            .is_some_and(|step| matches!(&step.action, StepAction::Collect(collect) if collect.share))
    };
    journal
        .iter()
        .enumerate()
        .filter(move |(_, recorded)| matches!(&recorded.entry, Entry::Done { step, .. } if shares(*step)))
        .map(|(index, _)| index)
}
