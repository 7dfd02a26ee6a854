//! Adaptive Cards as a Workflow takes them: the envelope, the elements and actions that a webhook can use, and the card
//! as lines of text. Elements that are not known here are refused, though Teams knows more.

use serde_json::{Map, Value};

const CONTENT_TYPE: &str = "application/vnd.microsoft.card.adaptive";

/// The versions that Teams shows.
const VERSIONS: [&str; 6] = ["1.0", "1.1", "1.2", "1.3", "1.4", "1.5"];

/// The cards of a message, or what is wrong with it.
pub(super) fn read(message: &Value) -> Result<Vec<Value>, String> {
    if message["type"] != "message" {
        return Err("`type` has to be `message`".to_owned());
    }
    let attachments = message["attachments"]
        .as_array()
        .filter(|attachments| !attachments.is_empty());
    let attachments = attachments.ok_or("`attachments` has to be an array of cards")?;
    let cards = attachments.iter().enumerate().map(|(index, attachment)| {
        let at = format!("attachments[{index}]");
        if attachment["contentType"] != CONTENT_TYPE {
            return Err(format!("{at}.contentType has to be `{CONTENT_TYPE}`"));
        }
        check(&attachment["content"], &format!("{at}.content"))?;
        Ok(attachment["content"].clone())
    });
    cards.collect()
}

fn check(card: &Value, at: &str) -> Result<(), String> {
    if card["type"] != "AdaptiveCard" {
        return Err(format!("{at}.type has to be `AdaptiveCard`"));
    }
    if !card["version"]
        .as_str()
        .is_some_and(|version| VERSIONS.contains(&version))
    {
        return Err(format!("{at}.version has to be one of {}", VERSIONS.join(", ")));
    }
    if card["body"].is_null() && card["actions"].is_null() {
        return Err(format!("{at} has neither a body nor actions"));
    }
    each(card, "body", at, element)?;
    each(card, "actions", at, action)
}

type Check = fn(&Value, &str) -> Result<(), String>;

/// Checks every item of a list that may be missing.
fn each(value: &Value, name: &str, at: &str, check: Check) -> Result<(), String> {
    let at = format!("{at}.{name}");
    match &value[name] {
        Value::Null => Ok(()),
        Value::Array(items) => {
            let mut items = items.iter().enumerate();
            items.try_for_each(|(index, item)| check(item, &format!("{at}[{index}]")))
        }
        _ => Err(format!("{at} has to be an array")),
    }
}

fn element(element: &Value, at: &str) -> Result<(), String> {
    match element["type"].as_str() {
        Some("TextBlock") => string(element, "text", at),
        Some("RichTextBlock") => {
            required(element, "inlines", at)?;
            each(element, "inlines", at, |inline, at| match inline["type"].as_str() {
                Some("TextRun") => string(inline, "text", at),
                _ if inline.is_string() => Ok(()),
                _ => Err(format!("{at} has to be a text or a TextRun")),
            })
        }
        Some("FactSet") => {
            required(element, "facts", at)?;
            each(element, "facts", at, |fact, at| {
                string(fact, "title", at)?;
                string(fact, "value", at)
            })
        }
        Some("Container") => {
            required(element, "items", at)?;
            each(element, "items", at, self::element)
        }
        Some("ColumnSet") => each(element, "columns", at, |column, at| {
            each(column, "items", at, self::element)
        }),
        Some("ActionSet") => {
            required(element, "actions", at)?;
            each(element, "actions", at, action)
        }
        Some("Image") => url(element, at),
        Some(other) => Err(format!("{at}.type: `{other}` is not an element of a card")),
        None => Err(format!("{at} has no type")),
    }
}

fn action(action: &Value, at: &str) -> Result<(), String> {
    match action["type"].as_str() {
        Some("Action.OpenUrl") => {
            string(action, "title", at)?;
            url(action, at)
        }
        Some(other) => Err(format!("{at}.type: a webhook cannot use `{other}`")),
        None => Err(format!("{at} has no type")),
    }
}

