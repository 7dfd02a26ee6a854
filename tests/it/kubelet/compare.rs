//! What counts as the same. Recordings of one kubelet differ too: it waits between once and one and a half times as long as it
//! means to, and looks when something else gives it reason to.
//!
//! - The same sightings in the same order, for each pod.
//! - Each comes after the one before it in the same time, give or take 2.5 s and half of the shorter of the two.
//! - How soon after a failure the back-off shows (`CrashLoopBackOff`, `ImagePullBackOff`) is chance: these sightings have no time
//!   of their own, the next one counts from the one before them, and whether a scrape sees them is chance too.
//! - Between two tellings of a real kubelet what lasted for less than a second may be missing: it writes what is there when it comes
//!   to writing. The simulated one has to show it.
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

/// How long something must have been there to be written by a real kubelet in any case.
const PASSING: f64 = 1.0;

/// Who tells a story again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Teller {
    Simulated,
    Real,
}

/// Where a telling differs from what was recorded.
pub fn find(recorded: &Telling, told: &Telling, teller: Teller) -> Vec<Difference> {
    let mut found = Vec::new();
    sightings((&recorded.sightings, &told.sightings), teller, &mut found);
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

fn sightings((recorded, told): (&[Sighting], &[Sighting]), teller: Teller, found: &mut Vec<Difference>) {
    let mut subjects: Vec<_> = recorded.iter().chain(told).map(|seen| whose(&seen.text)).collect();
    subjects.sort_unstable();
    subjects.dedup();
    for subject in subjects {
        let of = |all: &[Sighting]| -> Vec<Sighting> {
            let all = all.iter().filter(|seen| whose(&seen.text) == subject);
            all.cloned().collect()
        };
        of_one((&of(recorded), &of(told)), teller, found);
    }
}

fn of_one((recorded, told): (&[Sighting], &[Sighting]), teller: Teller, found: &mut Vec<Difference>) {
    let passing = |all: &[Sighting], index: usize| {
        let next = all.get(index + 1);
        teller == Teller::Real && next.is_some_and(|next| next.at - all[index].at < PASSING)
    };
    let pairs = common(recorded, told);
    let (mut left, mut right) = (0, 0);
    for (one, other) in pairs.iter().copied().chain([(recorded.len(), told.len())]) {
        for index in (left..one).filter(|index| !passing(recorded, *index)) {
            let seen = &recorded[index];
            found.push(difference(format!("seen.{}", seen.text), Some(json!(seen.at)), None));
        }
        for index in (right..other).filter(|index| !passing(told, *index)) {
            let seen = &told[index];
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

#[cfg(test)]
mod tests {
    use super::*;

    fn telling(seen: &[(f64, &str)]) -> Telling {
        let seen = seen.iter().map(|(at, text)| Sighting {
            at: *at,
            text: (*text).to_owned(),
        });
        let mut telling = Telling::default();
        telling.sightings.extend(seen);
        telling
    }

    fn paths(recorded: &[(f64, &str)], told: &[(f64, &str)]) -> Vec<String> {
        let found = find(&telling(recorded), &telling(told), Teller::Simulated);
        found.into_iter().map(|difference| difference.path).collect()
    }

    #[test]
    fn what_is_missing_or_late_is_a_difference() {
        let all = [(0.0, "up"), (20.0, "down"), (30.0, "up again")];
        assert_eq!(paths(&all, &all), [] as [&str; 0]);
        assert_eq!(paths(&all, &[all[0], all[2]]), ["seen.down"]);
        assert_eq!(paths(&[all[0], all[2]], &all), ["seen.down"]);
        assert_eq!(
            paths(&all, &[all[0], (32.0, "down"), (40.0, "up again")]),
            [] as [&str; 0]
        );
        let late = [all[0], (33.0, "down"), (43.0, "up again")];
        assert_eq!(paths(&all, &late), ["time.down"]);
    }

    #[test]
    fn a_back_off_may_begin_to_show_at_any_moment_but_what_follows_it_has_its_time() {
        let shown = |at| {
            [
                (0.0, "a terminated"),
                (at, "a waiting CrashLoopBackOff"),
                (80.0, "a running"),
            ]
        };
        assert_eq!(paths(&shown(1.0), &shown(79.0)), [] as [&str; 0]);
        let late = [
            (0.0, "a terminated"),
            (1.0, "a waiting CrashLoopBackOff"),
            (200.0, "a running"),
        ];
        assert_eq!(paths(&shown(1.0), &late), ["time.a running"]);
    }

    #[test]
    fn only_a_real_kubelet_may_leave_out_what_passes() {
        let (all, less) = ([(0.0, "a"), (0.4, "b"), (0.8, "c")], [(0.0, "a"), (0.8, "c")]);
        assert_eq!(paths(&all, &less), ["seen.b"]);
        let found = find(&telling(&all), &telling(&less), Teller::Real);
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn pods_that_do_something_at_the_same_time_have_no_order() {
        let one = [(1.0, "first: gone"), (1.0, "second: up")];
        assert_eq!(paths(&one, &[one[1], one[0]]), [] as [&str; 0]);
    }
}
