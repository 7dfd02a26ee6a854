#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use crate::kubernetes::{
    controllers::{
        conditions,
        tests::{Cluster, deployment, pod},
    },
    resources::{DEPLOYMENTS, POD_DISRUPTION_BUDGETS, PODS},
    world::Key,
};

fn budget(cluster: &Cluster, spec: Value) -> Key {
    let mut budget = json!({"metadata": {"name": "web", "namespace": "default"}, "spec": spec});
    budget["spec"]["selector"] = json!({"matchLabels": {"app": "web"}});
    cluster.make(POD_DISRUPTION_BUDGETS, budget)
}

fn counts(cluster: &Cluster, key: &Key) -> [i64; 4] {
    let status = &cluster.get(key)["status"];
    ["currentHealthy", "desiredHealthy", "expectedPods", "disruptionsAllowed"]
        .map(|field| status[field].as_i64().unwrap())
}

#[test]
fn counts_what_may_go_by_what_the_workload_wants() {
    for (spec, expected) in [
        (json!({"maxUnavailable": 1}), [4, 3, 4, 1]),
        (json!({"maxUnavailable": "30%"}), [4, 2, 4, 2]),
        (json!({"minAvailable": "60%"}), [4, 3, 4, 1]),
        (json!({"minAvailable": 2}), [4, 2, 4, 2]),
        (json!({"minAvailable": 4}), [4, 4, 4, 0]),
    ] {
        let cluster = Cluster::new(2, 1);
        let web = cluster.make(DEPLOYMENTS, deployment("web", 4, &Value::Null));
        let key = budget(&cluster, spec.clone());
        cluster.wait(30);
        assert_eq!(counts(&cluster, &key), expected, "{spec}");
        let status = cluster.get(&key)["status"].clone();
        let reason = if expected[3] > 0 {
            "SufficientPods"
        } else {
            "InsufficientPods"
        };
        assert_eq!(conditions::reason(&status, "DisruptionAllowed"), reason);
        assert_eq!(status["observedGeneration"], 1);
        if spec == json!({"maxUnavailable": 1}) {
            cluster.change(&web, |web| web["spec"]["replicas"] = 6.into());
            cluster.wait(1);
            assert_eq!(
                counts(&cluster, &key),
                [4, 5, 6, 0],
                "it counts what should be there at once"
            );
        }
    }
}

#[test]
fn an_eviction_that_was_let_through_counts_until_it_happened_or_two_minutes_passed() {
    let cluster = Cluster::new(2, 1);
    cluster.make(DEPLOYMENTS, deployment("web", 3, &Value::Null));
    let key = budget(&cluster, json!({"maxUnavailable": 1}));
    cluster.wait(30);
    let (name, now) = (
        cluster.pods()[0]["metadata"]["name"].as_str().unwrap().to_owned(),
        cluster.0.now(),
    );
    cluster.0.with(|world| {
        let at = crate::kubernetes::world::stamp(now);
        let let_through = |status: &mut Value| status["disruptedPods"] = json!({name: at});
        world.update_status(&key, "kube-apiserver", let_through).unwrap()
    });
    cluster.wait(1);
    assert_eq!(counts(&cluster, &key), [2, 2, 3, 0]);
    cluster.wait(125);
    assert_eq!(counts(&cluster, &key), [3, 2, 3, 1]);
    assert!(cluster.reasons("Pod").contains(&"NotDeleted".to_owned()));
}

#[test]
fn pods_without_a_controller_are_not_expected() {
    let cluster = Cluster::new(1, 1);
    cluster.make(PODS, pod("web", &Value::Null));
    let key = budget(&cluster, json!({"maxUnavailable": 1}));
    cluster.wait(20);
    assert_eq!(counts(&cluster, &key), [1, 0, 0, 0]);
    assert!(
        cluster
            .reasons("PodDisruptionBudget")
            .contains(&"UnmanagedPods".to_owned())
    );
}
