//! `/livez`, `/readyz` and `/metrics`.

use super::*;
use crate::metrics::CONTENT_TYPE;

fn admin(ready: Vec<Part>) -> Admin {
    Admin {
        live: vec![Part::new("engine", || async { PartState::Ok })],
        ready,
        metrics: Metrics::new(),
        draining: Draining::default(),
    }
}

async fn get(admin: &Admin, path: &str) -> Answer {
    let app = init_service(admin_app(web::Data::new(admin.clone()))).await;
    read(app.call(TestRequest::get().uri(path).to_request()).await.unwrap()).await
}

fn part(name: &'static str, state: PartState) -> Part {
    Part::new(name, move || std::future::ready(state.clone()))
}

#[actix_web::test]
async fn ready_names_each_part_and_stays_ready_with_a_warning() {
    let admin = admin(vec![
        part("store", PartState::Ok),
        part(
            "runbooks",
            PartState::Warning("1 file is refused:\n  a.yaml:3\n".to_owned()),
        ),
    ]);
    let answer = get(&admin, "/readyz").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.text,
        "[+]store ok\n[!]runbooks: 1 file is refused:; a.yaml:3\nreadyz check passed\n"
    );
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
}

#[actix_web::test]
async fn one_failed_part_is_503() {
    let admin = admin(vec![
        part("store", PartState::Failed("the disk is full".to_owned())),
        part("runbooks", PartState::Ok),
    ]);
    let answer = get(&admin, "/readyz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        answer.text,
        "[-]store failed: the disk is full\n[+]runbooks ok\nreadyz check failed\n"
    );
    assert_eq!(get(&admin, "/livez").await.status, StatusCode::OK);
}

#[actix_web::test]
async fn a_part_that_does_not_answer_has_failed() {
    let admin = admin(vec![Part::new("store", std::future::pending)]);
    let answer = get(&admin, "/readyz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.text.starts_with("[-]store failed: no answer within 2 s\n"));
}

#[actix_web::test]
async fn while_draining_it_is_alive_and_not_ready() {
    let admin = admin(vec![part("store", PartState::Ok)]);
    admin.draining.begin();
    let answer = get(&admin, "/readyz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        answer.text,
        "[+]store ok\n[-]draining failed: the service is stopping\nreadyz check failed\n"
    );
    assert_eq!(get(&admin, "/livez").await.text, "[+]engine ok\nlivez check passed\n");
}

#[actix_web::test]
async fn metrics_are_what_prometheus_reads() {
    let admin = admin(Vec::new());
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
    let admin = admin(Vec::new());
    assert_eq!(
        get(&admin, "/alertmanager").await.problem(),
        (404, "not_found".to_owned())
    );
    let app = init_service(admin_app(web::Data::new(admin))).await;
    let answer = read(app.call(TestRequest::post().uri("/readyz").to_request()).await.unwrap()).await;
    assert_eq!(answer.problem(), (405, "method_not_allowed".to_owned()));
}
