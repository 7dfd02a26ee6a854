//! The stories as the simulated kubelet tells them, in simulated time.

use jiff::SignedDuration;
use kube::Client;
use serde_json::json;
use simulated_cluster::kubernetes::{
    Simulation, controllers,
    controllers::node,
    resources::{NODES, PODS, REPLICA_SETS},
    world::{ChangeKind, Key},
};

use super::{
    deeds::Api,
    metrics,
    story::{Deed, IMAGE, Story},
    telling::Telling,
};

const NODE: &str = "real-0";
/// How long a node takes to be ready for pods.
const NODE_UP: SignedDuration = SignedDuration::from_secs(20);
/// How long Events may take after what they are about.
const AFTERWARDS: u32 = 3;

/// Tells a story.
pub fn tell(story: &Story) -> Telling {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(told(story))
}

fn hush(simulation: &Simulation, silent: bool) {
    let script = json!({"silent": silent, "images": [IMAGE]}).to_string();
    simulation.with(|world| {
        let change = |node: &mut serde_json::Value| node["metadata"]["annotations"][node::ANNOTATION] = script.into();
        world.update(&Key::new(NODES, "", NODE), "test", change).unwrap();
    });
}

async fn told(story: &Story) -> Telling {
    let simulation = controllers::start("2026-03-01T12:00:00Z".parse().unwrap(), 7);
    let namespace = story.name.as_str();
    simulation.with(|world| {
        world.create_namespace(namespace).unwrap();
        let mut object = node::node(NODE, "", ("4", "16Gi", 110));
        object["metadata"]["annotations"][node::ANNOTATION] = json!({"images": [IMAGE]}).to_string().into();
        world.create(NODES, object, "test").unwrap();
    });
    simulation.advance(simulation.now() + NODE_UP);
    let client = Client::new(simulation.service(), "default");
    let api = Api {
        client: &client,
        namespace,
    };
    for object in &story.before {
        api.make(object).await;
    }
    simulation.advance(simulation.now() + SignedDuration::from_secs(1));
    let begun = simulation.now();
    let mut telling = Telling::default();
    let mut revision = simulation.with(|world| world.revision());
    api.make(&story.object()).await;
    let mut end = story.longest();
    let mut over = false;
    let mut second = 0;
    while second < end {
        second += 1;
        simulation.advance(begun + SignedDuration::from_secs(second.into()));
        see(&simulation, &mut telling, begun, &mut revision);
        if !over && story.restarts().is_some_and(|wanted| telling.restarts() >= wanted) {
            (over, end) = (true, second + AFTERWARDS);
        }
        for then in story.then.iter().filter(|then| then.at == second) {
            match then.r#do {
                Deed::KillKubelet => hush(&simulation, true),
                Deed::StartKubelet => hush(&simulation, false),
                deed => {
                    if let Some(answer) = api.carry_out(deed).await {
                        telling.hear_answer(second.into(), &answer);
                    }
                }
            }
        }
    }
    telling.ended = second.into();
    telling.hear(&api.list("events").await, begun);
    telling.end_with(story.restarts());
    telling
}

/// What has changed since the last look.
fn see(simulation: &Simulation, telling: &mut Telling, begun: jiff::Timestamp, revision: &mut u64) {
    simulation.with(|world| {
        let of = |resource| world.events_since(resource, *revision).expect("a second is remembered");
        let mut events: Vec<_> = of(PODS).chain(of(REPLICA_SETS)).collect();
        events.sort_by_key(|event| event.revision);
        for event in events {
            let at = event.at.duration_since(begun).as_secs_f64();
            let object = event.object.value();
            if event.object.key().resource == REPLICA_SETS {
                telling.set(at, &object);
                continue;
            }
            let gone = event.kind == ChangeKind::Deleted;
            telling.pod(at, &object, gone);
            telling.series.see(
                at,
                &if gone {
                    metrics::Values::new()
                } else {
                    metrics::of(&object)
                },
            );
        }
        *revision = world.revision();
    });
}
