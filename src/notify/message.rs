//! A message before any service has seen it: what is told, in words and in parts.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    text::{clean, cut, escape},
    view::View,
};
use crate::{
    domain::{notify::Notify, run::Phase},
    render::message::MessageTemplate,
    runbooks::Compiled,
    store::RunHistory,
};

/// Our own words, for every phase.
const DEFAULT: &str = include_str!("../templates/message.hbs");
/// The longest headline: Slack's header block takes 150 characters, with the emoji.
const HEADLINE: usize = 140;

/// The longest line of a digest: all of its runs fit into one message.
const LINE: usize = 165;

/// A message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The id under which it is owed: who finds it twice knows that it is the same.
    pub id: String,
    /// A sign for its outcome.
    pub emoji: &'static str,
    /// What happened, in a line; not escaped.
    pub headline: String,
    /// The rest, in mrkdwn.
    pub text: String,
    /// Which run, by which runbook; in mrkdwn.
    pub footer: String,
    /// Where to read on.
    pub link: Option<String>,
    /// Who is called, as Slack writes it; for services where a mention is part of the message.
    pub mention: Option<String>,
    /// It may stand there twice: the answer to the first post was lost.
    pub perhaps_twice: bool,
    /// How much of the journal it tells.
    pub told: i64,
    /// Nothing will be added.
    pub last: bool,
    /// Without blocks: they were refused.
    pub plain: bool,
    /// The same for programs.
    pub parts: Value,
}

/// Templates and the base of links.
#[derive(Clone)]
pub struct Composer {
    default: Arc<MessageTemplate>,
    base: Option<Arc<str>>,
}

/// A message, and what was wrong with the runbook's own template, if anything was.
pub struct Composed {
    /// The message.
    pub message: Message,
    /// Why our own words stand there instead of the author's.
    pub problem: Option<String>,
}

impl Composer {
    /// A composer. `base` is where links begin.
    pub fn new(base: Option<&str>) -> Self {
        let default = MessageTemplate::compile(DEFAULT).expect("our own template is checked by a test");
        Self {
            default: Arc::new(default),
            base: base.map(Into::into),
        }
    }

    /// The view of a run whose journal can be read.
    pub fn view(&self, history: &RunHistory, runbook: Option<&Compiled>) -> Option<View> {
        let journal = history.journal.as_ref().ok()?;
        let runbook = runbook.map(|compiled| &compiled.runbook);
        Some(View::new(history, journal, runbook, self.base.as_deref()))
    }

    /// The message about one run.
    pub fn run(&self, id: &str, history: &RunHistory, view: &View, runbook: Option<&Compiled>) -> Composed {
        let values = view.values(escape);
        let own = runbook.and_then(|runbook| runbook.messages.get(&view.phase));
        let (text, problem) = match own.map(|template| template.render(&values)) {
            Some(Ok(text)) if !text.trim().is_empty() => (text, None),
            Some(Ok(_)) => (self.words(&values), Some("it renders to nothing".to_owned())),
            Some(Err(error)) => (self.words(&values), Some(error.to_string())),
            None => (self.words(&values), None),
        };
        let run = &history.run;
        let mut footer = match self.link(&format!("/api/v1/runs/{}", run.id)) {
            Some(link) => format!("<{link}|run {}>", run.id),
            None => format!("run {}", run.id),
        };
        footer.push_str(&format!(" · opened {}", super::view::time(run.opened_at)));
        if problem.is_some() {
            footer.push_str(" · the runbook's own template could not be used");
        }
        let message = Message {
            id: id.to_owned(),
            emoji: view.emoji,
            headline: cut(&view.headline, HEADLINE),
            text: tidy(&text),
            footer,
            link: self.link(&format!("/api/v1/runs/{}", run.id)),
            mention: mention(runbook.map(|runbook| &runbook.runbook.notify), view),
            perhaps_twice: false,
            told: view.entries,
            last: view.phase == Phase::Finished,
            plain: false,
            parts: view.values(clean),
        };
        Composed { message, problem }
    }

    /// One message for many runs: a storm is told once.
    pub fn digest(&self, id: &str, views: &[View], told: i64, mention: Option<String>) -> Message {
        let count = |emoji: &[&str]| views.iter().filter(|view| emoji.contains(&view.emoji)).count();
        let over = views.iter().filter(|view| view.phase == Phase::Finished).count();
        let (healed, help) = (count(&["✅"]), views.iter().filter(|view| view.needs_help()).count());
        let mut counts = vec![format!("{healed} healed")];
        if help > 0 {
            counts.push(format!("{help} {} help", if help == 1 { "needs" } else { "need" }));
        }
        if over > healed + help {
            counts.push(format!("{} ended otherwise", over - healed - help));
        }
        if over < views.len() {
            counts.push(format!("{} under way", views.len() - over));
        }
        // Those who need somebody stand first.
        let mut lines: Vec<&View> = views.iter().collect();
        lines.sort_by_key(|view| (!view.needs_help(), view.phase == Phase::Finished));
        let text: Vec<String> = lines.iter().map(|view| escape(&cut(&view.line(), LINE))).collect();
        let emoji = match (help, over == views.len()) {
            (1.., _) => "❌",
            (0, true) => "✅",
            (0, false) => "🔧",
        };
        let link = self.link("/api/v1/runs");
        let footer = match &link {
            Some(link) => format!("digest of {} runs · <{link}|all runs>", views.len()),
            None => format!("digest of {} runs", views.len()),
        };
        Message {
            id: id.to_owned(),
            emoji,
            headline: format!("{} runs: {}", views.len(), counts.join(", ")),
            text: text.join("\n"),
            footer,
            link,
            mention,
            perhaps_twice: false,
            told,
            last: over == views.len(),
            plain: false,
            parts: json!({"runs": views.iter().map(|view| view.values(clean)).collect::<Vec<_>>()}),
        }
    }

    fn words(&self, values: &Value) -> String {
        // What our own template needs is always there, but for the name of the alert.
        self.default.render(values).unwrap_or_default()
    }

    fn link(&self, path: &str) -> Option<String> {
        self.base.as_ref().map(|base| format!("{base}{path}"))
    }
}

/// Who is called about a run, and only then.
pub fn mention(notify: Option<&Notify>, view: &View) -> Option<String> {
    let mention = notify?.mention.as_ref()?;
    view.needs_help().then(|| mention.clone())
}

/// A template's blocks leave empty lines behind.
fn tidy(text: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim_end) {
        if !(line.is_empty() && lines.last().is_none_or(|last| last.is_empty())) {
            lines.push(line);
        }
    }
    lines.join("\n").trim_end().to_owned()
}
