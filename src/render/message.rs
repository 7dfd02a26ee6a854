//! Templates of messages.

use std::sync::Arc;

use handlebars::{Handlebars, Template as Parsed, no_escape};
use serde_json::Value;

use super::TemplateError;

/// A template of a message.
#[derive(Clone, Debug)]
pub struct MessageTemplate(Arc<Handlebars<'static>>);

/// Why a template has no text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MessageError(String);

impl MessageTemplate {
    /// Reads and checks a template.
    pub fn compile(source: &str) -> Result<Self, TemplateError> {
        let mut registry = Handlebars::new();
        registry.set_strict_mode(true);
        registry.register_escape_fn(no_escape);
        let parsed = Parsed::compile(source).map_err(|error| TemplateError {
            message: error.reason().to_string(),
            line: error.pos().map_or(1, |(line, _)| line as u32),
            column: error.pos().map_or(1, |(_, column)| column as u32),
        })?;
        registry.register_template("message", parsed);
        Ok(Self(Arc::new(registry)))
    }

    /// The text for a view.
    pub fn render(&self, view: &Value) -> Result<String, MessageError> {
        self.0
            .render("message", view)
            .map_err(|error| MessageError(error.reason().to_string()))
    }
}
