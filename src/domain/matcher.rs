//! A predicate on one label, in Alertmanager's own syntax and with its meaning.
//!
//! `severity = critical`, `namespace !~ "kube-.*"`, `"app.kubernetes.io/name" = cart`. Regular expressions are anchored
//! at both ends, and an absent label is the empty string. Stricter than Alertmanager only where its leniency hides a
//! mistake: `==`, single quotes and several matchers in one text are refused.

use std::{collections::BTreeMap, fmt};

use regex::{Regex, RegexBuilder};
use thiserror::Error;

/// A matcher's text may not be longer, in bytes.
pub const MAX_LENGTH: usize = 4096;
/// A compiled expression may not be larger, in bytes: a bound on the memory and time of a hostile one.
const MAX_COMPILED: usize = 1 << 20;
/// Groups in an expression may not be nested deeper.
const MAX_NESTING: u32 = 50;

/// Characters that cannot stand in an unquoted label name.
const RESERVED: &[char] = &['{', '}', '!', '=', '~', ',', '\\', '"', '\'', '`'];

/// A predicate on one label.
#[derive(Clone, Debug)]
pub struct Matcher {
    name: String,
    operator: Operator,
    value: String,
    /// Present exactly for `=~` and `!~`.
    regex: Option<Regex>,
}

/// How the label's value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Match,
    NotMatch,
}

/// Why a text is not a matcher.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MatcherError {
    /// Nothing is written.
    #[error("a matcher is missing: write a label, an operator and a value, for example `severity = critical`")]
    Empty,
    /// The text is longer than [`MAX_LENGTH`].
    #[error("the matcher is {0} bytes long: at most {MAX_LENGTH}")]
    TooLong(usize),
    /// There is no label before the operator.
    #[error("the label's name is missing: write for example `severity = critical`")]
    NoName,
    /// The name has a character that must be quoted.
    #[error("`{0}` is not a label name: put it in double quotes, for example `\"{0}\" = value`")]
    BadName(String),
    /// There is no `=`, `!=`, `=~` or `!~`.
    #[error("there is no operator after `{0}`: write =, !=, =~ or !~, for example `{0} = value`")]
    NoOperator(String),
    /// An operator of another language.
    #[error("`{0}` is not an operator: write {1}")]
    WrongOperator(&'static str, &'static str),
    /// A quoted text does not end.
    #[error("the closing double quote is missing")]
    Unclosed,
    /// Something follows the closing quote.
    #[error("`{0}` stands after the closing quote: one matcher ends there; write another as its own list entry")]
    Trailing(String),
    /// A double quote within an unquoted value.
    #[error("the value has a double quote in it: quote the whole value and write the inner quote as \\\"")]
    InnerQuote,
    /// Single quotes mean nothing to Alertmanager: they would be part of the value.
    #[error("single quotes do not quote in a matcher: use double quotes")]
    SingleQuotes,
    /// Several matchers in one text.
    #[error("this is more than one matcher: write each as its own list entry")]
    Several,
    /// Braces around the matchers.
    #[error("a matcher stands without braces: write for example `severity = critical`")]
    Braces,
    /// The regular expression does not compile.
    #[error("`{pattern}` is not a regular expression: {detail}")]
    Regex {
        /// As written.
        pattern: String,
        /// What is wrong with it, on one line.
        detail: String,
    },
    /// The regular expression is too large once compiled.
    #[error("the regular expression is too large: list fewer alternatives or repeat less")]
    RegexTooLarge,
}

impl Matcher {
    /// Reads one matcher.
    pub fn parse(text: &str) -> Result<Self, MatcherError> {
        if text.len() > MAX_LENGTH {
            return Err(MatcherError::TooLong(text.len()));
        }
        let text = text.trim();
        if text.is_empty() {
            return Err(MatcherError::Empty);
        }
        if text.starts_with('{') {
            return Err(MatcherError::Braces);
        }
        let (name, rest) = read_name(text)?;
        let (operator, rest) = read_operator(&name, rest.trim_start())?;
        let value = read_value(rest.trim_start())?;
        Self::new(name, operator, value)
    }

    fn new(name: String, operator: Operator, value: String) -> Result<Self, MatcherError> {
        let regex = match operator {
            Operator::Equal | Operator::NotEqual => None,
            Operator::Match | Operator::NotMatch => Some(compile(&value)?),
        };
        Ok(Self {
            name,
            operator,
            value,
            regex,
        })
    }

    /// Whether the labels satisfy it. An absent label is the empty string.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.accepts(labels.get(&self.name).map_or("", String::as_str))
    }

    /// Whether it is satisfied by an alert that does not have the label at all.
    pub fn accepts_absence(&self) -> bool {
        self.accepts("")
    }

    /// The label that it looks at.
    pub fn label(&self) -> &str {
        &self.name
    }

    /// The only values that satisfy it, where that is plain: one for `=`, several for `=~ "one|other"`.
    ///
    /// By these, runbooks are found without asking each of them.
    pub fn values(&self) -> Option<Vec<&str>> {
        let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '|' | ' ' | ':' | '/');
        match self.operator {
            Operator::Equal => Some(vec![&self.value]),
            Operator::Match if self.value.chars().all(is_plain) => Some(self.value.split('|').collect()),
            _ => None,
        }
    }

    /// Whether some alert that satisfies this one could satisfy the other too, as far as it can be told cheaply.
    ///
    /// `false` is certain: the two exclude each other.
    pub fn compatible(&self, other: &Self) -> bool {
        if self.name != other.name {
            return true;
        }
        match (self.operator, other.operator) {
            (Operator::Equal, _) => other.accepts(&self.value),
            (_, Operator::Equal) => self.accepts(&other.value),
            _ => true,
        }
    }

    fn accepts(&self, value: &str) -> bool {
        match (self.operator, &self.regex) {
            (Operator::Equal, _) => value == self.value,
            (Operator::NotEqual, _) => value != self.value,
            (Operator::Match, Some(regex)) => regex.is_match(value),
            (Operator::NotMatch, Some(regex)) => !regex.is_match(value),
            (Operator::Match | Operator::NotMatch, None) => false,
        }
    }
}

