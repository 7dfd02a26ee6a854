//! Copies of Prometheus rule files with a shorter `for:`, so that a test need not wait a quarter of an hour.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;

use crate::{Error, keeper::Group, part::write};

/// Copies the files into the group's folder. With `hold`, every alert that has a `for:` gets that one, and groups lose
/// their own `interval:`, so that they are evaluated as often as everything else.
pub(crate) fn copy(group: &Group, files: &[PathBuf], hold: Option<Duration>) -> Result<Vec<PathBuf>, Error> {
    let mut copies = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let text = std::fs::read_to_string(file).map_err(Error::io(format!("reading {}", file.display())))?;
        let text = match hold {
            None => text,
            Some(hold) => held(file, &text, hold)?,
        };
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        copies.push(write(group, &format!("rules-{index}-{name}.yaml"), text)?);
    }
    Ok(copies)
}

/// A duration as Prometheus reads it.
pub(crate) fn duration(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

fn held(file: &Path, text: &str, hold: Duration) -> Result<String, Error> {
    let problem = |problem: String| Error::Rules {
        file: file.into(),
        problem,
    };
    let mut document: Value = serde_saphyr::from_str(text).map_err(|error| problem(error.to_string()))?;
    let groups = document.get_mut("groups").and_then(Value::as_array_mut);
    for group in groups.ok_or_else(|| problem("it has no list of groups".into()))? {
        if let Some(group) = group.as_object_mut() {
            group.remove("interval");
        }
        for rule in group
            .get_mut("rules")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            if let Some(wait) = rule.get_mut("for") {
                *wait = Value::String(duration(hold));
            }
        }
    }
    // JSON is YAML.
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = r#"
groups:
- name: pods
  interval: 1m
  rules:
  - alert: PodNotReady
    expr: |
      kube_pod_status_ready{condition="true"} == 0
        and on() vector(1)
    for: 15m
    labels: {severity: warning}
  - alert: AtOnce
    expr: up == 0
  - record: job:up
    expr: 1
"#;

    #[test]
    fn only_alerts_that_wait_wait_less() {
        let text = held(Path::new("rules.yaml"), RULES, Duration::from_millis(1500)).unwrap();
        let rules: Value = serde_json::from_str(&text).unwrap();
        let group = &rules["groups"][0];
        assert_eq!(group["rules"][0]["for"], "1500ms");
        assert_eq!(group["rules"][0]["labels"]["severity"], "warning");
        assert!(
            group["rules"][0]["expr"]
                .as_str()
                .unwrap()
                .starts_with("kube_pod_status_ready{")
        );
        assert_eq!(group["rules"][1].get("for"), None);
        assert_eq!(group.get("interval"), None);
    }

    #[test]
    fn what_is_no_rule_file_is_named() {
        let error = held(Path::new("x.yaml"), "a: b", Duration::ZERO)
            .unwrap_err()
            .to_string();
        assert_eq!(error, "rule file x.yaml: it has no list of groups");
    }
}
