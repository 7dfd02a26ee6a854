//! Templates of messages: what a runbook's author writes instead of our own words.
//!
//! Handlebars, strict: a value that is not there is an error that names it, never an empty string, except as the test of
//! an `if`. Only the values of [`VIEW`], [`BLOCKS`] and the tests of [`super::TESTS`] exist, so everything that can be known
//! to be wrong is known when the runbook is read. Nothing is escaped here: whoever builds the view escapes its strings for
//! the service that they go to, and what they say is data: a `{{` in them is not read again.
//!
//! As for the other templates, handlebars reads the text, and what it read is turned into the few forms that are allowed.
//! Those are rendered without handlebars, which has no bound on its work and copies every item that it walks over. A test
//! holds the results equal to handlebars' own, with one exception: an absent value inside `and`, `or` and `not` is false.
//!
//! Users: `yaml` compiles, `notify` renders.

mod reading;
pub mod view;

use std::{borrow::Cow, sync::Arc};

use serde_json::Value as Json;
use thiserror::Error;

pub use self::view::{Field, Kind, VIEW};
use super::TemplateError;

/// The blocks that a message's template may use.
pub const BLOCKS: &[&str] = &["if", "unless", "each"];
/// What exists within an `each` besides the item itself; `@key` only where labels are walked.
pub const LOCALS: &[&str] = &["@index", "@first", "@last", "@key"];
/// A template may not be longer, in bytes.
pub const MAX_LENGTH: usize = 8 << 10;
/// How deep an `each` may stand in another.
pub const MAX_EACH: usize = 2;
/// How deep blocks, or tests, may stand in one another.
pub const MAX_DEPTH: usize = 8;
/// A message may not be longer, in characters: what Slack takes as one text.
pub const MAX_OUTPUT: usize = 40_000;
/// How much may be done for one message: so many elements, tests, steps of a path and items of a list.
pub const MAX_WORK: usize = 100_000;

/// Handlebars reads recursively; the deepest text that [`MAX_LENGTH`] allows needs less than half of this.
const STACK: usize = 64 << 20;
/// So many bytes of equal texts are compared in the time of one unit of work.
const BYTES_PER_WORK: usize = 64;

/// A message's template that was checked, ready to be rendered any number of times.
#[derive(Clone, Debug)]
pub struct MessageTemplate(Arc<[Part]>);

#[derive(Debug)]
enum Part {
    Text(String),
    Value(Value),
    Choice {
        /// Of the first whose test holds, the parts are rendered.
        arms: Vec<(Test, Vec<Part>)>,
        otherwise: Vec<Part>,
    },
    Each {
        list: Value,
        body: Vec<Part>,
        /// Absent: that there is no list is an error.
        otherwise: Option<Vec<Part>>,
    },
}

/// A value of the view.
#[derive(Debug)]
struct Value {
    /// In which item it stands: 0 is the view itself, then each `each`.
    frame: usize,
    source: Source,
    /// As written.
    path: String,
}

#[derive(Debug)]
enum Source {
    Fields(Vec<String>),
    Index,
    First,
    Last,
    Key,
}

/// What decides between parts.
#[derive(Debug)]
enum Test {
    /// The value is there and neither empty, zero nor false.
    Given(Value),
    Not(Box<Test>),
    All(Vec<Test>),
    Any(Vec<Test>),
    Equal(Operand, Operand),
}

#[derive(Debug)]
enum Operand {
    Value(Value),
    Constant(Json),
}

/// Why a template has no text for this message.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MessageError {
    /// This message does not have what the template names.
    #[error("this message has no `{path}`")]
    MissingValue {
        /// As written in the template: `labels.team`.
        path: String,
    },
    /// The view has something else there than [`VIEW`] says.
    #[error("`{path}` is of another kind than it should be")]
    WrongKind {
        /// As written in the template.
        path: String,
    },
    /// The text would be longer than [`MAX_OUTPUT`].
    #[error("the message is longer than {MAX_OUTPUT} characters")]
    TooLong,
    /// It would take more than [`MAX_WORK`].
    #[error("the template has more to do than one message may take")]
    TooMuchWork,
}

