//! What the containers of a pod printed: the present run, and the one before where that is wanted.

use serde_json::{Value, json};

use crate::{
    cluster::{Cluster, ClusterError},
    domain::{health::containers, redact, step::Logs, target::Target},
};

/// The most that is kept of one container's run: its end, where it says why.
const LONGEST: usize = 16 * 1024;
/// Containers whose logs are read at the most.
const CONTAINERS: usize = 10;

/// A missing log does not hold up a healing: what was answered instead stands in its place.
pub(super) async fn read(cluster: &Cluster, target: &Target, live: &Value, wanted: Logs) -> Vec<Value> {
    let mut logs = Vec::new();
    for status in containers(live).take(CONTAINERS) {
        let Some(name) = status["name"].as_str() else { continue };
        let restarted = status["restartCount"].as_i64().unwrap_or(0) > 0;
        for previous in [false, true] {
            if previous && !(wanted.previous && restarted) {
                continue;
            }
            let read = cluster.logs(target, name, previous, wanted.tail_lines).await;
            let away = matches!(read, Err(ClusterError::Unavailable { .. }));
            logs.push(match read {
                Ok(text) => json!({"container": name, "previous": previous, "text": end(&redact::credentials(&text))}),
                Err(error) => json!({"container": name, "previous": previous, "absent": error.to_string()}),
            });
            // Whoever could not be reached once is not asked for each container.
            if away {
                return logs;
            }
        }
    }
    logs
}

/// The end of a text, from the beginning of a line where there is one.
fn end(text: &str) -> &str {
    let mut from = text.len().saturating_sub(LONGEST);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let tail = &text[from..];
    match tail.find('\n') {
        Some(line) if from > 0 => &tail[line + 1..],
        _ => tail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_log_is_kept_by_whole_lines() {
        assert_eq!(end("one\ntwo\n"), "one\ntwo\n");
        let long = "ü-line\n".repeat(LONGEST);
        let kept = end(&long);
        assert!(kept.len() <= LONGEST && kept.starts_with("ü-line\n") && kept.ends_with("ü-line\n"));
        let one = "ü".repeat(LONGEST);
        assert!(end(&one).len() <= LONGEST && !end(&one).is_empty());
    }
}
