//! Block Kit: a header, sections, a footer; and `text` beside them, for notifications and screen readers.
//!
//! Everything stays well within Slack's sizes: 50 blocks, 150 characters of a header, 3,000 of a section, and about
//! 12,000 in all blocks together, where Slack begins to answer `msg_blocks_too_long`. Slack reads `text` of an edit
//! up to 4,000 characters.

use serde_json::{Value, json};

use crate::notify::{
    message::Message,
    text::{cut, escape, pieces, plain},
};

const SECTION: usize = 2_900;
const SECTIONS: usize = 3;
const TEXT: usize = 3_000;
const FOOTER: usize = 600;

/// Told where a message may stand twice.
pub(in crate::notify) const TWICE: &str = " · may be a duplicate: the answer to the first post was lost";

/// A message's `text` and `blocks`.
pub(in crate::notify) fn message(message: &Message) -> Value {
    let mut footer = message.footer.clone();
    if message.perhaps_twice {
        footer.push_str(TWICE);
    }
    let headline = format!("{} {}", message.emoji, message.headline);
    if message.plain {
        let body = cut(&plain(&message.text), TEXT - 1_000);
        let text = format!("{}\n{}\n{footer}", escape(&headline), escape(&body));
        return settled(json!({"text": text, "blocks": []}));
    }
    let mut sections = pieces(&message.text, SECTION);
    if sections.len() > SECTIONS {
        sections.truncate(SECTIONS);
        if let Some(last) = sections.last_mut() {
            *last = cut(last, SECTION - 40);
            last.push_str("\n_The rest is left out here._");
        }
    }
    let mut blocks =
        vec![json!({"type": "header", "text": {"type": "plain_text", "text": cut(&headline, 148), "emoji": true}})];
    blocks.extend(sections.into_iter().map(section));
    if let Some(mention) = &message.mention {
        blocks.push(section(live(mention)));
    }
    blocks.push(
        json!({"type": "context", "elements": [{"type": "mrkdwn", "text": cut(&footer, FOOTER), "verbatim": true}]}),
    );
    let mut text = escape(&headline);
    if let Some(line) = message.text.lines().next() {
        text.push('\n');
        text.push_str(&escape(&cut(&plain(line), 500)));
    }
    settled(json!({"text": text, "blocks": blocks}))
}

/// The same for an incoming webhook, which takes no other fields.
pub(in crate::notify) fn webhook(of: &Message) -> Value {
    let whole = message(of);
    json!({"text": whole["text"], "blocks": whole["blocks"], "unfurl_links": false, "unfurl_media": false})
}

/// A reply with evidence.
pub(super) fn evidence(title: &str, text: &str, perhaps_twice: bool) -> Value {
    let twice = if perhaps_twice { TWICE } else { "" };
    // A fence within the evidence would end ours.
    let text = text.replace("```", "'''");
    let text = pieces(&fenced(&text), SECTION);
    let mut blocks = vec![section(format!("*{}*{twice}", escape(title)))];
    blocks.extend(text.into_iter().map(section));
    settled(json!({"text": format!("{}{twice}", escape(title)), "blocks": blocks}))
}

/// A reply that calls somebody.
pub(super) fn mention(mention: &str, text: &str, perhaps_twice: bool) -> Value {
    let twice = if perhaps_twice { TWICE } else { "" };
    let text = format!("{} {}{twice}", live(mention), escape(text));
    settled(json!({"text": text, "blocks": [section(text.clone())]}))
}

/// `@here` as Slack takes it; an id is written so already.
pub(in crate::notify) fn live(mention: &str) -> String {
    match mention.strip_prefix('@') {
        Some(name @ ("here" | "channel" | "everyone")) => format!("<!{name}>"),
        _ => mention.to_owned(),
    }
}

fn fenced(text: &str) -> String {
    // Each character may take five when it is escaped.
    format!("```{}```", cut(&escape_whole(text), SECTION - 10))
}

/// Evidence is long, so it is not shortened as a label is.
fn escape_whole(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn section(text: String) -> Value {
    json!({"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": true}})
}

/// Names in the text are not looked for, and no link is unfolded: a label must not call anybody or fetch anything.
fn settled(mut body: Value) -> Value {
    body["parse"] = json!("none");
    body["link_names"] = json!(false);
    body["unfurl_links"] = json!(false);
    body["unfurl_media"] = json!(false);
    body
}
