//! A file's documents: the texts between `---` lines.
//!
//! Split before YAML is read, so that a mistake in one document does not hide the others, and so that a runbook's
//! version depends on its own text alone. YAML forbids `---` at the beginning of a line within any value.

/// One document of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Document<'t> {
    /// Its text, without empty lines around it.
    pub text: &'t str,
    /// The 1-based line of its first character.
    pub line: u32,
}

/// The documents that say something; what is only comments is none.
pub(crate) fn split(text: &str) -> Vec<Document<'_>> {
    let mut documents = Vec::new();
    let mut start = 0;
    let mut start_line = 1;
    let mut offset = 0;
    for (line, number) in text.split_inclusive('\n').zip(1_u32..) {
        let end = offset + line.len();
        if let Some(rest) = separator(line) {
            push(&mut documents, &text[start..offset], start_line);
            // A value may follow the marker on its line; it keeps its column because the marker stays with it.
            let has_value = !rest.is_empty() && !rest.starts_with('#');
            (start, start_line) = if has_value { (offset, number) } else { (end, number + 1) };
        }
        offset = end;
    }
    push(&mut documents, &text[start..], start_line);
    documents
}

/// What follows `---` on a line that separates documents.
fn separator(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("---").or_else(|| line.strip_prefix("..."))?;
    (rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n'])).then(|| rest.trim())
}

fn push<'t>(documents: &mut Vec<Document<'t>>, text: &'t str, mut line: u32) {
    let says_something = |line: &str| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('#')
    };
    if !text.lines().any(says_something) {
        return;
    }
    let mut start = 0;
    for blank in text.split_inclusive('\n').take_while(|line| line.trim().is_empty()) {
        start += blank.len();
        line += 1;
    }
    documents.push(Document {
        text: text[start..].trim_end(),
        line,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<(&str, u32)> {
        split(text)
            .into_iter()
            .map(|document| (document.text, document.line))
            .collect()
    }

    #[test]
    fn a_document_is_what_stands_between_the_markers() {
        for (text, expected) in [
            ("", vec![]),
            ("\n# nothing\n---\n# here\n", vec![]),
            ("a: 1", vec![("a: 1", 1)]),
            ("a: 1\n---\nb: 2\n", vec![("a: 1", 1), ("b: 2", 3)]),
            ("---\na: 1\n---\n\n\nb: 2\n\n---\n", vec![("a: 1", 2), ("b: 2", 6)]),
            ("# licence\n---\na: 1\n...\n", vec![("a: 1", 3)]),
            ("--- # first\na: 1\n--- {b: 2}\n", vec![("a: 1", 2), ("--- {b: 2}", 3)]),
            ("a: 1\r\n---\r\nb: 2\r\n", vec![("a: 1", 1), ("b: 2", 3)]),
            ("a: |\n  ---\n  x\nb: ---x", vec![("a: |\n  ---\n  x\nb: ---x", 1)]),
        ] {
            assert_eq!(texts(text), expected, "{text:?}");
        }
    }
}
