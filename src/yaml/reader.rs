//! Reads a [`Node`] tree into checked values and collects every mistake on the way.
//!
//! A function that finds a mistake notes it and returns `None`; its caller goes on with the next field, and only at the
//! end asks whether there was any error.

use std::{borrow::Cow, ops::RangeInclusive, time::Duration};

use super::{
    diagnostic::{Diagnostic, Severity},
    node::{At, Fault, Key, Node, Value},
};
use crate::{domain::duration, suggestion};

/// What is being read, and what is wrong with it so far.
pub(crate) struct Reader<'t> {
    sources: Vec<Source<'t>>,
    problems: Vec<Diagnostic>,
}

/// A text that a mistake can be in.
struct Source<'t> {
    name: String,
    lines: Vec<Cow<'t, str>>,
}

/// The fields of a mapping.
pub(crate) struct Fields<'n> {
    /// What the mapping is called in messages.
    pub name: String,
    /// Where the mapping's own name stands.
    pub at: At,
    entries: Vec<&'n (Key, Node)>,
    /// Known fields that a misspelt one was taken for.
    meant: Vec<String>,
}

impl<'t> Reader<'t> {
    /// For a file with this name and text.
    pub fn new(file: &str, text: &'t str) -> Self {
        Self {
            sources: vec![Source {
                name: file.to_owned(),
                lines: text.lines().map(Cow::Borrowed).collect(),
            }],
            problems: Vec::new(),
        }
    }

    /// Shows every line of the file as this makes it.
    pub fn redact(&mut self, redact: impl Fn(&str) -> String) {
        for line in self.sources.iter_mut().flat_map(|source| &mut source.lines) {
            *line = Cow::Owned(redact(line));
        }
    }

    /// Another place that values come from, such as an environment variable; it has no lines.
    pub fn add_source(&mut self, name: &str) -> At {
        self.sources.push(Source {
            name: name.to_owned(),
            lines: Vec::new(),
        });
        At {
            source: self.sources.len() - 1,
            ..At::default()
        }
    }

    /// Everything that was noted, in the order of the file, errors and warnings alike.
    pub fn finish(mut self) -> Vec<Diagnostic> {
        self.problems.sort_by_key(|problem| (problem.line, problem.column));
        self.problems
    }

    /// Whether anything noted since `since` forbids the use of what is read.
    pub fn has_errors_since(&self, since: usize) -> bool {
        self.problems[since..].iter().any(Diagnostic::is_error)
    }

    /// How many problems were noted so far.
    pub fn count(&self) -> usize {
        self.problems.len()
    }

    // === impl noting ===

    /// Notes an error.
    pub fn error(&mut self, at: At, message: impl Into<String>, help: impl Into<String>) {
        self.note(
            Severity::Error,
            at,
            message.into(),
            Some(help.into()).filter(|help| !help.is_empty()),
        );
    }

    /// Notes a warning.
    pub fn warn(&mut self, at: At, message: impl Into<String>, help: impl Into<String>) {
        self.note(
            Severity::Warning,
            at,
            message.into(),
            Some(help.into()).filter(|help| !help.is_empty()),
        );
    }

    /// Notes that the text is not YAML.
    pub fn fault(&mut self, fault: Fault) {
        self.note(Severity::Error, fault.at, fault.message, fault.help);
    }

    fn note(&mut self, severity: Severity, at: At, message: String, help: Option<String>) {
        let source = &self.sources[at.source];
        let snippet = source.lines.get((at.line as usize).wrapping_sub(1));
        self.problems.push(Diagnostic {
            severity,
            file: source.name.clone(),
            line: at.line,
            column: at.column,
            length: at.length,
            message,
            help,
            snippet: snippet.map(|line| line.trim_end_matches('\r').to_owned()),
        });
    }

    /// The character at a place in the file, if there is one.
    pub fn char_at(&self, line: u32, column: u32) -> Option<char> {
        let line = self.sources.first()?.lines.get((line as usize).checked_sub(1)?)?;
        line.chars().nth((column as usize).checked_sub(1)?)
    }

