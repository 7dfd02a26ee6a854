//! From posts to episodes and runs, on a real database with a clock of the test's own.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::{
    clock::ManualClock,
    domain::{run::RunId, runbook::Mode},
    readiness::State,
    store::{AlertFilter, NewPost, RunFilter, RunView},
};

struct World {
    _folder: TempDir,
    clock: Arc<ManualClock>,
    unfolder: Unfolder,
}

/// A runbook for alerts named `Sick`.
fn runbook(name: &str, more: &str) -> String {
    format!(
        "apiVersion: selfhealer.dev/v1alpha1\nkind: Runbook\nmetadata: {{name: {name}}}\nspec:\n  match: [alertname = Sick]\n  \
         target: {{apiVersion: v1, kind: Pod, namespace: '{{{{labels.namespace}}}}', name: '{{{{labels.pod}}}}'}}\n  \
         steps: [{{evict: {{}}}}]\n{more}"
    )
}

impl World {
    async fn new(runbooks: &[String], modes: &[(&str, Mode)], cluster: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = folder.path().join("runbooks");
        std::fs::create_dir(&files).unwrap();
        for (index, text) in runbooks.iter().enumerate() {
            std::fs::write(files.join(format!("{index}.yaml")), text).unwrap();
        }
        let clock = Arc::new(ManualClock::at("2026-11-22T12:00:00Z".parse().unwrap()));
        let ids = Arc::new(Ids::seeded(clock.clone(), [1; 32]));
        let store = Store::open(&folder.path().join("db"), clock.clone(), ids.clone())
            .await
            .unwrap();
        let modes: BTreeMap<String, Mode> = modes.iter().map(|(name, mode)| ((*name).to_owned(), *mode)).collect();
        let registry = Registry::new(Mode::Enforce, modes);
        let snapshot = registry.load(&[files], &store).await.unwrap();
        assert_eq!(snapshot.set.len(), runbooks.len(), "{:?}", snapshot.problems);
        let unfolder = Unfolder {
            store,
            registry,
            clock: clock.clone(),
            ids,
            metrics: Metrics::default(),
            options: Options {
                cluster_label: "cluster".to_owned(),
                cluster_value: cluster.map(str::to_owned),
                settle: Duration::from_secs(10),
            },
            waiting: Arc::default(),
            arrived: Arc::default(),
            wake: Arc::default(),
            health: Handle::default(),
        };
        Self {
            _folder: folder,
            clock,
            unfolder,
        }
    }

    async fn enforcing(cluster: Option<&str>) -> Self {
        Self::new(&[runbook("heal", "")], &[("heal", Mode::Enforce)], cluster).await
    }

    fn pass(&self, seconds: u64) {
        self.clock.pass(Duration::from_secs(seconds));
    }

    async fn receive(&self, bodies: &[Value]) {
        let posts: Vec<NewPost> = bodies
            .iter()
            .map(|body| NewPost {
                received_at: self.clock.now(),
                source: "test".to_owned(),
                alerts: 1,
                body: body.to_string().into(),
            })
            .collect();
        self.unfolder.waiting.fetch_add(posts.len() as u64, Ordering::Relaxed);
        self.unfolder.store.append_all(posts).await.unwrap();
        while self.unfolder.batch().await.unwrap() > 0 {}
    }

    fn alert(&self, status: &str, fingerprint: u64, labels: Value) -> Value {
        json!({
            "status": status, "labels": labels, "annotations": {}, "startsAt": "2026-11-22T11:59:00Z",
            "endsAt": if status == "firing" { "0001-01-01T00:00:00Z".to_owned() } else { self.clock.now().to_string() },
            "generatorURL": "", "fingerprint": format!("{fingerprint:016x}"),
        })
    }

    fn sick(&self, fingerprint: u64, pod: &str) -> Value {
        self.alert(
            "firing",
            fingerprint,
            json!({"alertname": "Sick", "namespace": "shop", "pod": pod}),
        )
    }

    /// All runs, oldest first.
    async fn runs(&self) -> Vec<RunView> {
        let mut runs = self
            .unfolder
            .store
            .runs(&RunFilter::default(), None, 500)
            .await
            .unwrap()
            .items;
        runs.reverse();
        runs
    }

