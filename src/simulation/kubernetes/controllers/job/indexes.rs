//! The indices of an indexed Job: how they are written, and how their pods are told apart.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::kubernetes::world::Object;

/// The label and annotation that say which one a pod works on.
pub(super) const INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// How often the index had failed before, and how often that did not count.
const FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";
const IGNORED: &str = "batch.kubernetes.io/job-index-ignored-failure-count";

/// The index of a pod.
pub(super) fn index(pod: &Object) -> Option<i64> {
    pod.label(INDEX)?.parse().ok()
}

fn counted(pod: &Value, annotation: &str) -> i64 {
    let text = pod["metadata"]["annotations"][annotation].as_str();
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// How often the index of a pod had failed before it.
pub(super) fn failures(pod: &Value) -> i64 {
    counted(pod, FAILURES)
}

/// Writes into a new pod how often its index has failed: `last` is the pod before it, and whether its failure counts.
pub(super) fn note_failures(pod: &mut Value, last: Option<(&Value, bool)>) {
    let (mut failures, mut ignored) = (0, 0);
    if let Some((last, counts)) = last {
        (failures, ignored) = (counted(last, FAILURES), counted(last, IGNORED));
        if counts {
            failures += 1;
        } else {
            ignored += 1;
        }
    }
    let annotations = &mut pod["metadata"]["annotations"];
    annotations[FAILURES] = failures.to_string().into();
    if ignored > 0 {
        annotations[IGNORED] = ignored.to_string().into();
    }
}

/// Numbers as a list of ranges: `0-2,5`.
pub(super) fn ranges(numbers: &BTreeSet<i64>) -> String {
    let mut parts: Vec<(i64, i64)> = Vec::new();
    for number in numbers {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => parts.push((*number, *number)),
        }
    }
    let words: Vec<String> = parts
        .iter()
        .map(|(first, last)| match last - first {
            0 => first.to_string(),
            1 => format!("{first},{last}"),
            _ => format!("{first}-{last}"),
        })
        .collect();
    words.join(",")
}

/// The numbers of such a list.
pub(super) fn unranged(text: &str) -> BTreeSet<i64> {
    let mut numbers = BTreeSet::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<i64>(), last.parse::<i64>()) {
            numbers.extend(first..=last);
        }
    }
    numbers
}
