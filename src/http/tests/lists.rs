//! `/api/v1`: what is read.

use jiff::Timestamp;

use super::*;
use crate::{
    domain::{
        alert::Fingerprint,
        episode::{Closed, Latest},
        reason::Reason,
        run::{EpisodeId, Finish, Outcome, Run, RunId, Track},
        runbook::Mode,
        target::ObjectRef,
    },
    store::{Attached, NewEpisode, NewRun, Unfolded},
};

fn episode(id: EpisodeId, alertname: &str, n: u64, resolved: bool) -> NewEpisode {
    let at: Timestamp = "2026-11-22T10:18:42Z".parse().unwrap();
    NewEpisode {
        id,
        fingerprint: Fingerprint(n),
        latest: Latest {
            started: at,
            closed: resolved.then_some(Closed { ended: at, told: at }),
        },
        is_latest: true,
        first_seen: at,
        last_seen: at,
        reason: resolved.then_some(Reason::NoRunbook),
        labels: [("alertname".to_owned(), alertname.to_owned())].into(),
        annotations: [].into(),
        generator_url: String::new(),
    }
}

/// A run in `shop`, over already if it has an outcome.
pub(super) fn run(id: RunId, runbook: &str, outcome: Option<Outcome>) -> NewRun {
    let now = Timestamp::now();
    NewRun {
        run: Run {
            id,
            runbook: runbook.to_owned(),
            version: "v1".to_owned(),
            mode: Mode::Enforce,
            object: Some(ObjectRef {
                api_version: "v1".to_owned(),
                kind: "Pod".to_owned(),
                namespace: Some("shop".to_owned()),
                name: "cart-1".to_owned(),
            }),
            opened_at: now,
            deadline: now,
            attempt: 1,
        },
        track: Track::of(Mode::Enforce, runbook),
        object_key: None,
        settled: now,
        finish: outcome.map(|outcome| Finish::new(outcome, Reason::Resolved, "gone")),
    }
}

impl World {
    pub(super) async fn seed(&self, unfolded: Unfolded) {
        self.public
            .store
            .unfold(Vec::new(), Vec::new(), move |_| (unfolded.clone(), ()))
            .await
            .unwrap();
    }

    async fn ids(&self, path: &str) -> Vec<String> {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        let page = answer.json();
        let items = page["items"].as_array().unwrap();
        items
            .iter()
            .map(|item| item["id"].as_str().unwrap().to_owned())
            .collect()
    }
}

fn attached(run: RunId, episode: EpisodeId) -> Attached {
    Attached {
        run,
        track: Track::of(Mode::Enforce, "evict"),
        episode,
    }
}

#[actix_web::test]
async fn alerts_come_newest_first_and_narrow_by_name_and_status() {
    let world = World::new().await;
    let [a, b, c] = std::array::from_fn(|_| world.ids.episode());
    let id = world.ids.run();
    world
        .seed(Unfolded {
            episodes: vec![
                episode(a, "KubePodCrashLooping", 1, false),
                episode(b, "KubePodCrashLooping", 2, true),
                episode(c, "Watchdog", 3, false),
            ],
            runs: vec![run(id, "evict", None)],
            attached: vec![attached(id, a)],
            ..Unfolded::default()
        })
        .await;
    let [a, b, c] = [a, b, c].map(|id| id.to_string());
    assert_eq!(world.ids("/api/v1/alerts").await, [c.clone(), b.clone(), a.clone()]);
    assert_eq!(world.ids("/api/v1/alerts?status=firing").await, [c.clone(), a.clone()]);
    assert_eq!(
        world
            .ids("/api/v1/alerts?alertname=KubePodCrashLooping&status=resolved")
            .await,
        std::slice::from_ref(&b)
    );
    let items = world.get("/api/v1/alerts").await.json()["items"].clone();
    assert_eq!(items[2]["runs"], json!([id.to_string()]));
    assert_eq!(items[1]["reason"], "no_runbook");
    assert_eq!(items[0]["fingerprint"], "0000000000000003");
}

