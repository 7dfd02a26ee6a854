//! What legitimately differs between two clusters is made equal, and no more.
//!
//! uids are numbered as they come, so that the same object is the same on both sides; the resourceVersions of objects are ranked,
//! so that what was written later is later on both; moments, made-up names, addresses and tokens only have to be there. Where
//! the real cluster's controllers write into an object, what they write is left out. The causes of a refusal are compared one by
//! one, without order, and without values that only Go prints like that; its message is made of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use regex::Regex;
use serde_json::{Value, json};

static UID: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").unwrap());
/// A value that is printed as Go's structures are, or whole objects.
static PRINTED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?s)^((?:Invalid|Unsupported|Duplicate) value: )(\{.*\}|\[.*\]|"\{.*\}\n?"|"map\[.*\]")(:|$)"#)
        .unwrap()
});
/// Only what these clusters have made themselves: cases speak of the year 2001.
static MOMENT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"20[2-9]\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?(\.\d+)?Z").unwrap());
static VOLUME: LazyLock<Regex> = LazyLock::new(|| Regex::new("kube-api-access-[a-z0-9]{5}").unwrap());
static ADDRESS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^10\.96\.\d+\.\d+$").unwrap());
/// `too old resource version: 5 (9)`
static REVISIONS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(resource ?version: |current: |in the precondition |in record )\(?\d+\)?( \(\d+\))?").unwrap()
});

/// Kinds into whose objects the controllers of the real cluster write, and what they write.
const TOUCHED: &[(&str, &[&str])] = &[
    (
        "Deployment",
        &["/status", "/metadata/annotations/deployment.kubernetes.io~1revision"],
    ),
    ("ReplicaSet", &["/status"]),
    ("StatefulSet", &["/status"]),
    ("DaemonSet", &["/status"]),
    ("ReplicationController", &["/status"]),
    ("PodDisruptionBudget", &["/status"]),
    ("HorizontalPodAutoscaler", &["/status"]),
    ("Node", &["/spec/taints", "/status/conditions"]),
    ("CustomResourceDefinition", &["/status"]),
    ("Namespace", &["/status/conditions"]),
    ("PersistentVolumeClaim", &["/status"]),
    ("PersistentVolume", &["/status"]),
    // Its version is that of what it scales.
    ("Scale", &[]),
];
/// What they write into the metadata of nodes, also where nothing else is shown of them.
const TTL: &str = "node.alpha.kubernetes.io/ttl";
/// Who writes them.
const CONTROLLERS: [&str; 3] = ["kube-controller-manager", "kube-apiserver", "kube-scheduler"];

/// The answers to the calls of a case.
pub fn normalise(mut answers: Vec<Value>) -> Vec<Value> {
    let mut seen = Seen::default();
    answers.iter_mut().for_each(mark);
    for answer in &answers {
        seen.versions(answer);
    }
    seen.rank();
    for answer in &mut answers {
        seen.visit(answer);
    }
    answers
}

#[derive(Default)]
struct Seen {
    uids: BTreeMap<String, usize>,
    found: BTreeSet<u64>,
    ranks: BTreeMap<String, usize>,
}

