//! What is seen at a checkpoint: all objects of a story and their Events, with what legitimately differs made equal.
//!
//! What is left out, and why:
//!
//! - uids, resourceVersions, addresses and moments: two clusters have their own. A uid of an object that was seen is called by
//!   that object, so that a reference to another one shows.
//! - hashes of templates, which are made of Go's structures on the real side: they are numbered for each owner as its
//!   revisions came. Random ends of names, and the minutes in the names of a `CronJob`'s Jobs.
//! - the spec of a pod, which is its template's and is compared by the differential suite; its node, unless it is one of the
//!   story's own: elsewhere the scheduler chooses by chance.
//! - what a kubelet says of pods and nodes: KWOK is none. Whether a pod is ready stays.
//! - what only one side's machines are told by: annotations of KWOK's stages and of the simulation's scripts.
//! - the order of conditions, and how a Deployment that gets on says so: both hang on moments that are close to each other. So
//!   does whether the API server or the controller was the last to write a budget's status.
//! - how often an Event was repeated, and how many nodes of other stories a pod did not fit on.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use regex::Regex;
use serde_json::{Map, Value, json};

static MOMENT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"20[2-9]\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)").unwrap());
static UID: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").unwrap());
/// Five letters out of those that are used for made-up names; no word has none of the others.
static RANDOM: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"-[bcdfghjklmnpqrstvwxz2456789]{5}\b").unwrap());
static MINUTE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"-\d{8}\b").unwrap());
/// Where the scheduler has put a pod among nodes that are alike.
static SHARED: LazyLock<Regex> = LazyLock::new(|| Regex::new(r" to (node-\d+|story-\d+-\w+)$").unwrap());
/// `0/5 nodes are available: 2 Insufficient cpu, 3 node(s) …`
static NODES: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\b\d+(/\d+)? (nodes? |node\(s\)|[A-Z])").unwrap());

/// The head and the message of an Event, with the nanosecond at which it was recorded.
type Numbered = (u64, [String; 2]);

/// What comes with what a story speaks of.
const SEEN: &[(&str, &[&str])] = &[
    ("deployments", &["deployments", "replicasets", "pods"]),
    ("replicasets", &["replicasets", "pods"]),
    ("statefulsets", &["statefulsets", "controllerrevisions", "pods"]),
    ("daemonsets", &["daemonsets", "controllerrevisions", "pods"]),
    ("cronjobs", &["cronjobs", "jobs", "pods"]),
    ("jobs", &["jobs", "pods"]),
    ("pods", &["pods"]),
    ("poddisruptionbudgets", &["poddisruptionbudgets"]),
    ("horizontalpodautoscalers", &["horizontalpodautoscalers"]),
    ("configmaps", &[]),
];
/// What keeps a pod from nodes of other stories that are told at the same time.
const OTHERS: [&str; 2] = ["node(s) were unschedulable", "node(s) had untolerated taint(s)"];
/// Reasons of a Deployment that gets on: the last of them that was worth writing stays.
const UNDER_WAY: [&str; 3] = ["NewReplicaSetCreated", "FoundNewReplicaSet", "ReplicaSetUpdated"];
/// Who only one side has.
const MACHINES: [&str; 3] = ["kubelet", "kwok", "kwok-controller"];
/// Conditions that a kubelet writes.
const KUBELETS: [&str; 5] = [
    "Initialized",
    "Ready",
    "ContainersReady",
    "PodReadyToStartContainers",
    "AllContainersRestarting",
];

/// The eyes of one side: what it has seen so far has a name.
pub struct Sight {
    namespace: String,
    targets: BTreeSet<String>,
    uids: BTreeMap<String, String>,
    hashes: BTreeMap<String, String>,
    counts: BTreeMap<String, usize>,
    /// Whether it has cordoned nodes of its own.
    cordons: bool,
}

