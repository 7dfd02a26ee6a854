//! Cancels and pauses.

use jiff::{SignedDuration, Timestamp};

use super::{lists::run, *};
use crate::{domain::run::Outcome, store::Unfolded};

impl World {
    /// A run that has begun, or one that is over.
    async fn open(&self, outcome: Option<Outcome>) -> crate::domain::run::RunId {
        let id = self.ids.run();
        self.seed(Unfolded {
            runs: vec![run(id, "evict-crash-looping-pod", outcome)],
            ..Unfolded::default()
        })
        .await;
        id
    }

    async fn pause(&self, body: Value) -> Answer {
        self.order(Method::POST, "/api/v1/pauses", &body.to_string()).await
    }

    async fn was_woken(&self) -> bool {
        let told = self.public.wake.notified();
        futures::poll!(std::pin::pin!(told)).is_ready()
    }
}

#[actix_web::test]
async fn a_cancel_is_recorded_with_who_from_where_and_why_and_wakes_the_engine() {
    let world = World::new().await;
    let id = world.open(None).await;
    let path = format!("/api/v1/runs/{id}/cancel");
    let answer = world.order(Method::POST, &path, r#"{"why": "wrong node"}"#).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(answer.json(), json!({"id": id.to_string()}));
    assert!(world.was_woken().await);
    let audit = world.public.store.audit_of(id).await.unwrap();
    let (_, kind, who, data) = &audit[0];
    assert_eq!((kind.as_str(), who.as_str()), ("cancel", "oncall from 10.1.2.3"));
    assert!(data.contains("wrong node"));
}

#[actix_web::test]
async fn a_cancel_needs_no_reason() {
    let world = World::new().await;
    for body in ["", "{}"] {
        let id = world.open(None).await;
        let answer = world
            .order(Method::POST, &format!("/api/v1/runs/{id}/cancel"), body)
            .await;
        assert_eq!(answer.status, StatusCode::ACCEPTED);
    }
}

#[actix_web::test]
async fn what_is_over_cannot_be_canceled_nor_what_never_was() {
    let world = World::new().await;
    let over = world.open(Some(Outcome::Suppressed)).await;
    for (id, problem) in [
        (over.to_string(), (409, "run_finished".to_owned())),
        (world.ids.run().to_string(), (404, "not_found".to_owned())),
        ("nonsense".to_owned(), (404, "not_found".to_owned())),
    ] {
        let answer = world
            .order(Method::POST, &format!("/api/v1/runs/{id}/cancel"), "")
            .await;
        assert_eq!(answer.problem(), problem);
    }
    assert!(!world.was_woken().await);
}

#[actix_web::test]
async fn a_pause_is_in_force_until_it_is_ended() {
    let world = World::new().await;
    let answer = world
        .pause(json!({"scope": "namespace", "name": "shop", "why": "migration", "until": "2999-01-01T00:00:00Z"}))
        .await;
    assert_eq!(answer.status, StatusCode::CREATED);
    let row = answer.json();
    assert_eq!(
        (&row["scope"], &row["name"], &row["who"]),
        (&json!("namespace"), &json!("shop"), &json!("oncall"))
    );
    assert_eq!(
        (&row["why"], &row["until"]),
        (&json!("migration"), &json!("2999-01-01T00:00:00Z"))
    );
    let listed = world.get("/api/v1/pauses").await.json();
    assert_eq!(
        (&listed["items"][0]["id"], &listed["items"][0]["until"]),
        (&row["id"], &row["until"])
    );
    assert!(!world.was_woken().await);

    let path = format!("/api/v1/pauses/{}", row["id"].as_str().unwrap());
    let ended = world.order(Method::DELETE, &path, "").await;
    assert_eq!((ended.status, ended.text.as_str()), (StatusCode::NO_CONTENT, ""));
    assert!(world.was_woken().await);
    assert_eq!(world.get("/api/v1/pauses").await.json()["items"], json!([]));
    let again = world.order(Method::DELETE, &path, "").await;
    assert_eq!(again.problem(), (404, "not_found".to_owned()));
}

#[actix_web::test]
async fn a_pause_concerns_all_one_runbook_or_one_namespace() {
    let world = World::new().await;
    for body in [
        json!({"scope": "all", "why": "x"}),
        json!({"scope": "runbook", "name": "evict-crash-looping-pod", "why": "x", "until": null}),
        json!({"scope": "namespace", "name": "shop-2", "why": "x"}),
    ] {
        let answer = world.pause(body.clone()).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{body}: {}", answer.text);
        assert_eq!(answer.json()["until"], Value::Null);
    }
    assert_eq!(
        world.get("/api/v1/pauses").await.json()["items"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
}

#[actix_web::test]
async fn a_pause_may_last_for_a_while() {
    let world = World::new().await;
    let earliest = Timestamp::now() + SignedDuration::from_hours(2);
    let row = world
        .pause(json!({"scope": "all", "why": "x", "for": "2h"}))
        .await
        .json();
    let until: Timestamp = row["until"].as_str().unwrap().parse().unwrap();
    assert!(until >= earliest - SignedDuration::from_millis(1));
    assert!(until <= Timestamp::now() + SignedDuration::from_hours(2));
}

#[actix_web::test]
async fn a_pause_that_would_pause_something_else_than_meant_is_refused() {
    let world = World::new().await;
    let wordy = "x".repeat(501);
    for (body, detail) in [
        (
            json!({}),
            "`scope` is missing: expected `all`, `runbook` or `namespace`",
        ),
        (
            json!({"name": "shop", "why": "x"}),
            "`scope` is missing: expected `all`, `runbook` or `namespace`",
        ),
        (
            json!({"scope": "everything", "why": "x"}),
            "`scope` is \"everything\": expected `all`, `runbook` or `namespace`",
        ),
        (json!({"scope": {"all": true}, "why": "x"}), "`scope` must be a string"),
        (
            json!({"scope": "namespace", "why": "x"}),
            "`name` is missing: expected the namespace's name",
        ),
        (
            json!({"scope": "all", "name": "shop", "why": "x"}),
            "`name` is \"shop\": expected none, since `scope` is `all`",
        ),
        (
            json!({"scope": "namespace", "name": "Shop", "why": "x"}),
            "`name` is \"Shop\": expected a namespace: lower-case letters, digits and `-`, at most 63",
        ),
        (
            json!({"scope": "runbook", "name": "evict-crashlooping-pod", "why": "x"}),
            "`name`: no runbook \"evict-crashlooping-pod\" is in force, did you mean `evict-crash-looping-pod`?",
        ),
        (
            json!({"scope": "all"}),
            "`why` is missing: expected the reason, for whoever finds the pause later",
        ),
        (
            json!({"scope": "all", "why": wordy}),
            "`why` is too long: at most 500 characters",
        ),
        (
            json!({"scope": "all", "why": "x", "fro": "2h"}),
            "`fro` is unknown: did you mean `for`?",
        ),
        (
            json!({"scope": "all", "why": "x", "for": "2"}),
            "`for`: `2` has no unit: write for example `2s` or `2m`",
        ),
        (
            json!({"scope": "all", "why": "x", "for": "0s"}),
            "`for` is \"0s\": expected more than no time",
        ),
        (
            json!({"scope": "all", "why": "x", "for": "2h", "until": "2999-01-01T00:00:00Z"}),
            "`until` and `for` exclude each other",
        ),
        (
            json!({"scope": "all", "why": "x", "until": "2020-01-01T00:00:00Z"}),
            "`until` is \"2020-01-01T00:00:00Z\": expected a time in the future",
        ),
        (
            json!({"scope": "all", "why": "x", "until": "tomorrow"}),
            "`until` is \"tomorrow\": expected a time as in RFC 3339, for example `2026-01-31T18:00:00Z`",
        ),
    ] {
        let answer = world.pause(body.clone()).await;
        assert_eq!(answer.problem(), (400, "invalid".to_owned()), "{body}");
        assert_eq!(answer.detail(), detail);
    }
    assert_eq!(world.get("/api/v1/pauses").await.json()["items"], json!([]));
}

#[actix_web::test]
async fn an_order_is_small() {
    let world = World::new().await;
    let body = format!("{{\"scope\": \"all\", \"why\": \"{}\"}}", "x".repeat(70_000));
    let answer = world.order(Method::POST, "/api/v1/pauses", &body).await;
    assert_eq!(answer.problem(), (413, "too_large".to_owned()));
}

#[actix_web::test]
async fn a_storm_of_posts_leaves_room_for_orders() {
    let world = World::with(Setup {
        limits: Limits {
            bodies: 0,
            ..Limits::default()
        },
        ..Setup::default()
    })
    .await;
    assert_eq!(world.post(one()).await.problem(), (503, "overloaded".to_owned()));
    let answer = world.pause(json!({"scope": "all", "why": "storm"})).await;
    assert_eq!(answer.status, StatusCode::CREATED);
}
