//! What was seen when a story was told, and its form as text.

use std::{collections::BTreeMap, fmt::Write as _};

use jiff::Timestamp;
use serde_json::Value;

use super::{
    metrics::Series,
    sight::{self, Names},
    story::Story,
};

/// Something that was seen, so many seconds after the beginning.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    pub at: f64,
    pub text: String,
}

/// An Event: when it was first recorded, and how often.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub at: f64,
    pub count: u64,
    /// `Warning BackOff app: Back-off restarting …`
    pub text: String,
}

/// What was seen.
#[derive(Default)]
pub struct Telling {
    pub sightings: Vec<Sighting>,
    pub events: Vec<Told>,
    pub series: Series,
    /// When the last look was taken.
    pub ended: f64,
    names: Names,
    restarts: u64,
}

impl Telling {
    /// A pod, as it is now or as it was when it went.
    pub fn pod(&mut self, at: f64, pod: &Value, gone: bool) {
        let text = if gone {
            self.names.gone(pod)
        } else {
            self.names.pod(pod)
        };
        self.restarts = self.restarts.max(sight::restarts(pod));
        self.sight(at, text);
    }

    /// A ReplicaSet, when it has something to say: how many pods it has shows in its pods.
    pub fn set(&mut self, at: f64, set: &Value) {
        let conditions = set["status"]["conditions"].as_array();
        if conditions.is_some_and(|conditions| !conditions.is_empty()) {
            self.sight(at, sight::set(set));
        }
    }

    /// What the API server answered to a deed.
    pub fn hear_answer(&mut self, at: f64, answer: &str) {
        let text = self.names.plain(answer);
        self.sight(at, text);
    }

    /// Keeps what is new about whom it is about.
    fn sight(&mut self, at: f64, text: String) {
        let last = self
            .sightings
            .iter()
            .rev()
            .find(|seen| sight::whose(&seen.text) == sight::whose(&text));
        if last.is_none_or(|last| last.text != text) {
            self.sightings.push(Sighting { at, text });
        }
    }

    pub fn restarts(&self) -> u64 {
        self.restarts
    }

    /// Forgets what was seen after the first sight of so many restarts.
    pub fn end_with(&mut self, restarts: Option<u64>) {
        let Some(restarts) = restarts else { return };
        let words = if restarts == 1 {
            ", 1 restart".to_owned()
        } else {
            format!(", {restarts} restarts")
        };
        if let Some(end) = self.sightings.iter().position(|seen| seen.text.contains(&words)) {
            self.sightings.truncate(end + 1);
        }
    }

    /// The Events of the story's namespace.
    pub fn hear(&mut self, events: &[Value], begun: Timestamp) {
        let mut heard: BTreeMap<String, Told> = BTreeMap::new();
        for event in events {
            let text = |field: &str| event[field].as_str().unwrap_or_default();
            let object = &event["involvedObject"];
            let part = object["fieldPath"].as_str().unwrap_or_default();
            let part = part.split(['{', '}']).nth(1).unwrap_or_default();
            let about = match (object["kind"].as_str(), part) {
                (Some("Pod"), "") => String::new(),
                (Some("Pod"), part) => format!(" {part}"),
                (kind, _) => format!(" {}", kind.unwrap_or_default()),
            };
            let message = self.names.plain(text("message"));
            let whole = format!("{} {}{about}: {message}", text("type"), text("reason"));
            let first = [text("firstTimestamp"), text("eventTime")]
                .into_iter()
                .find_map(|moment| moment.parse::<Timestamp>().ok());
            let at = first.map_or(0.0, |first| first.duration_since(begun).as_secs_f64().max(0.0));
            let series = event["series"]["count"].as_u64();
            let count = event["count"].as_u64().or(series).unwrap_or(1).max(1);
            let told = heard.entry(whole.clone()).or_insert(Told {
                at,
                count: 0,
                text: whole,
            });
            told.count += count;
            told.at = told.at.min(at);
        }
        self.events = heard.into_values().collect();
        self.events
            .sort_by(|one, other| one.at.total_cmp(&other.at).then(one.text.cmp(&other.text)));
    }

    /// As text.
    pub fn write(&self, story: &Story) -> String {
        let mut text = format!("{}\n", story.what.trim());
        writeln!(text, "\nSEEN, seconds after the beginning (until {:.0}):", self.ended).unwrap();
        for seen in &self.sightings {
            writeln!(text, "{:>7.1}  {}", seen.at, seen.text).unwrap();
        }
        writeln!(text, "\nEVENTS, when first and how often:").unwrap();
        for told in &self.events {
            writeln!(text, "{:>7.0}  {:>3} x {}", told.at, told.count, told.text).unwrap();
        }
        writeln!(
            text,
            "\nMETRICS of kube-state-metrics, from which second which value (-: gone):"
        )
        .unwrap();
        self.series.write(&mut text);
        text
    }

    /// The other way round.
    pub fn read(text: &str) -> Self {
        let mut telling = Self::default();
        let mut part = "";
        for line in text.lines() {
            if let Some(word) = ["SEEN", "EVENTS", "METRICS"]
                .into_iter()
                .find(|word| line.starts_with(word))
            {
                part = word;
                if let Some((_, ended)) = line.split_once("(until ") {
                    telling.ended = ended.trim_end_matches("):").parse().unwrap();
                }
                continue;
            }
            let line = line.trim_start();
            if line.is_empty() {
                continue;
            }
            let numbered = || {
                line.split_once("  ")
                    .map(|(at, rest)| (at.parse::<f64>().unwrap(), rest.trim_start()))
            };
            match part {
                "SEEN" => {
                    let (at, text) = numbered().unwrap();
                    let text = text.to_owned();
                    telling.sightings.push(Sighting { at, text });
                }
                "EVENTS" => {
                    let (at, rest) = numbered().unwrap();
                    let (count, text) = rest.split_once(" x ").unwrap();
                    let (count, text) = (count.trim().parse().unwrap(), text.to_owned());
                    telling.events.push(Told { at, count, text });
                }
                "METRICS" => telling.series.read(line),
                _ => {}
            }
        }
        telling
    }
}
