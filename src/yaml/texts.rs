//! Templates and expressions in a document, and the place of a mistake within one.

use super::{
    node::{At, Node},
    reader::Reader,
};
use crate::{
    cel::Expression,
    domain::runbook::Text,
    render::{Template, message::MessageTemplate},
};

/// A template, checked.
pub(super) fn template(reader: &mut Reader<'_>, node: &Node, name: &str) -> Option<(Text, Template)> {
    let source = reader.text(node, name)?;
    match Template::compile(source) {
        Ok(template) => Some((text(reader, node, source), template)),
        Err(error) => {
            let at = place_within(reader, node, source, error.line, error.column);
            reader.error(at, error.message, "");
            None
        }
    }
}

/// A message's template, checked.
pub(super) fn message(reader: &mut Reader<'_>, node: &Node, name: &str) -> Option<(Text, MessageTemplate)> {
    let source = reader.text(node, name)?;
    match MessageTemplate::compile(source) {
        Ok(template) => Some((text(reader, node, source), template)),
        Err(error) => {
            let at = place_within(reader, node, source, error.line, error.column);
            reader.error(at, error.message, "");
            None
        }
    }
}

/// An expression, checked.
pub(super) fn expression(reader: &mut Reader<'_>, node: &Node, name: &str) -> Option<(Text, Expression)> {
    let source = reader.text(node, name)?;
    match Expression::compile(source) {
        Ok(expression) => Some((text(reader, node, source), expression)),
        Err(error) => {
            let at = place_within(reader, node, source, error.line, error.column);
            reader.error(at, error.message, "");
            None
        }
    }
}

fn text(reader: &Reader<'_>, node: &Node, source: &str) -> Text {
    let at = first_character(reader, node);
    Text {
        source: source.to_owned(),
        line: at.line,
        column: at.column,
    }
}

/// A quoted value begins after its quote.
fn first_character(reader: &Reader<'_>, node: &Node) -> At {
    let quoted = matches!(reader.char_at(node.at.line, node.at.column), Some('"' | '\''));
    At {
        column: node.at.column + u32::from(quoted),
        ..node.at
    }
}

/// Where a place in a value stands in the file.
///
/// That is plain for a value on one line and for a block (`|`). Folded lines and escapes move characters; if the file
/// does not have the same character there, the value as a whole is shown.
fn place_within(reader: &Reader<'_>, node: &Node, source: &str, line: u32, column: u32) -> At {
    let first = first_character(reader, node);
    let at = At {
        line: first.line + line.saturating_sub(1),
        column: first.column + column.saturating_sub(1),
        length: 1,
        ..first
    };
    let inner: Vec<char> = source
        .lines()
        .nth(line as usize - 1)
        .unwrap_or_default()
        .chars()
        .collect();
    let same = |back: u32| {
        let expected = (column as usize)
            .checked_sub(1 + back as usize)
            .and_then(|index| inner.get(index));
        expected.is_some() && expected.copied() == reader.char_at(at.line, at.column.saturating_sub(back))
    };
    // One past the end has no character of its own.
    let past_end = column as usize == inner.len() + 1;
    if same(0) || (past_end && (inner.is_empty() || same(1))) {
        at
    } else {
        node.at
    }
}
