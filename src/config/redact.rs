//! Lines of the configuration as they may be shown: a secret that stands where none belongs must not reach a log.

use std::sync::LazyLock;

use regex::Regex;

/// The password of a URL.
static USERINFO: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"://[^/\s@]*@").ok());
/// The value of a field that sounds like a secret, unless it names a file.
static SECRET: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?i)((?:(?:password|passwd|secret|credential|apikey|api_key)s?|token)["']?\s*:\s*)(\S.*)$"#).ok()
});
/// The name of a file that is no path: perhaps what should stand in the file.
static BARE_FILE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?i)(file["']?\s*:\s*)([^\s/,}]+)(\s*(?:[,}].*)?)$"#).ok());

/// The line with everything that may be a secret replaced.
pub(super) fn line(line: &str) -> String {
    let mut shown = line.to_owned();
    for (pattern, replacement) in [
        (&USERINFO, "://***@"),
        (&SECRET, "${1}***"),
        (&BARE_FILE, "${1}***${3}"),
    ] {
        if let Some(pattern) = pattern.as_ref() {
            shown = pattern.replace_all(&shown, replacement).into_owned();
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn what_may_be_a_secret_is_not_shown() {
        for (written, shown) in [
            ("  url: postgres://me:hunter2@db/x", "  url: postgres://***@db/x"),
            ("  password: hunter2", "  password: ***"),
            ("  password: [hunter2]", "  password: ***"),
            ("  - {name: a, token: hunter2}", "  - {name: a, token: ***"),
            ("  slackToken: \"hunter2\"", "  slackToken: ***"),
            ("    file: hunter2", "    file: ***"),
            (
                "  - {name: a, file: hunter2, permissions: [view]}",
                "  - {name: a, file: ***, permissions: [view]}",
            ),
            ("    file: /etc/token", "    file: /etc/token"),
            ("tokens: [{name: a, file: /a}]", "tokens: [{name: a, file: /a}]"),
            ("  tokenFile: /etc/token", "  tokenFile: /etc/token"),
            ("settle: 10s", "settle: 10s"),
        ] {
            assert_eq!(line(written), shown);
        }
    }
}
