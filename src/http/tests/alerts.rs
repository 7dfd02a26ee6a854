//! `POST /alertmanager`: what is accepted, what is refused, and with which answer.

use super::*;
use crate::http::metrics::Answer as Counted;

/// Bodies with this one alert, changed.
fn with(change: impl FnOnce(&mut Value)) -> String {
    let mut changed = alert("cart-1");
    change(&mut changed);
    notification(vec![changed]).to_string()
}

#[actix_web::test]
async fn a_notification_is_answered_with_202_once_it_is_committed_byte_for_byte() {
    let world = World::new().await;
    let body = format!("{}\n", one());
    let answer = world.post(body.clone()).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(answer.json(), json!({"alerts": 1}));
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(world.posts().await, [body.into_bytes()]);
    assert_eq!(world.answers("accepted"), 1);
}

#[actix_web::test]
async fn a_duplicate_is_accepted_again() {
    let world = World::new().await;
    assert_eq!(world.post(one()).await.status, StatusCode::ACCEPTED);
    assert_eq!(world.post(one()).await.status, StatusCode::ACCEPTED);
    assert_eq!(world.posts().await.len(), 2);
}

#[actix_web::test]
async fn ten_thousand_alerts_in_one_post_are_accepted() {
    let world = World::new().await;
    let alerts = (0..10_000).map(|n| alert(&format!("cart-{n}"))).collect();
    let answer = world.post(notification(alerts).to_string()).await;
    assert_eq!(answer.json(), json!({"alerts": 10_000}));
}

#[actix_web::test]
async fn whatever_alertmanager_may_send_is_accepted() {
    let world = World::new().await;
    let accepted = [
        ("NUL in a label", with(|alert| alert["labels"]["pod"] = json!("a\0b"))),
        (
            "template syntax",
            with(|alert| alert["labels"]["pod"] = json!("{{labels.pod}} ${x} <%= 1 %>\r\n\t")),
        ),
        (
            "emoji and RTL marks",
            with(|alert| alert["annotations"]["summary"] = json!("💥\u{202e}")),
        ),
        ("no labels", with(|alert| alert["labels"] = json!({}))),
        (
            "year 1",
            with(|alert| alert["startsAt"] = json!("0001-01-01T00:00:00Z")),
        ),
        (
            "year 9999",
            with(|alert| alert["startsAt"] = json!("9999-12-30T00:00:00Z")),
        ),
        (
            "nanoseconds and an offset",
            with(|alert| alert["startsAt"] = json!("2026-11-22T10:18:42.617904123+05:30")),
        ),
        (
            "ends before it starts",
            with(|alert| alert["endsAt"] = json!("1999-01-01T00:00:00Z")),
        ),
        (
            "the same fingerprint twice",
            notification(vec![alert("a"), alert("b")]).to_string(),
        ),
        ("fields of a later version", {
            let mut later = notification(vec![alert("a")]);
            later["routeLabels"] = json!({"runbook": "x"});
            later["alerts"][0]["value"] = json!(1);
            later.to_string()
        }),
        ("a very deep field that nobody reads", {
            let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
            one().replacen('{', &format!("{{\"later\":{deep},"), 1)
        }),
    ];
    for (what, body) in &accepted {
        let answer = world.post(body.clone()).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{what}: {}", answer.text);
    }
    assert_eq!(world.answers("accepted"), accepted.len() as u64);
}

