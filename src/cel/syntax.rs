//! The parser's complaints in the words of an author.

use cel::ParseErrors;

use super::{ExpressionError, error_at};

/// The first complaint that says something.
pub(super) fn error(source: &str, errors: &ParseErrors) -> ExpressionError {
    // Some nodes complain about what the grammar complains about anyway, and less clearly.
    let vague = |message: &str| message.starts_with("Incomplete") || message.starts_with("unsupported ident");
    let first = errors
        .errors
        .iter()
        .find(|error| !vague(&error.msg))
        .or(errors.errors.first());
    let Some(first) = first else {
        return error_at(1, 1, "this is not an expression");
    };
    if source.contains("{{") {
        return error_at(
            1,
            1,
            "templates do not exist here: write `labels.namespace` without braces",
        );
    }
    let line = usize::try_from(first.pos.0).unwrap_or(1).max(1);
    let column = usize::try_from(first.pos.1).unwrap_or(1).max(1);
    error_at(line, column, message(source, &first.msg, line, column))
}

fn message(source: &str, raw: &str, line: usize, column: usize) -> String {
    if let Some(token) = raw.strip_prefix("Syntax error: token recognition error at: ") {
        return unknown_token(token.trim_matches('\''), token);
    }
    if raw.starts_with("unsupported syntax: '`'") {
        return "a name with other characters stands in brackets: `labels[\"app.kubernetes.io/name\"]`".to_owned();
    }
    if raw == "invalid argument to has() macro" {
        return "`has` takes a field: write for example `has(target.spec.replicas)`".to_owned();
    }
    if raw == "argument must be a simple name" {
        return "the first argument is a new name for each element: write for example `list.all(c, c.ready)`"
            .to_owned();
    }
    if raw.contains("recursion") {
        return "the expression is nested too deep: split it into several".to_owned();
    }
    let Some(complaint) = raw.strip_prefix("Syntax error: ") else {
        return raw.to_owned();
    };
    let here = source.lines().nth(line - 1).unwrap_or_default();
    let rest: String = here.chars().skip(column - 1).collect();
    let last_line = line >= source.lines().count();
    let at_end = last_line && (rest.trim().is_empty() || rest.trim() == ".");
    if at_end || complaint.contains("input '<EOF>'") {
        return "the expression ends too early: something is missing here".to_owned();
    }
    let word = complaint
        .split_once("input '")
        .and_then(|(_, rest)| rest.split_once('\''))
        .map_or(rest.trim(), |(word, _)| word);
    match word {
        "and" => "`and` is not an operator: write &&".to_owned(),
        "or" => "`or` is not an operator: write ||".to_owned(),
        "not" => "`not` is not an operator: write !".to_owned(),
        "is" => "`is` is not an operator: write ==".to_owned(),
        word => format!("`{word}` is not expected here"),
    }
}

fn unknown_token(token: &str, raw: &str) -> String {
    if raw.starts_with("''") || token.starts_with('"') {
        return "the closing quote is missing".to_owned();
    }
    match token.trim_end().chars().next() {
        Some('=') => "`=` is not an operator: write == to compare".to_owned(),
        Some('&') => "`&` is not an operator: write &&".to_owned(),
        Some('|') => "`|` is not an operator: write ||".to_owned(),
        _ => format!("`{}` is not expected here", token.trim_end()),
    }
}
