//! From an alert to the name of the object that it is about, as the runbook says it.

use std::sync::LazyLock;

use regex::Regex;

use super::Compiled;
use crate::{
    domain::{alert::Alert, reason::Reason, target::ObjectRef},
    render::{RenderError, Template},
};

/// What Kubernetes allows as the name of most objects, and of all that we know: a DNS-1123 subdomain.
static NAME: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$").ok());
const LONGEST_NAME: usize = 253;

impl Compiled {
    /// The object that an alert is about, or why it cannot be told.
    pub fn object(&self, alert: &Alert) -> Result<ObjectRef, (Reason, String)> {
        let target = &self.runbook.target;
        let namespace = match &self.namespace {
            Some(template) => Some(name(template, "namespace", alert)?),
            None => None,
        };
        Ok(ObjectRef {
            api_version: target.api_version.clone(),
            kind: target.kind.clone(),
            namespace,
            name: name(&self.name, "name", alert)?,
        })
    }
}

/// A label's value becomes part of a path: only what Kubernetes would accept as a name gets there.
fn name(template: &Template, field: &str, alert: &Alert) -> Result<String, (Reason, String)> {
    let text =
        template
            .render(&alert.labels, &alert.annotations)
            .map_err(|error @ RenderError::MissingValue { .. }| {
                (Reason::MissingLabel, format!("target.{field}: {error}"))
            })?;
    let valid = text.len() <= LONGEST_NAME && NAME.as_ref().is_some_and(|name| name.is_match(&text));
    if valid {
        return Ok(text);
    }
    let shown: String = text.chars().take(80).collect();
    Err((
        Reason::InvalidTarget,
        format!("target.{field}: {shown:?} is not a name that Kubernetes allows"),
    ))
}
