//! Kept evidence as people read it: how it ended in words, what was printed, Events a line each, then the rest as it was kept.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// The text of what `collect` kept.
pub(super) fn text(result: &Value) -> String {
    let parts = [summary(result), logs(result), events(result), rest(result)];
    let parts: Vec<&str> = parts
        .iter()
        .map(|part| part.trim_end())
        .filter(|part| !part.is_empty())
        .collect();
    parts.join("\n\n")
}

fn summary(result: &Value) -> String {
    result["summary"].as_str().unwrap_or_default().replace("; ", "\n")
}

fn logs(result: &Value) -> String {
    let mut text = String::new();
    for log in result["logs"].as_array().into_iter().flatten() {
        let name = log["container"].as_str().unwrap_or_default();
        let run = if log["previous"] == true {
            "the run before of "
        } else {
            ""
        };
        let _ = match (log["text"].as_str(), log["absent"].as_str()) {
            (Some(""), _) => writeln!(text, "--- {run}container {name} printed nothing"),
            (Some(printed), _) => writeln!(text, "--- {run}container {name} printed\n{}", printed.trim_end()),
            (None, why) => writeln!(text, "--- no log of {run}container {name}: {}", why.unwrap_or_default()),
        };
    }
    text
}

fn events(result: &Value) -> String {
    let mut text = String::new();
    for event in result["events"].as_array().into_iter().flatten() {
        let word = |field: &str| event[field].as_str().unwrap_or_default();
        let count = match event["count"].as_i64() {
            Some(count) if count > 1 => format!(" ×{count}"),
            _ => String::new(),
        };
        let line = format!(
            "{} {} {}{count}: {}\n",
            word("at"),
            word("type"),
            word("reason"),
            word("message")
        );
        text.push_str(line.trim_start());
    }
    text
}

fn rest(result: &Value) -> String {
    let rest: Map<String, Value> = result
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, value)| match name.as_str() {
            "summary" | "logs" => false,
            "events" => !value.is_array(),
            _ => true,
        })
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if rest.is_empty() {
        return String::new();
    }
    serde_json::to_string_pretty(&rest).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_matters_most_comes_first() {
        let evidence = json!({
            "events": [{"at": "2026-03-01T03:11:40Z", "type": "Warning", "reason": "BackOff", "count": 4, "message": "restarting"}],
            "logs": [
                {"container": "app", "previous": false, "text": "lock is held\n"},
                {"container": "app", "previous": true, "text": ""},
                {"container": "proxy", "previous": false, "absent": "not found"},
            ],
            "object": {"kind": "Pod"},
            "summary": "container proxy: Error, exit code 2; container app: Error, exit code 3, 4 restarts",
        });
        let expected = "container proxy: Error, exit code 2\ncontainer app: Error, exit code 3, 4 restarts\n\n\
                        --- container app printed\nlock is held\n--- the run before of container app printed nothing\n\
                        --- no log of container proxy: not found\n\n\
                        2026-03-01T03:11:40Z Warning BackOff ×4: restarting\n\n{\n  \"object\": {\n    \"kind\": \"Pod\"\n  }\n}";
        assert_eq!(text(&evidence), expected);
        assert_eq!(text(&json!({})), "");
    }
}
