#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use crate::kubernetes::{
    controllers::tests::{Cluster, ready, template},
    resources::{CONTROLLER_REVISIONS, STATEFUL_SETS},
    world::Key,
};

fn set(replicas: i64) -> Value {
    json!({
        "metadata": {"name": "db", "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "serviceName": "db",
            "selector": {"matchLabels": {"app": "db"}},
            "template": template("db", &json!({"stops": {"takes": "3s"}})),
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
        },
    })
}

fn names(cluster: &Cluster) -> Vec<String> {
    let pods = cluster.pods();
    pods.iter()
        .map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

fn images(cluster: &Cluster) -> Vec<String> {
    let pods = cluster.pods();
    pods.iter()
        .map(|pod| pod["spec"]["containers"][0]["image"].as_str().unwrap().to_owned())
        .collect()
}

fn set_image(cluster: &Cluster, key: &Key, image: &str) {
    cluster.change(key, |set| {
        set["spec"]["template"]["spec"]["containers"][0]["image"] = image.into()
    });
}

#[test]
fn comes_up_in_order_and_keeps_its_names() {
    let cluster = Cluster::new(3, 1);
    let key = cluster.make(STATEFUL_SETS, set(3));
    cluster.wait(2);
    assert_eq!(names(&cluster), ["db-0"]);
    cluster.wait(30);
    assert_eq!(names(&cluster), ["db-0", "db-1", "db-2"]);
    assert!(cluster.pods().iter().all(ready));
    let middle = cluster.key(&cluster.pods()[1]);
    let uid = cluster.get(&middle)["metadata"]["uid"].clone();
    cluster.delete(&middle);
    cluster.wait(30);
    assert_eq!(names(&cluster), ["db-0", "db-1", "db-2"]);
    assert_ne!(cluster.get(&middle)["metadata"]["uid"], uid);
    cluster.change(&key, |set| set["spec"]["replicas"] = 1.into());
    cluster.wait(2);
    assert!(
        cluster.pods()[1]["metadata"]["deletionTimestamp"].is_null(),
        "the last one goes first"
    );
    cluster.wait(20);
    assert_eq!(names(&cluster), ["db-0"]);
}

#[test]
fn parallel_ones_do_not_wait() {
    let cluster = Cluster::new(3, 1);
    let mut parallel = set(3);
    parallel["spec"]["podManagementPolicy"] = "Parallel".into();
    cluster.make(STATEFUL_SETS, parallel);
    cluster.wait(1);
    assert_eq!(names(&cluster), ["db-0", "db-1", "db-2"]);
}

#[test]
fn rolls_from_the_last_down_to_the_partition() {
    let cluster = Cluster::new(3, 1);
    let key = cluster.make(STATEFUL_SETS, set(3));
    cluster.wait(40);
    cluster.change(&key, |set| {
        set["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = 1.into()
    });
    set_image(&cluster, &key, "db:2");
    cluster.wait(6);
    assert_eq!(images(&cluster)[..2], ["db:1", "db:1"]);
    cluster.wait(60);
    assert_eq!(images(&cluster), ["db:1", "db:2", "db:2"]);
    let status = cluster.get(&key)["status"].clone();
    assert_eq!(
        (&status["currentReplicas"], &status["updatedReplicas"]),
        (&json!(1), &json!(2))
    );
    assert_ne!(status["currentRevision"], status["updateRevision"]);
    cluster.change(&key, |set| {
        set["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = 0.into()
    });
    cluster.wait(60);
    let status = cluster.get(&key)["status"].clone();
    assert_eq!(
        (&status["currentReplicas"], &status["updatedReplicas"]),
        (&json!(3), &json!(3))
    );
    assert_eq!(status["currentRevision"], status["updateRevision"]);
    assert_eq!(cluster.all(CONTROLLER_REVISIONS).len(), 2);
}

#[test]
fn on_delete_changes_nothing_by_itself() {
    let cluster = Cluster::new(3, 1);
    let mut quiet = set(2);
    quiet["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
    let key = cluster.make(STATEFUL_SETS, quiet);
    cluster.wait(40);
    set_image(&cluster, &key, "db:2");
    cluster.wait(60);
    assert_eq!(images(&cluster), ["db:1", "db:1"]);
    cluster.delete(&cluster.key(&cluster.pods()[0]));
    cluster.wait(30);
    assert_eq!(images(&cluster), ["db:2", "db:1"]);
}
