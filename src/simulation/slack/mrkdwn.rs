//! Slack's markup, read as Slack reads it: control sequences in angle brackets first, then the three entities. It says
//! what a person sees, and whom the text calls by sounding their phones.

use std::fmt;

/// Somebody whom a message calls.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mention {
    /// `<!channel>`: all members.
    Channel,
    /// `<!here>`: the members who are active.
    Here,
    /// `<!everyone>`: all of the workspace.
    Everyone,
    /// `<!subteam^ID>`: a group.
    Group(String),
    /// `<@ID>`: one person.
    User(String),
}

/// A text as it arrives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// What is shown, with links as `[label](url)`.
    pub(super) text: String,
    /// Who is called.
    pub(super) mentions: Vec<Mention>,
}

/// Who and what ids stand for.
pub(super) trait Names {
    /// The name of a user.
    fn user(&self, id: &str) -> Option<&str>;
    /// The id of a user by name.
    fn user_named(&self, name: &str) -> Option<&str>;
    /// The name of a channel.
    fn channel(&self, id: &str) -> Option<&str>;
}

/// The few emoji that alerts are made of.
const EMOJI: [(&str, &str); 16] = [
    ("white_check_mark", "✅"),
    ("heavy_check_mark", "✔"),
    ("x", "❌"),
    ("warning", "⚠"),
    ("rotating_light", "🚨"),
    ("fire", "🔥"),
    ("hourglass_flowing_sand", "⏳"),
    ("hourglass", "⌛"),
    ("no_entry", "⛔"),
    ("double_vertical_bar", "⏸"),
    ("eyes", "👀"),
    ("wrench", "🔧"),
    ("large_green_circle", "🟢"),
    ("large_yellow_circle", "🟡"),
    ("red_circle", "🔴"),
    ("white_circle", "⚪"),
];

impl fmt::Display for Mention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel => f.write_str("@channel"),
            Self::Here => f.write_str("@here"),
            Self::Everyone => f.write_str("@everyone"),
            Self::Group(id) | Self::User(id) => write!(f, "@{id}"),
        }
    }
}

/// Reads markup. With `bare`, names after an `@` count as well, as they do when Slack is asked to find them.
pub(super) fn read(source: &str, names: &dyn Names, bare: bool) -> Seen {
    let mut seen = Seen::default();
    let mut rest = source;
    while let Some(start) = rest.find('<') {
        let (before, after) = rest.split_at(start);
        seen.plain(before, names, bare);
        let Some(end) = after.find('>') else {
            rest = after;
            break;
        };
        // `<a <b>`: only what stands between the innermost brackets can be a sequence.
        let inner = after[1..end].rfind('<').map_or(1, |at| at + 2);
        seen.plain(&after[..inner - 1], names, bare);
        seen.sequence(&after[inner..end], names);
        rest = &after[end + 1..];
    }
    seen.plain(rest, names, bare);
    seen.mentions.sort();
    seen.mentions.dedup();
    seen
}

/// A text that is shown as it stands, but for the entities and emoji.
pub(super) fn plain(source: &str) -> String {
    emoji(&unescape(source))
}

fn unescape(text: &str) -> String {
    // `&amp;` last: what it gives is not read again.
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

fn emoji(text: &str) -> String {
    if !text.contains(':') {
        return text.to_owned();
    }
    EMOJI.iter().fold(text.to_owned(), |text, (name, sign)| {
        text.replace(&format!(":{name}:"), sign)
    })
}

impl Seen {
    fn plain(&mut self, text: &str, names: &dyn Names, bare: bool) {
        if bare {
            self.mentions.extend(bare_mentions(text, names));
        }
        self.text.push_str(&plain(text));
    }

    fn sequence(&mut self, inner: &str, names: &dyn Names) {
        let (head, label) = match inner.split_once('|') {
            Some((head, label)) => (head, Some(unescape(label))),
            None => (inner, None),
        };
        let mention = match head.split_at_checked(1) {
            Some(("!", "channel")) => Some((Mention::Channel, "channel".to_owned())),
            Some(("!", "here")) => Some((Mention::Here, "here".to_owned())),
            Some(("!", "everyone")) => Some((Mention::Everyone, "everyone".to_owned())),
            Some(("!", rest)) => rest.strip_prefix("subteam^").map(|id| {
                (
                    Mention::Group(id.to_owned()),
                    label.clone().unwrap_or_else(|| id.to_owned()),
                )
            }),
            Some(("@", id)) if is_id(id, "UW") => {
                let name = names.user(id).map_or_else(|| id.to_owned(), str::to_owned);
                Some((Mention::User(id.to_owned()), name))
            }
            _ => None,
        };
        if let Some((mention, name)) = mention {
            self.mentions.push(mention);
            self.text.push_str(&format!("@{}", name.trim_start_matches('@')));
            return;
        }
        let shown = match head.split_at_checked(1) {
            Some(("#", id)) if is_id(id, "CG") => {
                let name = names.channel(id).map(str::to_owned).or(label);
                format!("#{}", name.unwrap_or_else(|| id.to_owned()))
            }
            Some(("!", _)) if label.is_some() => label.unwrap_or_default(),
            _ if is_link(head) => match label.filter(|label| !label.is_empty()) {
                Some(label) => format!("[{}]({})", emoji(&label), unescape(head)),
                None => unescape(head.strip_prefix("mailto:").unwrap_or(head)),
            },
            _ => plain(&format!("<{inner}>")),
        };
        self.text.push_str(&shown);
    }
}

fn is_id(text: &str, first: &str) -> bool {
    text.starts_with(|c| first.contains(c)) && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
}

fn is_link(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, rest)| {
        !rest.is_empty() && matches!(scheme, "http" | "https" | "mailto" | "tel" | "slack")
    })
}

fn bare_mentions<'a>(text: &'a str, names: &'a dyn Names) -> impl Iterator<Item = Mention> + 'a {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    text.match_indices('@').filter_map(move |(at, _)| {
        if text[..at].chars().next_back().is_some_and(is_word) {
            return None;
        }
        let rest = &text[at + 1..];
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        match rest[..end].trim_end_matches(['.', '-']) {
            "channel" => Some(Mention::Channel),
            "here" => Some(Mention::Here),
            "everyone" => Some(Mention::Everyone),
            name => names.user_named(name).map(|id| Mention::User(id.to_owned())),
        }
    })
}
