//! Where a word of a template stands in its text.

/// 1-based line and column, in characters, as handlebars counts them.
pub(super) type At = (usize, usize);

/// Where the word stands, at or after a place; the place itself if it does not.
///
/// Handlebars knows where an element begins; the word in question stands somewhere after that.
pub(super) fn of_word(source: &str, at: At, word: &str) -> At {
    let from = offset(source, at);
    let text = &source[from..];
    let belongs = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '$' | ':' | '.' | '/' | '@');
    let whole = |index: &usize| {
        let before = text[..*index].chars().next_back();
        let after = text[index + word.len()..].chars().next();
        !before.is_some_and(belongs) && !after.is_some_and(belongs)
    };
    if word.is_empty() {
        return at;
    }
    let mut found = text.match_indices(word).map(|(index, _)| index);
    match found.clone().find(whole).or_else(|| found.next()) {
        Some(index) => place(source, from + index),
        None => at,
    }
}

/// Where the next `{{else …}}` after a place begins: handlebars does not say it.
pub(super) fn of_else(source: &str, after: At) -> At {
    let from = offset(source, after);
    let is_else = |index: &usize| {
        let tag = source[index + 2..].trim_start_matches(['~', ' ', '\t', '\r', '\n']);
        tag.starts_with("else") || tag.starts_with('^')
    };
    let mut tags = source[from..].match_indices("{{").map(|(index, _)| from + index);
    match tags.find(|index| *index > from && is_else(index)) {
        Some(index) => place(source, index),
        None => after,
    }
}

/// The byte at a place.
pub(super) fn offset(source: &str, (line, column): At) -> usize {
    let lines = line.saturating_sub(1);
    let start: usize = source.split_inclusive('\n').take(lines).map(str::len).sum();
    let rest = &source[start..];
    let within = rest.char_indices().nth(column.saturating_sub(1));
    start + within.map_or(rest.len(), |(index, _)| index)
}

fn place(source: &str, offset: usize) -> At {
    let before = &source[..offset];
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |index| index + 1);
    (line, before[start..].chars().count() + 1)
}
