//! What a runbook says about its messages.

use std::collections::BTreeMap;

use super::{
    node::{Node, Value},
    reader::{Fields, Reader},
    runbook::ProgramsRead,
    texts,
};
use crate::domain::{notify::Notify, run::Phase};

/// The phases that have messages.
const PHASES: [Phase; 3] = [Phase::Running, Phase::Verifying, Phase::Finished];

/// Reads `notify`; the channel and the templates that it compiles go to the programs.
pub(super) fn read(reader: &mut Reader<'_>, spec: &Fields<'_>, programs: &mut ProgramsRead) -> Notify {
    let mut notify = Notify::default();
    let Some(node) = spec.get("notify").filter(|node| !matches!(node.value, Value::Null)) else {
        return notify;
    };
    let known = &["channel", "mention", "suppressed", "templates"];
    let Some(fields) = reader.fields(node, "notify", spec.at("notify"), known, &[]) else {
        return notify;
    };
    if let Some(node) = fields.get("channel")
        && let Some((text, template)) = texts::template(reader, node, "channel")
    {
        if let Some(why) = template.literal().and_then(invalid_channel) {
            let message = format!("`{}` is not a channel of Slack: {why}", text.source);
            reader.error(
                node.at,
                message,
                "write `\"#alerts\"` with quotes, or a channel's id like C0123ABCD",
            );
        }
        notify.channel = Some(text);
        programs.channel = Some(template);
    }
    notify.mention = fields.get("mention").and_then(|node| mention(reader, node));
    notify.suppressed = fields
        .get("suppressed")
        .and_then(|node| reader.boolean(node, "suppressed"))
        .unwrap_or_default();
    if let Some(node) = fields
        .get("templates")
        .filter(|node| !matches!(node.value, Value::Null))
    {
        let names = PHASES.map(Phase::as_str);
        if let Some(templates) = reader.fields(node, "templates", fields.at("templates"), &names, &[]) {
            notify.templates = self::templates(reader, &templates, programs);
        }
    }
    notify
}

fn templates(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    programs: &mut ProgramsRead,
) -> BTreeMap<Phase, crate::domain::runbook::Text> {
    let mut sources = BTreeMap::new();
    for phase in PHASES {
        if let Some(node) = fields.get(phase.as_str())
            && let Some((text, template)) = texts::message(reader, node, phase.as_str())
        {
            sources.insert(phase, text);
            programs.messages.insert(phase, template);
        }
    }
    sources
}

/// Whom Slack would really call: a bare `@name` calls nobody.
fn mention(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    let text = reader.text(node, "mention")?.trim();
    let id = |prefix: &str| {
        let inner = text.strip_prefix(prefix)?.strip_suffix('>')?;
        let first = inner.chars().next()?;
        let fits = first.is_ascii_uppercase() && inner.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
        fits.then_some(())
    };
    let whole_channel = ["@here", "@channel", "@everyone"].contains(&text);
    if whole_channel || id("<@").is_some() || id("<!subteam^").is_some() {
        return Some(text.to_owned());
    }
    reader.error(
        node.at,
        format!("`{text}` calls nobody in Slack"),
        "write `\"@here\"`, `\"@channel\"`, a member's id as `\"<@U012AB3CD>\"`, or a group's as `\"<!subteam^S012AB3CD>\"`",
    );
    None
}

/// Why a text is neither the name of a channel nor its id.
pub(crate) fn invalid_channel(text: &str) -> Option<&'static str> {
    let Some(name) = text.strip_prefix('#') else {
        let is_id = text.len() >= 9
            && text.starts_with(['C', 'G'])
            && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
        return (!is_id).then_some("it begins with neither `#` nor an id's `C`");
    };
    if name.is_empty() || name.chars().count() > 80 {
        return Some("a name has 1 to 80 characters");
    }
    if name
        .chars()
        .any(|c| c.is_whitespace() || c.is_uppercase() || "#@<>&,.!".contains(c))
    {
        return Some("a name has no blanks, upper case letters or punctuation");
    }
    None
}
