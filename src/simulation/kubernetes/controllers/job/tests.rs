#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use crate::kubernetes::{
    controllers::{
        conditions,
        tests::{Cluster, template},
    },
    resources::JOBS,
};

fn job(spec: &Value, script: &Value) -> Value {
    let mut job = json!({"metadata": {"name": "sum", "namespace": "default"}, "spec": spec});
    job["spec"]["template"] = template("sum", script);
    job["spec"]["template"]["spec"]["restartPolicy"] = "Never".into();
    job
}

fn well() -> Value {
    json!({"ends": {"completes": {"after": "5s"}}})
}

fn badly() -> Value {
    json!({"ends": {"crashes": {"after": "1s"}}})
}

#[test]
fn runs_as_many_at_once_as_it_may_until_it_is_complete() {
    let cluster = Cluster::new(2, 1);
    let key = cluster.make(JOBS, job(&json!({"completions": 5, "parallelism": 2}), &well()));
    for _ in 0..50 {
        cluster.wait(1);
        let running = cluster
            .pods()
            .iter()
            .filter(|pod| pod["status"]["phase"] == "Running")
            .count();
        assert!(running <= 2);
    }
    let status = cluster.get(&key)["status"].clone();
    assert_eq!((&status["succeeded"], &status["active"]), (&json!(5), &Value::Null));
    assert_eq!(conditions::reason(&status, "Complete"), "CompletionsReached");
    assert!(status["startTime"].is_string() && status["completionTime"].is_string());
    assert!(
        cluster.pods().iter().all(|pod| pod["metadata"]["finalizers"].is_null()),
        "all were counted"
    );
    assert!(cluster.reasons("Job").contains(&"Completed".to_owned()));
}

#[test]
fn fails_at_its_limit_with_longer_and_longer_pauses() {
    let cluster = Cluster::new(2, 1);
    let key = cluster.make(JOBS, job(&json!({"backoffLimit": 2}), &badly()));
    cluster.wait(10);
    assert_eq!(cluster.pods().len(), 1);
    cluster.wait(200);
    let status = cluster.get(&key)["status"].clone();
    assert_eq!(status["failed"], 3);
    assert_eq!(conditions::reason(&status, "Failed"), "BackoffLimitExceeded");
    assert_eq!(cluster.pods().len(), 3);
    assert!(
        cluster
            .events("Job")
            .contains(&"BackoffLimitExceeded x1: Job has reached the specified backoff limit".to_owned())
    );
}

#[test]
fn ends_at_its_deadline() {
    let cluster = Cluster::new(2, 1);
    let key = cluster.make(
        JOBS,
        job(
            &json!({"activeDeadlineSeconds": 20}),
            &json!({"stops": {"takes": "5s"}}),
        ),
    );
    cluster.wait(23);
    assert_eq!(
        conditions::status(&cluster.get(&key)["status"], "Failed"),
        "",
        "a pod is still there"
    );
    cluster.wait(10);
    let status = cluster.get(&key)["status"].clone();
    assert_eq!(conditions::reason(&status, "Failed"), "DeadlineExceeded");
}

#[test]
fn suspended_it_has_no_pods() {
    let cluster = Cluster::new(2, 1);
    let key = cluster.make(JOBS, job(&json!({"suspend": true}), &well()));
    cluster.wait(10);
    assert_eq!(cluster.pods().len(), 0);
    assert_eq!(
        conditions::reason(&cluster.get(&key)["status"], "Suspended"),
        "JobSuspended"
    );
    cluster.change(&key, |job| job["spec"]["suspend"] = false.into());
    cluster.wait(30);
    let status = cluster.get(&key)["status"].clone();
    assert_eq!(conditions::status(&status, "Complete"), "True");
    assert_eq!(conditions::reason(&status, "Suspended"), "JobResumed");
}

#[test]
fn an_indexed_one_completes_every_index_and_goes_after_its_time() {
    let cluster = Cluster::new(2, 1);
    let spec = json!({"completions": 3, "parallelism": 3, "completionMode": "Indexed", "ttlSecondsAfterFinished": 60});
    let key = cluster.make(JOBS, job(&spec, &well()));
    cluster.wait(30);
    assert_eq!(cluster.get(&key)["status"]["completedIndexes"], "0-2");
    cluster.wait(60);
    assert_eq!(cluster.get(&key), Value::Null);
    assert_eq!(cluster.pods().len(), 0);
}

#[test]
fn a_pod_that_is_deleted_is_replaced() {
    let cluster = Cluster::new(2, 1);
    let key = cluster.make(JOBS, job(&json!({}), &json!({"ends": {"completes": {"after": "60s"}}})));
    cluster.wait(20);
    cluster.delete(&cluster.key(&cluster.pods()[0]));
    cluster.wait(100);
    let status = cluster.get(&key)["status"].clone();
    assert_eq!((&status["failed"], &status["succeeded"]), (&json!(1), &json!(1)));
}
