//! Field selectors: the few fields by which the API server lets itself be asked, and its words for all others.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::kubernetes::{
    resources::{
        Conversion, EVENTS, JOBS, NAMESPACES, NODES, PODS, REPLICATION_CONTROLLERS, Resource, SECRETS, SERVICES,
    },
    world::Object,
};

/// A field selector: all of its terms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    field: String,
    value: String,
    equal: bool,
}

const PODS_FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.podIPs",
    "status.nominatedNodeName",
];
const EVENTS_FIELDS: &[&str] = &[
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
    "metadata.namespace",
    "metadata.name",
];

impl Fields {
    /// Whether it asks nothing.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The value that a field has to have, if one is asked for.
    pub fn exact(&self, field: &str) -> Option<&str> {
        self.terms
            .iter()
            .find(|term| term.equal && term.field == field)
            .map(|term| &*term.value)
    }

    /// Adds a name that is asked for.
    pub fn and_name(&mut self, name: &str) {
        self.terms.push(Term {
            field: "metadata.name".to_owned(),
            value: name.to_owned(),
            equal: true,
        });
    }

    /// Reads the text of a query about a resource.
    pub fn parse(text: &str, resource: &Resource, version: &str, conversion: Conversion) -> Result<Self, String> {
        let mut terms = Vec::new();
        for part in split(text) {
            if part.is_empty() {
                continue;
            }
            let (field, equal, value) =
                term(&part).ok_or_else(|| format!("invalid selector: '{text}'; can't understand '{part}'"))?;
            let value = unescape(value).ok_or_else(|| format!("invalid field selector: '{text}'"))?;
            let field = supported(field, resource, version, conversion)?;
            terms.push(Term { field, value, equal });
        }
        Ok(Self { terms })
    }

    /// Whether an object is meant.
    pub fn matches(&self, object: &Object) -> bool {
        self.terms.iter().all(|term| {
            let found = match &*term.field {
                "metadata.name" => Cow::Borrowed(object.name()),
                "metadata.namespace" => Cow::Borrowed(object.namespace()),
                "spec.nodeName" => Cow::Borrowed(object.node().map_or("", |node| node)),
                path => pluck(object, path),
            };
            (found == term.value) == term.equal
        })
    }
}

/// The text of one field, read without building the rest of the object.
fn pluck<'a>(object: &'a Object, path: &str) -> Cow<'a, str> {
    #[derive(Default, Deserialize)]
    struct PhaseStatus<'a> {
        #[serde(borrow, default)]
        phase: Cow<'a, str>,
    }
    if path == "status.phase" {
        return object.view_status::<PhaseStatus<'a>>().phase;
    }
    let whole = match path.split_once('.') {
        Some(("spec", _)) => json!({"spec": object.spec()}),
        Some(("status", _)) => json!({"status": object.status()}),
        _ => object.value(),
    };
    let mut found = &whole;
    match path {
        // What reported an Event, in the old words and the new.
        "source" => {
            found = &whole["source"]["component"];
            if found.as_str().unwrap_or_default().is_empty() {
                found = &whole["reportingComponent"];
            }
        }
        "status.podIPs" => found = &whole["status"]["podIPs"][0]["ip"],
        "status.successful" => {
            return Cow::Owned(whole["status"]["succeeded"].as_i64().unwrap_or_default().to_string());
        }
        "status.replicas" => {
            return Cow::Owned(whole["status"]["replicas"].as_i64().unwrap_or_default().to_string());
        }
        _ => {
            for name in path.trim_start_matches('.').split('.') {
                found = &found[name];
            }
        }
    }
    match found {
        Value::String(text) => Cow::Owned(text.clone()),
        Value::Null if matches!(path, "spec.unschedulable" | "spec.hostNetwork") => Cow::Borrowed("false"),
        Value::Null => Cow::Borrowed(""),
        other => Cow::Owned(other.to_string()),
    }
}

/// The stored field that a field of the query means.
fn supported(field: &str, resource: &Resource, version: &str, conversion: Conversion) -> Result<String, String> {
    let unknown = || format!("field label not supported: {field}");
    let one_of = |known: &[&str]| {
        if known.contains(&field) {
            Ok(field.to_owned())
        } else {
            Err(unknown())
        }
    };
    let both = ["metadata.name", "metadata.namespace"];
    if let Some(custom) = &resource.custom {
        let selectable = custom.selectable.get(version).into_iter().flatten();
        let mut paths = selectable.map(|path| path.trim_start_matches('.'));
        return if field == "metadata.name"
            || (field == "metadata.namespace" && resource.namespaced)
            || paths.any(|path| path == field)
        {
            Ok(field.to_owned())
        } else {
            Err(unknown())
        };
    }
    if conversion == Conversion::Events {
        return match field {
            "reportingController" => Ok("reportingComponent".to_owned()),
            "reason" | "type" | "metadata.name" | "metadata.namespace" | "reportingComponent" => Ok(field.to_owned()),
            _ => match field.strip_prefix("regarding.") {
                Some(part) if EVENTS_FIELDS.contains(&&*format!("involvedObject.{part}")) => {
                    Ok(format!("involvedObject.{part}"))
                }
                _ => Err(unknown()),
            },
        };
    }
    match resource.id {
        PODS if resource.group.is_empty() && field == "spec.host" => Ok("spec.nodeName".to_owned()),
        PODS => one_of(PODS_FIELDS),
        NODES => one_of(&["metadata.name", "spec.unschedulable"]),
        NAMESPACES => one_of(&["metadata.name", "status.phase"]),
        EVENTS => one_of(EVENTS_FIELDS),
        SECRETS => one_of(&["type", both[0], both[1]]),
        SERVICES => one_of(&[both[0], both[1], "spec.clusterIP", "spec.type"]),
        REPLICATION_CONTROLLERS => one_of(&[both[0], both[1], "status.replicas"]),
        JOBS => one_of(&[both[0], both[1], "status.successful"])
            .map_err(|_| format!("field label \"{field}\" not supported for Job")),
        _ => one_of(&both).map_err(|_| {
            format!("\"{field}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
        }),
    }
}

/// Splits at commas that are not escaped.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut escaped = false;
    for c in text.chars() {
        if c == ',' && !escaped {
            parts.push(String::new());
            continue;
        }
        escaped = c == '\\' && !escaped;
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts
}

fn term(part: &str) -> Option<(&str, bool, &str)> {
    let at = part.find(['=', '!'])?;
    let (field, rest) = part.split_at(at);
    if let Some(value) = rest.strip_prefix("!=") {
        return Some((field, false, value));
    }
    let value = rest.strip_prefix("==").or_else(|| rest.strip_prefix('='))?;
    Some((field, true, value))
}

fn unescape(value: &str) -> Option<String> {
    let mut text = String::new();
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => text.push(chars.next().filter(|c| matches!(c, '\\' | ',' | '='))?),
            ',' | '=' => return None,
            c => text.push(c),
        }
    }
    Some(text)
}