impl Seen {
    /// Collects the versions of objects, which have uids.
    fn versions(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.versions(item)),
            Value::Object(fields) => {
                if let Some(metadata) = fields.get("metadata")
                    && metadata["uid"].is_string()
                    && !touched(value)
                    && let Some(version) = metadata["resourceVersion"].as_str()
                {
                    self.found.extend(version.parse::<u64>());
                }
                fields.values().for_each(|value| self.versions(value));
            }
            _ => {}
        }
    }

    fn rank(&mut self) {
        let ranked = self.found.iter().enumerate();
        self.ranks = ranked.map(|(rank, version)| (version.to_string(), rank + 1)).collect();
    }

    fn visit(&mut self, value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.visit(item)),
            Value::Object(_) => self.object(value),
            Value::String(text) => *text = self.text(text),
            _ => {}
        }
    }

    fn object(&mut self, value: &mut Value) {
        leave_out(value);
        build(value);
        granted(value);
        refusal(value);
        toleration(value);
        made_up_names(value);
        table(value);
        list(value);
        if value["metadata"].is_object() {
            let touched = touched(value);
            self.metadata(&mut value["metadata"], touched);
        }
        if let Some(fields) = value.as_object_mut() {
            // In one order on both sides, since uids are numbered as they come.
            let mut names: Vec<String> = fields.keys().cloned().collect();
            names.sort();
            for name in names {
                if let Some(field) = fields.get_mut(&name) {
                    self.visit(field);
                }
                // Owners stand in `managedFields` by their uid.
                if UID.is_match(&name)
                    && let Some(field) = fields.remove(&name)
                {
                    fields.insert(self.text(&name), field);
                }
            }
        }
    }

    fn metadata(&mut self, metadata: &mut Value, touched: bool) {
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut)
            && annotations.remove(TTL).is_some()
        {
            without_empty_annotations(metadata);
        }
        if let Some(entries) = metadata.get_mut("managedFields").and_then(Value::as_array_mut) {
            entries.retain(|entry| !CONTROLLERS.iter().any(|controller| entry["manager"] == *controller));
            if touched {
                only_the_last(entries);
            }
            // Their order is that of their times, which have whole seconds.
            for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
                entry.remove("time");
            }
            entries.sort_by_key(Value::to_string);
        }
        if metadata["uid"].is_string()
            && let Some(version) = metadata.get_mut("resourceVersion")
        {
            *version = match self.ranks.get(version.as_str().unwrap_or_default()) {
                Some(rank) if !touched => format!("<version {rank}>").into(),
                _ => "<version>".into(),
            };
        }
    }

    fn text(&mut self, text: &str) -> String {
        let text = UID.replace_all(text, |found: &regex::Captures<'_>| {
            let next = self.uids.len() + 1;
            format!("<uid {}>", self.uids.entry(found[0].to_owned()).or_insert(next))
        });
        let text = MOMENT.replace_all(&text, |found: &regex::Captures<'_>| {
            match (found.get(1), found.get(2)) {
                (Some(_), None) => "<moment with microseconds>",
                (None, None) => "<moment>",
                _ => "<moment with another fraction>",
            }
        });
        let text = VOLUME.replace_all(&text, "kube-api-access-<random>");
        let text = ADDRESS.replace_all(&text, "<address>");
        REVISIONS.replace_all(&text, "$1<version>").into_owned()
    }
}

/// A Scale may leave a writer with two entries. The next write, which may be a controller's, keeps the last of them.
fn only_the_last(entries: &mut Vec<Value>) {
    let writer =
        |entry: &Value| ["manager", "operation", "apiVersion", "subresource"].map(|field| entry[field].clone());
    let mut seen = Vec::new();
    entries.reverse();
    entries.retain(|entry| {
        let writer = writer(entry);
        let first = !seen.contains(&writer);
        seen.push(writer);
        first
    });
    entries.reverse();
}

/// What an item of a list is, when only the list says it.
const OF_LIST: &str = "(of the list)";

fn mark(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(mark),
        Value::Object(fields) => {
            let kind = fields.get("kind").and_then(Value::as_str).unwrap_or_default();
            if let Some(kind) = kind.strip_suffix("List").map(str::to_owned) {
                for item in fields
                    .get_mut("items")
                    .and_then(Value::as_array_mut)
                    .into_iter()
                    .flatten()
                {
                    item[OF_LIST] = kind.clone().into();
                }
            }
            fields.values_mut().for_each(mark);
        }
        _ => {}
    }
}

fn is(object: &Value, kind: &str) -> bool {
    object["kind"] == kind || object[OF_LIST] == kind
}

fn touched(object: &Value) -> bool {
    TOUCHED.iter().any(|(kind, _)| is(object, kind))
}

fn leave_out(object: &mut Value) {
    let Some((_, pointers)) = TOUCHED.iter().find(|(kind, _)| is(object, kind)) else {
        return;
    };
    for pointer in *pointers {
        let (parent, field) = pointer.rsplit_once('/').expect("a pointer begins with a slash");
        if let Some(parent) = object.pointer_mut(parent).and_then(Value::as_object_mut) {
            parent.remove(&field.replace("~1", "/"));
        }
    }
    without_empty_annotations(&mut object["metadata"]);
}

/// An annotation that came alone leaves nothing.
fn without_empty_annotations(metadata: &mut Value) {
    if metadata["annotations"] == json!({})
        && let Some(metadata) = metadata.as_object_mut()
    {
        metadata.remove("annotations");
    }
}

/// By whom and from what a program was built.
fn build(version: &mut Value) {
    if version["gitVersion"].is_string() {
        for field in ["buildDate", "gitCommit", "gitTreeState", "goVersion"] {
            version[field] = "<of the build>".into();
        }
    }
}

