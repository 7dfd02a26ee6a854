use futures::FutureExt;

use super::*;
use crate::kubernetes::reply::Body;

async fn open(service: &Service, query: &str) -> Body {
    let request = Request::get(format!("{PODS}?watch=1&{query}"))
        .body(Full::new(bytes::Bytes::new()))
        .unwrap();
    let response = service.clone().call(request).await.unwrap();
    assert_eq!(response.status(), 200);
    response.into_body()
}

/// What has come by now: type, name, and the words of an error.
fn seen(body: &mut Body) -> Vec<String> {
    let mut seen = Vec::new();
    while let Some(Some(frame)) = body.frame().now_or_never() {
        let data = frame.unwrap().into_data().unwrap();
        let event: Value = serde_json::from_slice(&data).unwrap();
        let what = match &event["object"]["message"] {
            Value::Null => event["object"]["metadata"]["name"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            message => format!("{} {}", event["object"]["code"], message.as_str().unwrap()),
        };
        seen.push(format!("{} {what}", event["type"].as_str().unwrap()).trim().to_owned());
    }
    seen
}

async fn label(service: &Service, name: &str, value: &str) {
    let patch = json!({"metadata": {"labels": {"tier": value}}});
    let path = format!("{PODS}/{name}");
    ask_as(service, "PATCH", &path, patch, "application/merge-patch+json").await;
}

#[tokio::test]
async fn a_watch_begins_with_what_there_is_unless_it_says_since_when() {
    let simulation = simulation();
    let service = simulation.service();
    ask(&service, "POST", PODS, pod("a")).await;
    let version = simulation.with(|world| world.revision());
    let mut all = open(&service, "").await;
    let mut since = open(&service, &format!("resourceVersion={version}")).await;
    assert_eq!(seen(&mut all), ["ADDED a"]);
    assert!(seen(&mut since).is_empty());
    ask(&service, "POST", PODS, pod("b")).await;
    assert_eq!(seen(&mut all), ["ADDED b"]);
    assert_eq!(seen(&mut since), ["ADDED b"]);
}

#[tokio::test]
async fn who_sees_a_selection_sees_things_come_and_go() {
    let service = simulation().service();
    let mut front = open(&service, "labelSelector=tier%3Dfront").await;
    ask(&service, "POST", PODS, pod("a")).await;
    assert!(seen(&mut front).is_empty());
    label(&service, "a", "front").await;
    assert_eq!(seen(&mut front), ["ADDED a"]);
    label(&service, "a", "back").await;
    assert_eq!(seen(&mut front), ["DELETED a"]);
    label(&service, "a", "front").await;
    ask(&service, "DELETE", &format!("{PODS}/a"), Value::Null).await;
    assert_eq!(seen(&mut front), ["ADDED a", "MODIFIED a", "DELETED a"]);
}

#[tokio::test]
async fn the_beginning_ends_with_a_bookmark_and_bookmarks_come_with_time() {
    let simulation = simulation();
    let service = simulation.service();
    ask(&service, "POST", PODS, pod("a")).await;
    let query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = open(&service, query).await;
    assert_eq!(seen(&mut watch), ["ADDED a", "BOOKMARK"]);
    simulation.advance(start() + std::time::Duration::from_secs(61));
    assert_eq!(seen(&mut watch), ["BOOKMARK"]);
    let refused = get(&service, &format!("{PODS}?watch=1&sendInitialEvents=true")).await;
    assert_eq!(refused.code, 422);
    assert!(
        refused
            .message()
            .contains("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
    );
}

#[tokio::test]
async fn what_is_too_old_is_gone() {
    let simulation = simulation();
    let service = simulation.service();
    let version = simulation.with(|world| world.revision());
    ask(&service, "POST", PODS, pod("a")).await;
    let mut late = open(&service, &format!("resourceVersion={version}")).await;
    simulation.with(world::World::compact);
    let words = format!("ERROR 410 too old resource version: {version} ");
    assert!(seen(&mut late)[0].starts_with(&words));
    assert!(late.frame().await.is_none());
    let mut later = open(&service, &format!("resourceVersion={version}")).await;
    assert!(seen(&mut later)[0].starts_with(&words));
}