#[actix_web::test]
async fn what_is_no_notification_is_400_and_nothing_of_it_is_kept() {
    let world = World::new().await;
    let mut invalid_utf8 = one().replace("receiver", "rec").into_bytes();
    invalid_utf8[2] = 0xff;
    let mut utf8_bom = b"\xef\xbb\xbf".to_vec();
    utf8_bom.extend(one().bytes());
    let without = |field: &str| {
        let mut body = notification(vec![alert("a")]);
        body.as_object_mut().unwrap().remove(field);
        body.to_string()
    };
    let refused: [(&str, Vec<u8>); 15] = [
        ("an empty body", Vec::new()),
        ("no JSON", b"alerts=1".to_vec()),
        ("half of it", one().into_bytes()[..100].to_vec()),
        ("two of them", format!("{0}{0}", one()).into_bytes()),
        ("a byte order mark", utf8_bom),
        ("invalid UTF-8 where nobody looks", invalid_utf8),
        (
            "version 3",
            one().replace("\"version\":\"4\"", "\"version\":\"3\"").into_bytes(),
        ),
        ("no version", without("version").into_bytes()),
        ("no alerts", without("alerts").into_bytes()),
        ("empty alerts", notification(Vec::new()).to_string().into_bytes()),
        (
            "a time that is none",
            with(|alert| alert["startsAt"] = json!("yesterday")).into_bytes(),
        ),
        (
            "a status that is none",
            with(|alert| alert["status"] = json!("broken\nlevel=error")).into_bytes(),
        ),
        (
            "a short fingerprint",
            with(|alert| alert["fingerprint"] = json!("12")).into_bytes(),
        ),
        (
            "a label that is no text",
            with(|alert| alert["labels"]["pod"] = json!(["a"])).into_bytes(),
        ),
        ("deep nesting", vec![b'['; 1_000_000]),
    ];
    for (what, body) in &refused {
        assert_eq!(
            world.post(body.clone()).await.problem(),
            (400, "malformed".to_owned()),
            "{what}"
        );
    }
    assert_eq!(world.answers("malformed"), refused.len() as u64);
    assert!(world.posts().await.is_empty());
}

#[actix_web::test]
async fn the_words_about_a_malformed_post_stay_short() {
    let world = World::new().await;
    let answer = world
        .post(with(|alert| alert["fingerprint"] = json!("f".repeat(100_000))))
        .await;
    assert_eq!(answer.problem(), (400, "malformed".to_owned()));
    assert_eq!(answer.detail().chars().count(), 301);
}

#[actix_web::test]
async fn a_compressed_body_is_refused_and_identity_is_none() {
    let world = World::new().await;
    for (encoding, status) in [("gzip", 400), ("identity, gzip", 400), ("identity", 202)] {
        let request = world
            .request("alertmanager", Method::POST, "/alertmanager")
            .insert_header(("Content-Encoding", encoding))
            .set_payload(one());
        assert_eq!(world.send(request).await.status.as_u16(), status, "{encoding}");
    }
}

