//! The crash matrix: every scenario again and again, each time with one thing that goes wrong at one moment, for every
//! moment there is. The end must be the same.

use std::{
    collections::HashSet,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use selfhealer::{sabotage::Rule, simulation::kubernetes::faults::Fault};

use super::{
    disturbance::{At, Disturbance, Effect},
    scenario::Scenario,
    scenarios::all,
    stage::{Prepared, Without, play},
    told::{Told, changes},
};

/// So much that is wrong is enough to read at once.
const ENOUGH: usize = 3;

/// What can go wrong in a story that went well like this. A death can come at every durable point and at every call; the
/// rest befalls every request once, however often it is repeated.
///
/// Of a crowd, whoever is held up for long is no part any more, and acts for itself: that ends otherwise, and well.
fn disturbances(well: &Told, crowd: bool) -> Vec<Disturbance> {
    let mut disturbances = Vec::new();
    for (number, point) in well.points.iter().enumerate() {
        // Whoever is held up inside a transaction holds up everybody: there is one writer.
        let effects = if point.name().ends_with("AfterCommit") { 2 } else { 1 };
        let effects = Effect::at_a_point().into_iter().take(effects);
        disturbances.extend(effects.map(|effect| Disturbance {
            at: At::Point(number),
            effect,
        }));
    }
    let mut seen = HashSet::new();
    for (number, call) in (0..).zip(&well.calls) {
        let mut effects = Effect::deaths();
        if changes(call) {
            effects.extend(Effect::at_a_change());
        } else if seen.insert(&call.path) {
            effects.extend(Effect::at_a_read());
        }
        disturbances.extend(effects.into_iter().map(|effect| Disturbance {
            at: At::Call(number),
            effect,
        }));
    }
    disturbances.retain(|disturbance| !crowd || !matches!(disturbance.effect, Effect::Freeze(_)));
    disturbances
}

/// What is different about a story in which something went wrong, in words; nothing, as it must be.
fn differs(prepared: &Prepared, disturbance: &Disturbance, well: &Told, without: Option<Without>) -> Option<String> {
    let mut told = play(prepared, Some(disturbance), without);
    if !disturbance.effect.stops() {
        // An Event that cannot be posted is not posted again; and of a request without an answer the object is told,
        // whatever the answer to its repetition was.
        told.end.events.clone_from(&well.end.events);
    }
    if sends_after_all(disturbance, well) {
        told.end.runs.clone_from(&well.end.runs);
        told.end.events.clone_from(&well.end.events);
    }
    let same = if prepared.scenario.crowd {
        told.end.of_anybody() == well.end.of_anybody()
    } else {
        told.end == well.end
    };
    let wrong = if !told.reached {
        "was never reached".to_owned()
    } else if !told.broken.is_empty() {
        format!("breaks rules: {:#?}", told.broken)
    } else if !same {
        format!("ends otherwise: {:#?}\ninstead of {:#?}", told.end, well.end)
    } else {
        return None;
    };
    Some(format!(
        "{}: {disturbance:?} {wrong}\n{}",
        prepared.scenario.name, told.text
    ))
}

/// A process that is held up between its last look at the lease and the wire sends late; nobody can keep it from that. The uid
/// makes it harmless: what is evicted is the same pod, once. But a run that had given the request up may find its pod gone.
fn sends_after_all(disturbance: &Disturbance, well: &Told) -> bool {
    let At::Call(number) = disturbance.at else { return false };
    matches!(disturbance.effect, Effect::Freeze(Fault::Held)) && changes(&well.calls[number as usize])
}

/// Walks the matrix on all cores, and comes back with what is wrong, or some of it.
fn walk(scenarios: Vec<Scenario>, without: Option<Without>) -> Vec<String> {
    let stories: Vec<_> = scenarios
        .into_iter()
        .map(|scenario| {
            let prepared = Prepared::new(scenario);
            let well = play(&prepared, None, None);
            (prepared, well)
        })
        .collect();
    let cases: Vec<_> = stories
        .iter()
        .flat_map(|(prepared, well)| {
            let disturbances = disturbances(well, prepared.scenario.crowd).into_iter();
            disturbances.map(move |disturbance| (prepared, disturbance, well))
        })
        .collect();
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((prepared, disturbance, well)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Some(wrong) = differs(prepared, disturbance, well, without) {
                        found.lock().unwrap().push(wrong);
                    }
                    if found.lock().unwrap().len() >= ENOUGH {
                        return;
                    }
                }
            });
        }
    });
    println!("{} stories in which something goes wrong", cases.len());
    found.into_inner().unwrap()
}

#[test]
fn whatever_goes_wrong_once_the_end_is_the_same() {
    let wrong = walk(all(), None);
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// The matrix is worth something only if it fails when a rule is broken: each is left out in turn, in a scenario in which it
/// matters.
fn bites(without: Without, scenario: &str) {
    let scenarios: Vec<_> = all().into_iter().filter(|each| each.name == scenario).collect();
    assert_eq!(scenarios.len(), 1, "there is no scenario {scenario}");
    let wrong = walk(scenarios, Some(without));
    assert!(!wrong.is_empty(), "nobody misses {without:?}");
}

#[test]
fn it_fails_without_the_rule_of_resumed_steps() {
    bites(Without::Rule(Rule::ResumedStep), "healed");
}

#[test]
fn it_fails_without_the_rule_of_unknown_answers() {
    bites(Without::Rule(Rule::UnknownAnswer), "healed");
}

#[test]
fn it_fails_without_the_lease_check() {
    bites(Without::Rule(Rule::LeaseCheck), "healed");
}

#[test]
fn it_fails_without_the_uid_in_an_eviction() {
    bites(Without::UidPrecondition, "stateful_set");
}
