//! Templates in a runbook's values: `{{labels.namespace}}`. The one user of handlebars.
//!
//! Messages have larger templates that see more and may walk lists: those are in [`message`].
//!
//! Strict: a value that the alert does not have is an error, never an empty string. Nothing is escaped, because the
//! results are names and not HTML, and what a label says is data: a `{{` in it is not read again. Only [`ROOTS`],
//! [`BLOCKS`] and [`TESTS`] exist, so everything that can be known to be wrong is known when the runbook is read.
//!
//! Handlebars reads the template; what it read is then turned into the few forms that are allowed here, and those are
//! rendered without its intermediate JSON: an alert storm renders two templates for every alert, and a test inside
//! an `if` names the label that is missing. A test holds the results equal to handlebars' own, with one exception: an
//! absent value inside `and`, `or` and `not` is false, as it is in a plain `if`, where handlebars would fail.

pub mod message;
mod place;
mod reading;

use std::{collections::BTreeMap, sync::Arc};

use thiserror::Error;

/// What a value may begin with: the alert's labels and its annotations.
pub const ROOTS: &[&str] = &["labels", "annotations"];
/// The blocks that a template may use.
pub const BLOCKS: &[&str] = &["if", "unless"];
/// The tests that may stand in a block: `{{#if (eq labels.tier "web")}}`.
pub const TESTS: &[&str] = &["eq", "ne", "and", "or", "not"];
/// A template may not be longer, in bytes. It also bounds how deep it can nest, and so the stack that it needs.
pub const MAX_LENGTH: usize = 1024;

/// Handlebars reads recursively; what [`MAX_LENGTH`] allows needs more than a thread's own stack.
const STACK: usize = 32 << 20;

/// A template that was checked, ready to be rendered any number of times.
#[derive(Clone, Debug)]
pub struct Template(Arc<[Part]>);

#[derive(Debug)]
enum Part {
    Text(String),
    Value(Value),
    Choice {
        test: Test,
        then: Vec<Part>,
        otherwise: Vec<Part>,
    },
}

/// A label or an annotation.
#[derive(Debug)]
struct Value {
    root: Root,
    name: String,
    /// As written.
    path: String,
}

#[derive(Clone, Copy, Debug)]
enum Root {
    Labels,
    Annotations,
}

/// What decides between two parts.
#[derive(Debug)]
enum Test {
    /// The value is there and not empty.
    Given(Value),
    Not(Box<Test>),
    All(Vec<Test>),
    Any(Vec<Test>),
    Equal(Operand, Operand),
}

#[derive(Debug)]
enum Operand {
    Value(Value),
    Text(String),
}

/// Why a template cannot be used, and where in its own text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct TemplateError {
    /// What is wrong and what to do about it.
    pub message: String,
    /// 1-based.
    pub line: u32,
    /// 1-based, in characters.
    pub column: u32,
}

/// Why a template has no text for this alert.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RenderError {
    /// The alert does not have what the template names.
    #[error("the alert has no `{path}`")]
    MissingValue {
        /// As written in the template: `labels.deployment`.
        path: String,
    },
}

impl Template {
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

    /// The template's text for one alert.
    pub fn render(
        &self,
        labels: &BTreeMap<String, String>,
        annotations: &BTreeMap<String, String>,
    ) -> Result<String, RenderError> {
        let mut text = String::new();
        Alert { labels, annotations }.render(&self.0, &mut text)?;
        Ok(text)
    }

    /// The text, if it is the same for every alert.
    pub fn literal(&self) -> Option<&str> {
        match &*self.0 {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }
}

// === impl rendering ===

/// What a template sees.
struct Alert<'a> {
    labels: &'a BTreeMap<String, String>,
    annotations: &'a BTreeMap<String, String>,
}

impl<'a> Alert<'a> {
    fn render(&self, parts: &[Part], text: &mut String) -> Result<(), RenderError> {
        for part in parts {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Value(value) => text.push_str(self.require(value)?),
                Part::Choice { test, then, otherwise } => {
                    self.render(if self.holds(test)? { then } else { otherwise }, text)?;
                }
            }
        }
        Ok(())
    }

    fn get(&self, value: &Value) -> Option<&'a str> {
        let map = match value.root {
            Root::Labels => self.labels,
            Root::Annotations => self.annotations,
        };
        map.get(&value.name).map(String::as_str)
    }

    fn require(&self, value: &Value) -> Result<&'a str, RenderError> {
        self.get(value).ok_or_else(|| RenderError::MissingValue {
            path: value.path.clone(),
        })
    }

    fn holds(&self, test: &Test) -> Result<bool, RenderError> {
        Ok(match test {
            Test::Given(value) => self.get(value).is_some_and(|text| !text.is_empty()),
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
            Test::Equal(one, other) => self.operand(one)? == self.operand(other)?,
        })
    }

    fn operand<'t>(&self, operand: &'t Operand) -> Result<&'t str, RenderError>
    where
        'a: 't,
    {
        match operand {
            Operand::Value(value) => self.require(value),
            Operand::Text(text) => Ok(text),
        }
    }
}

#[cfg(test)]
mod tests;
