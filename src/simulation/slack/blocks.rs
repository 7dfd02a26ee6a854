//! Block Kit, as strictly as Slack's schema reads it: every block and element by its own list of properties, every
//! text by its length. Faults carry Slack's words and a JSON pointer. What a message of alerts has no use for (rich
//! text, inputs, selects, tables, files, videos) is refused as unsupported, which Slack would not do.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// The most that all texts of a message may have together. Slack documents none and answers `msg_blocks_too_long`
/// somewhere between 11,300 and 13,300 characters; its people speak of "12,000 text characters with a buffer for block
/// containers".
const WHOLE: usize = 12_000;

/// What each block costs of it: the difference that one divider was seen to make.
const CONTAINER: usize = 125;

/// What a text object may be.
#[derive(Clone, Copy)]
enum Kind {
    Plain,
    Any,
}

/// Faults as they are found.
#[derive(Default)]
struct Reading {
    faults: Vec<String>,
}

/// All faults of these blocks; none when Slack would take them.
pub(super) fn faults(blocks: &[Value]) -> Vec<String> {
    let mut reading = Reading::default();
    if blocks.len() > 50 {
        reading.fault("/blocks", "no more than 50 items allowed");
    }
    let mut ids = BTreeSet::new();
    for (index, block) in blocks.iter().enumerate() {
        let at = format!("/blocks/{index}");
        reading.block(block, &at);
        if let Some(id) = block.get("block_id").and_then(Value::as_str)
            && !ids.insert(id)
        {
            reading.fault(&format!("{at}/block_id"), &format!("`block_id` {id:?} is already used"));
        }
    }
    let markdown = blocks.iter().filter(|block| block["type"] == "markdown");
    let written: usize = markdown.filter_map(|block| block["text"].as_str()).map(length).sum();
    if written > WHOLE {
        reading.fault("/blocks", "must be less than 12001 characters");
    }
    reading.faults
}

/// More text than a message may carry in its blocks.
pub(super) fn too_long(blocks: &[Value]) -> bool {
    let texts: usize = blocks.iter().map(text_within).sum();
    texts + blocks.len() * CONTAINER > WHOLE
}

fn text_within(value: &Value) -> usize {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| match (name.as_str(), value) {
                ("text", Value::String(text)) => length(text),
                _ => text_within(value),
            })
            .sum(),
        Value::Array(items) => items.iter().map(text_within).sum(),
        _ => 0,
    }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

impl Reading {
    fn fault(&mut self, at: &str, words: &str) {
        self.faults.push(format!("{words} [json-pointer:{at}]"));
    }

    fn block(&mut self, block: &Value, at: &str) {
        let Some(fields) = self.object(block, at) else { return };
        self.string(fields, at, "block_id", 255);
        match self.kind(fields, at) {
            Some("section") => self.section(fields, at),
            Some("header") => {
                self.only(fields, at, &["text"], &["text"]);
                self.text(fields.get("text"), &format!("{at}/text"), Kind::Plain, 150);
            }
            Some("divider") => self.only(fields, at, &[], &[]),
            Some("context") => {
                self.only(fields, at, &["elements"], &["elements"]);
                for (element, at) in self.list(fields, at, "elements", 10) {
                    match element["type"].as_str() {
                        Some("image") => self.element(element, &at),
                        _ => self.text(Some(element), &at, Kind::Any, 3000),
                    }
                }
            }
            Some("actions") => {
                self.only(fields, at, &["elements"], &["elements"]);
                let mut ids = BTreeSet::new();
                for (element, at) in self.list(fields, at, "elements", 25) {
                    if element["type"] == "image" {
                        self.fault(&format!("{at}/type"), "unsupported type: image");
                        continue;
                    }
                    self.element(element, &at);
                    if let Some(id) = element["action_id"].as_str()
                        && !ids.insert(id)
                    {
                        self.fault(
                            &format!("{at}/action_id"),
                            &format!("`action_id` {id:?} is already used"),
                        );
                    }
                }
            }
            Some("image") => {
                self.only(
                    fields,
                    at,
                    &["image_url", "alt_text"],
                    &["image_url", "alt_text", "title"],
                );
                self.url(fields, at, "image_url");
                self.string(fields, at, "alt_text", 2000);
                self.text(fields.get("title"), &format!("{at}/title"), Kind::Plain, 2000);
            }
            Some("markdown") => {
                self.only(fields, at, &["text"], &["text"]);
                self.string(fields, at, "text", WHOLE);
            }
            Some(other) => self.fault(&format!("{at}/type"), &format!("unsupported type: {other}")),
            None => {}
        }
    }

