use futures::StreamExt;
use kube::{
    Config,
    api::{WatchEvent, WatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};

use super::*;
use crate::{kubernetes::loopback::kubeconfig, serve::Server};

/// The same cluster over sockets, with a client that tries nothing twice.
async fn over_sockets() -> (Stage, Server) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let simulation = Simulation::new(start(), 7);
    let server = simulation.service().serve().await.unwrap();
    let kubeconfig = Kubeconfig::from_yaml(&kubeconfig(&server, None)).unwrap();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .unwrap();
    config.default_retry = false;
    let client = Client::try_from(config).unwrap();
    (Stage { simulation, client }, server)
}

async fn a_cut_comes_before_the_effect_or_after_it(stage: &Stage) {
    stage.rule(Rule::once(Fault::Cut));
    assert!(is_cut(stage.make("cut").await));
    stage.rule(Rule::once(Fault::AnswerLost));
    assert!(is_cut(stage.make("lost").await));
    assert_eq!(stage.there(), ["lost"]);
    let told: Vec<_> = stage
        .calls()
        .iter()
        .map(|call| (call.status, call.took_effect()))
        .collect();
    assert_eq!(told, [(None, false), (None, true)]);
    stage.make("next").await.unwrap();
}

#[tokio::test]
async fn in_process_a_cut_comes_before_the_effect_or_after_it() {
    a_cut_comes_before_the_effect_or_after_it(&Stage::new()).await;
}

#[tokio::test]
async fn over_sockets_a_cut_comes_before_the_effect_or_after_it() {
    let (stage, _server) = over_sockets().await;
    a_cut_comes_before_the_effect_or_after_it(&stage).await;
}

async fn an_answer_breaks_off_after_the_effect(stage: &Stage) {
    stage.rule(Rule::once(Fault::BrokenOff));
    stage.make("broken").await.unwrap_err();
    assert_eq!(stage.there(), ["broken"]);
    stage.make("next").await.unwrap();
}

#[tokio::test]
async fn in_process_an_answer_breaks_off_after_the_effect() {
    an_answer_breaks_off_after_the_effect(&Stage::new()).await;
}

#[tokio::test]
async fn over_sockets_an_answer_breaks_off_after_the_effect() {
    let (stage, _server) = over_sockets().await;
    an_answer_breaks_off_after_the_effect(&stage).await;
}

async fn a_request_is_delivered_long_after_its_caller_was_cut_off(stage: &Stage) {
    stage.rule(Rule::once(Fault::DeliveredLate(s(180))));
    assert!(is_cut(stage.make("late").await));
    stage.pass(179);
    assert!(stage.there().is_empty());
    // Somebody else was faster.
    stage.make("other").await.unwrap();
    stage.pass(1);
    assert_eq!(stage.there(), ["late", "other"]);
    let late = &stage.calls()[0];
    assert_eq!(
        (late.at, late.carried_out, late.took_effect()),
        (start(), Some(start() + s(180)), true)
    );
}

#[tokio::test]
async fn in_process_a_request_is_delivered_late() {
    a_request_is_delivered_long_after_its_caller_was_cut_off(&Stage::new()).await;
}

#[tokio::test]
async fn over_sockets_a_request_is_delivered_late() {
    let (stage, _server) = over_sockets().await;
    a_request_is_delivered_long_after_its_caller_was_cut_off(&stage).await;
}

#[tokio::test]
async fn latency_is_simulated_time_on_the_way_there_and_back() {
    let stage = Stage::new();
    let (request, answer) = (s(5), s(2));
    stage.rule(Rule::once(Fault::Latency { request, answer }));
    let mut made = Box::pin(stage.make("a"));
    stage.send(&mut made).await;
    stage.pass(4);
    assert!(stage.there().is_empty());
    stage.pass(1);
    assert_eq!(stage.there(), ["a"]);
    assert!((&mut made).now_or_never().is_none());
    stage.pass(2);
    let made = made.await.unwrap();
    let created = made.metadata.creation_timestamp.unwrap().0;
    assert_eq!(created, start() + s(5));
}

#[tokio::test]
async fn a_request_on_its_way_arrives_though_its_caller_has_given_up() {
    let stage = Stage::new();
    let (request, answer) = (s(60), s(0));
    stage.rule(Rule::once(Fault::Latency { request, answer }));
    stage.send(&mut Box::pin(stage.make("a"))).await;
    assert!(stage.there().is_empty());
    stage.pass(60);
    assert_eq!(stage.there(), ["a"]);
    let call = &stage.calls()[0];
    assert_eq!((call.status, call.took_effect()), (None, true));
}

#[tokio::test]
async fn over_sockets_a_delayed_answer_comes_when_the_time_comes() {
    let (stage, _server) = over_sockets().await;
    let (request, answer) = (s(1), s(1));
    stage.rule(Rule::once(Fault::Latency { request, answer }));
    let making = stage.make("a");
    let passing = async {
        while stage.calls().is_empty() {
            tokio::task::yield_now().await;
        }
        stage.pass(2);
    };
    let (made, ()) = tokio::join!(making, passing);
    made.unwrap();
}

async fn a_watch_is_cut_at_its_time(stage: &Stage) {
    stage.rule(Rule::once(Fault::WatchCut(s(30))).on(Calls::of("configmaps").verb("watch")));
    let version = stage.simulation.with(|world| world.revision()).to_string();
    let watch = stage.maps().watch(&WatchParams::default(), &version).await.unwrap();
    let mut watch = watch.boxed();
    stage.make("a").await.unwrap();
    assert!(matches!(watch.next().await, Some(Ok(WatchEvent::Added(_)))));
    stage.pass(30);
    // Over sockets the client takes a connection that ends for the end of the watch.
    assert!(watch.next().await.is_none_or(|event| event.is_err()));
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn in_process_a_watch_is_cut_at_its_time() {
    a_watch_is_cut_at_its_time(&Stage::new()).await;
}

#[tokio::test]
async fn over_sockets_a_watch_is_cut_at_its_time() {
    let (stage, _server) = over_sockets().await;
    a_watch_is_cut_at_its_time(&stage).await;
}

#[tokio::test]
async fn a_watch_breaks_in_the_middle_of_an_event() {
    let (stage, _server) = over_sockets().await;
    stage.rule(Rule::once(Fault::BrokenOff).on(Calls::of("configmaps").verb("watch")));
    let version = stage.simulation.with(|world| world.revision()).to_string();
    let watch = stage.maps().watch(&WatchParams::default(), &version).await.unwrap();
    stage.make("a").await.unwrap();
    let events: Vec<_> = watch.collect().await;
    assert!(events.iter().all(Result::is_err), "half an event is none: {events:?}");
}
