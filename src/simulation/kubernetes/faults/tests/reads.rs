use futures::{Stream, StreamExt};
use kube::{
    api::{ListParams, WatchEvent, WatchParams},
    core::params::VersionMatch,
};

use super::*;

/// The names of a list, and its resourceVersion.
async fn listed(stage: &Stage, parameters: &ListParams) -> (Vec<String>, u64) {
    let list = stage.maps().list(parameters).await.unwrap();
    let version = list.metadata.resource_version.unwrap().parse().unwrap();
    let names = list.items.into_iter().map(|map| map.metadata.name.unwrap());
    (names.filter(|name| name != "kube-root-ca.crt").collect(), version)
}

/// The names in the events that have come by now.
fn told(watch: &mut (impl Stream<Item = kube::Result<WatchEvent<ConfigMap>>> + Unpin)) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(Some(event)) = watch.next().now_or_never() {
        told.push(match event.unwrap() {
            WatchEvent::Added(map) | WatchEvent::Modified(map) | WatchEvent::Deleted(map) => map.metadata.name.unwrap(),
            WatchEvent::Bookmark(_) => "bookmark".to_owned(),
            WatchEvent::Error(status) => format!("{} {}", status.code, status.reason),
        });
    }
    told
}

async fn watch(stage: &Stage, version: u64) -> impl Stream<Item = kube::Result<WatchEvent<ConfigMap>>> + Unpin {
    let parameters = WatchParams::default();
    let watch = stage.maps().watch(&parameters, &version.to_string()).await.unwrap();
    watch.boxed()
}

#[tokio::test]
async fn a_stale_read_is_of_the_past_and_a_consistent_one_is_not() {
    let stage = Stage::new();
    stage.make("old").await.unwrap();
    let old = stage.simulation.with(|world| world.revision());
    stage.pass(20);
    stage.make("new").await.unwrap();
    stage.maps().delete("old", &DeleteParams::default()).await.unwrap();
    stage.pass(5);
    stage.rule(Rule::always(Fault::Stale(s(10))).on(Calls::of("configmaps").with("resourceVersion=0")));
    let cached = ListParams::default().at("0").matching(VersionMatch::NotOlderThan);
    assert_eq!(listed(&stage, &cached).await, (vec!["old".to_owned()], old));
    assert_eq!(listed(&stage, &ListParams::default()).await.0, ["new"]);
    // The cache catches up.
    stage.pass(10);
    assert_eq!(listed(&stage, &cached).await.0, ["new"]);
}

#[tokio::test]
async fn a_cache_that_lags_does_not_find_what_is_new_and_cannot_be_asked_for_it() {
    let stage = Stage::new();
    stage.make("a").await.unwrap();
    stage.pass(20);
    stage.make("b").await.unwrap();
    stage.maps().delete("a", &DeleteParams::default()).await.unwrap();
    let now = stage.simulation.with(|world| world.revision());
    stage.rule(Rule::always(Fault::Stale(s(10))));
    assert!(stage.maps().get("a").await.is_ok());
    assert_eq!(status(stage.maps().get("b").await.unwrap_err()).code, 404);
    let newer = ListParams::default()
        .at(&now.to_string())
        .matching(VersionMatch::NotOlderThan);
    let refused = status(stage.maps().list(&newer).await.unwrap_err());
    assert_eq!((refused.code, &*refused.reason), (504, "Timeout"));
}

#[tokio::test]
async fn a_watch_lags_behind() {
    let stage = Stage::new();
    stage.rule(Rule::once(Fault::Stale(s(10))).on(Calls::of("configmaps").verb("watch")));
    let version = stage.simulation.with(|world| world.revision());
    let mut watch = watch(&stage, version).await;
    stage.make("a").await.unwrap();
    stage.pass(9);
    assert!(told(&mut watch).is_empty());
    stage.make("b").await.unwrap();
    stage.pass(1);
    assert_eq!(told(&mut watch), ["a"]);
    stage.pass(9);
    assert_eq!(told(&mut watch), ["b"]);
}

#[tokio::test]
async fn events_are_withheld_until_somebody_lists() {
    let stage = Stage::new();
    stage.rule(Rule::once(Fault::Withheld).on(Calls::of("configmaps").verb("watch")));
    let version = stage.simulation.with(|world| world.revision());
    let mut withheld = watch(&stage, version).await;
    let mut other = watch(&stage, version).await;
    stage.make("a").await.unwrap();
    stage.pass(70);
    assert!(told(&mut withheld).is_empty());
    assert_eq!(told(&mut other), ["a", "bookmark"]);
    assert_eq!(listed(&stage, &ListParams::default()).await.0, ["a"]);
    assert_eq!(told(&mut withheld), ["a", "bookmark"]);
    stage.make("b").await.unwrap();
    assert_eq!(told(&mut withheld), ["b"]);
}

#[tokio::test]
async fn a_continue_expires() {
    let stage = Stage::new();
    for name in ["a", "b", "c"] {
        stage.make(name).await.unwrap();
    }
    stage.rule(Rule::always(Fault::Refused(Failure::Expired)).on(Calls::of("configmaps").with("continue")));
    let part = ListParams::default().limit(2);
    let first = stage.maps().list(&part).await.unwrap();
    let token = first.metadata.continue_.unwrap();
    let gone = status(stage.maps().list(&part.continue_token(&token)).await.unwrap_err());
    assert_eq!((gone.code, &*gone.reason), (410, "Expired"));
    assert!(gone.message.starts_with("The provided continue parameter is too old"));
}

#[tokio::test]
async fn a_watch_hears_that_its_version_is_too_old() {
    let stage = Stage::new();
    stage.rule(Rule::once(Fault::Refused(Failure::Expired)).on(Calls::any().verb("watch")));
    let version = stage.simulation.with(|world| world.revision());
    let mut watch = watch(&stage, version).await;
    assert_eq!(told(&mut watch), ["410 Expired"]);
    assert!(watch.next().await.is_none());
}
