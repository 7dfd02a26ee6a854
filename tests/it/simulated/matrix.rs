//! The crash matrix: every scenario again and again, each time with a death at one moment, for every moment there is; and then
//! with everything else that can go wrong at one. The end must be the same.

use std::{
    collections::HashSet,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use simulated_cluster::kubernetes::faults::Fault;

use super::{
    disturbance::{At, Disturbance, Effect},
    moments::Moment,
    prepared::Prepared,
    scenario::Scenario,
    scenarios::{all, named},
    stage::{go_on, play, witness},
    told::{Told, changes},
    without::Without,
};

/// What can go wrong in a story that went well like this, besides deaths: the process is held up at every failpoint, and
/// every request meets the rest once, however often it is repeated.
///
/// Of a crowd, whoever is held up for long is no part any more, and acts for itself: that ends otherwise, and well.
fn disturbances(well: &Told, crowd: bool) -> Vec<Disturbance> {
    let mut disturbances = Vec::new();
    for (number, point) in well.points.iter().enumerate() {
        // Whoever is held up inside a transaction holds up everybody: there is one writer.
        if !point.name().ends_with("BeforeCommit") {
            disturbances.push(Disturbance {
                at: At::Point(number),
                effect: Effect::Freeze(Fault::Held),
            });
        }
    }
    let mut seen = HashSet::new();
    for (number, call) in (0..).zip(&well.calls) {
        let mut effects = Vec::new();
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

/// A scenario, how it goes when nothing goes wrong, and all that can.
struct Story {
    prepared: Prepared,
    well: Told,
    moments: Vec<Moment>,
    disturbances: Vec<Disturbance>,
}

/// One thing that goes wrong in it.
#[derive(Clone, Copy)]
enum Wrong<'a> {
    Death(&'a Moment),
    Other(&'a Disturbance),
}

impl Wrong<'_> {
    /// For how many it stands.
    fn times(&self) -> usize {
        match self {
            Self::Death(moment) => moment.deaths.len(),
            Self::Other(_) => 1,
        }
    }
}

impl Story {
    fn new(scenario: Scenario, without: Option<Without>) -> Self {
        let prepared = Prepared::new(scenario);
        let (well, mut moments) = witness(&prepared, None);
        assert_eq!(
            moments.iter().map(|moment| moment.deaths.len()).sum::<usize>(),
            well.points.len() + 2 * well.calls.len(),
            "some moments were missed"
        );
        if without.is_some() {
            moments = witness(&prepared, without).1;
        }
        Self {
            disturbances: disturbances(&well, prepared.scenario.crowd),
            prepared,
            well,
            moments,
        }
    }

    fn deaths(&self) -> Vec<Wrong<'_>> {
        self.moments.iter().map(Wrong::Death).collect()
    }

    fn others(&self) -> Vec<Wrong<'_>> {
        self.disturbances.iter().map(Wrong::Other).collect()
    }

    fn all(&self) -> Vec<Wrong<'_>> {
        [self.deaths(), self.others()].concat()
    }

    /// What is different about the story with this, in words; nothing, as it must be.
    fn differs(&self, wrong: Wrong<'_>, without: Option<Without>) -> Option<String> {
        let well = &self.well;
        let (mut told, what) = match wrong {
            Wrong::Death(moment) => {
                let told = go_on(&self.prepared, moment, without);
                (told, format!("{:?}", moment.deaths))
            }
            Wrong::Other(disturbance) => {
                let told = play(&self.prepared, Some(disturbance), without);
                (told, format!("{disturbance:?}"))
            }
        };
        if let Wrong::Other(disturbance) = wrong {
            if !disturbance.effect.stops() {
                // An Event that cannot be posted is not posted again; and of a request without an answer the object is told,
                // whatever the answer to its repetition was.
                told.end.events.clone_from(&well.end.events);
            }
            if sends_after_all(disturbance, well) {
                told.end.runs.clone_from(&well.end.runs);
                told.end.events.clone_from(&well.end.events);
            }
        }
        let same = if self.prepared.scenario.crowd {
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
        let name = self.prepared.scenario.name;
        Some(format!("{name}: {what} {wrong}\n{}", told.text))
    }
}

/// A process that is held up between its last look at the lease and the wire sends late; nobody can keep it from that. The uid
/// makes it harmless: what is evicted is the same pod, once. But a run that had given the request up may find its pod gone.
fn sends_after_all(disturbance: &Disturbance, well: &Told) -> bool {
    let At::Call(number) = disturbance.at else { return false };
    matches!(disturbance.effect, Effect::Freeze(Fault::Held)) && changes(&well.calls[number as usize])
}

/// Walks this of the matrix on all cores until so much is wrong that it is enough to know, and comes back with that.
fn walk(
    which: fn(&Story) -> Vec<Wrong<'_>>,
    scenarios: Vec<Scenario>,
    without: Option<Without>,
    enough: usize,
) -> Vec<String> {
    let found = Mutex::new(Vec::new());
    let (mut told, mut stood_for) = (0, 0);
    for scenario in scenarios {
        let story = Story::new(scenario, without);
        let all = which(&story);
        told += all.len();
        stood_for += all.iter().map(Wrong::times).sum::<usize>();
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(|| {
                    while let Some(wrong) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if let Some(words) = story.differs(*wrong, without) {
                            found.lock().unwrap().push(words);
                        }
                        if found.lock().unwrap().len() >= enough {
                            return;
                        }
                    }
                });
            }
        });
        if found.lock().unwrap().len() >= enough {
            break;
        }
    }
    println!("{told} stories in which something goes wrong, for {stood_for} things that do");
    found.into_inner().unwrap()
}

fn all_is_well(which: fn(&Story) -> Vec<Wrong<'_>>) {
    let wrong = walk(which, all(), None, 3);
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn wherever_the_process_dies_the_end_is_the_same() {
    all_is_well(Story::deaths);
}

#[test]
fn whatever_else_goes_wrong_once_the_end_is_the_same() {
    all_is_well(Story::others);
}

/// The matrix is worth something only if it fails when a rule is broken: each is left out in turn, in a scenario in which it
/// matters.
fn bites(without: Without, scenario: &str) {
    let wrong = walk(Story::all, vec![named(scenario)], Some(without), 1);
    assert!(!wrong.is_empty(), "nobody misses {without:?}");
}

#[test]
fn it_fails_without_the_rule_of_resumed_steps() {
    bites(Without::ResumedSteps, "healed");
}

#[test]
fn it_fails_without_the_rule_of_unknown_answers() {
    bites(Without::UnknownAnswers, "healed");
}

#[test]
fn it_fails_without_the_lease_check() {
    bites(Without::LeaseCheck, "healed");
}

#[test]
fn it_fails_without_the_uid_in_an_eviction() {
    bites(Without::UidPrecondition, "stateful_set");
}
