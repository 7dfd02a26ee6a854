//! A channel as a person sees it, in plain text: what was said, by whom and when, threads below their messages, blocks
//! as lines, files with their first lines.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    message::{Channel, File, Message},
    mrkdwn::{self, Names},
};

/// How much of a file is shown.
const LINES: usize = 5;

/// The channel, message by message.
pub(super) fn channel(channel: &Channel, names: &dyn Names) -> String {
    let mut lines = vec![format!(
        "#{}{}",
        channel.name,
        if channel.archived { " (archived)" } else { "" }
    )];
    for message in channel
        .messages
        .iter()
        .filter(|message| !message.is_reply() || message.broadcast)
    {
        lines.push(String::new());
        if message.is_reply() {
            lines.extend(described(message, "  replied to a thread", names));
            continue;
        }
        lines.extend(described(message, "", names));
        for reply in channel.replies(&message.ts) {
            let broadcast = if reply.broadcast {
                "  also sent to the channel"
            } else {
                ""
            };
            let described = described(reply, broadcast, names).into_iter().enumerate();
            lines.extend(described.map(|(index, line)| match (index, line.as_str()) {
                (0, line) => format!("  ↳ {line}"),
                (_, "") => String::new(),
                (_, line) => format!("    {line}"),
            }));
        }
    }
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

/// A message: a line that says who, when and where, and what was said below it, indented.
fn described(message: &Message, place: &str, names: &dyn Names) -> Vec<String> {
    let mut head = format!("{}  {}{place}", time(message.posted), message.app);
    if !message.edits.is_empty() && !message.tombstone {
        head.push_str("  (edited)");
    }
    if !message.mentions.is_empty() {
        let called: Vec<_> = message.mentions.iter().map(|mention| called(mention, names)).collect();
        head.push_str(&format!("  🔔 {}", called.join(" ")));
    }
    let mut said = Vec::new();
    match message.blocks.is_empty() {
        true => said.extend(
            mrkdwn::read(&message.text, names, false)
                .text
                .lines()
                .map(str::to_owned),
        ),
        false => message
            .blocks
            .iter()
            .for_each(|block| said.extend(block_lines(block, names))),
    }
    message.files.iter().for_each(|file| said.extend(file_lines(file)));
    let said = said.into_iter().map(|line| match line.trim_end() {
        "" => String::new(),
        line => format!("  {line}"),
    });
    [head].into_iter().chain(said).collect()
}

fn called(mention: &mrkdwn::Mention, names: &dyn Names) -> String {
    match mention {
        mrkdwn::Mention::User(id) => format!("@{}", names.user(id).unwrap_or(id)),
        other => other.to_string(),
    }
}

fn time(at: Timestamp) -> String {
    at.strftime("%H:%M:%S").to_string()
}

fn block_lines(block: &Value, names: &dyn Names) -> Vec<String> {
    let text = |value: &Value| text(value, names);
    match block["type"].as_str() {
        Some("header") => vec![format!("▌ {}", text(&block["text"]))],
        Some("divider") => vec!["─".repeat(40)],
        Some("context") => {
            let elements = block["elements"].as_array().into_iter().flatten();
            let elements: Vec<_> = elements.map(|element| element_text(element, names)).collect();
            lines(&elements.join("  ·  "))
        }
        Some("actions") => {
            let elements = block["elements"].as_array().into_iter().flatten();
            let buttons: Vec<_> = elements.map(|element| element_text(element, names)).collect();
            vec![buttons.join("  ")]
        }
        Some("image") => vec![element_text(block, names)],
        Some("markdown") => lines(block["text"].as_str().unwrap_or_default()),
        _ => section_lines(block, names),
    }
}

fn section_lines(block: &Value, names: &dyn Names) -> Vec<String> {
    let mut found = lines(&text(&block["text"], names));
    if let Some(fields) = block["fields"].as_array() {
        let fields: Vec<_> = fields.iter().map(|field| text(field, names)).collect();
        found.extend(columns(&fields));
    }
    if !block["accessory"].is_null() {
        found.push(element_text(&block["accessory"], names));
    }
    found
}

/// Fields stand in two columns, each as high as the higher of its row.
fn columns(fields: &[String]) -> Vec<String> {
    let left = fields.iter().step_by(2).flat_map(|field| field.lines());
    let width = left.map(|line| line.chars().count()).max().unwrap_or_default();
    let mut found = Vec::new();
    for row in fields.chunks(2) {
        let mut right = row.get(1).map(String::as_str).unwrap_or_default().lines();
        let mut left = row[0].lines();
        loop {
            match (left.next(), right.next()) {
                (None, None) => break,
                (left, right) => {
                    let left = left.unwrap_or_default();
                    found.push(format!("{left:width$}   {}", right.unwrap_or_default()));
                }
            }
        }
    }
    found
}

fn element_text(element: &Value, names: &dyn Names) -> String {
    match element["type"].as_str() {
        Some("button") => {
            let label = text(&element["text"], names);
            match element["url"].as_str() {
                Some(url) => format!("[{label}]({url})"),
                None => format!("[ {label} ]"),
            }
        }
        Some("image") => format!("🖼 {}", element["alt_text"].as_str().unwrap_or_default()),
        _ => text(element, names),
    }
}

fn text(value: &Value, names: &dyn Names) -> String {
    let source = value["text"].as_str().unwrap_or_default();
    match value["type"].as_str() {
        Some("mrkdwn") => mrkdwn::read(source, names, false).text,
        _ => mrkdwn::plain(source),
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

fn file_lines(file: &File) -> Vec<String> {
    let Ok(text) = str::from_utf8(&file.bytes) else {
        return vec![format!("📄 {} ({} bytes)", file.name, file.bytes.len())];
    };
    let count = text.lines().count();
    let unit = if count == 1 { "line" } else { "lines" };
    let mut found = vec![format!("📄 {} ({count} {unit})", file.name)];
    found.extend(text.lines().take(LINES).map(|line| format!("│ {line}")));
    if count > LINES {
        found.push("│ …".to_owned());
    }
    found
}
