//! A request, read: who asks for what, and with which options.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};

use super::{
    access::User,
    faults::Fault,
    refusal::{About as Details, Cause, Refusal},
    resources::{Conversion, Resource},
    world::{Object, World},
};

/// A request to the API server.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The path.
    pub path: String,
    /// The query.
    pub query: Query,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Who asks.
    pub user: User,
    /// What for, when it is about objects.
    pub about: Option<About>,
    /// What goes wrong with it.
    pub fault: Option<Fault>,
}

impl Call {
    /// The object that it names, as it is now.
    pub fn named<'a>(&self, world: &'a World) -> Option<&'a Arc<Object>> {
        let about = self.about.as_ref()?;
        let (resource, _) = about.resource.as_ref()?;
        let namespace = about.namespace.as_deref().unwrap_or_default();
        world.find(resource.id, namespace, about.name.as_deref()?)
    }

    /// 403, as RBAC says it.
    pub fn forbidden(&self) -> Refusal {
        let user = &self.user.name;
        let Some(about) = &self.about else {
            let verb = self.method.as_str().to_lowercase();
            let words = format!("forbidden: User \"{user}\" cannot {verb} path \"{}\"", self.path);
            return Refusal {
                details: Some(serde_json::json!({})),
                ..Refusal::new(403, "Forbidden", words)
            };
        };
        let resource = match &about.subresource {
            Some(subresource) => format!("{}/{subresource}", about.plural),
            None => about.plural.clone(),
        };
        let place = match about.place() {
            "" => "at the cluster scope".to_owned(),
            namespace => format!("in the namespace \"{namespace}\""),
        };
        let why = format!(
            "User \"{user}\" cannot {} resource \"{resource}\" in API group \"{}\" {place}",
            about.verb, about.group
        );
        let name = about.name.as_deref().unwrap_or_default();
        Refusal::forbidden(Details::new(&about.group, &about.plural), name, &why)
    }
}

/// Which objects a request is about.
#[derive(Clone, Debug)]
pub struct About {
    /// The verb, as RBAC names it.
    pub verb: &'static str,
    /// The group.
    pub group: String,
    /// The version.
    pub version: String,
    /// The plural.
    pub plural: String,
    /// The namespace.
    pub namespace: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// The subresource.
    pub subresource: Option<String>,
    /// The resource, if there is such a one, and how it is served here.
    pub resource: Option<(Arc<Resource>, Conversion)>,
}

impl About {
    /// Whether it may change something.
    pub fn changes(&self) -> bool {
        !matches!(self.verb, "get" | "list" | "watch")
    }

    /// The namespace in which it is judged; empty without one. A namespace is in itself.
    pub fn place(&self) -> &str {
        let itself = self.group.is_empty() && self.plural == "namespaces";
        let place = if itself { &self.name } else { &self.namespace };
        place.as_deref().unwrap_or_default()
    }
}

/// The parameters of a query.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query.
    pub fn parse(text: &str) -> Self {
        Self(
            text.split('&')
                .filter(|part| !part.is_empty())
                .map(|part| {
                    let (name, value) = part.split_once('=').unwrap_or((part, ""));
                    (decode(name, true), decode(value, true))
                })
                .collect(),
        )
    }

    /// The first value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| &**value)
    }

    /// The value of a parameter, if it has one.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// All values of a parameter.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(other, _)| other == name)
            .map(|(_, value)| &**value)
    }

    /// A truth value: present and neither `false` nor `0`.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| !matches!(value, "false" | "0"))
    }

    /// A number.
    pub fn number(&self, name: &str) -> Result<Option<i64>, Refusal> {
        match self.text(name) {
            None => Ok(None),
            Some(text) => text
                .parse()
                .map(Some)
                .map_err(|_| Refusal::bad_request(format!("strconv.ParseInt: parsing \"{text}\": invalid syntax"))),
        }
    }
}

/// Undoes the escapes of a URL.
pub fn decode(text: &str, plus: bool) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            b'+' if plus => bytes.push(b' '),
            b'%' if tail.len() >= 2 => {
                let hex = std::str::from_utf8(&tail[..2]).ok();
                match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                    Some(byte) => {
                        bytes.push(byte);
                        rest = &tail[2..];
                    }
                    None => bytes.push(b'%'),
                }
            }
            other => bytes.push(*other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// How unknown fields are met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldValidation {
    /// Dropped.
    Ignore,
    /// Dropped, with a warning.
    Warn,
    /// Refused.
    Strict,
}

/// The options of a write.
#[derive(Clone, Debug)]
pub struct WriteOptions {
    /// Only say what would happen.
    pub dry_run: bool,
    /// Who owns the fields.
    pub manager: String,
    /// How unknown fields are met.
    pub validation: FieldValidation,
    /// Whether an apply takes fields from others.
    pub force: bool,
    /// Whether the uid in the object is a precondition; in a patch it is a field.
    pub judges_uid: bool,
}

/// The longest name of a field manager.
const MANAGER: usize = 128;

impl WriteOptions {
    /// Reads the options of a write; `kind` is how the real one calls them: `CreateOptions`.
    pub fn read(call: &Call, kind: &'static str, applies: bool) -> Result<Self, Refusal> {
        let query = &call.query;
        let mut causes = Vec::new();
        if kind == "PatchOptions" {
            if applies && query.text("fieldManager").is_none() {
                causes.push(Cause::required("fieldManager", "is required for apply patch"));
            } else if !applies && query.get("force").is_some() {
                causes.push(Cause::forbidden("force", "may not be specified for non-apply patch"));
            }
        }
        let given = query.text("fieldManager").unwrap_or_default();
        if given.len() > MANAGER {
            causes.push(Cause::too_long("fieldManager", MANAGER));
        }
        if let Some((at, other)) = given.char_indices().find(|(_, letter)| letter.is_control()) {
            let why = format!("invalid character U+{:04X} (at position {at})", u32::from(other));
            causes.push(Cause::invalid("fieldManager", &given.into(), &why));
        }
        let dry_run = dry_run(query.all("dryRun"), &mut causes);
        let validation = match query.text("fieldValidation") {
            None | Some("Warn") => FieldValidation::Warn,
            Some("Ignore") => FieldValidation::Ignore,
            Some("Strict") => FieldValidation::Strict,
            Some(other) => {
                let value = other.into();
                causes.push(Cause::not_supported(
                    "fieldValidation",
                    &value,
                    &["", "Ignore", "Strict", "Warn"],
                ));
                FieldValidation::Strict
            }
        };
        if !causes.is_empty() {
            return Err(Refusal::invalid(Details::new("meta.k8s.io", kind), "", &causes));
        }
        Ok(Self {
            dry_run,
            manager: manager(call, given),
            validation,
            force: query.flag("force"),
            judges_uid: kind == "UpdateOptions",
        })
    }
}

/// Whether it is only said what would happen.
pub fn dry_run<'a>(values: impl Iterator<Item = &'a str>, causes: &mut Vec<Cause>) -> bool {
    let values: Vec<&str> = values.collect();
    if values.iter().any(|value| *value != "All") {
        causes.push(Cause::not_supported("dryRun", &serde_json::json!(values), &["All"]));
    }
    !values.is_empty()
}

/// Who owns what a call writes.
pub fn manager(call: &Call, given: &str) -> String {
    if !given.is_empty() {
        return given.to_owned();
    }
    let agent = call.headers.get(http::header::USER_AGENT);
    let agent = agent.and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    match agent.split('/').next() {
        Some(name) if !name.is_empty() => name.chars().take(MANAGER).collect(),
        _ => "unknown".to_owned(),
    }
}
