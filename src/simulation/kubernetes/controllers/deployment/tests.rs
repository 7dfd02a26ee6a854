#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use crate::kubernetes::{
    controllers::{
        conditions,
        tests::{Cluster, deployment, ready},
    },
    resources::{DEPLOYMENTS, REPLICA_SETS},
    world::Key,
};

fn set_image(cluster: &Cluster, key: &Key, image: &str) {
    cluster.change(key, |web| {
        web["spec"]["template"]["spec"]["containers"][0]["image"] = image.into()
    });
}

fn counts(cluster: &Cluster, key: &Key) -> Vec<i64> {
    let status = &cluster.get(key)["status"];
    ["replicas", "updatedReplicas", "availableReplicas"]
        .iter()
        .map(|field| status[field].as_i64().unwrap_or_default())
        .collect()
}

#[test]
fn rolls_within_surge_and_unavailable() {
    let cluster = Cluster::new(3, 1);
    let mut web = deployment("web", 4, &json!({"answers": {"after": "8s"}}));
    web["spec"]["strategy"] = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}});
    let key = cluster.make(DEPLOYMENTS, web);
    cluster.wait(40);
    assert_eq!(counts(&cluster, &key), [4, 4, 4]);
    set_image(&cluster, &key, "web:2");
    for _ in 0..120 {
        cluster.wait(1);
        let pods = cluster.pods();
        let staying = pods
            .iter()
            .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
            .count();
        assert!(staying <= 5, "{staying} pods");
        assert!(pods.iter().filter(|pod| ready(pod)).count() >= 4);
    }
    assert_eq!(counts(&cluster, &key), [4, 4, 4]);
    let web = cluster.get(&key);
    assert_eq!(web["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "2");
    assert_eq!(
        conditions::reason(&web["status"], "Progressing"),
        "NewReplicaSetAvailable"
    );
    let pods = cluster.pods();
    assert!(pods.iter().all(|pod| pod["spec"]["containers"][0]["image"] == "web:2"));
    let set = cluster
        .all(REPLICA_SETS)
        .into_iter()
        .find(|set| set["spec"]["replicas"] == 4)
        .unwrap();
    let hash = set["metadata"]["labels"]["pod-template-hash"].as_str().unwrap();
    assert_eq!(set["metadata"]["name"], format!("web-{hash}"));
    assert_eq!(set["spec"]["selector"]["matchLabels"]["pod-template-hash"], hash);
    assert_eq!(
        set["metadata"]["annotations"]["deployment.kubernetes.io/max-replicas"],
        "5"
    );
}

#[test]
fn recreate_waits_for_the_last_of_the_old() {
    let cluster = Cluster::new(3, 1);
    let mut web = deployment("web", 2, &json!({"stops": {"takes": "10s"}}));
    web["spec"]["strategy"] = json!({"type": "Recreate"});
    let key = cluster.make(DEPLOYMENTS, web);
    cluster.wait(20);
    set_image(&cluster, &key, "web:2");
    cluster.wait(9);
    assert!(
        cluster
            .pods()
            .iter()
            .all(|pod| pod["spec"]["containers"][0]["image"] == "web:1")
    );
    assert_eq!(conditions::status(&cluster.get(&key)["status"], "Available"), "False");
    cluster.wait(30);
    assert_eq!(counts(&cluster, &key), [2, 2, 2]);
}

#[test]
fn a_paused_one_changes_its_size_but_not_its_pods() {
    let cluster = Cluster::new(3, 1);
    let key = cluster.make(DEPLOYMENTS, deployment("web", 2, &Value::Null));
    cluster.wait(20);
    cluster.change(&key, |web| web["spec"]["paused"] = true.into());
    set_image(&cluster, &key, "web:2");
    cluster.change(&key, |web| web["spec"]["replicas"] = 3.into());
    cluster.wait(30);
    let web = cluster.get(&key);
    assert_eq!(conditions::reason(&web["status"], "Progressing"), "DeploymentPaused");
    assert_eq!(counts(&cluster, &key), [3, 0, 3]);
    cluster.change(&key, |web| web["spec"]["paused"] = false.into());
    cluster.wait(60);
    assert_eq!(counts(&cluster, &key), [3, 3, 3]);
}

#[test]
fn keeps_as_many_revisions_as_it_is_told() {
    let cluster = Cluster::new(3, 1);
    let mut web = deployment("web", 1, &Value::Null);
    web["spec"]["revisionHistoryLimit"] = 2.into();
    let key = cluster.make(DEPLOYMENTS, web);
    for version in 2..7 {
        cluster.wait(30);
        set_image(&cluster, &key, &format!("web:{version}"));
    }
    cluster.wait(60);
    assert_eq!(cluster.all(REPLICA_SETS).len(), 3);
    assert_eq!(
        cluster.get(&key)["metadata"]["annotations"]["deployment.kubernetes.io/revision"],
        "6"
    );
}

#[test]
fn scaling_in_the_middle_of_a_rollout_is_shared() {
    let cluster = Cluster::new(3, 1);
    let key = cluster.make(DEPLOYMENTS, deployment("web", 8, &Value::Null));
    cluster.wait(30);
    cluster.change(&key, |web| {
        web["spec"]["template"]["metadata"]["annotations"]["simulation/life"] =
            json!({"answers": "never"}).to_string().into();
    });
    cluster.wait(30);
    let sizes = || {
        let mut sizes: Vec<i64> = cluster
            .all(REPLICA_SETS)
            .iter()
            .map(|set| set["spec"]["replicas"].as_i64().unwrap())
            .collect();
        sizes.sort_unstable();
        sizes
    };
    // 8 wanted, 2 more and 2 less allowed: 6 old ones stay, 4 new ones do not come up.
    assert_eq!(sizes(), [4, 6]);
    cluster.change(&key, |web| web["spec"]["replicas"] = 16.into());
    cluster.wait(10);
    assert_eq!(sizes().iter().sum::<i64>(), 20);
    assert_eq!(sizes(), [8, 12]);
}

#[test]
fn a_deadline_that_passes_is_said_once() {
    let cluster = Cluster::new(3, 1);
    let mut web = deployment("web", 1, &json!({"answers": "never"}));
    web["spec"]["progressDeadlineSeconds"] = 30.into();
    let key = cluster.make(DEPLOYMENTS, web);
    cluster.wait(25);
    assert_eq!(
        conditions::reason(&cluster.get(&key)["status"], "Progressing"),
        "ReplicaSetUpdated"
    );
    cluster.wait(15);
    let status = cluster.get(&key)["status"].clone();
    let condition = conditions::find(&status, "Progressing").unwrap();
    assert_eq!(
        (&condition["status"], &condition["reason"]),
        (&json!("False"), &json!("ProgressDeadlineExceeded"))
    );
    let version = cluster.get(&key)["metadata"]["resourceVersion"].clone();
    cluster.wait(120);
    assert_eq!(cluster.get(&key)["metadata"]["resourceVersion"], version);
}