fn required(value: &Value, name: &str, at: &str) -> Result<(), String> {
    match value[name].is_array() {
        true => Ok(()),
        false => Err(format!("{at}.{name} has to be an array")),
    }
}

fn string(value: &Value, name: &str, at: &str) -> Result<(), String> {
    match value[name].is_string() {
        true => Ok(()),
        false => Err(format!("{at}.{name} has to be a string")),
    }
}

fn url(value: &Value, at: &str) -> Result<(), String> {
    let url = value["url"].as_str().unwrap_or_default();
    match url.starts_with("https://") || url.starts_with("http://") {
        true => Ok(()),
        false => Err(format!("{at}.url has to be a URL")),
    }
}

/// The names of those whom a card mentions: an entity, and its text somewhere in the card.
pub(super) fn mentions(card: &Value) -> Vec<String> {
    let shown = lines(card).join("\n");
    let entities = card["msteams"]["entities"].as_array().into_iter().flatten();
    entities
        .filter(|entity| entity["type"] == "mention")
        .filter(|entity| entity["text"].as_str().is_some_and(|text| shown.contains(text)))
        .filter_map(|entity| entity["mentioned"]["name"].as_str().map(str::to_owned))
        .collect()
}

/// A card as lines of text.
pub(super) fn lines(card: &Value) -> Vec<String> {
    let mut found = shown(&card["body"]);
    found.extend(buttons(&card["actions"]));
    found
}

fn shown(elements: &Value) -> Vec<String> {
    elements
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(element_lines)
        .collect()
}

fn element_lines(element: &Value) -> Vec<String> {
    match element["type"].as_str() {
        Some("TextBlock") => {
            let text = element["text"].as_str().unwrap_or_default();
            let heading = ["Large", "ExtraLarge", "large", "extraLarge"]
                .iter()
                .any(|size| element["size"] == *size)
                || element["style"] == "heading";
            let sign = if heading { "▌ " } else { "" };
            text.lines().map(|line| format!("{sign}{line}")).collect()
        }
        Some("RichTextBlock") => rich(&element["inlines"]),
        Some("FactSet") => facts(&element["facts"]),
        Some("Container") => shown(&element["items"]),
        Some("ColumnSet") => {
            let columns = element["columns"].as_array().into_iter().flatten();
            columns.flat_map(|column| shown(&column["items"])).collect()
        }
        Some("ActionSet") => buttons(&element["actions"]),
        Some("Image") => vec![format!("🖼 {}", element["altText"].as_str().unwrap_or_default())],
        _ => Vec::new(),
    }
}

fn rich(inlines: &Value) -> Vec<String> {
    let inlines = inlines.as_array().into_iter().flatten();
    let (mut text, mut heading) = (String::new(), false);
    for inline in inlines {
        text.push_str(inline.as_str().or(inline["text"].as_str()).unwrap_or_default());
        heading |= ["Large", "ExtraLarge", "large", "extraLarge"]
            .iter()
            .any(|size| inline["size"] == *size);
    }
    let sign = if heading { "▌ " } else { "" };
    text.lines().map(|line| format!("{sign}{line}")).collect()
}

fn facts(facts: &Value) -> Vec<String> {
    let text = |fact: &Value, name: &str| fact[name].as_str().unwrap_or_default().to_owned();
    let facts = facts.as_array().into_iter().flatten();
    let facts: Vec<_> = facts.map(|fact| (text(fact, "title"), text(fact, "value"))).collect();
    let width = facts
        .iter()
        .map(|(title, _)| title.chars().count())
        .max()
        .unwrap_or_default();
    let line = |(title, value): (String, String)| format!("{title:width$}  {value}");
    facts.into_iter().map(line).collect()
}

fn buttons(actions: &Value) -> Vec<String> {
    let button = |action: &Map<String, Value>| {
        let text = |name: &str| action.get(name).and_then(Value::as_str).unwrap_or_default();
        format!("[{}]({})", text("title"), text("url"))
    };
    let actions = actions.as_array().into_iter().flatten();
    let shown: Vec<_> = actions.filter_map(Value::as_object).map(button).collect();
    (!shown.is_empty()).then(|| shown.join("  ")).into_iter().collect()
}
