//! `/livez`, `/readyz` and `/metrics`.

use super::*;
use crate::{metrics::CONTENT_TYPE, readiness::Readiness};

/// With a part that must be well for the process to be left alone.
fn admin(readiness: Readiness) -> Admin {
    let _ = readiness.heartbeat("engine", Arc::new(SystemClock::new()), Duration::from_secs(60));
    Admin {
        readiness,
        metrics: Page::new(|registry| Metrics::default().register(registry)),
        draining: Draining::default(),
    }
}

async fn get(admin: &Admin, path: &str) -> Answer {
    let app = init_service(admin_app(web::Data::new(admin.clone()))).await;
    read(app.call(TestRequest::get().uri(path).to_request()).await.unwrap()).await
}

#[actix_web::test]
async fn ready_names_each_part_and_stays_ready_with_a_warning() {
    let readiness = Readiness::default();
    readiness.part("store").ok();
    readiness.part("runbooks").warn("1 file is refused:\n  a.yaml:3\n");
    let admin = admin(readiness);
    let answer = get(&admin, "/readyz").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.text,
        "[+]store ok\n[!]runbooks: 1 file is refused:; a.yaml:3\n[+]engine ok\nreadyz check passed\n"
    );
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
}

#[actix_web::test]
async fn one_failed_part_is_503() {
    let readiness = Readiness::default();
    readiness.part("store").failed("the disk is full");
    readiness.part("runbooks").ok();
    let admin = admin(readiness);
    let answer = get(&admin, "/readyz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        answer.text,
        "[-]store failed: the disk is full\n[+]runbooks ok\n[+]engine ok\nreadyz check failed\n"
    );
    assert_eq!(get(&admin, "/livez").await.status, StatusCode::OK);
}

#[actix_web::test]
async fn a_part_that_does_not_answer_has_failed() {
    let readiness = Readiness::default();
    readiness.probe("store", std::future::pending);
    let admin = admin(readiness);
    let answer = get(&admin, "/readyz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.text.starts_with("[-]store failed: no answer within 2 s\n"));
}

#[actix_web::test]
async fn while_draining_it_is_alive_and_not_ready() {
    let admin = admin(Readiness::default());
    admin.draining.begin();
    let answer = get(&admin, "/readyz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        answer.text,
        "[+]engine ok\n[-]draining failed: the service is stopping\nreadyz check failed\n"
    );
    assert_eq!(get(&admin, "/livez").await.text, "[+]engine ok\nlivez check passed\n");
}

#[actix_web::test]
async fn metrics_are_what_prometheus_reads() {
    let admin = admin(Readiness::default());
    let answer = get(&admin, "/metrics").await;
    assert_eq!(answer.header("content-type"), CONTENT_TYPE);
    assert!(
        answer
            .text
            .contains("selfhealer_notifications_total{result=\"accepted\"} 0")
    );
    assert!(answer.text.ends_with("# EOF\n"));
}

#[actix_web::test]
async fn nothing_else_is_there() {
    let admin = admin(Readiness::default());
    assert_eq!(
        get(&admin, "/alertmanager").await.problem(),
        (404, "not_found".to_owned())
    );
    let app = init_service(admin_app(web::Data::new(admin))).await;
    let answer = read(app.call(TestRequest::post().uri("/readyz").to_request()).await.unwrap()).await;
    assert_eq!(answer.problem(), (405, "method_not_allowed".to_owned()));
}
