#![allow(clippy::unwrap_used)]

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::*;
use crate::kubernetes::{
    resources::{CONFIGMAPS, DEPLOYMENTS, NODES, PODS},
    run::{Controller, Simulation},
};

fn start() -> Timestamp {
    "2026-11-24T10:00:00Z".parse().unwrap()
}

fn simulation() -> Simulation {
    Simulation::new(start(), 7)
}

fn pod(name: &str, node: Option<&str>) -> Value {
    let mut pod = json!({
        "metadata": {"name": name, "namespace": "default", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "app", "image": "web:1"}], "terminationGracePeriodSeconds": 30},
    });
    if let Some(node) = node {
        pod["spec"]["nodeName"] = node.into();
    }
    pod
}

#[test]
fn a_change_of_the_spec_is_a_new_generation_and_one_of_the_status_is_not() {
    let simulation = simulation();
    let mut world = simulation.world();
    let deployment = json!({"metadata": {"name": "web", "namespace": "default"}, "spec": {"replicas": 1}});
    let made = world.create(DEPLOYMENTS, deployment, "test").unwrap();
    assert_eq!(made.generation(), 1);
    let key = made.key().clone();
    let set = |field: &'static str| move |object: &mut Value| object[field]["replicas"] = 5.into();
    let grown = world.update(&key, "test", set("spec")).unwrap().unwrap();
    assert_eq!(
        (grown.generation(), grown.value()["status"]["replicas"].clone()),
        (2, Value::Null)
    );
    let seen = world
        .update_status(&key, "test", |status| status["replicas"] = 5.into())
        .unwrap();
    assert_eq!(seen.generation(), 2);
    assert!(seen.revision() > grown.revision());
    let both = |object: &mut Value| {
        object["spec"]["replicas"] = 9.into();
        object["status"]["replicas"] = 9.into();
    };
    let half = world.update_with_status(&key, "test", both).unwrap().unwrap().value();
    assert_eq!(
        (half["spec"]["replicas"].clone(), half["status"]["replicas"].clone()),
        (json!(5), json!(9))
    );
    let revision = world.revision();
    world.update(&key, "test", |_| {}).unwrap();
    assert_eq!(world.revision(), revision, "an equal object is not written");
}

#[test]
fn a_running_pod_ends_gracefully_and_an_unscheduled_one_at_once() {
    let simulation = simulation();
    let mut world = simulation.world();
    let running = world.create(PODS, pod("a", Some("n1")), "test").unwrap().key().clone();
    let deleted = world.delete(&running, &DeleteOptions::default()).unwrap();
    assert!(!deleted.gone);
    assert_eq!(deleted.object["metadata"]["deletionTimestamp"], "2026-11-24T10:00:30Z");
    assert_eq!(deleted.object["metadata"]["deletionGracePeriodSeconds"], 30);
    let now = DeleteOptions {
        grace_period: Some(0),
        ..DeleteOptions::default()
    };
    assert!(world.delete(&running, &now).unwrap().gone);
    let waiting = world.create(PODS, pod("b", None), "test").unwrap().key().clone();
    assert!(world.delete(&waiting, &DeleteOptions::default()).unwrap().gone);
    assert_eq!(world.count(PODS), 0);
    assert_eq!(world.pods_on("n1").count(), 0);
}

#[test]
fn finalizers_hold_an_object_until_the_last_one_is_gone() {
    let simulation = simulation();
    let mut world = simulation.world();
    let map = json!({"metadata": {"name": "m", "namespace": "default", "finalizers": ["a/b"]}});
    let key = world.create(CONFIGMAPS, map, "test").unwrap().key().clone();
    assert!(!world.delete(&key, &DeleteOptions::default()).unwrap().gone);
    assert!(world.get(&key).unwrap().deleting());
    let gone = world.update(&key, "test", |object| object["metadata"]["finalizers"] = json!([]));
    assert!(gone.unwrap().is_none());
}

#[test]
fn indexes_follow_the_objects() {
    let simulation = simulation();
    let mut world = simulation.world();
    let mut owned = pod("a", None);
    owned["metadata"]["ownerReferences"] = json!([{"uid": "u1", "controller": true}]);
    let key = world.create(PODS, owned, "test").unwrap().key().clone();
    world.create(PODS, pod("b", None), "test").unwrap();
    assert_eq!(world.owned_by("u1").count(), 1);
    assert_eq!(world.labelled(PODS, "default", &[("app", "web")]).count(), 2);
    world
        .overwrite(&key, |pod| pod["spec"]["nodeName"] = "n1".into())
        .unwrap();
    world
        .update(&key, "test", |pod| {
            pod["metadata"]["labels"] = json!({"app": "other"});
            pod["metadata"]["ownerReferences"] = json!([]);
        })
        .unwrap();
    assert_eq!(world.pods_on("n1").count(), 1);
    assert_eq!(world.owned_by("u1").count(), 0);
    assert_eq!(world.labelled(PODS, "default", &[("app", "web")]).count(), 1);
}

/// Makes one pod for every node, and takes a node's pod away after a minute.
#[derive(Clone)]
struct OnePodPerNode;

impl Controller for OnePodPerNode {
    fn name(&self) -> &'static str {
        "one-pod-per-node"
    }

    fn resources(&self) -> &[ResourceId] {
        &[NODES]
    }

    fn changed(&mut self, world: &mut World, changes: &[Change]) {
        for change in changes.iter().filter(|change| change.kind == ChangeKind::Added) {
            let mut made = pod("", Some(&change.key.name));
            made["metadata"]["generateName"] = "one-".into();
            let key = world.create(PODS, made, self.name()).unwrap().key().clone();
            let at = world.now() + SignedDuration::from_mins(1);
            world.schedule(at, Due::about(self.name(), "end", key));
        }
    }

    fn due(&mut self, world: &mut World, due: &Due) {
        let now = DeleteOptions {
            grace_period: Some(0),
            ..DeleteOptions::default()
        };
        world.delete(due.about.as_ref().unwrap(), &now).unwrap();
    }
}

fn story(seed: u64) -> (Vec<String>, usize) {
    let simulation = Simulation::new(start(), seed);
    simulation.add(OnePodPerNode);
    for node in ["n1", "n2"] {
        let node = json!({"metadata": {"name": node}});
        simulation.with(|world| world.create(NODES, node, "test").unwrap());
    }
    simulation.advance(start() + SignedDuration::from_secs(59));
    let there = simulation.with(|world| {
        world
            .list(PODS, None)
            .map(|pod| String::from_utf8(pod.bytes().to_vec()).unwrap())
            .collect()
    });
    simulation.advance(start() + SignedDuration::from_secs(60));
    (there, simulation.with(|world| world.count(PODS)))
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let (there, left) = story(1);
    assert_eq!((there.len(), left), (2, 0));
    assert_eq!(story(1).0, there);
    assert_ne!(story(2).0, there);
}

#[test]
fn what_is_forgotten_cannot_be_watched() {
    let simulation = simulation();
    let mut world = simulation.world();
    let from = world.revision();
    world.create(PODS, pod("a", None), "test").unwrap();
    world.create(PODS, pod("b", None), "test").unwrap();
    assert_eq!(world.events_since(PODS, from).unwrap().count(), 2);
    world.keep_history(1);
    assert!(world.events_since(PODS, from).is_none());
    assert_eq!(world.events_since(PODS, world.oldest(PODS)).unwrap().count(), 1);
    world.compact();
    assert!(world.events_since(PODS, from).is_none());
    assert_eq!(world.events_since(PODS, world.revision()).unwrap().count(), 0);
}