/// Roles are looked through in the order of a cache, which has none: where two of everybody's roles allow the same, either is named,
/// and the rules of all stand in any order.
fn granted(review: &mut Value) {
    const EVERYBODYS: [&str; 2] = ["system:discovery", "system:public-info-viewer"];
    let Some(status) = review.get_mut("status").filter(|status| status.is_object()) else {
        return;
    };
    if let Some(reason) = status["reason"].as_str()
        && EVERYBODYS.iter().any(|role| reason.contains(role))
    {
        let reason = EVERYBODYS
            .iter()
            .fold(reason.to_owned(), |reason, role| reason.replace(role, "<everybody's>"));
        status["reason"] = reason.into();
    }
    for rules in ["resourceRules", "nonResourceRules"] {
        if let Some(rules) = status.get_mut(rules).and_then(Value::as_array_mut) {
            rules.sort_by_key(Value::to_string);
        }
    }
}

fn made_up_names(object: &mut Value) {
    let base = object["metadata"]["generateName"].as_str().map(str::to_owned);
    if let (Some(base), Some(name)) = (base, object["metadata"]["name"].as_str()) {
        let suffix = name.strip_prefix(&*base).unwrap_or_default();
        let made_up: Value = format!("{base}<{} random>", suffix.len()).into();
        // A namespace carries its name as a label.
        if let Some(label) = object.pointer_mut("/metadata/labels/kubernetes.io~1metadata.name") {
            *label = made_up.clone();
        }
        object["metadata"]["name"] = made_up;
    }
}

/// The causes of a refusal: each once, in one order, without what Go prints.
fn refusal(status: &mut Value) {
    let Some(causes) = status.pointer_mut("/details/causes").and_then(Value::as_array_mut) else {
        return;
    };
    for cause in causes.iter_mut() {
        if let Some(message) = cause["message"].as_str() {
            let message = message.split("\n@@").next().unwrap_or_default().trim_end();
            cause["message"] = PRINTED.replace(message, "$1<printed>$3").into();
        }
    }
    causes.sort_by_key(Value::to_string);
    causes.dedup();
    if status["reason"] == "Invalid" {
        status["message"] = "<its causes>".into();
    }
}

/// The test cluster gives up nodes faster than others do.
fn toleration(toleration: &mut Value) {
    let key = toleration["key"].as_str().unwrap_or_default();
    let usual = key == "node.kubernetes.io/not-ready" || key == "node.kubernetes.io/unreachable";
    if usual && toleration["tolerationSeconds"].is_number() {
        toleration["tolerationSeconds"] = "<seconds>".into();
    }
}

/// How old something is says the cell of a table.
fn table(table: &mut Value) {
    if table["kind"] != "Table" {
        return;
    }
    let old: Vec<usize> = table["columnDefinitions"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
        .filter(|(_, column)| matches!(column["name"].as_str(), Some("Age" | "Last Seen" | "First Seen")))
        .map(|(index, _)| index)
        .collect();
    for row in table["rows"].as_array_mut().into_iter().flatten() {
        for index in &old {
            if row["cells"][*index].is_string() {
                row["cells"][*index] = "<age>".into();
            }
        }
    }
}

/// The revision of a list is no older than what it lists; its token is one.
fn list(list: &mut Value) {
    let metadata = &list["metadata"];
    if !metadata.is_object() || metadata["uid"].is_string() {
        return;
    }
    let number = |value: &Value| value.as_str().and_then(|text| text.parse::<u64>().ok());
    let of_list = number(&metadata["resourceVersion"]);
    let latest = list["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| number(&item["metadata"]["resourceVersion"]))
        .max();
    let metadata = &mut list["metadata"];
    if let Some(revision) = of_list {
        let behind = latest.is_some_and(|latest| latest > revision);
        metadata["resourceVersion"] = if behind { "<behind its items>" } else { "<revision>" }.into();
    }
    if metadata["continue"].as_str().is_some_and(|token| !token.is_empty()) {
        metadata["continue"] = "<token>".into();
    }
}

#[test]
fn versions_keep_their_order_and_uids_their_identity() {
    let uids = [
        "00000000-0000-4000-8000-000000000000",
        "00000000-0000-4000-8000-000000000001",
    ];
    let object = |uid: usize, version: &str| json!({"body": {"metadata": {"uid": uids[uid], "resourceVersion": version, "creationTimestamp": "2026-01-01T00:00:00Z"}}});
    let made = normalise(vec![object(1, "70"), object(0, "9"), object(1, "70")]);
    let metadata = |uid: usize, version: usize| {
        json!({"body": {"metadata": {"uid": format!("<uid {uid}>"), "resourceVersion": format!("<version {version}>"),
            "creationTimestamp": "<moment>"}}})
    };
    assert_eq!(made, [metadata(1, 2), metadata(2, 1), metadata(1, 2)]);
}