    fn section(&mut self, fields: &Map<String, Value>, at: &str) {
        self.only(fields, at, &[], &["text", "fields", "accessory", "expand"]);
        if !fields.contains_key("text") && !fields.contains_key("fields") {
            self.fault(&format!("{at}/type"), "must define either `text` or `fields`");
        }
        self.text(fields.get("text"), &format!("{at}/text"), Kind::Any, 3000);
        if fields.contains_key("fields") {
            for (field, at) in self.list(fields, at, "fields", 10) {
                self.text(Some(field), &at, Kind::Any, 2000);
            }
        }
        self.boolean(fields, at, "expand");
        if let Some(accessory) = fields.get("accessory") {
            self.element(accessory, &format!("{at}/accessory"));
        }
    }

    fn element(&mut self, element: &Value, at: &str) {
        let Some(fields) = self.object(element, at) else { return };
        match self.kind(fields, at) {
            Some("button") => {
                let known = [
                    "type",
                    "text",
                    "action_id",
                    "url",
                    "value",
                    "style",
                    "confirm",
                    "accessibility_label",
                ];
                self.properties(fields, at, &["text"], &known);
                self.text(fields.get("text"), &format!("{at}/text"), Kind::Plain, 75);
                self.string(fields, at, "action_id", 255);
                self.string(fields, at, "value", 2000);
                self.string(fields, at, "accessibility_label", 75);
                self.url(fields, at, "url");
                self.style(fields, at);
                if let Some(confirm) = fields.get("confirm") {
                    self.confirm(confirm, &format!("{at}/confirm"));
                }
            }
            Some("image") => {
                self.properties(
                    fields,
                    at,
                    &["image_url", "alt_text"],
                    &["type", "image_url", "alt_text"],
                );
                self.url(fields, at, "image_url");
                self.string(fields, at, "alt_text", 2000);
            }
            Some(other) => self.fault(&format!("{at}/type"), &format!("unsupported type: {other}")),
            None => {}
        }
    }

    fn confirm(&mut self, confirm: &Value, at: &str) {
        let Some(fields) = self.object(confirm, at) else { return };
        let parts = [
            ("title", Kind::Plain, 100),
            ("text", Kind::Any, 300),
            ("confirm", Kind::Plain, 30),
            ("deny", Kind::Plain, 30),
        ];
        let names = parts.map(|(name, ..)| name);
        for name in names.iter().filter(|name| !fields.contains_key(**name)) {
            self.fault(at, &format!("missing required field: {name}"));
        }
        for name in fields
            .keys()
            .filter(|name| !names.contains(&name.as_str()) && *name != "style")
        {
            self.fault(at, &format!("invalid additional property: {name}"));
        }
        for (name, kind, most) in parts {
            self.text(fields.get(name), &format!("{at}/{name}"), kind, most);
        }
        self.style(fields, at);
    }

    fn text(&mut self, value: Option<&Value>, at: &str, kind: Kind, most: usize) {
        let Some(fields) = value.and_then(|value| self.object(value, at)) else {
            return;
        };
        match (kind, self.kind(fields, at)) {
            (_, Some("plain_text")) => {
                self.properties(fields, at, &["text"], &["type", "text", "emoji"]);
                self.boolean(fields, at, "emoji");
            }
            (Kind::Any, Some("mrkdwn")) => {
                self.properties(fields, at, &["text"], &["type", "text", "verbatim"]);
                self.boolean(fields, at, "verbatim");
            }
            (_, Some(other)) => self.fault(&format!("{at}/type"), &format!("unsupported type: {other}")),
            (_, None) => return,
        }
        self.string(fields, at, "text", most);
    }

