//! Text between quotes, and values, as Go prints them.

use serde_json::Value;

/// A text in double quotes.
pub fn quoted(text: &str) -> String {
    let inner: String = text
        .chars()
        .map(|letter| match letter {
            '"' => "\\\"".to_owned(),
            other => escaped(other),
        })
        .collect();
    format!("\"{inner}\"")
}

/// A letter between quotes of another kind.
pub fn escaped(letter: char) -> String {
    let code = u32::from(letter);
    match letter {
        '\\' => "\\\\".to_owned(),
        '\u{7}' => "\\a".to_owned(),
        '\u{8}' => "\\b".to_owned(),
        '\u{c}' => "\\f".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        '\u{b}' => "\\v".to_owned(),
        _ if code < 0x20 || code == 0x7f => format!("\\x{code:02x}"),
        // Not printed: what controls, the space that does not break, and the hyphen that is not seen.
        _ if letter.is_control() || matches!(code, 0xa0 | 0xad) => format!("\\u{code:04x}"),
        other => other.to_string(),
    }
}

/// A value as Go prints it with `%v`.
pub fn go_map(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{name}:{}", go_map(value)))
                .collect();
            format!("map[{}]", fields.join(" "))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(go_map).collect();
            format!("[{}]", items.join(" "))
        }
        Value::String(text) => text.clone(),
        Value::Null => "<nil>".to_owned(),
        other => other.to_string(),
    }
}

#[test]
fn what_cannot_be_printed_is_escaped() {
    for (text, shown) in [
        ("a", r#""a""#),
        ("a\"b\\", r#""a\"b\\""#),
        ("\0\u{7}\n\u{7f}", r#""\x00\a\n\x7f""#),
        ("\u{9e}ü'", "\"\\u009eü'\""),
    ] {
        assert_eq!(quoted(text), shown);
    }
}