impl Sight {
    /// For a story, whose lines say what there is to see.
    pub fn new(namespace: &str, lines: &[String]) -> Self {
        let mut targets = BTreeSet::from(["events".to_owned()]);
        let words = lines.iter().filter(|line| !line.starts_with("CHECK"));
        for word in words.flat_map(|line| line.split_whitespace().take(3)) {
            let resource = word.split(['/', '?']).next().unwrap_or_default();
            if let Some((_, seen)) = SEEN.iter().find(|(name, _)| *name == resource) {
                targets.extend(seen.iter().map(|seen| (*seen).to_owned()));
            }
            if resource == "namespaces" {
                targets.insert(format!("namespaces/{namespace}"));
            }
            if word == "NODE" {
                targets.insert(format!("nodes?labelSelector=story={namespace}"));
                targets.insert("/api/v1/namespaces/default/events?fieldSelector=involvedObject.kind=Node".to_owned());
            }
        }
        Self {
            namespace: namespace.to_owned(),
            targets,
            uids: BTreeMap::new(),
            hashes: BTreeMap::new(),
            counts: BTreeMap::new(),
            cordons: lines.iter().any(|line| line.contains("unschedulable")),
        }
    }

    /// What is to be read.
    pub fn targets(&self) -> Vec<String> {
        self.targets.iter().cloned().collect()
    }

    /// All that stands, by kind and name, and the Events of each object.
    pub fn see(&mut self, bodies: Vec<Value>) -> Value {
        let mut objects = Vec::new();
        for mut body in bodies {
            let kind = body["kind"].as_str().unwrap_or_default().to_owned();
            match kind.strip_suffix("List") {
                Some(kind) => {
                    let items = body["items"].as_array_mut().map(std::mem::take).unwrap_or_default();
                    objects.extend(items.into_iter().map(|item| (kind.to_owned(), item)));
                }
                None => objects.push((kind, body)),
            }
        }
        let (events, objects): (Vec<_>, Vec<_>) = objects.into_iter().partition(|(kind, _)| kind == "Event");
        self.learn(&objects);
        let unordered = objects
            .iter()
            .filter(|(kind, object)| match &**kind {
                "ReplicaSet" | "DaemonSet" | "Job" => true,
                _ => object["spec"]["podManagementPolicy"] == "Parallel",
            })
            .map(|(_, object)| name(object))
            .collect();
        let told = self.events(events.into_iter().map(|(_, event)| event).collect(), &unordered);
        let shown = objects.into_iter().map(|(kind, object)| {
            let key = format!("{kind}/{}", name(&object));
            (self.text(&key), self.plain(&trimmed(&kind, object, &self.namespace)))
        });
        json!({"objects": numbered(shown.collect()), "events": numbered(told)})
    }

