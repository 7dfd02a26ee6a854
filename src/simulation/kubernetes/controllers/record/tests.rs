#![allow(clippy::unwrap_used)]

use super::*;
use crate::kubernetes::{resources::CONFIGMAPS, run::Simulation};

fn simulation() -> (Simulation, About) {
    let simulation = Simulation::new("2026-11-24T10:00:00Z".parse().unwrap(), 7);
    simulation.add(EventLife::default());
    let map = json!({"metadata": {"name": "m", "namespace": "default"}});
    let about = simulation.with(|world| About::object(&world.create(CONFIGMAPS, map, "test").unwrap()));
    (simulation, about)
}

fn events(world: &World) -> Vec<(String, i64)> {
    let events = world.list(EVENTS, None).map(|event| event.value());
    events
        .map(|event| {
            (
                event["message"].as_str().unwrap().to_owned(),
                event["count"].as_i64().unwrap(),
            )
        })
        .collect()
}

#[test]
fn counts_what_repeats_and_combines_what_is_similar() {
    let (simulation, about) = simulation();
    let mut recorder = Recorder::core("test", "test");
    let mut world = simulation.world();
    for _ in 0..3 {
        recorder.record(&mut world, &about, Kind::Normal, "Same", "again");
    }
    assert_eq!(events(&world), [("again".to_owned(), 3)]);
    for number in 0..12 {
        recorder.record(&mut world, &about, Kind::Normal, "Other", &format!("number {number}"));
    }
    let all = events(&world);
    assert_eq!(all.len(), 1 + 9 + 1);
    assert_eq!(
        all.last().unwrap(),
        &("(combined from similar events): number 11".to_owned(), 3)
    );
}

#[test]
fn one_object_cannot_flood_the_events() {
    let (simulation, about) = simulation();
    let mut recorder = Recorder::core("test", "test");
    let mut world = simulation.world();
    for _ in 0..40 {
        recorder.record(&mut world, &about, Kind::Warning, "Unhealthy", "no answer");
    }
    assert_eq!(events(&world), [("no answer".to_owned(), 25)]);
}

#[test]
fn an_event_ends_an_hour_after_it_was_written_last() {
    let (simulation, about) = simulation();
    let mut recorder = Recorder::core("test", "test");
    let start = simulation.now();
    simulation.with(|world| recorder.record(world, &about, Kind::Normal, "Same", "again"));
    simulation.advance(start + SignedDuration::from_mins(30));
    simulation.with(|world| recorder.record(world, &about, Kind::Normal, "Same", "again"));
    simulation.advance(start + SignedDuration::from_mins(89));
    assert_eq!(simulation.with(|world| world.count(EVENTS)), 1);
    simulation.advance(start + SignedDuration::from_mins(91));
    assert_eq!(simulation.with(|world| world.count(EVENTS)), 0);
}
