#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use crate::kubernetes::{
    controllers::tests::{Cluster, deployment},
    resources::{CONFIGMAPS, DEPLOYMENTS, REPLICA_SETS},
    world::{DeleteOptions, Propagation},
};

fn delete(propagation: Propagation) -> (Cluster, crate::kubernetes::world::Key) {
    let cluster = Cluster::new(1, 1);
    let key = cluster.make(DEPLOYMENTS, deployment("web", 2, &json!({"stops": {"takes": "5s"}})));
    cluster.wait(20);
    let options = DeleteOptions {
        propagation: Some(propagation),
        ..DeleteOptions::default()
    };
    cluster.0.with(|world| world.delete(&key, &options).unwrap());
    (cluster, key)
}

#[test]
fn in_the_background_the_owner_goes_first() {
    let (cluster, key) = delete(Propagation::Background);
    assert_eq!(cluster.get(&key), Value::Null);
    assert_eq!(cluster.all(REPLICA_SETS).len(), 1);
    cluster.wait(1);
    assert_eq!(cluster.all(REPLICA_SETS).len(), 0);
    assert!(
        cluster
            .pods()
            .iter()
            .all(|pod| pod["metadata"]["deletionTimestamp"].is_string())
    );
    cluster.wait(10);
    assert_eq!(cluster.pods().len(), 0);
}

#[test]
fn in_the_foreground_it_goes_last() {
    let (cluster, key) = delete(Propagation::Foreground);
    cluster.wait(4);
    assert_eq!(cluster.pods().len(), 2);
    assert_eq!(cluster.all(REPLICA_SETS).len(), 1);
    assert_ne!(cluster.get(&key), Value::Null);
    cluster.wait(10);
    assert_eq!((cluster.pods().len(), cluster.all(REPLICA_SETS).len()), (0, 0));
    assert_eq!(cluster.get(&key), Value::Null);
}

#[test]
fn orphans_stay() {
    let (cluster, key) = delete(Propagation::Orphan);
    cluster.wait(10);
    assert_eq!(cluster.get(&key), Value::Null);
    let sets = cluster.all(REPLICA_SETS);
    assert_eq!(sets.len(), 1);
    assert_eq!(sets[0]["metadata"]["ownerReferences"], Value::Null);
    assert_eq!(cluster.pods().len(), 2);
}

#[test]
fn what_names_an_owner_that_never_was_is_collected() {
    let cluster = Cluster::new(1, 1);
    let map = json!({"metadata": {"name": "m", "namespace": "default", "ownerReferences": [
        {"apiVersion": "apps/v1", "kind": "Deployment", "name": "gone", "uid": "11111111-2222-4333-8444-555555555555"}]}});
    let key = cluster.make(CONFIGMAPS, map);
    cluster.wait(1);
    assert_eq!(cluster.get(&key), Value::Null);
}