#[actix_web::test]
async fn pages_follow_each_other_without_gap_or_overlap() {
    let world = World::new().await;
    let mut expected: Vec<RunId> = (0..5).map(|_| world.ids.run()).collect();
    let runs = expected.iter().map(|id| run(*id, "evict", None)).collect();
    world
        .seed(Unfolded {
            runs,
            ..Unfolded::default()
        })
        .await;
    expected.reverse();
    let mut seen = Vec::new();
    let mut path = "/api/v1/runs?limit=2".to_owned();
    loop {
        let page = world.get(&path).await.json();
        let items = page["items"].as_array().unwrap();
        seen.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["nextCursor"].as_str() else {
            break;
        };
        path = format!("/api/v1/runs?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, expected.iter().map(RunId::to_string).collect::<Vec<_>>());
}

#[actix_web::test]
async fn runs_narrow_by_runbook_phase_outcome_and_namespace() {
    let world = World::new().await;
    let [a, b] = std::array::from_fn(|_| world.ids.run());
    world
        .seed(Unfolded {
            runs: vec![run(a, "evict", None), run(b, "restart", Some(Outcome::Suppressed))],
            ..Unfolded::default()
        })
        .await;
    let [a, b] = [a, b].map(|id| id.to_string());
    for (query, expected) in [
        ("runbook=evict", vec![a.clone()]),
        ("phase=finished", vec![b.clone()]),
        ("phase=pending&runbook=restart", vec![]),
        ("outcome=suppressed", vec![b.clone()]),
        ("namespace=shop", vec![b.clone(), a.clone()]),
        ("namespace=%27%20OR%201=1", vec![]),
    ] {
        assert_eq!(world.ids(&format!("/api/v1/runs?{query}")).await, expected, "{query}");
    }
}

#[actix_web::test]
async fn a_run_shows_its_alerts_and_its_journal() {
    let world = World::new().await;
    let (id, alert) = (world.ids.run(), world.ids.episode());
    world
        .seed(Unfolded {
            episodes: vec![episode(alert, "KubePodCrashLooping", 1, false)],
            runs: vec![run(id, "evict", Some(Outcome::Suppressed))],
            attached: vec![attached(id, alert)],
            ..Unfolded::default()
        })
        .await;
    let run = world.get(&format!("/api/v1/runs/{id}")).await.json();
    assert_eq!(run["id"], id.to_string());
    assert_eq!(
        (&run["outcome"], &run["reason"]),
        (&json!("suppressed"), &json!("resolved"))
    );
    assert_eq!(run["target"]["name"], "cart-1");
    assert_eq!(run["alerts"][0]["labels"]["alertname"], "KubePodCrashLooping");
    assert_eq!(run["journal"][0]["kind"], "finished");
    assert_eq!(run["journal"][0]["data"]["reason"], "resolved");
}

#[actix_web::test]
async fn a_run_that_is_not_there_is_404() {
    let world = World::new().await;
    for id in [world.ids.run().to_string(), "nonsense".to_owned(), "..%2f..".to_owned()] {
        let answer = world.get(&format!("/api/v1/runs/{id}")).await;
        assert_eq!(answer.problem(), (404, "not_found".to_owned()), "{id}");
    }
}

#[actix_web::test]
async fn runbooks_are_listed_as_the_service_knows_them() {
    let world = World::new().await;
    let answer = world.get("/api/v1/runbooks").await;
    assert_eq!(
        answer.json(),
        json!({"items": [{"name": "evict-crash-looping-pod", "mode": "shadow"}]})
    );
}

#[actix_web::test]
async fn a_wrong_query_names_the_parameter_and_what_is_expected() {
    let world = World::new().await;
    for (path, detail) in [
        (
            "/api/v1/alerts?status=on",
            "`status` is \"on\": expected `firing` or `resolved`",
        ),
        (
            "/api/v1/alerts?limit=0",
            "`limit` is \"0\": expected a whole number from 1 to 500",
        ),
        (
            "/api/v1/runs?limit=501",
            "`limit` is \"501\": expected a whole number from 1 to 500",
        ),
        (
            "/api/v1/runs?limit=x",
            "`limit` is \"x\": expected a whole number from 1 to 500",
        ),
        (
            "/api/v1/runs?cursor=g",
            "`cursor` is \"g\": expected the `nextCursor` of a page",
        ),
        (
            "/api/v1/runs?phase=done",
            "`phase` is \"done\": expected `pending`, `running`, `verifying` or `finished`",
        ),
        (
            "/api/v1/runs?run_book=x",
            "`run_book` is unknown: did you mean `runbook`?",
        ),
        (
            "/api/v1/runs?runbook=",
            "`runbook` is empty: leave it out or give a value",
        ),
        (
            "/api/v1/pauses?namespace=shop",
            "`namespace` is unknown: nothing is expected here",
        ),
        ("/api/v1/runs?limit=1&limit=2", "`limit` is given twice"),
    ] {
        let answer = world.get(path).await;
        assert_eq!(answer.problem(), (400, "invalid".to_owned()), "{path}");
        assert_eq!(answer.detail(), detail, "{path}");
    }
}

#[actix_web::test]
async fn reading_needs_view_and_ordering_needs_operate() {
    let world = World::new().await;
    let id = world.ids.run();
    let reads = [
        "/api/v1/alerts",
        "/api/v1/runs",
        "/api/v1/runbooks",
        "/api/v1/pauses",
        &format!("/api/v1/runs/{id}"),
    ]
    .map(|path| (Method::GET, path.to_owned(), "view"));
    let orders = [
        (Method::POST, format!("/api/v1/runs/{id}/cancel"), "operate"),
        (Method::POST, "/api/v1/pauses".to_owned(), "operate"),
        (Method::DELETE, format!("/api/v1/pauses/{id}"), "operate"),
    ];
    for (method, path, permission) in reads.into_iter().chain(orders) {
        let answer = world.send(TestRequest::with_uri(&path).method(method.clone())).await;
        assert_eq!(answer.problem(), (401, "unauthenticated".to_owned()), "{method} {path}");
        let others = [("alertmanager", "ingest"), ("viewer", "view"), ("oncall", "operate")];
        for (token, _) in others.iter().filter(|(_, its)| *its != permission) {
            let answer = world.send(world.request(token, method.clone(), &path)).await;
            assert_eq!(
                answer.problem(),
                (403, "forbidden".to_owned()),
                "{method} {path} {token}"
            );
            assert!(answer.detail().contains(permission));
        }
    }
}

#[actix_web::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let world = World::new().await;
    for (method, path, allow) in [
        (Method::POST, "/api/v1/runs", "GET"),
        (Method::GET, "/api/v1/runs/x/cancel", "POST"),
        (Method::PUT, "/api/v1/pauses", "GET, POST"),
        (Method::GET, "/api/v1/pauses/x", "DELETE"),
    ] {
        let answer = world.send(world.request("viewer", method, path)).await;
        assert_eq!(answer.problem(), (405, "method_not_allowed".to_owned()));
        assert_eq!(answer.header("allow"), allow);
    }
}

#[actix_web::test]
async fn a_store_that_does_not_answer_is_503() {
    let world = World::new().await;
    world.public.store.close().await;
    let answer = world.get("/api/v1/runs").await;
    assert_eq!(answer.problem(), (503, "store_unavailable".to_owned()));
}
