//! What a Job makes of a pod that failed, and of indices that are done: its policies.

use std::collections::BTreeSet;

use serde_json::Value;

use super::indexes::unranged;

/// What a failure is to its Job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// One more.
    Counts,
    /// None.
    Ignored,
    /// The end of its index.
    FailsIndex,
    /// The end of all of it, and why.
    FailsJob(String),
}

/// What the pod failure policy says of a pod that failed.
pub(super) fn of_failure(job: &Value, pod: &Value) -> Verdict {
    let rules = job["spec"]["podFailurePolicy"]["rules"].as_array();
    for (index, rule) in rules.into_iter().flatten().enumerate() {
        let Some(what) = by_exit_code(rule, pod).or_else(|| by_condition(rule, pod)) else {
            continue;
        };
        match rule["action"].as_str() {
            Some("Ignore") => return Verdict::Ignored,
            Some("FailIndex") if job["spec"]["backoffLimitPerIndex"].is_i64() => return Verdict::FailsIndex,
            Some("FailIndex") => {}
            Some("FailJob") => {
                return Verdict::FailsJob(format!("{what} matching FailJob rule at index {index}"));
            }
            _ => return Verdict::Counts,
        }
    }
    Verdict::Counts
}

fn words(pod: &Value) -> String {
    let text = |field: &str| pod["metadata"][field].as_str().unwrap_or_default();
    format!("{}/{}", text("namespace"), text("name"))
}

fn by_exit_code(rule: &Value, pod: &Value) -> Option<String> {
    let wanted = &rule["onExitCodes"];
    let values = wanted["values"].as_array()?;
    let statuses = ["containerStatuses", "initContainerStatuses"]
        .into_iter()
        .flat_map(|field| pod["status"][field].as_array().into_iter().flatten());
    for status in statuses {
        let code = &status["state"]["terminated"]["exitCode"];
        let named = wanted["containerName"].is_null() || wanted["containerName"] == status["name"];
        let fits = values.contains(code) == (wanted["operator"] == "In");
        if named && fits && code.as_i64().is_some_and(|code| code != 0) {
            let name = status["name"].as_str().unwrap_or_default();
            return Some(format!(
                "Container {name} for pod {} failed with exit code {code}",
                words(pod)
            ));
        }
    }
    None
}

fn by_condition(rule: &Value, pod: &Value) -> Option<String> {
    let patterns = rule["onPodConditions"].as_array()?;
    let conditions = pod["status"]["conditions"].as_array()?;
    let found = conditions.iter().find(|condition| {
        patterns.iter().any(|pattern| {
            let status = pattern["status"].as_str().unwrap_or("True");
            condition["type"] == pattern["type"] && condition["status"] == status
        })
    })?;
    let kind = found["type"].as_str().unwrap_or_default();
    Some(format!("Pod {} has condition {kind}", words(pod)))
}

/// Which rule of the success policy is met by the indices that are done.
pub(super) fn of_success(job: &Value, done: &BTreeSet<i64>) -> Option<String> {
    let rules = job["spec"]["successPolicy"]["rules"].as_array()?;
    let met = |rule: &Value| {
        let wanted = rule["succeededIndexes"].as_str().map(unranged);
        let count = rule["succeededCount"].as_i64();
        let counted: BTreeSet<i64> = match &wanted {
            Some(wanted) => wanted.intersection(done).copied().collect(),
            None => done.clone(),
        };
        match (count, &wanted) {
            (Some(count), _) => i64::try_from(counted.len()).unwrap_or_default() >= count,
            (None, Some(wanted)) => counted.len() == wanted.len(),
            (None, None) => false,
        }
    };
    let index = rules.iter().position(met)?;
    Some(format!("Matched rules at index {index}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_rule_that_fits_says_what_a_failure_is() {
        let job = json!({"spec": {"podFailurePolicy": {"rules": [
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
            {"action": "FailJob", "onExitCodes": {"operator": "NotIn", "values": [1]}},
        ]}}});
        let pod = |code: i64, condition: &str| {
            json!({"metadata": {"namespace": "n", "name": "p"}, "status": {
                "conditions": [{"type": condition, "status": "True"}],
                "containerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": code}}}]}})
        };
        assert_eq!(of_failure(&job, &pod(2, "DisruptionTarget")), Verdict::Ignored);
        assert_eq!(of_failure(&job, &pod(1, "Ready")), Verdict::Counts);
        let why = "Container c for pod n/p failed with exit code 2 matching FailJob rule at index 1";
        assert_eq!(of_failure(&job, &pod(2, "Ready")), Verdict::FailsJob(why.to_owned()));
    }

    #[test]
    fn enough_indices_are_a_success() {
        let job = |rule: Value| json!({"spec": {"successPolicy": {"rules": [rule]}}});
        let done = BTreeSet::from([0, 2]);
        let met = |rule: Value| of_success(&job(rule), &done).is_some();
        assert!(met(json!({"succeededIndexes": "0,2"})));
        assert!(!met(json!({"succeededIndexes": "0-2"})));
        assert!(met(json!({"succeededIndexes": "0-2", "succeededCount": 2})));
        assert!(!met(json!({"succeededCount": 3})));
    }
}
