//! Each guard is needed: without it a scenario ends otherwise, or breaks a rule.

use std::collections::BTreeSet;

use selfhealer::domain::guard::GUARDS;

use super::{prepared::Prepared, scenarios::named, stage::play, without::Without};

/// A scenario in which each guard matters.
const MISSED_IN: [(&str, &str); 8] = [
    ("protected_namespace", "protected_namespace"),
    ("opted_out", "opted_out"),
    ("resolved", "resolved_in_time"),
    ("paused", "paused"),
    ("root_busy", "root_busy"),
    ("max_attempts", "the_next_pod_crashes"),
    ("cooldown", "cooling_down"),
    ("rate", "too_often"),
];

#[test]
fn every_guard_is_missed_in_a_scenario() {
    let known: BTreeSet<_> = GUARDS.iter().map(|guard| guard.name).collect();
    let tried: BTreeSet<_> = MISSED_IN.iter().map(|(guard, _)| *guard).collect();
    assert_eq!(known, tried);
    for (guard, scenario) in MISSED_IN {
        let prepared = Prepared::new(named(scenario));
        let well = play(&prepared, None, None);
        assert_eq!(well.broken, [] as [String; 0], "{scenario}\n{}", well.text);
        let without = play(&prepared, None, Some(Without::Guard(guard)));
        assert!(
            without.end != well.end || !without.broken.is_empty(),
            "nobody misses {guard} in {scenario}:\n{}",
            without.text
        );
    }
}