    fn object<'a>(&mut self, value: &'a Value, at: &str) -> Option<&'a Map<String, Value>> {
        let object = value.as_object();
        if object.is_none() {
            self.fault(at, "must provide an object");
        }
        object
    }

    fn kind<'a>(&mut self, fields: &'a Map<String, Value>, at: &str) -> Option<&'a str> {
        match fields.get("type") {
            Some(Value::String(kind)) => return Some(kind),
            Some(_) => self.fault(&format!("{at}/type"), "must provide a string"),
            None => self.fault(at, "missing required field: type"),
        }
        None
    }

    /// The properties of a block, besides those that all blocks have.
    fn only(&mut self, fields: &Map<String, Value>, at: &str, required: &[&str], known: &[&str]) {
        let known: Vec<_> = known.iter().chain(&["type", "block_id"]).copied().collect();
        self.properties(fields, at, required, &known);
    }

    fn properties(&mut self, fields: &Map<String, Value>, at: &str, required: &[&str], known: &[&str]) {
        for name in required.iter().filter(|name| !fields.contains_key(**name)) {
            self.fault(at, &format!("missing required field: {name}"));
        }
        for name in fields.keys().filter(|name| !known.contains(&name.as_str())) {
            self.fault(at, &format!("invalid additional property: {name}"));
        }
    }

    /// The items of a list, each with its place.
    fn list<'a>(
        &mut self,
        fields: &'a Map<String, Value>,
        at: &str,
        name: &str,
        most: usize,
    ) -> Vec<(&'a Value, String)> {
        let at = format!("{at}/{name}");
        let Some(value) = fields.get(name) else {
            return Vec::new();
        };
        let Some(items) = value.as_array() else {
            self.fault(&at, "must provide an array");
            return Vec::new();
        };
        if items.is_empty() {
            self.fault(&at, "must provide at least 1 items");
        }
        if items.len() > most {
            self.fault(&at, &format!("no more than {most} items allowed"));
        }
        let place = |(index, item)| (item, format!("{at}/{index}"));
        items.iter().enumerate().map(place).collect()
    }

    fn string(&mut self, fields: &Map<String, Value>, at: &str, name: &str, most: usize) {
        let at = format!("{at}/{name}");
        match fields.get(name) {
            None => {}
            Some(Value::String(text)) if text.is_empty() => self.fault(&at, "must be more than 0 characters"),
            Some(Value::String(text)) if length(text) > most => {
                self.fault(&at, &format!("must be less than {} characters", most + 1));
            }
            Some(Value::String(_)) => {}
            Some(_) => self.fault(&at, "must provide a string"),
        }
    }

    fn url(&mut self, fields: &Map<String, Value>, at: &str, name: &str) {
        self.string(fields, at, name, 3000);
        let Some(Value::String(url)) = fields.get(name) else {
            return;
        };
        let host = ["https://", "http://", "mailto:", "slack://"]
            .iter()
            .find_map(|scheme| url.strip_prefix(scheme));
        if host.is_none_or(|host| host.is_empty() || host.starts_with('/') || url.contains(char::is_whitespace)) {
            self.fault(&format!("{at}/{name}"), "must be a valid url");
        }
    }

    fn style(&mut self, fields: &Map<String, Value>, at: &str) {
        if fields
            .get("style")
            .is_some_and(|style| style != "primary" && style != "danger")
        {
            self.fault(&format!("{at}/style"), "must be a valid enum value");
        }
    }

    fn boolean(&mut self, fields: &Map<String, Value>, at: &str, name: &str) {
        if fields.get(name).is_some_and(|value| !value.is_boolean()) {
            self.fault(&format!("{at}/{name}"), "must be a boolean");
        }
    }
}
