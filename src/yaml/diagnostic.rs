//! What is wrong with a file, where, and what to write instead.

use std::fmt::{self, Write as _};

/// One finding in a runbook or the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether the file can be used all the same.
    pub severity: Severity,
    /// The file's path, or the name of an environment variable.
    pub file: String,
    /// 1-based; 0 when it is about the file as a whole.
    pub line: u32,
    /// 1-based, in characters; 0 when it is about the file as a whole.
    pub column: u32,
    /// How many characters it is about.
    pub length: u32,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// The line in question.
    pub snippet: Option<String>,
}

/// Whether a file with a finding can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It can, but it may not do what its author wants.
    Warning,
    /// It cannot.
    Error,
}

impl Severity {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Characters of a long line that are shown.
const WIDTH: usize = 120;

const RESET: &str = "\x1b[0m";
const BOLD: &str = "\x1b[1m";
const BLUE: &str = "\x1b[1;34m";
const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[1;33m";

impl Diagnostic {
    /// An error about a file as a whole.
    pub fn error(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            file: file.into(),
            line: 0,
            column: 0,
            length: 0,
            message: message.into(),
            help: None,
            snippet: None,
        }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Whether the file cannot be used.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// For people at a terminal: the finding, the line that it is about with a mark under it, and what to do.
    pub fn render(&self, colour: bool) -> String {
        let paint = |code: &'static str| if colour { code } else { "" };
        let (reset, bold, blue) = (paint(RESET), paint(BOLD), paint(BLUE));
        let severity = paint(match self.severity {
            Severity::Error => RED,
            Severity::Warning => YELLOW,
        });
        let number = if self.line == 0 {
            String::new()
        } else {
            self.line.to_string()
        };
        let margin = " ".repeat(number.len());
        let mut text = format!(
            "{severity}{}{reset}{bold}: {}{reset}\n",
            self.severity.as_str(),
            printable(&self.message)
        );
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{margin}{blue}-->{reset} {}", self.place());
        if let Some(snippet) = &self.snippet {
            let (line, column) = window(snippet, self.column as usize);
            let rest = line.chars().count().saturating_sub(column);
            let marks = "^".repeat((self.length as usize).clamp(1, rest.max(1)));
            let _ = writeln!(text, "{margin} {blue}|{reset}");
            let _ = writeln!(text, "{blue}{number} |{reset} {}", line.trim_end());
            let _ = writeln!(
                text,
                "{margin} {blue}|{reset} {}{severity}{marks}{reset}",
                " ".repeat(column)
            );
        }
        if let Some(help) = &self.help {
            let _ = writeln!(text, "{margin} {blue}={reset} {bold}help{reset}: {}", printable(help));
        }
        text
    }

    fn place(&self) -> String {
        let file = printable(&self.file);
        match self.line {
            0 => file,
            line => format!("{file}:{line}:{}", self.column),
        }
    }
}

/// On one line, for logs.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place(), printable(&self.message))?;
        match &self.help {
            Some(help) => write!(f, " ({})", printable(help)),
            None => Ok(()),
        }
    }
}

/// A part of the line that has the column in it, and where in the part it is, 0-based.
fn window(line: &str, column: usize) -> (String, usize) {
    let chars: Vec<char> = printable(line).chars().collect();
    let column = column.saturating_sub(1).min(chars.len());
    if chars.len() <= WIDTH {
        return (chars.into_iter().collect(), column);
    }
    let start = column.saturating_sub(WIDTH / 2);
    let end = (start + WIDTH).min(chars.len());
    let before = if start > 0 { "…" } else { "" };
    let after = if end < chars.len() { "…" } else { "" };
    let part: String = chars[start..end].iter().collect();
    (
        format!("{before}{part}{after}"),
        column - start + before.chars().count(),
    )
}

/// A file must not move the reader's cursor or colour the terminal: every other character stands for itself.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\t' => ' ',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding() -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            file: "runbooks/a.yaml".to_owned(),
            line: 12,
            column: 5,
            length: 7,
            message: "`coldown` is not a field of `guards`".to_owned(),
            help: Some("did you mean `cooldown`?".to_owned()),
            snippet: Some("    coldown: 30m".to_owned()),
        }
    }

    #[test]
    fn the_line_is_shown_with_a_mark_under_it() {
        insta::assert_snapshot!(finding().render(false), @r"
        error: `coldown` is not a field of `guards`
          --> runbooks/a.yaml:12:5
           |
        12 |     coldown: 30m
           |     ^^^^^^^
           = help: did you mean `cooldown`?
        ");
        assert!(finding().render(true).starts_with("\x1b[1;31merror\x1b[0m"));
        assert_eq!(
            finding().to_string(),
            "runbooks/a.yaml:12:5: `coldown` is not a field of `guards` (did you mean `cooldown`?)"
        );
    }

    #[test]
    fn a_finding_about_the_whole_file_has_no_line() {
        let whole = Diagnostic::error("a.yaml", "cannot be read").with_help("check its permissions");
        insta::assert_snapshot!(whole.render(false), @r"
        error: cannot be read
        --> a.yaml
         = help: check its permissions
        ");
        assert_eq!(whole.to_string(), "a.yaml: cannot be read (check its permissions)");
    }

    #[test]
    fn a_long_line_is_cut_around_the_mark() {
        let mut long = finding();
        long.snippet = Some(format!("{}HERE{}", "a".repeat(300), "b".repeat(300)));
        (long.column, long.length) = (301, 4);
        let rendered = long.render(false);
        let lines: Vec<&str> = rendered.lines().collect();
        assert_eq!(
            lines[3].find("HERE").map(|at| lines[3][..at].chars().count()),
            lines[4].find('^')
        );
        assert!(lines[3].chars().count() < 130, "{}", lines[3]);
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let mut evil = finding();
        evil.snippet = Some("\u{1b}[2Jx\ty".to_owned());
        evil.message = "a\u{7}b\nc".to_owned();
        let rendered = evil.render(false);
        assert!(!rendered.contains(['\u{1b}', '\u{7}', '\t']), "{rendered}");
    }
}