    /// Without what differs in texts.
    pub fn plain(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.text(text).into(),
            Value::Array(items) => items.iter().map(|item| self.plain(item)).collect(),
            Value::Object(fields) => fields
                .iter()
                .map(|(name, value)| (self.text(name), self.plain(value)))
                .collect::<Map<_, _>>()
                .into(),
            other => other.clone(),
        }
    }

    fn text(&self, text: &str) -> String {
        let mut text = MOMENT.replace_all(text, "<moment>").into_owned();
        text = UID
            .replace_all(&text, |found: &regex::Captures<'_>| {
                self.uids
                    .get(&found[0])
                    .map_or_else(|| "<uid>".to_owned(), |name| format!("<uid of {}>", self.text(name)))
            })
            .into_owned();
        for (hash, number) in &self.hashes {
            text = text.replace(hash, number);
        }
        let text = RANDOM.replace_all(&text, "-<random>");
        let text = MINUTE.replace_all(&text, "-<minute>");
        // A node of another story takes pods until it has its taint.
        let own = format!(" to {}-", self.namespace);
        let text = SHARED.replace_all(&text, |found: &regex::Captures<'_>| {
            if found[0].starts_with(&own) {
                found[0].to_owned()
            } else {
                " to <some node>".to_owned()
            }
        });
        if text.contains("nodes are available: ") {
            return nodes(&text, self.cordons);
        }
        text.into_owned()
    }

    /// Learns the names of objects, and the hashes in them.
    fn learn(&mut self, objects: &[(String, Value)]) {
        for (kind, object) in objects {
            if let Some(uid) = object["metadata"]["uid"].as_str() {
                self.uids.insert(uid.to_owned(), format!("{kind}/{}", name(object)));
            }
        }
        let mut revisions: Vec<_> = objects
            .iter()
            .filter_map(|(kind, object)| {
                let metadata = &object["metadata"];
                let (label, revision) = match &**kind {
                    "ReplicaSet" => {
                        let revision = metadata["annotations"]["deployment.kubernetes.io/revision"].as_str();
                        ("pod-template-hash", revision.and_then(|text| text.parse().ok()))
                    }
                    "ControllerRevision" => ("controller.kubernetes.io/hash", object["revision"].as_i64()),
                    _ => return None,
                };
                let labels = &metadata["labels"];
                let hash = labels[label].as_str().or(labels["controller-revision-hash"].as_str())?;
                let owner = metadata["ownerReferences"][0]["name"].as_str().unwrap_or_default();
                let created = metadata["creationTimestamp"].as_str().unwrap_or_default();
                Some((owner.to_owned(), created.to_owned(), revision, hash.to_owned()))
            })
            .collect();
        revisions.sort();
        for (owner, _, _, hash) in revisions {
            if !self.hashes.contains_key(&hash) {
                let count = self.counts.entry(owner).or_default();
                *count += 1;
                self.hashes.insert(hash, format!("<hash {count}>"));
            }
        }
    }

    /// The Events of each object, in the order in which they were recorded.
    fn events(&self, events: Vec<Value>, unordered: &BTreeSet<String>) -> Vec<(String, Value)> {
        let mut of: BTreeMap<(String, String), Vec<Numbered>> = BTreeMap::new();
        for event in events {
            let component = ["/reportingComponent", "/source/component"]
                .into_iter()
                .filter_map(|field| event.pointer(field)?.as_str())
                .find(|text| !text.is_empty())
                .unwrap_or_default();
            let about = &event["involvedObject"];
            let own = about["kind"] != "Node" || name_of(about).starts_with(&format!("{}-", self.namespace));
            if MACHINES.contains(&component) || !own {
                continue;
            }
            // An Event's name ends with the nanosecond at which it was recorded.
            let at = name(&event)
                .rsplit('.')
                .next()
                .and_then(|digits| u64::from_str_radix(digits, 16).ok());
            let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
            let head = self.text(&format!("{} {} {component}", text("type"), text("reason")));
            let key = (text_of(about, "kind"), name_of(about));
            let said = [head, self.text(&text("message"))];
            of.entry(key).or_default().push((at.unwrap_or_default(), said));
        }
        let told = of.into_iter().map(|((kind, name), mut events)| {
            events.sort();
            let mut said: Vec<[String; 2]> = events.into_iter().map(|(_, said)| said).collect();
            if unordered.contains(&name) {
                for run in said.chunk_by_mut(|left, right| left[0] == right[0]) {
                    run.sort();
                }
            }
            said.dedup();
            let lines: Vec<String> = said
                .iter()
                .map(|[head, message]| format!("{head}: {message}"))
                .collect();
            (self.text(&format!("{kind}/{name}")), json!(lines))
        });
        told.collect()
    }
}

fn text_of(object: &Value, field: &str) -> String {
    object[field].as_str().unwrap_or_default().to_owned()
}

fn name_of(reference: &Value) -> String {
    text_of(reference, "name")
}

fn name(object: &Value) -> String {
    name_of(&object["metadata"])
}

/// By name; what shares a name is numbered in the order of what it is.
fn numbered(mut all: Vec<(String, Value)>) -> Map<String, Value> {
    all.sort_by_cached_key(|(name, value)| (name.clone(), value.to_string()));
    let mut shown = Map::new();
    let mut last = (String::new(), 0);
    for (name, value) in all {
        last = if last.0 == name { (name, last.1 + 1) } else { (name, 1) };
        let key = match last.1 {
            1 => last.0.clone(),
            number => format!("{} #{number}", last.0),
        };
        shown.insert(key, value);
    }
    shown
}

/// Which reasons keep a pod from all nodes, without how many of them.
fn nodes(message: &str, own: bool) -> String {
    let parts = message.split(". ").map(|part| {
        let (head, reasons) = part.split_once(": ").unwrap_or((part, ""));
        let mut reasons: Vec<String> = reasons
            .trim_end_matches('.')
            .split(", ")
            .map(|reason| NODES.replace_all(reason, "$2").into_owned())
            .filter(|reason| own || !OTHERS.contains(&reason.as_str()))
            .collect();
        reasons.sort();
        format!("{}: {}", NODES.replace(head, "$2"), reasons.join(", "))
    });
    parts.collect::<Vec<_>>().join(". ")
}

