//! YAML as a tree in which every value knows where it stands. The one place that names serde-saphyr.
//!
//! Deserializing straight into structs would stop at the first mistake. A tree is read by [`super::reader`], which
//! collects all of them.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{
    Options, Spanned,
    options::{DuplicateKeyPolicy, MergeKeyPolicy},
};

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub value: Value,
    pub at: At,
}

/// What YAML can say.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A field's name and its place.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub name: String,
    pub at: At,
}

/// A place in one of the texts that are being read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct At {
    /// Which text: 0 is the file.
    pub source: usize,
    /// 1-based; 0 when there is no such thing as a line.
    pub line: u32,
    /// 1-based, in characters.
    pub column: u32,
    /// In characters.
    pub length: u32,
}

/// Why a text is not YAML, and where.
#[derive(Debug)]
pub(crate) struct Fault {
    pub message: String,
    pub help: Option<String>,
    pub at: At,
}

/// Stands for a key that is a list or a mapping itself.
const NOT_A_NAME: &str = "{…}";
const TOO_LARGE: &str = "the document is too large, nested too deep, or repeats anchored values too often";
/// Deepest nesting. Ours needs seven.
const MAX_DEPTH: usize = 24;
/// Values in one document. A runbook has some dozens.
const MAX_NODES: usize = 20_000;
/// Repetitions of an anchored value.
const MAX_ALIASES: usize = 100;

impl Node {
    /// Reads one document. Lines are counted from `first_line`, since the text may be a part of a file.
    pub fn parse(text: &str, first_line: u32) -> Result<Self, Fault> {
        let offset = first_line.saturating_sub(1);
        match serde_saphyr::from_str_with_options::<Spanned<Value>>(text, options()) {
            Ok(spanned) => {
                let mut node = from_spanned(spanned);
                node.shift(offset);
                Ok(node)
            }
            Err(error) => Err(fault(text, &error, offset)),
        }
    }

    fn shift(&mut self, lines: u32) {
        self.at.line += lines;
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.shift(lines)),
            Value::Map(entries) => {
                for (key, value) in entries {
                    key.at.line += lines;
                    value.shift(lines);
                }
            }
            _ => {}
        }
    }

    /// A text that stands in no file, such as the value of an environment variable.
    pub fn text(text: impl Into<String>, at: At) -> Self {
        Self {
            value: Value::Text(text.into()),
            at,
        }
    }
}

impl Value {
    /// `{{labels.x}}` without quotes: to YAML, a mapping whose key is a mapping.
    pub fn is_unquoted_template(&self) -> bool {
        matches!(self, Self::Map(entries) if entries.first().is_some_and(|(key, _)| key.name == NOT_A_NAME))
    }

    /// For messages: "a list".
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Int(_) => "a number",
            Self::Float(_) => "a fraction",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_events: 4 * MAX_NODES,
            max_aliases: MAX_ALIASES,
            max_anchors: MAX_ALIASES,
            max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_NODES,
            max_replay_stack_depth: 4,
        },
        // Forwarded, so that all of them can be told with both places.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        // A field that comes from somewhere else is hard to review; neither is needed here.
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

fn from_spanned(spanned: Spanned<Value>) -> Node {
    Node {
        value: spanned.value,
        at: place(spanned.defined),
    }
}

fn place(location: serde_saphyr::Location) -> At {
    let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    At {
        source: 0,
        line: number(location.line()),
        column: number(location.column()),
        length: number(location.span().len()),
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Int(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Value, E> {
        Ok(Value::Int(i128::try_from(value).unwrap_or(i128::MAX)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Spanned<Value>>()? {
            list.push(from_spanned(item));
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key::<Spanned<Value>>()? {
            let value = entries.next_value::<Spanned<Value>>()?;
            let at = place(key.defined);
            // No field of ours has such a name, so a written-out form is enough to tell that it is unknown.
            let name = match key.value {
                Value::Text(name) => name,
                Value::Null => "null".to_owned(),
                Value::Bool(value) => value.to_string(),
                Value::Int(value) => value.to_string(),
                Value::Float(value) => value.to_string(),
                Value::List(_) | Value::Map(_) => NOT_A_NAME.to_owned(),
            };
            map.push((Key { name, at }, from_spanned(value)));
        }
        Ok(Value::Map(map))
    }
}

/// The parser's error in the words of an author.
fn fault(text: &str, error: &serde_saphyr::Error, offset: u32) -> Fault {
    use serde_saphyr::Error;
    let mut at = error.location().map(place).unwrap_or_default();
    at.line = at
        .line
        .clamp(1, u32::try_from(text.lines().count().max(1)).unwrap_or(u32::MAX));
    at.column = at.column.max(1);
    let line = text.lines().nth(at.line as usize - 1).unwrap_or_default();
    let (message, help) = match error.without_snippet() {
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => (TOO_LARGE.to_owned(), None),
        Error::MergeKeyNotAllowed { .. } => (
            "merge keys (`<<`) are not supported".to_owned(),
            Some("write the fields out".to_owned()),
        ),
        Error::UnsupportedTag { .. } => (
            "tags (`!name`) are not supported".to_owned(),
            Some("write the value without its tag".to_owned()),
        ),
        Error::UnknownAnchor { .. } => (
            "there is no such anchor before this".to_owned(),
            Some("put a text that begins with `*` in quotes".to_owned()),
        ),
        other if other.to_string().contains("limit exceeded") => (TOO_LARGE.to_owned(), None),
        other => {
            let raw = other.to_string();
            (syntax(&raw), syntax_help(line, &raw))
        }
    };
    at.line += offset;
    Fault { message, help, at }
}

/// The parser's message without its position, which is shown by other means.
fn syntax(raw: &str) -> String {
    let first = raw.lines().next().unwrap_or(raw);
    let first = first.split(" at line ").next().unwrap_or(first);
    let first = first.split(", while ").next().unwrap_or(first);
    format!("this is not YAML: {}", first.trim_end_matches([':', ',', ' ']))
}

/// What is most often wrong with a line that is not YAML.
fn syntax_help(line: &str, raw: &str) -> Option<String> {
    let trimmed = line.trim_start();
    let indent = &line[..line.len() - trimmed.len()];
    let value = trimmed
        .split_once(": ")
        .map_or(trimmed, |(_, value)| value)
        .trim_start();
    let help = if indent.contains('\t') || raw.contains("tab") {
        "indent with spaces; tabs are not allowed"
    } else if value.starts_with("{{") || trimmed.starts_with("- {{") {
        "put a template in quotes: \"{{labels.namespace}}\""
    } else if value.starts_with(['@', '`', '%', '&', '*', '!', '|', '>']) {
        "put the value in quotes"
    } else if value.contains(": ") {
        "put a value with a colon in quotes"
    } else {
        return None;
    };
    Some(help.to_owned())
}