impl MessageError {
    /// Its stable name, for logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::MissingValue { .. } => "missing_value",
            Self::WrongKind { .. } => "wrong_kind",
            Self::TooLong => "too_long",
            Self::TooMuchWork => "too_much_work",
        }
    }
}

impl MessageTemplate {
    /// Reads and checks a template.
    pub fn compile(source: &str) -> Result<Self, TemplateError> {
        if source.len() > MAX_LENGTH {
            return Err(TemplateError {
                message: format!("the template is {} bytes long: at most {MAX_LENGTH}", source.len()),
                line: 1,
                column: 1,
            });
        }
        stacker::grow(STACK, || Ok(Self(reading::parts(source)?.into())))
    }

    /// The template's text for one message. The view must have what [`VIEW`] says; what is null there is absent.
    ///
    /// [`MAX_WORK`] bounds how long this takes, whatever the template and the view: some ten milliseconds at worst, and
    /// usually far below one. So async code may call it as it is.
    pub fn render(&self, view: &Json) -> Result<String, MessageError> {
        let root = Frame {
            value: view,
            key: None,
            index: 0,
            is_last: true,
        };
        let mut rendering = Rendering {
            frames: vec![root],
            text: String::new(),
            chars: 0,
            work: 0,
        };
        rendering.parts(&self.0)?;
        Ok(rendering.text)
    }
}

// === impl rendering ===

struct Rendering<'v> {
    frames: Vec<Frame<'v>>,
    text: String,
    /// Of `text`.
    chars: usize,
    work: usize,
}

/// An item that is being walked over; the outermost is the view.
struct Frame<'v> {
    value: &'v Json,
    key: Option<&'v str>,
    index: usize,
    is_last: bool,
}

impl<'v> Rendering<'v> {
    fn parts(&mut self, parts: &[Part]) -> Result<(), MessageError> {
        for part in parts {
            self.spend(1)?;
            match part {
                Part::Text(text) => self.push(text)?,
                Part::Value(value) => self.put(value)?,
                Part::Choice { arms, otherwise } => self.choose(arms, otherwise)?,
                Part::Each { list, body, otherwise } => self.each(list, body, otherwise.as_deref())?,
            }
        }
        Ok(())
    }

    fn choose(&mut self, arms: &[(Test, Vec<Part>)], otherwise: &[Part]) -> Result<(), MessageError> {
        for (test, parts) in arms {
            if self.holds(test)? {
                return self.parts(parts);
            }
        }
        self.parts(otherwise)
    }

    fn each(&mut self, list: &Value, body: &[Part], otherwise: Option<&[Part]>) -> Result<(), MessageError> {
        let found = match self.get(list)? {
            // What is walked over stands in the view.
            Some(Cow::Borrowed(found)) => Some(found),
            _ => None,
        };
        let is_empty = match found {
            Some(Json::Array(items)) => items.is_empty(),
            Some(Json::Object(fields)) => fields.is_empty(),
            Some(_) => {
                return Err(MessageError::WrongKind {
                    path: list.path.clone(),
                });
            }
            None if otherwise.is_none() => return Err(list.missing()),
            None => true,
        };
        match found {
            _ if is_empty => self.parts(otherwise.unwrap_or_default()),
            Some(Json::Array(items)) => self.walk(items.iter().map(|item| (None, item)), items.len(), body),
            Some(Json::Object(fields)) => {
                let items = fields.iter().map(|(key, value)| (Some(key.as_str()), value));
                self.walk(items, fields.len(), body)
            }
            _ => Ok(()),
        }
    }

    fn walk(
        &mut self,
        items: impl Iterator<Item = (Option<&'v str>, &'v Json)>,
        count: usize,
        body: &[Part],
    ) -> Result<(), MessageError> {
        for (index, (key, value)) in items.enumerate() {
            self.spend(1)?;
            self.frames.push(Frame {
                value,
                key,
                index,
                is_last: index + 1 == count,
            });
            let rendered = self.parts(body);
            self.frames.pop();
            rendered?;
        }
        Ok(())
    }

