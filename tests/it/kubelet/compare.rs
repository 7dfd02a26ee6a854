//! What counts as the same. Recordings of one kubelet differ too: it waits between once and one and a half times as long as it
//! means to, and looks when something else gives it reason to.
//!
//! - The same sightings in the same order, for each pod.
//! - Each comes after the one before it in the same time, give or take 2.5 s and half of the shorter of the two.
//! - How soon after a failure the back-off shows (`CrashLoopBackOff`, `ImagePullBackOff`) is chance: these sightings have no time
//!   of their own, the next one counts from the one before them, and whether a scrape sees them is chance too.
//! - The same Events; how often, give or take 2 and half of the smaller number.
//! - The same series of kube-state-metrics with the same values, as far as they last for 3 s.

use serde_json::{Value, json};

use super::{
    sight::whose,
    telling::{Sighting, Telling},
};
use crate::differential::difference::Difference;

/// Seconds that may always be between two moments.
const SLACK: f64 = 2.5;

/// Where two tellings differ; the first was recorded.
pub fn find(recorded: &Telling, told: &Telling) -> Vec<Difference> {
    let mut found = Vec::new();
    sightings(&recorded.sightings, &told.sightings, &mut found);
    events(recorded, told, &mut found);
    let (before, now) = (recorded.series.lasting(recorded.ended), told.series.lasting(told.ended));
    let timed = |series: &&String| {
        !["CrashLoopBackOff", "ImagePullBackOff"]
            .iter()
            .any(|word| series.contains(word))
    };
    for series in before.iter().filter(timed).filter(|series| !told.series.had(series)) {
        found.push(difference(format!("metrics.{series}"), Some(json!(true)), None));
    }
    for series in now.iter().filter(timed).filter(|series| !recorded.series.had(series)) {
        found.push(difference(format!("metrics.{series}"), None, Some(json!(true))));
    }
    found
}

fn difference(path: String, real: Option<Value>, simulated: Option<Value>) -> Difference {
    Difference {
        call: 1,
        path,
        real,
        simulated,
    }
}

fn sightings(recorded: &[Sighting], told: &[Sighting], found: &mut Vec<Difference>) {
    let mut subjects: Vec<_> = recorded.iter().chain(told).map(|seen| whose(&seen.text)).collect();
    subjects.sort_unstable();
    subjects.dedup();
    for subject in subjects {
        let of = |all: &[Sighting]| -> Vec<Sighting> {
            let all = all.iter().filter(|seen| whose(&seen.text) == subject);
            all.cloned().collect()
        };
        of_one(&of(recorded), &of(told), found);
    }
}

fn of_one(recorded: &[Sighting], told: &[Sighting], found: &mut Vec<Difference>) {
    let pairs = common(recorded, told);
    let (mut left, mut right) = (0, 0);
    for (one, other) in pairs.iter().copied().chain([(recorded.len(), told.len())]) {
        for seen in &recorded[left..one] {
            found.push(difference(format!("seen.{}", seen.text), Some(json!(seen.at)), None));
        }
        for seen in &told[right..other] {
            found.push(difference(format!("seen.{}", seen.text), None, Some(json!(seen.at))));
        }
        (left, right) = (one + 1, other + 1);
    }
    let timed = pairs.iter().filter(|(one, _)| !without_time(&recorded[*one].text));
    let (mut before, mut now) = (0.0, 0.0);
    for (one, other) in timed {
        let (one, other) = (&recorded[*one], &told[*other]);
        let (took, takes) = (one.at - before, other.at - now);
        if (took - takes).abs() > SLACK + took.min(takes).max(0.0) / 2.0 {
            let (took, takes) = (json!(format!("{took:.1} s")), json!(format!("{takes:.1} s")));
            found.push(difference(format!("time.{}", one.text), Some(took), Some(takes)));
        }
        (before, now) = (one.at, other.at);
    }
}

fn without_time(text: &str) -> bool {
    text.contains(" waiting CrashLoopBackOff") || text.contains(" waiting ImagePullBackOff")
}

/// The longest sequence that is in both, as pairs of positions.
fn common(one: &[Sighting], other: &[Sighting]) -> Vec<(usize, usize)> {
    let mut lengths = vec![vec![0_usize; other.len() + 1]; one.len() + 1];
    for left in (0..one.len()).rev() {
        for right in (0..other.len()).rev() {
            lengths[left][right] = if one[left].text == other[right].text {
                lengths[left + 1][right + 1] + 1
            } else {
                lengths[left + 1][right].max(lengths[left][right + 1])
            };
        }
    }
    let (mut left, mut right, mut pairs) = (0, 0, Vec::new());
    while left < one.len() && right < other.len() {
        if one[left].text == other[right].text {
            pairs.push((left, right));
            (left, right) = (left + 1, right + 1);
        } else if lengths[left + 1][right] >= lengths[left][right + 1] {
            left += 1;
        } else {
            right += 1;
        }
    }
    pairs
}

fn events(recorded: &Telling, told: &Telling, found: &mut Vec<Difference>) {
    for one in &recorded.events {
        let path = format!("events.{}", one.text);
        let Some(other) = told.events.iter().find(|other| other.text == one.text) else {
            found.push(difference(path, Some(json!(one.count)), None));
            continue;
        };
        if one.count.abs_diff(other.count) > 2 + one.count.min(other.count) / 2 {
            found.push(difference(path, Some(json!(one.count)), Some(json!(other.count))));
        }
    }
    for other in &told.events {
        if !recorded.events.iter().any(|one| one.text == other.text) {
            found.push(difference(
                format!("events.{}", other.text),
                None,
                Some(json!(other.count)),
            ));
        }
    }
}
