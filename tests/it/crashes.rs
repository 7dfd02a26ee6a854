//! kill -9 at every failpoint: the list in the code is walked, and the outcome is the same as if nothing had happened.

use selfhealer::failpoint::Failpoint;

use crate::{
    path::{ENFORCE, shipped_runbook},
    service::{Installation, Service, outcome},
    webhook::notification,
    workload::{World, name, uid},
};

/// The kinds of a run's audit rows, read from the file of a process that has ended.
pub fn audit_kinds(installation: &Installation, run: &str) -> Vec<String> {
    let database = rusqlite::Connection::open(&installation.database).unwrap();
    let mut statement = database
        .prepare("SELECT kind FROM audit WHERE run_id = ?1 ORDER BY id")
        .unwrap();
    let kinds = statement.query_map([run], |row| row.get(0)).unwrap();
    kinds.collect::<Result<_, _>>().unwrap()
}

/// Whether a post was acknowledged; as Alertmanager, the caller sends again what was not.
async fn insist(service: &Service, body: &serde_json::Value) -> bool {
    service.post_quietly("/alertmanager", body).await == Some(202)
}

async fn survives(point: Failpoint) {
    let world = World::new("crash").await;
    let sick = world.sick_deployment("cart", 3).await;
    // With a settle the run is bound in a commit of its own.
    let more = if point == Failpoint::BindAfterCommit {
        ENFORCE.replace("settle: 0s", "settle: 500ms")
    } else {
        ENFORCE.to_owned()
    };
    let installation = Installation::new(&world.kubeconfig(), &[&shipped_runbook()], &more);
    let body = notification(&[world.alert_about(&sick)]);

    let mut service = installation.start_crashing_at(point.name()).await;
    let acknowledged = insist(&service, &body).await;
    let status = service.ended().await;
    assert!(!status.success(), "{point:?}: it should have been killed");
    assert!(
        service.log().contains(&format!("crashing at {point:?}")),
        "{point:?}: {}",
        service.log()
    );

    let service = installation.start().await;
    if !acknowledged {
        assert!(insist(&service, &body).await, "{point:?}");
    }
    let runs = service.finished(&world.namespace).await;
    let [run] = runs.as_slice() else {
        panic!("{point:?}: expected one run: {runs:#?}")
    };
    assert_eq!(outcome(run), "succeeded(healthy)", "{point:?}: {run:#}");
    assert_eq!(
        world.evictions(),
        [name(&sick)],
        "{point:?}: exactly one eviction was granted"
    );
    let pods = world.pods_of("cart").await;
    assert_eq!(pods.len(), 3, "{point:?}");
    let survivors = world.ready_pods("cart", 3).await;
    assert!(survivors.iter().all(|pod| uid(pod) != uid(&sick)), "{point:?}");
    let metrics = service.metrics().await;
    drop(service);
    let id = run["id"].as_str().unwrap();
    assert_eq!(
        audit_kinds(&installation, id),
        ["intent", "result"],
        "{point:?}\n{metrics}"
    );
}

/// Several at a time: each has a namespace, a database and a process of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_durable_point_ends_in_exactly_one_eviction() {
    // A delivery's are walked where there is a Slack; a merge's are passed in a crowd, in the matrix.
    let elsewhere = |point: &Failpoint| ["Merge", "Message"].iter().any(|part| point.name().starts_with(part));
    let points: Vec<_> = Failpoint::ALL.iter().filter(|point| !elsewhere(point)).collect();
    for points in points.chunks(5) {
        futures::future::join_all(points.iter().map(|point| survives(**point))).await;
    }
}