    /// Why each episode has no run, oldest first.
    async fn reasons(&self) -> Vec<Option<String>> {
        let mut alerts = self
            .unfolder
            .store
            .alerts(&AlertFilter::default(), None, 500)
            .await
            .unwrap()
            .items;
        alerts.reverse();
        alerts.into_iter().map(|alert| alert.reason).collect()
    }

    /// Ends the run that is due, as if the engine had.
    async fn finish(&self) {
        use crate::{
            domain::{
                journal::Entry,
                reason::Reason,
                run::{Finish, Outcome, Phase},
            },
            store::Change,
        };
        let store = &self.unfolder.store;
        let claims = store.claim("test", Duration::from_secs(30), 1).await.unwrap();
        let claimed = store.load(&claims[0]).await.unwrap();
        let change = Change {
            entries: vec![Entry::Finished(Finish::new(
                Outcome::Suppressed,
                Reason::TargetGone,
                "",
            ))],
            phase: Phase::Finished,
            due_at: None,
            audit: Vec::new(),
            owed: None,
        };
        store.record(&claimed.claim, 0, change).await.unwrap();
    }
}

fn post(alerts: &[Value]) -> Value {
    json!({"version": "4", "alerts": alerts})
}

#[tokio::test]
async fn alerts_about_one_object_are_one_run_and_others_have_their_own() {
    let world = World::enforcing(None).await;
    let one_pod = [world.sick(1, "a"), world.sick(2, "a")];
    world.receive(&[post(&one_pod), post(&[world.sick(3, "b")])]).await;
    let runs = world.runs().await;
    assert_eq!(runs.len(), 2);
    let store = &world.unfolder.store;
    let detail = store.run(RunId(runs[0].id.parse().unwrap())).await.unwrap().unwrap();
    assert_eq!(detail.alerts.len(), 2);
    assert_eq!(world.unfolder.waiting.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_repeat_opens_nothing_until_the_alert_has_outlived_the_run_for_long_enough() {
    let world = World::enforcing(None).await;
    let body = post(&[world.sick(1, "a")]);
    world.receive(std::slice::from_ref(&body)).await;
    world.receive(std::slice::from_ref(&body)).await;
    assert_eq!(world.runs().await.len(), 1, "the run is open");
    world.finish().await;
    world.pass(9 * 60);
    world.receive(std::slice::from_ref(&body)).await;
    assert_eq!(world.runs().await.len(), 1, "alerts linger");
    world.pass(2 * 60);
    world.receive(std::slice::from_ref(&body)).await;
    let runs = world.runs().await;
    assert_eq!(runs.iter().map(|run| run.attempt).collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test]
async fn the_first_match_wins_and_what_only_looks_ends_nothing() {
    let all = [
        runbook("a-shadow", ""),
        runbook("b-goes-on", "  continue: true\n"),
        runbook("c-wins", ""),
        runbook("d-late", ""),
    ];
    let enforce = ["b-goes-on", "c-wins", "d-late"].map(|name| (name, Mode::Enforce));
    let world = World::new(&all, &enforce, None).await;
    world.receive(&[post(&[world.sick(1, "a")])]).await;
    let names: Vec<_> = world.runs().await.into_iter().map(|run| run.runbook).collect();
    assert_eq!(names, ["a-shadow", "b-goes-on", "c-wins"]);
}

#[tokio::test]
async fn what_opens_no_run_says_why() {
    let world = World::enforcing(Some("eu")).await;
    let labels = |cluster: &str| json!({"alertname": "Sick", "namespace": "shop", "pod": "a", "cluster": cluster});
    let alerts = [
        world.alert("firing", 1, json!({"alertname": "Unknown"})),
        world.alert("firing", 2, labels("us")),
        world.alert("resolved", 3, labels("eu")),
        world.alert("firing", 4, labels("eu")),
    ];
    world.receive(&[post(&alerts)]).await;
    let reasons = ["no_runbook", "other_cluster", "resolved"].map(|reason| Some(reason.to_owned()));
    assert_eq!(world.reasons().await, [&reasons[..], &[None]].concat());
    assert_eq!(world.runs().await.len(), 1);
}

#[tokio::test]
async fn with_no_cluster_configured_two_values_are_one_too_many() {
    let world = World::enforcing(None).await;
    let labels =
        |cluster: &str, pod: &str| json!({"alertname": "Sick", "namespace": "shop", "pod": pod, "cluster": cluster});
    world
        .receive(&[post(&[world.alert("firing", 1, labels("eu", "a"))])])
        .await;
    world
        .receive(&[post(&[world.alert("firing", 2, labels("us", "b"))])])
        .await;
    world
        .receive(&[post(&[world.alert("firing", 3, labels("eu", "c"))])])
        .await;
    let other = Some("other_cluster".to_owned());
    assert_eq!(world.reasons().await, [None, other.clone(), other.clone()]);
    let State::Warning(words) = world.unfolder.health.state() else {
        panic!("somebody has to say which is ours")
    };
    assert!(words.contains("eu, us") && words.contains("cluster.value"), "{words}");

    // One alert that went astray does not stop us for ever.
    world.pass(25 * 60 * 60);
    world
        .receive(&[post(&[world.alert("firing", 4, labels("eu", "d"))])])
        .await;
    assert_eq!(world.reasons().await, [None, other.clone(), other, None]);
    assert_eq!(world.unfolder.health.state(), State::Ok);
}

#[tokio::test]
async fn a_target_that_cannot_be_told_ends_the_run_as_it_begins() {
    let world = World::enforcing(None).await;
    let alerts = [
        world.alert("firing", 1, json!({"alertname": "Sick", "namespace": "shop"})),
        world.alert(
            "firing",
            2,
            json!({"alertname": "Sick", "namespace": "shop", "pod": "../../nodes"}),
        ),
        world.alert(
            "firing",
            3,
            json!({"alertname": "Sick", "namespace": "shop", "pod": "{{labels.namespace}}"}),
        ),
        world.alert(
            "firing",
            4,
            json!({"alertname": "Sick", "namespace": "shop", "pod": "a\u{0}b\nc"}),
        ),
    ];
    world.receive(&[post(&alerts)]).await;
    let ends: Vec<_> = world.runs().await.into_iter().map(|run| run.reason.unwrap()).collect();
    assert_eq!(
        ends,
        ["missing_label", "invalid_target", "invalid_target", "invalid_target"]
    );
    assert!(
        world.unfolder.store.next_due().await.unwrap().is_none(),
        "nothing is left to do"
    );
}

#[tokio::test]
async fn a_post_that_cannot_be_unfolded_is_kept_and_holds_up_no_other() {
    let world = World::enforcing(None).await;
    world
        .receive(&[json!({"version": "5"}), post(&[world.sick(1, "a")])])
        .await;
    assert_eq!(world.runs().await.len(), 1);
    assert_eq!(world.unfolder.waiting.load(Ordering::Relaxed), 0);
    assert!(world.unfolder.store.waiting_posts(10).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_end_closes_the_episode_and_the_next_firing_is_another() {
    let world = World::enforcing(None).await;
    world.receive(&[post(&[world.sick(1, "a")])]).await;
    world.pass(60);
    let ended = world.alert(
        "resolved",
        1,
        json!({"alertname": "Sick", "namespace": "shop", "pod": "a"}),
    );
    world.receive(&[post(&[ended])]).await;
    world.pass(60);
    let mut again = world.sick(1, "a");
    again["startsAt"] = json!(world.clock.now().to_string());
    world.receive(&[post(&[again])]).await;
    let alerts = world
        .unfolder
        .store
        .alerts(&AlertFilter::default(), None, 10)
        .await
        .unwrap()
        .items;
    let states: Vec<_> = alerts.iter().rev().map(|alert| alert.status).collect();
    assert_eq!(states, ["resolved", "firing"]);
}

#[tokio::test]
async fn many_episodes_of_one_alert_in_one_batch_leave_one_latest() {
    let world = World::enforcing(None).await;
    let labels = json!({"alertname": "Sick", "namespace": "shop", "pod": "a"});
    let mut bodies = Vec::new();
    for n in 0..5 {
        let (start, end) = (format!("2026-11-22T11:5{n}:00Z"), format!("2026-11-22T11:5{n}:30Z"));
        let mut firing = world.alert("firing", 1, labels.clone());
        firing["startsAt"] = json!(start);
        let mut resolved = firing.clone();
        resolved["status"] = json!("resolved");
        resolved["endsAt"] = json!(end);
        bodies.extend([post(&[firing]), post(&[resolved])]);
    }
    world.receive(&bodies).await;
    assert_eq!(world.reasons().await.len(), 5);
    // A later post finds the latest one, and only that.
    world.receive(&[bodies[8].clone()]).await;
    assert_eq!(world.reasons().await.len(), 5);
}