    // === impl reading ===

    /// The fields of a mapping. Those that are not in `known` are errors; `later` has the ones that exist, but not yet.
    pub fn fields<'n>(
        &mut self,
        node: &'n Node,
        name: &str,
        at: At,
        known: &[&str],
        later: &[&str],
    ) -> Option<Fields<'n>> {
        let Value::Map(entries) = &node.value else {
            let example = known.first().copied().unwrap_or_default();
            let message = format!("{} must be a mapping, not {}", named(name), node.value.kind());
            let place = if matches!(node.value, Value::Null) { at } else { node.at };
            self.error(place, message, format!("write fields below it, such as `{example}: …`"));
            return None;
        };
        let mut kept: Vec<&(Key, Node)> = Vec::with_capacity(entries.len());
        let mut meant = Vec::new();
        for entry in entries {
            let key = &entry.0;
            if let Some((first, _)) = kept.iter().find(|(kept, _)| kept.name == key.name) {
                let help = format!("it is there already, in line {}: remove one", first.at.line);
                self.error(key.at, format!("`{}` is written twice", key.name), help);
            } else if known.contains(&key.name.as_str()) {
                kept.push(entry);
            } else if later.contains(&key.name.as_str()) {
                let message = format!("`{}` is not available in this version", key.name);
                self.error(key.at, message, "remove it; docs/ says what is");
            } else {
                let message = format!("`{}` is not a field of {}", key.name, named(name));
                meant.extend(suggestion::nearest(&key.name, known.iter().copied()).map(str::to_owned));
                self.error(key.at, message, suggestion::hint(&key.name, known));
            }
        }
        Some(Fields {
            name: name.to_owned(),
            at,
            entries: kept,
            meant,
        })
    }

    /// A field that must be there.
    pub fn require<'n>(&mut self, fields: &Fields<'n>, name: &str, example: &str) -> Option<&'n Node> {
        let found = fields.get(name);
        // A misspelt field was told already; that it is missing too is no news.
        if found.is_none() && !fields.meant.iter().any(|meant| meant == name) {
            let message = format!("{} has no `{name}`", named(&fields.name));
            self.error(fields.at, message, format!("write for example `{name}: {example}`"));
        }
        found
    }

    /// A text that is not empty.
    pub fn text<'n>(&mut self, node: &'n Node, name: &str) -> Option<&'n str> {
        let (message, help) = match &node.value {
            Value::Text(text) if text.trim().is_empty() => (
                format!("`{name}` is empty"),
                "write a value, or leave the line out".to_owned(),
            ),
            Value::Text(text) => return Some(text),
            Value::Null => return self.absent(node, name),
            value if value.is_unquoted_template() => (
                format!("`{name}` is a template without quotes, which is a mapping to YAML"),
                "put it in quotes: \"{{labels.namespace}}\"".to_owned(),
            ),
            value @ (Value::Int(_) | Value::Float(_) | Value::Bool(_)) => (
                format!("`{name}` must be a text, not {}", value.kind()),
                "put the value in quotes".to_owned(),
            ),
            value => (
                format!("`{name}` must be a text, not {}", value.kind()),
                "write one value".to_owned(),
            ),
        };
        self.error(node.at, message, help);
        None
    }

    /// One of some words.
    pub fn word<'w>(&mut self, node: &Node, name: &str, words: &[&'w str]) -> Option<&'w str> {
        let text = self.text(node, name)?;
        if let Some(word) = words.iter().find(|word| **word == text) {
            return Some(word);
        }
        let message = format!("`{text}` is not a value of `{name}`");
        self.error(node.at, message, suggestion::hint(text, words));
        None
    }

    /// A duration such as `30m`, within bounds.
    pub fn duration(&mut self, node: &Node, name: &str, bounds: RangeInclusive<Duration>) -> Option<Duration> {
        let text = match &node.value {
            Value::Text(text) => Cow::Borrowed(text.trim()),
            Value::Int(number) => Cow::Owned(number.to_string()),
            Value::Null => return self.absent(node, name),
            value => {
                let message = format!("`{name}` must be a duration, not {}", value.kind());
                self.error(node.at, message, "write for example `30m`");
                return None;
            }
        };
        match duration::parse(&text) {
            Ok(duration) if bounds.contains(&duration) => Some(duration),
            Ok(_) => {
                let (least, most) = (duration::format(*bounds.start()), duration::format(*bounds.end()));
                let message = format!("`{name}` is {text}: it must be between {least} and {most}");
                self.error(node.at, message, "");
                None
            }
            Err(error) => {
                self.error(node.at, format!("`{name}` is not a duration: {error}"), "");
                None
            }
        }
    }

    /// A whole number within bounds.
    pub fn integer(&mut self, node: &Node, name: &str, bounds: RangeInclusive<i64>) -> Option<i64> {
        let number = match &node.value {
            Value::Int(number) => *number,
            // From the environment, everything is a text.
            Value::Text(text) if node.at.line == 0 && text.trim().parse::<i64>().is_ok() => {
                text.trim().parse().unwrap_or_default()
            }
            Value::Null => return self.absent(node, name),
            value => {
                let message = format!("`{name}` must be a whole number, not {}", value.kind());
                self.error(
                    node.at,
                    message,
                    format!("write for example `{}`", bounds.start().max(&1)),
                );
                return None;
            }
        };
        match i64::try_from(number).ok().filter(|number| bounds.contains(number)) {
            Some(number) => Some(number),
            None => {
                let message = format!(
                    "`{name}` is {number}: it must be between {} and {}",
                    bounds.start(),
                    bounds.end()
                );
                self.error(node.at, message, "");
                None
            }
        }
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, node: &Node, name: &str) -> Option<bool> {
        match &node.value {
            Value::Bool(value) => Some(*value),
            Value::Null => self.absent(node, name),
            Value::Text(text) => {
                let help = match text.to_lowercase().as_str() {
                    "yes" | "on" | "y" => "write `true`",
                    "no" | "off" | "n" => "write `false`",
                    "true" | "false" => "write it in lower case and without quotes",
                    _ => "write `true` or `false`",
                };
                self.error(node.at, format!("`{name}` must be true or false"), help);
                None
            }
            value => {
                let message = format!("`{name}` must be true or false, not {}", value.kind());
                self.error(node.at, message, "write `true` or `false`");
                None
            }
        }
    }

    /// The items of a list.
    pub fn list<'n>(&mut self, node: &'n Node, name: &str) -> Option<&'n [Node]> {
        match &node.value {
            Value::List(items) => Some(items),
            Value::Null => self.absent(node, name),
            value => {
                let message = format!("`{name}` must be a list, not {}", value.kind());
                self.error(node.at, message, "begin every item on a line of its own with `- `");
                None
            }
        }
    }

    fn absent<T>(&mut self, node: &Node, name: &str) -> Option<T> {
        self.error(
            node.at,
            format!("`{name}` has no value"),
            "write one, or leave the line out",
        );
        None
    }
}

impl<'n> Fields<'n> {
    /// A field's value, if the field is there.
    pub fn get(&self, name: &str) -> Option<&'n Node> {
        self.entry(name).map(|(_, node)| node)
    }

    /// Where a field's name stands, or else the mapping's.
    pub fn at(&self, name: &str) -> At {
        self.entry(name).map_or(self.at, |(key, _)| key.at)
    }

    /// Names of the fields that are there, with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&'n str, &'n Node)> + '_ {
        self.entries.iter().map(|(key, node)| (key.name.as_str(), node))
    }

    fn entry(&self, name: &str) -> Option<&'n (Key, Node)> {
        self.entries.iter().copied().find(|(key, _)| key.name == name)
    }
}

/// `guards`, but the document as a whole has no name.
fn named(name: &str) -> String {
    if name.starts_with("the ") || name.starts_with("an ") || name.starts_with("a ") {
        name.to_owned()
    } else {
        format!("`{name}`")
    }
}
