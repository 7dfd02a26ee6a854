//! Reads runbooks. With [`crate::config`], all that knows what YAML is.
//!
//! A file is split into documents, each becomes a tree with places ([`node`]), and the tree is read into checked values
//! ([`reader`], [`runbook`]). Every mistake of a file is reported at once, with its line and what to write instead. A
//! file with any error yields no runbook at all: half of an edit must not come into force.

pub(crate) mod diagnostic;
pub(crate) mod document;
mod guards;
pub(crate) mod node;
pub(crate) mod notify;
pub(crate) mod reader;
pub(crate) mod runbook;
mod steps;
mod target;
mod texts;
mod verify;

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

pub use self::{
    diagnostic::{Diagnostic, Severity},
    runbook::{API_VERSION, KIND},
    steps::{EVICT_LIMIT, STEPS},
};
use self::{node::Node, reader::Reader};
use crate::{
    cel::Expression,
    domain::{run::Phase, runbook::Runbook},
    render::{Template, message::MessageTemplate},
};

/// A file may not be larger, in bytes: what a ConfigMap can hold.
pub const MAX_FILE: usize = 1 << 20;

/// What a file has in it.
#[derive(Debug, Default)]
pub struct Contents {
    /// Its runbooks; none when there is any error.
    pub runbooks: Vec<Parsed>,
    /// Errors and warnings, in the order of the file.
    pub problems: Vec<Diagnostic>,
}

/// A runbook as it was read.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// What it says.
    pub runbook: Runbook,
    /// What its texts became.
    pub programs: Programs,
    /// 16 hexadecimal digits that change with every change of the document's text.
    pub version: String,
    /// The document's text, from which the same runbook can be read again.
    pub source: String,
    /// Where it was read.
    pub file: String,
    /// The 1-based line of the document's first character.
    pub line: u32,
}

/// The templates and expressions of a runbook, checked and ready.
#[derive(Clone, Debug)]
pub struct Programs {
    /// Of `target.namespace`.
    pub namespace: Option<Template>,
    /// Of `target.name`.
    pub name: Template,
    /// Of `conditions`, in their order.
    pub conditions: Vec<Expression>,
    /// Of `verify.expect`, in its order.
    pub expect: Vec<Expression>,
    /// Of `notify.channel`.
    pub channel: Option<Template>,
    /// Of `notify.templates`.
    pub messages: BTreeMap<Phase, MessageTemplate>,
}

/// Reads the runbooks of a file.
pub fn runbooks(file: &str, text: &str) -> Contents {
    let text = match checked_text(file, text) {
        Ok(text) => text,
        Err(problem) => {
            return Contents {
                runbooks: Vec::new(),
                problems: vec![*problem],
            };
        }
    };
    let mut reader = Reader::new(file, text);
    let mut runbooks = Vec::new();
    let documents = document::split(text);
    if documents.is_empty() {
        let message = "there is no runbook in this file";
        let problem = Diagnostic::error(file, message).with_help(format!(
            "write one, or remove the file; it begins with `apiVersion: {API_VERSION}`"
        ));
        return Contents {
            runbooks,
            problems: vec![problem],
        };
    }
    for document in documents {
        if document.text.starts_with('%') {
            let at = node::At {
                source: 0,
                line: document.line,
                column: 1,
                length: 1,
            };
            reader.error(
                at,
                "YAML directives are not supported",
                "remove the line that begins with `%`",
            );
            continue;
        }
        let node = match Node::parse(document.text, document.line) {
            Ok(node) => node,
            Err(fault) => {
                reader.fault(fault);
                continue;
            }
        };
        if let Some((runbook, programs)) = runbook::read(&mut reader, &node) {
            runbooks.push(Parsed {
                runbook,
                programs,
                version: version(document.text),
                source: document.text.to_owned(),
                file: file.to_owned(),
                line: document.line,
            });
        }
    }
    let problems = reader.finish();
    if problems.iter().any(Diagnostic::is_error) {
        runbooks.clear();
    }
    Contents { runbooks, problems }
}

/// Text out of a file's bytes, with a finding that says where they are not text.
pub(crate) fn decode<'b>(file: &str, bytes: &'b [u8]) -> Result<&'b str, Box<Diagnostic>> {
    std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let mut problem = Diagnostic::error(file, "the file is not UTF-8 text").with_help("save it as UTF-8");
        let start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |index| index + 1);
        let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
        problem.line = u32::try_from(line).unwrap_or(u32::MAX);
        problem.column = u32::try_from(column).unwrap_or(u32::MAX);
        Box::new(problem)
    })
}

/// The text without a byte order mark, if it is not too large.
pub(crate) fn checked_text<'t>(file: &str, text: &'t str) -> Result<&'t str, Box<Diagnostic>> {
    if text.len() > MAX_FILE {
        let message = format!("the file is {} bytes large: at most {MAX_FILE}", text.len());
        return Err(Box::new(
            Diagnostic::error(file, message).with_help("split it into several"),
        ));
    }
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// The version of a document: the beginning of its digest.
fn version(text: &str) -> String {
    let mut digest = hex::encode(Sha256::digest(text.as_bytes()));
    digest.truncate(16);
    digest
}

#[cfg(test)]
mod tests;
