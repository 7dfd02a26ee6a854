#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use crate::kubernetes::{
    controllers::tests::{Cluster, template},
    resources::{CRON_JOBS, JOBS},
};

fn cron(spec: &Value, script: &Value) -> Value {
    let mut cron = json!({"metadata": {"name": "sum", "namespace": "default"}, "spec": spec});
    let mut template = template("sum", script);
    template["spec"]["restartPolicy"] = "Never".into();
    cron["spec"]["jobTemplate"]["spec"] = json!({"backoffLimit": 0, "template": template});
    cron
}

fn well() -> Value {
    json!({"ends": {"completes": {"after": "5s"}}})
}

#[test]
fn starts_a_job_at_each_time_and_keeps_three_that_went_well() {
    let cluster = Cluster::new(1, 1);
    let key = cluster.make(CRON_JOBS, cron(&json!({"schedule": "*/2 * * * *"}), &well()));
    cluster.wait(60);
    assert_eq!(cluster.all(JOBS).len(), 0);
    cluster.wait(65);
    let jobs = cluster.all(JOBS);
    assert_eq!(jobs.len(), 1);
    // 10:02 as minutes since 1970.
    assert_eq!(jobs[0]["metadata"]["name"], format!("sum-{}", 1_795_514_520 / 60));
    assert_eq!(cluster.get(&key)["status"]["lastScheduleTime"], "2026-11-24T10:02:00Z");
    assert_eq!(cluster.get(&key)["status"]["active"].as_array().unwrap().len(), 1);
    cluster.wait(15 * 60);
    assert_eq!(cluster.all(JOBS).len(), 3);
    let status = cluster.get(&key)["status"].clone();
    assert_eq!(status["active"], Value::Null);
    assert!(status["lastSuccessfulTime"].is_string());
}

#[test]
fn what_runs_still_is_left_alone_or_replaced() {
    for (policy, jobs, word) in [
        ("Forbid", 1, "JobAlreadyActive"),
        ("Replace", 1, "SuccessfulDelete"),
        ("Allow", 3, "SuccessfulCreate"),
    ] {
        let cluster = Cluster::new(1, 1);
        cluster.make(
            CRON_JOBS,
            cron(
                &json!({"schedule": "* * * * *", "concurrencyPolicy": policy}),
                &Value::Null,
            ),
        );
        cluster.wait(190);
        assert_eq!(cluster.all(JOBS).len(), jobs, "{policy}");
        assert!(cluster.reasons("CronJob").contains(&word.to_owned()), "{policy}");
    }
}

#[test]
fn suspended_or_unreadable_it_starts_nothing() {
    for spec in [
        json!({"schedule": "* * * * *", "suspend": true}),
        json!({"schedule": "every day"}),
    ] {
        let cluster = Cluster::new(1, 1);
        cluster.make(CRON_JOBS, cron(&spec, &well()));
        cluster.wait(300);
        assert_eq!(cluster.all(JOBS).len(), 0);
    }
}