// === impl parsing ===

fn read_name(text: &str) -> Result<(String, &str), MatcherError> {
    if let Some(rest) = text.strip_prefix('"') {
        let (name, rest) = read_quoted(rest)?;
        if name.is_empty() {
            return Err(MatcherError::NoName);
        }
        return Ok((name, rest));
    }
    // The name ends where the operator begins, so that a bad character in between is told as part of the name.
    let end = text.find(['=', '!', '~']).unwrap_or(text.len());
    let name = text[..end].trim_end();
    if name.is_empty() {
        return Err(MatcherError::NoName);
    }
    if end == text.len() {
        let first = name.split_whitespace().next().unwrap_or(name);
        return Err(MatcherError::NoOperator(first.trim_end_matches(':').to_owned()));
    }
    if name.contains('\'') {
        return Err(MatcherError::SingleQuotes);
    }
    if name.contains(RESERVED) || name.contains(char::is_whitespace) {
        return Err(MatcherError::BadName(name.replace('"', "")));
    }
    Ok((name.to_owned(), &text[end..]))
}

fn read_operator<'t>(name: &str, text: &'t str) -> Result<(Operator, &'t str), MatcherError> {
    for (wrong, right) in [
        ("==", "= for equality"),
        ("~=", "=~ for a regular expression"),
        ("=!", "!= for inequality"),
        ("!==", "!= for inequality"),
    ] {
        if text.starts_with(wrong) {
            return Err(MatcherError::WrongOperator(wrong, right));
        }
    }
    for (word, operator) in [
        ("=~", Operator::Match),
        ("!~", Operator::NotMatch),
        ("!=", Operator::NotEqual),
        ("=", Operator::Equal),
    ] {
        if let Some(rest) = text.strip_prefix(word) {
            return Ok((operator, rest));
        }
    }
    Err(MatcherError::NoOperator(name.to_owned()))
}

fn read_value(text: &str) -> Result<String, MatcherError> {
    if let Some(rest) = text.strip_prefix('"') {
        let (value, rest) = read_quoted(rest)?;
        let rest = rest.trim();
        return match rest {
            "" => Ok(value),
            rest => Err(MatcherError::Trailing(rest.to_owned())),
        };
    }
    if text.contains('"') {
        return Err(if begins_another(text) {
            MatcherError::Several
        } else {
            MatcherError::InnerQuote
        });
    }
    if text.len() > 1 && text.starts_with('\'') && text.ends_with('\'') {
        return Err(MatcherError::SingleQuotes);
    }
    if begins_another(text) {
        return Err(MatcherError::Several);
    }
    Ok(unescape(text))
}

/// Whether an unquoted value goes on with a comma and what looks like another matcher.
fn begins_another(text: &str) -> bool {
    text.split(',').skip(1).any(|part| {
        let part = part.trim_start();
        let name_end = part
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(part.len());
        name_end > 0 && part[name_end..].trim_start().starts_with(['=', '!'])
    })
}

/// The text up to the closing quote, unescaped, and what follows the quote.
fn read_quoted(text: &str) -> Result<(String, &str), MatcherError> {
    let mut escaped = false;
    for (index, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Ok((unescape(&text[..index]), &text[index + 1..])),
            _ => {}
        }
    }
    Err(MatcherError::Unclosed)
}

/// `\"`, `\\` and `\n` are escapes; any other backslash stands for itself, so that `\d` needs no second one.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => plain.push('\n'),
            Some(c @ ('"' | '\\')) => plain.push(c),
            Some(c) => plain.extend(['\\', c]),
            None => plain.push('\\'),
        }
    }
    plain
}

fn compile(pattern: &str) -> Result<Regex, MatcherError> {
    // The pattern must stand by itself: `a)|(b` would otherwise slip out of the anchors.
    build(pattern)?;
    build(&format!("^(?:{pattern})$"))
}

fn build(pattern: &str) -> Result<Regex, MatcherError> {
    RegexBuilder::new(pattern)
        .size_limit(MAX_COMPILED)
        .nest_limit(MAX_NESTING)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => MatcherError::RegexTooLarge,
            error => MatcherError::Regex {
                pattern: pattern.to_owned(),
                detail: last_line(&error.to_string()),
            },
        })
}

/// The regex crate draws a picture above the reason; the reason alone goes into a one-line message.
fn last_line(text: &str) -> String {
    let line = text.lines().last().unwrap_or(text);
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

/// The canonical form: a quoted value, and a quoted name where it needs quotes.
impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        if self.name.chars().all(plain) && !self.name.starts_with(|c: char| c.is_ascii_digit()) {
            f.write_str(&self.name)?;
        } else {
            write_quoted(f, &self.name)?;
        }
        f.write_str(match self.operator {
            Operator::Equal => "=",
            Operator::NotEqual => "!=",
            Operator::Match => "=~",
            Operator::NotMatch => "!~",
        })?;
        write_quoted(f, &self.value)
    }
}

fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    write!(f, "\"{escaped}\"")
}

#[cfg(test)]
mod tests;