/// An object without what is of no interest.
fn trimmed(kind: &str, mut object: Value, namespace: &str) -> Value {
    let managers: BTreeSet<String> = object["metadata"]["managedFields"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|entry| !MACHINES.contains(&&*text_of(entry, "manager")))
        .filter(|entry| kind != "PodDisruptionBudget" || text_of(entry, "manager") != "kube-apiserver")
        .map(|entry| {
            let words = ["manager", "operation", "subresource"].map(|field| text_of(entry, field));
            words.join(" ").trim_end().to_owned()
        })
        .collect();
    for field in ["labels", "annotations"] {
        if let Some(fields) = object["metadata"].get_mut(field).and_then(Value::as_object_mut) {
            fields.retain(|name, _| {
                !["simulation/", "bench/", "kwok.x-k8s.io/"]
                    .iter()
                    .any(|prefix| name.starts_with(prefix))
            });
            if fields.is_empty()
                && let Some(metadata) = object["metadata"].as_object_mut()
            {
                metadata.remove(field);
            }
        }
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for field in ["managedFields", "uid", "resourceVersion", "creationTimestamp"] {
            metadata.remove(field);
        }
    }
    if let Some(conditions) = object["status"].get_mut("conditions").and_then(Value::as_array_mut) {
        conditions.sort_by_key(|condition| text_of(condition, "type"));
    }
    object["managers"] = json!(managers);
    for field in ["kind", "apiVersion"] {
        object.as_object_mut().map(|fields| fields.remove(field));
    }
    match kind {
        "Pod" => pod(&mut object, namespace),
        "Deployment" => deployment(&mut object),
        "CronJob" => {
            for job in object["status"]["active"].as_array_mut().into_iter().flatten() {
                job.as_object_mut().map(|job| job.remove("resourceVersion"));
            }
        }
        "Node" => node(&mut object),
        _ => {}
    }
    object
}

fn deployment(object: &mut Value) {
    for condition in object["status"]["conditions"].as_array_mut().into_iter().flatten() {
        if condition["type"] == "Progressing" && condition["status"] == "True" {
            condition["message"] = "<progress>".into();
            if UNDER_WAY.iter().any(|reason| condition["reason"] == *reason) {
                condition["reason"] = "<under way>".into();
            }
        }
    }
}

fn pod(object: &mut Value, namespace: &str) {
    let node = object["spec"]["nodeName"].as_str().map(str::to_owned);
    object["spec"] = match node {
        Some(node) if node.starts_with(&format!("{namespace}-")) => json!({"nodeName": node}),
        Some(_) => json!({"nodeName": "<some node>"}),
        None => json!({}),
    };
    let status = &object["status"];
    let mut conditions = Map::new();
    for condition in status["conditions"].as_array().into_iter().flatten() {
        let kind = text_of(condition, "type");
        if kind == "Ready" {
            conditions.insert(kind, condition["status"].clone());
        } else if kind == "PodScheduled" && condition["status"] == "True" {
            // A kubelet writes it once more, with what it has seen.
            conditions.insert(kind, condition["status"].clone());
        } else if !KUBELETS.contains(&&*kind) {
            conditions.insert(kind, condition.clone());
        }
    }
    object["status"] = json!({
        "phase": status["phase"],
        "reason": status["reason"],
        "message": status["message"],
        "conditions": conditions,
    });
}

fn node(object: &mut Value) {
    for taint in object["spec"]["taints"].as_array_mut().into_iter().flatten() {
        taint.as_object_mut().map(|taint| taint.remove("timeAdded"));
    }
    let mut conditions = Map::new();
    for condition in object["status"]["conditions"].as_array().into_iter().flatten() {
        let unknown = condition["status"] == "Unknown";
        let shown = if unknown {
            json!([condition["status"], condition["reason"], condition["message"]])
        } else {
            condition["status"].clone()
        };
        conditions.insert(text_of(condition, "type"), shown);
    }
    object["status"] = json!({"conditions": conditions});
}