#[actix_web::test]
async fn without_a_known_token_nothing_is_read_and_with_another_permission_nothing_is_taken() {
    let world = World::new().await;
    let post = || TestRequest::post().uri("/alertmanager").set_payload("not even JSON");
    for request in [
        post(),
        post().insert_header(("Authorization", "Bearer wrong")),
        post().insert_header(("Authorization", "Basic YWxlcnRtYW5hZ2VyOmE=")),
    ] {
        let answer = world.send(request).await;
        assert_eq!(answer.problem(), (401, "unauthenticated".to_owned()));
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    for token in ["viewer", "oncall"] {
        let request = world.request(token, Method::POST, "/alertmanager").set_payload(one());
        let answer = world.send(request).await;
        assert_eq!(answer.problem(), (403, "forbidden".to_owned()));
        assert!(answer.detail().contains("`ingest`"));
    }
    assert_eq!((world.answers("unauthenticated"), world.answers("forbidden")), (3, 2));
    assert!(world.posts().await.is_empty());
}

#[actix_web::test]
async fn thirty_three_mebibytes_are_too_many_whoever_sends_them() {
    let world = World::new().await;
    let answer = world.post(vec![b' '; 33 * 1024 * 1024]).await;
    assert_eq!(answer.problem(), (413, "too_large".to_owned()));
    let request = TestRequest::post()
        .uri("/alertmanager")
        .insert_header(("Content-Length", "34603008"));
    assert_eq!(world.send(request).await.problem(), (413, "too_large".to_owned()));
    assert_eq!(world.answers("too_large"), 2);
}

#[actix_web::test]
async fn a_full_inbox_is_503() {
    let world = World::with(Setup {
        inbox: 2,
        ..Setup::default()
    })
    .await;
    assert_eq!(world.post(one()).await.status, StatusCode::ACCEPTED);
    let two = notification(vec![alert("a"), alert("b")]).to_string();
    assert_eq!(world.post(two).await.problem(), (503, "overloaded".to_owned()));
    assert_eq!(world.post(one()).await.status, StatusCode::ACCEPTED);
    assert_eq!(world.answers("overloaded"), 1);
}

#[actix_web::test]
async fn bodies_beyond_the_shared_budget_are_503() {
    let world = World::with(Setup {
        limits: Limits {
            bodies: 100,
            ..Limits::default()
        },
        ..Setup::default()
    })
    .await;
    assert_eq!(world.post(one()).await.problem(), (503, "overloaded".to_owned()));
}

#[actix_web::test]
async fn a_store_that_cannot_commit_is_503_and_keeps_its_words_for_the_log() {
    let world = World::new().await;
    world.public.store.close().await;
    let answer = world.post(one()).await;
    assert_eq!(answer.problem(), (503, "store_unavailable".to_owned()));
    assert!(!answer.text.contains(&world.folder.path().display().to_string()));
    assert_eq!(world.answers("store_unavailable"), 1);
}

#[actix_web::test]
async fn while_draining_a_post_is_503_at_once() {
    let world = World::new().await;
    world.public.draining.begin();
    assert_eq!(world.post(one()).await.problem(), (503, "draining".to_owned()));
    assert_eq!(world.answers("draining"), 1);
    assert_eq!(world.get("/api/v1/runs").await.status, StatusCode::OK);
}

#[actix_web::test]
async fn other_methods_are_405_and_other_paths_404_but_nothing_redirects() {
    let world = World::new().await;
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let request = world.request("alertmanager", method.clone(), "/alertmanager");
        let answer = world.send(request).await;
        assert_eq!(answer.problem(), (405, "method_not_allowed".to_owned()), "{method}");
        assert_eq!(answer.header("allow"), "POST");
    }
    for path in [
        "/alertmanager/",
        "//alertmanager",
        "/Alertmanager",
        "/alertmanager/x",
        "/",
        "/api/v2/alerts",
    ] {
        let answer = world.send(world.request("alertmanager", Method::POST, path)).await;
        assert_eq!(answer.problem(), (404, "not_found".to_owned()), "{path}");
    }
}

#[actix_web::test]
async fn a_token_that_was_rotated_counts_without_a_restart() {
    let world = World::new().await;
    assert_eq!(world.post(one()).await.status, StatusCode::ACCEPTED);
    fs::write(world.folder.path().join("alertmanager"), "rotated-secret\n").unwrap();
    // The file is looked at again within a second or so.
    loop {
        let request = world
            .request("rotated", Method::POST, "/alertmanager")
            .set_payload(one());
        if world.send(request).await.status == StatusCode::ACCEPTED {
            break;
        }
    }
    assert_eq!(world.post(one()).await.problem(), (401, "unauthenticated".to_owned()));
}

#[actix_web::test]
async fn without_tokens_everybody_may_post_but_web_pages() {
    let world = World::with(Setup {
        tokens: false,
        ..Setup::default()
    })
    .await;
    let post = || TestRequest::post().uri("/alertmanager").set_payload(one());
    for host in ["localhost:8080", "127.0.0.1", "[::1]:8080"] {
        let answer = world.send(post().insert_header(("Host", host))).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{host}");
    }
    for (name, value) in [
        ("Origin", "http://evil.example"),
        ("Origin", "null"),
        ("Host", "rebound.example:8080"),
    ] {
        let answer = world.send(post().insert_header((name, value))).await;
        assert_eq!(answer.problem(), (403, "forbidden".to_owned()), "{name}: {value}");
    }
}

#[test]
fn each_refusal_has_its_counter() {
    let refusals = [
        ApiError::Malformed(String::new()),
        ApiError::Unauthenticated,
        ApiError::Forbidden(crate::domain::permission::Permission::Ingest),
        ApiError::WebPage,
        ApiError::TooLarge(1),
        ApiError::TooSlow,
        ApiError::Incomplete,
        ApiError::Overloaded(""),
        ApiError::Store(""),
        ApiError::Draining,
    ];
    for refusal in refusals {
        assert_eq!(Counted::from(&refusal).as_str(), refusal.reason());
    }
}
