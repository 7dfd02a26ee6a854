//! What is told of a story: for people, and for comparing how it ended.

use std::collections::BTreeMap;

use jiff::Timestamp;
use selfhealer::{
    domain::{journal::Entry, run::RunId},
    failpoint::Failpoint,
    store::{JournalView, RunDetail, RunFilter, Store},
};
use serde_json::Value;
use simulated_cluster::kubernetes::calls::Recorded;

use super::{cluster::Cluster, office::Shown, rules, stage::FIRST};

/// A story that is over.
#[derive(Debug)]
pub struct Told {
    /// Every run's journal, and what became of the pods.
    pub text: String,
    /// How it ended.
    pub end: End,
    /// The failpoints that were passed.
    pub points: Vec<Failpoint>,
    /// What was asked of the API server, in order.
    pub calls: Vec<Recorded>,
    /// Whether what was to be disturbed was reached.
    pub reached: bool,
    /// What must never be, and was.
    pub broken: Vec<String>,
}

/// What must be the same, whatever went wrong on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// `target: outcome(reason)` of every run, in order.
    pub runs: Vec<String>,
    /// The pods whose eviction was granted, in order; a pod twice is told twice.
    pub evicted: Vec<String>,
    /// Ready pods of all pods, by app.
    pub standing: BTreeMap<String, String>,
    /// The reasons of the Events that tell of it.
    pub events: Vec<String>,
    /// The messages that people read.
    pub shown: Vec<String>,
}

impl End {
    /// Whose run it was that took the others' alerts does not matter.
    pub fn of_anybody(&self) -> Self {
        let mut end = self.clone();
        for run in &mut end.runs {
            *run = run
                .split_once(": ")
                .map_or_else(String::new, |(_, outcome)| outcome.to_owned());
        }
        end.runs.sort();
        end.evicted.sort();
        end
    }
}

/// What is known of a story besides its database.
pub struct Witness<'a> {
    pub cluster: &'a Cluster,
    /// What people read, where they are told.
    pub shown: Shown,
    pub calls: Vec<Recorded>,
    pub points: Vec<Failpoint>,
    /// How many calls had come when a process that was held up went on.
    pub thawed: Option<usize>,
    /// A process died or was held up.
    pub stopped: bool,
    /// When somebody paused everything, and ended that.
    pub pauses: Vec<(Timestamp, Timestamp)>,
    pub begin: Timestamp,
}

/// Whether a run is open.
pub async fn unfinished(store: &Store) -> bool {
    let runs = store.runs(&RunFilter::default(), None, 1000).await.unwrap();
    runs.items.iter().any(|run| run.phase != "finished")
}

pub async fn tell(store: &Store, witness: Witness<'_>) -> Told {
    let mut runs = store.runs(&RunFilter::default(), None, 1000).await.unwrap().items;
    runs.reverse();
    let (mut text, mut ends, mut broken) = (String::new(), Vec::new(), Vec::new());
    for run in runs {
        let id = RunId(run.id.parse().unwrap());
        let run = store.run(id).await.unwrap().unwrap();
        let JournalView::Entries(journal) = &run.journal else {
            panic!("an unreadable journal: {run:?}");
        };
        let title = title(&run);
        text.push_str(&title);
        text.push('\n');
        for recorded in journal {
            let after = recorded.at.duration_since(witness.begin).as_secs_f64();
            text.push_str(&format!("  {after:>7.1} s  {}\n", line(&recorded.entry)));
        }
        ends.push(title);
        let audit = store.audit_of(id).await.unwrap();
        let intents = audit.iter().filter(|(_, kind, ..)| kind == "intent").count();
        broken.extend(rules::broken(&run, journal, intents, &witness.pauses));
    }
    let calls = witness.calls;
    let evictions = calls
        .iter()
        .filter(|call| call.target() == "pods/eviction" && call.took_effect());
    let evicted: Vec<_> = evictions.map(|call| call.name.clone()).collect();
    let standing = witness.cluster.standing();
    text.push_str(&format!("evicted: {}\n", evicted.join(", ")));
    for (app, pods) in &standing {
        text.push_str(&format!("{app}: {pods} ready\n"));
    }
    for message in &witness.shown.messages {
        text.push_str(&format!("told: {message}\n"));
    }
    if witness.shown.twice > 1 || (witness.shown.twice == 1 && !witness.stopped) {
        broken.push(format!("{} messages stand there twice", witness.shown.twice));
    }
    // Whoever was held up for longer than its lease changes nothing any more.
    let late = calls.iter().skip(witness.thawed.unwrap_or(calls.len()));
    let late = late.filter(|call| call.user == FIRST && changes(call) && !tells(call));
    broken.extend(late.map(|call| format!("sent without the lease: {call}")));
    let reached = witness.stopped || calls.iter().any(|call| call.fault.is_some());
    Told {
        text,
        end: End {
            runs: ends,
            evicted,
            standing,
            events: witness.cluster.events(),
            shown: witness.shown.messages,
        },
        points: witness.points,
        calls,
        reached,
        broken,
    }
}

/// Whether a call may change something.
pub fn changes(call: &Recorded) -> bool {
    !matches!(&*call.verb, "get" | "list" | "watch")
}

/// Whether it posts an Event. An Event holds up nothing, and may be repeated: it has its name from the run.
pub fn tells(call: &Recorded) -> bool {
    call.target() == "events.events.k8s.io"
}

fn title(run: &RunDetail) -> String {
    let run = &run.run;
    let target = run
        .target
        .as_ref()
        .map_or("nothing".to_owned(), |target| target.object.to_string());
    let outcome = run.outcome.as_deref().unwrap_or("open");
    format!("{target}: {outcome}({})", run.reason.as_deref().unwrap_or_default())
}

/// One entry in a line: its kind, and of its data what a reader looks for.
fn line(entry: &Entry) -> String {
    let data = entry.data();
    let mut words = vec![entry.kind().to_owned()];
    match entry {
        Entry::Bound(binding) => {
            words.extend(binding.alerts.iter().map(|alert| alert.target.object.name.clone()));
            words.push(format!("of {}", binding.root.0));
        }
        Entry::Joined { alerts, .. } => {
            words.extend(alerts.iter().map(|alert| alert.target.object.name.clone()));
        }
        Entry::Started { intent, .. } | Entry::WouldStart { intent, .. } => {
            let request = serde_json::to_value(intent).unwrap();
            words.push(request["request"].as_str().unwrap().to_owned());
            words.push(intent.target().object.name.clone());
        }
        Entry::Finished(finish) => {
            words.push(format!(
                "{} {}: {}",
                finish.outcome.as_str(),
                finish.reason,
                finish.detail
            ));
        }
        _ => {
            for field in ["reason", "healthy", "detail"] {
                match &data[field] {
                    Value::Null if field == "healthy" && entry.kind() == "observed" => words.push("unseen".to_owned()),
                    Value::Null => {}
                    Value::String(text) => words.push(text.clone()),
                    Value::Bool(true) => words.push("healthy:".to_owned()),
                    Value::Bool(false) => words.push("unhealthy:".to_owned()),
                    other => words.push(other.to_string()),
                }
            }
        }
    }
    words.join(" ")
}
