//! Texts as chat services want them: escaped, cut where a person would cut, and plain where markup is not read.

/// The longest value of a label, a detail or a name that a message shows.
const LONGEST_VALUE: usize = 600;

/// A value that came from outside, as text in Slack's mrkdwn: nothing in it is markup, a link or a mention.
pub fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in clean(value).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A value that came from outside: of bounded length, without what changes how the rest is shown.
pub fn clean(value: &str) -> String {
    let shown = |c: &char| {
        let invisible =
            matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        !invisible && (*c == '\n' || *c == '\t' || !c.is_control())
    };
    let mut cleaned: String = value.chars().filter(shown).take(LONGEST_VALUE + 1).collect();
    if let Some((at, _)) = cleaned.char_indices().nth(LONGEST_VALUE) {
        cleaned.truncate(at);
        cleaned.push('…');
    }
    cleaned
}

/// Mrkdwn without its markup: for notifications, terminals, and services that read another one.
pub fn plain(mrkdwn: &str) -> String {
    without_markup(mrkdwn, |words, url| format!("{words} ({url})"))
}

/// The same where the link stands elsewhere.
pub fn plain_words(mrkdwn: &str) -> String {
    without_markup(mrkdwn, |words, _| words.to_owned())
}

fn without_markup(mrkdwn: &str, link: impl Fn(&str, &str) -> String) -> String {
    let mut text = String::with_capacity(mrkdwn.len());
    let mut rest = mrkdwn;
    while let Some(start) = rest.find('<') {
        text.push_str(&unmarked(&rest[..start]));
        let Some(end) = rest[start..].find('>') else {
            rest = &rest[start..];
            break;
        };
        let inner = &rest[start + 1..start + end];
        match inner.split_once('|') {
            Some((url, words)) => text.push_str(&link(words, url)),
            None => text.push_str(inner.trim_start_matches('!')),
        }
        rest = &rest[start + end + 1..];
    }
    text.push_str(&unmarked(rest));
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// Without the marks that stand at a word's edge: `*bold*`, `_italic_`, `` `code` ``.
fn unmarked(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at_edge = |index: usize| {
        let before = index.checked_sub(1).map(|index| chars[index]);
        let after = chars.get(index + 1);
        before.is_none_or(|c| !c.is_alphanumeric()) || after.is_none_or(|c| !c.is_alphanumeric())
    };
    chars
        .iter()
        .enumerate()
        .filter(|(index, c)| match c {
            '`' => false,
            '*' | '_' => !at_edge(*index),
            _ => true,
        })
        .map(|(_, c)| c)
        .collect()
}

/// At most so many characters; what is left out is told by an ellipsis.
pub fn cut(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    let (head, _) = split(text, longest.saturating_sub(1));
    format!("{}…", head.trim_end())
}

/// Pieces of at most so many characters each, cut between lines, else between words, never within an entity.
pub fn pieces(text: &str, longest: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut rest = text.trim_end();
    while rest.chars().count() > longest {
        let (head, tail) = split(rest, longest);
        pieces.push(head.trim_end().to_owned());
        rest = tail.trim_start_matches('\n');
    }
    if !rest.trim().is_empty() {
        pieces.push(rest.to_owned());
    }
    pieces
}

/// The longest head of at most so many characters that ends where a text may be cut, and the rest.
fn split(text: &str, longest: usize) -> (&str, &str) {
    let end = text.char_indices().nth(longest).map_or(text.len(), |(at, _)| at);
    let head = &text[..end];
    // A cut that leaves less than half is worse than one within a line.
    let after = |c: char| head.rfind(c).map(|at| at + c.len_utf8()).filter(|at| *at * 2 > end);
    let at = after('\n').or_else(|| after(' ')).unwrap_or_else(|| {
        let entity = head.rfind('&').filter(|at| end - at < 6 && !head[*at..].contains(';'));
        entity.filter(|at| *at > 0).unwrap_or(end)
    });
    text.split_at(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_text_whatever_it_says() {
        for (label, shown) in [
            ("<!channel>", "&lt;!channel&gt;"),
            (
                "<https://evil.example|your bank>",
                "&lt;https://evil.example|your bank&gt;",
            ),
            ("a & b &lt;", "a &amp; b &amp;lt;"),
            ("\u{202e}gnp.exe", "gnp.exe"),
            ("bell\u{7} null\0", "bell null"),
            ("two\nlines", "two\nlines"),
        ] {
            assert_eq!(escape(label), shown);
        }
        assert_eq!(escape(&"x".repeat(100_000)).chars().count(), LONGEST_VALUE + 1);
    }

    #[test]
    fn plain_text_has_no_markup_and_keeps_the_rest() {
        for (mrkdwn, text) in [
            ("*Healed* `cart_1` in 2*3 s", "Healed cart_1 in 2*3 s"),
            (
                "<https://x.example/r/1|run 1>: &lt;b&gt; &amp;amp;",
                "run 1 (https://x.example/r/1): <b> &amp;",
            ),
            ("a < b", "a < b"),
            ("<!here>", "here"),
            ("_so_ snake_case", "so snake_case"),
        ] {
            assert_eq!(plain(mrkdwn), text);
        }
    }

    #[test]
    fn pieces_end_between_lines_else_between_words_and_never_within_an_entity() {
        assert_eq!(pieces("one\ntwo\nthree", 8), ["one\ntwo", "three"]);
        assert_eq!(pieces("one two three", 8), ["one two", "three"]);
        assert_eq!(pieces("abcdefg&amp;", 9), ["abcdefg", "&amp;"]);
        assert_eq!(pieces("", 9), Vec::<String>::new());
        for longest in [7, 9, 40] {
            let text = "ä &amp;&lt; ".repeat(200);
            let all = pieces(&text, longest);
            assert!(all.iter().all(|piece| piece.chars().count() <= longest));
            let squeezed: String = all.concat().split_whitespace().collect();
            assert_eq!(squeezed, text.split_whitespace().collect::<String>());
        }
        assert_eq!(cut("a long headline", 8), "a long…");
    }
}