    /// The value, if it is there.
    fn get(&mut self, value: &Value) -> Result<Option<Cow<'v, Json>>, MessageError> {
        let steps = match &value.source {
            Source::Fields(names) => names.len(),
            _ => 0,
        };
        self.spend(1 + steps)?;
        // A template knows how deep its values stand: `reading` counted.
        let Some(frame) = self.frames.get(value.frame) else {
            return Err(MessageError::WrongKind {
                path: value.path.clone(),
            });
        };
        Ok(match &value.source {
            Source::Fields(names) => {
                let found = names
                    .iter()
                    .try_fold(frame.value, |found, name| found.get(name.as_str()));
                found.filter(|found| !found.is_null()).map(Cow::Borrowed)
            }
            Source::Index => Some(Cow::Owned(frame.index.into())),
            Source::First => Some(Cow::Owned((frame.index == 0).into())),
            Source::Last => Some(Cow::Owned(frame.is_last.into())),
            Source::Key => frame.key.map(|key| Cow::Owned(key.into())),
        })
    }

    fn require(&mut self, value: &Value) -> Result<Cow<'v, Json>, MessageError> {
        self.get(value)?.ok_or_else(|| value.missing())
    }

    fn put(&mut self, value: &Value) -> Result<(), MessageError> {
        match &*self.require(value)? {
            Json::String(text) => self.push(text),
            Json::Number(number) => self.push(&number.to_string()),
            Json::Bool(truth) => self.push(if *truth { "true" } else { "false" }),
            Json::Null | Json::Array(_) | Json::Object(_) => Err(MessageError::WrongKind {
                path: value.path.clone(),
            }),
        }
    }

    /// Whether it fits is known before it is copied.
    fn push(&mut self, text: &str) -> Result<(), MessageError> {
        let left = MAX_OUTPUT - self.chars;
        let chars = text.chars().take(left + 1).count();
        if chars > left {
            return Err(MessageError::TooLong);
        }
        self.chars += chars;
        self.text.push_str(text);
        Ok(())
    }

    fn holds(&mut self, test: &Test) -> Result<bool, MessageError> {
        self.spend(1)?;
        Ok(match test {
            Test::Given(value) => self.get(value)?.is_some_and(|found| is_given(&found)),
            Test::Not(inner) => !self.holds(inner)?,
            Test::All(tests) => {
                for test in tests {
                    if !self.holds(test)? {
                        return Ok(false);
                    }
                }
                true
            }
            Test::Any(tests) => {
                for test in tests {
                    if self.holds(test)? {
                        return Ok(true);
                    }
                }
                false
            }
            Test::Equal(one, other) => {
                let (one, other) = (self.operand(one)?, self.operand(other)?);
                if let (Json::String(one), Json::String(other)) = (&*one, &*other)
                    && one.len() == other.len()
                {
                    self.spend(one.len() / BYTES_PER_WORK)?;
                }
                one == other
            }
        })
    }

    fn operand<'o>(&mut self, operand: &'o Operand) -> Result<Cow<'o, Json>, MessageError>
    where
        'v: 'o,
    {
        match operand {
            Operand::Value(value) => self.require(value),
            Operand::Constant(constant) => Ok(Cow::Borrowed(constant)),
        }
    }

    fn spend(&mut self, work: usize) -> Result<(), MessageError> {
        self.work = self.work.saturating_add(work);
        if self.work > MAX_WORK {
            return Err(MessageError::TooMuchWork);
        }
        Ok(())
    }
}

impl Value {
    fn missing(&self) -> MessageError {
        MessageError::MissingValue {
            path: self.path.clone(),
        }
    }
}

fn is_given(value: &Json) -> bool {
    match value {
        Json::Null => false,
        Json::Bool(truth) => *truth,
        Json::Number(number) => number.as_f64() != Some(0.0),
        Json::String(text) => !text.is_empty(),
        Json::Array(items) => !items.is_empty(),
        Json::Object(fields) => !fields.is_empty(),
    }
}

#[cfg(test)]
mod tests;
