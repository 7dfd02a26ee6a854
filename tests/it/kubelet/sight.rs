//! What is seen of an object, in words: all that a rule or a runbook may ask, and nothing that differs by chance.
//!
//! What is made equal: uids, addresses, ends of made-up names (pods of a ReplicaSet are called by the order of their coming),
//! moments, which status code an HTTP probe got, and whether the kubelet found it worth saying that a pod may use an image.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

static UID: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").unwrap());
static ADDRESS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\b\d+\.\d+\.\d+\.\d+\b").unwrap());
static CODE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"statuscode: \d+").unwrap());
static HASH: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\b[0-9a-f]{64}\b").unwrap());
/// Five letters out of those that are used for made-up names; no word has none of the others.
static RANDOM: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"-[bcdfghjklmnpqrstvwxz2456789]{5}\b").unwrap());
/// How pods of a ReplicaSet are called.
const ORDER: [&str; 4] = ["first", "second", "third", "fourth"];

/// Whom a sighting is about, where a story has several.
pub fn whose(text: &str) -> Option<&str> {
    text.split(' ').next().filter(|word| word.ends_with(':'))
}

/// The pods that were seen so far, in the order of their coming.
#[derive(Default)]
pub struct Names(Vec<String>);

impl Names {
    /// How a pod is called: not at all, where it has a name of its own.
    fn of(&mut self, pod: &Value) -> Option<&'static str> {
        if !pod["metadata"]["ownerReferences"].is_array() {
            return None;
        }
        let name = pod["metadata"]["name"].as_str().unwrap();
        let known = self.0.iter().position(|known| known == name);
        let index = known.unwrap_or_else(|| {
            self.0.push(name.to_owned());
            self.0.len() - 1
        });
        ORDER.get(index).copied().or(Some("another"))
    }

    /// A text without what differs by chance.
    pub fn plain(&self, text: &str) -> String {
        let mut text = text.trim_end().replace('\n', " ");
        for (index, name) in self.0.iter().enumerate() {
            text = text.replace(name, ORDER.get(index).copied().unwrap_or("another"));
        }
        let text = UID.replace_all(&text, "<uid>");
        let text = HASH.replace_all(&text, "<hash>");
        let text = RANDOM.replace_all(&text, "-<random>");
        let text = ADDRESS.replace_all(&text, "<address>");
        let text = CODE.replace_all(&text, "statuscode: <code>");
        text.replace(" and can be accessed by the pod", "")
    }

    /// What is seen of a pod.
    pub fn pod(&mut self, pod: &Value) -> String {
        let status = &pod["status"];
        let mut words = match self.of(pod) {
            Some(name) => format!("{name}: "),
            None => String::new(),
        };
        words.push_str(status["phase"].as_str().unwrap_or("no phase"));
        if let Some(reason) = status["reason"].as_str() {
            words.push_str(&format!(" ({reason})"));
        }
        if pod["metadata"]["deletionTimestamp"].is_string() {
            words.push_str(", deleting");
        }
        for field in ["initContainerStatuses", "containerStatuses"] {
            for container in status[field].as_array().into_iter().flatten() {
                words.push_str(" | ");
                words.push_str(&of_container(container));
            }
        }
        let conditions = status["conditions"].as_array();
        let mut conditions: Vec<String> = conditions.into_iter().flatten().map(condition).collect();
        conditions.sort();
        words.push_str(" | ");
        words.push_str(&conditions.join(" "));
        words
    }

    /// The same of a pod that is not there any more.
    pub fn gone(&mut self, pod: &Value) -> String {
        match self.of(pod) {
            Some(name) => format!("{name}: gone"),
            None => "gone".to_owned(),
        }
    }
}

/// What is seen of a ReplicaSet.
pub fn set(set: &Value) -> String {
    let status = &set["status"];
    let number = |field: &str| status[field].as_u64().unwrap_or_default();
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let conditions: Vec<String> = conditions.map(condition).collect();
    let words = format!(
        "ReplicaSet: {} of {} there, {} ready {}",
        number("replicas"),
        set["spec"]["replicas"],
        number("readyReplicas"),
        conditions.join(" ")
    );
    words.trim_end().to_owned()
}

/// `+Initialized`, `-Ready(ContainersNotReady)`.
fn condition(condition: &Value) -> String {
    let sign = match condition["status"].as_str() {
        Some("True") => '+',
        Some("False") => '-',
        _ => '?',
    };
    let kind = condition["type"].as_str().unwrap_or_default();
    match condition["reason"].as_str() {
        Some(reason) if !reason.is_empty() => format!("{sign}{kind}({reason})"),
        _ => format!("{sign}{kind}"),
    }
}

/// `app waiting CrashLoopBackOff, 3 restarts, last terminated Error 3`.
fn of_container(container: &Value) -> String {
    let mut words = format!(
        "{} {}",
        container["name"].as_str().unwrap_or_default(),
        state(&container["state"])
    );
    for field in ["ready", "started"] {
        if container[field] == true {
            words.push_str(", ");
            words.push_str(field);
        }
    }
    match container["restartCount"].as_u64().unwrap_or_default() {
        0 => {}
        1 => words.push_str(", 1 restart"),
        restarts => words.push_str(&format!(", {restarts} restarts")),
    }
    if container["lastState"].as_object().is_some_and(|last| !last.is_empty()) {
        words.push_str(&format!(", last {}", state(&container["lastState"])));
    }
    words
}

fn state(state: &Value) -> String {
    let reason = |state: &Value| state["reason"].as_str().unwrap_or("without reason").to_owned();
    if state["running"].is_object() {
        "running".to_owned()
    } else if state["terminated"].is_object() {
        let ended = &state["terminated"];
        format!("terminated {} {}", reason(ended), ended["exitCode"])
    } else {
        format!("waiting {}", reason(&state["waiting"]))
    }
}

/// How often a pod's containers were restarted, that with most of them.
pub fn restarts(pod: &Value) -> u64 {
    let of = |field: &str| pod["status"][field].as_array().into_iter().flatten();
    of("initContainerStatuses")
        .chain(of("containerStatuses"))
        .filter_map(|container| container["restartCount"].as_u64())
        .max()
        .unwrap_or_default()
}
