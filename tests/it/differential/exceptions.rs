//! The differences that are known, each with its reason.

use super::{difference::Difference, language::Case};

const FILE: &str = include_str!("exceptions.txt");

/// The list, and which of it was of use.
pub struct Exceptions(Vec<Exception>);

struct Exception {
    line: &'static str,
    case: &'static str,
    path: &'static str,
    used: bool,
}

impl Exceptions {
    /// Reads the file: `case | path | reason` in each line, where a `*` stands for anything.
    pub fn read() -> Self {
        Self::of(FILE)
    }

    /// The same from another file.
    pub fn of(text: &'static str) -> Self {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(lines.map(exception).collect())
    }

    /// The differences that are not on the list.
    pub fn not_excused(&mut self, case: &Case, differences: Vec<Difference>) -> Vec<Difference> {
        let mut left = differences;
        left.retain(|difference| !self.excuse(case, difference));
        left
    }

    /// Whether a difference is on the list.
    fn excuse(&mut self, case: &Case, difference: &Difference) -> bool {
        let name = case.to_string();
        let mut excused = false;
        for exception in &mut self.0 {
            if matches(exception.case, &name) && matches(exception.path, &difference.path) {
                exception.used = true;
                excused = true;
            }
        }
        excused
    }

    /// What nothing needs.
    pub fn unused(&self) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(|exception| !exception.used)
            .map(|exception| exception.line)
    }
}

fn exception(line: &'static str) -> Exception {
    let parts: Vec<&str> = line.split(" | ").map(str::trim).collect();
    let [case, path, reason] = parts[..] else {
        panic!("an exception is `case | path | reason`: {line}");
    };
    assert!(!reason.is_empty(), "an exception has a reason: {line}");
    Exception {
        line,
        case,
        path,
        used: false,
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[test]
fn a_star_stands_for_anything() {
    for (pattern, text, expected) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("a*", "ab", true),
        ("*b", "ab", true),
        ("a*c*e", "abcde", true),
        ("a*c*e", "abcd", false),
        ("*", "", true),
    ] {
        assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
    }
}
