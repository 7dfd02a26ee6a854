//! The stories as they go on a real node: all at once, and then one by one those that need the kubelet for themselves.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::StreamExt;
use http::Request;
use jiff::Timestamp;
use kube::{Client, core::WatchEvent};
use serde_json::Value;
use test_cluster::{ControlPlane, ControlPlaneOptions, RealNodeOptions};
use tokio::sync::watch;

use super::{
    deeds::Api,
    metrics,
    story::{Deed, Story},
    telling::Telling,
};

/// Between the beginnings of two stories: a kubelet that starts thirty pods at once takes its time for each.
const APART: Duration = Duration::from_millis(1500);
/// How long Events and metrics may take after what they are about.
const AFTERWARDS: f64 = 3.0;

/// What kube-state-metrics serves, each second.
type Pages = watch::Receiver<Arc<str>>;

/// Tells the stories.
pub async fn tell(stories: Vec<Story>) -> Vec<(Story, Telling)> {
    let options = ControlPlaneOptions {
        nodes: 0,
        kube_state_metrics: true,
        real_node: Some(RealNodeOptions {
            alone: true,
            ..RealNodeOptions::default()
        }),
    };
    let plane = Arc::new(ControlPlane::start(options).await.unwrap());
    let pages = scrape(&plane);
    let (alone, together): (Vec<_>, Vec<_>) = stories.into_iter().partition(Story::alone);
    let all = together.into_iter().enumerate().map(|(index, story)| {
        let (plane, pages) = (Arc::clone(&plane), pages.clone());
        tokio::spawn(async move {
            tokio::time::sleep(APART * u32::try_from(index).unwrap()).await;
            told(&plane, pages, story).await
        })
    });
    let mut tellings: Vec<(Story, Telling)> = Vec::new();
    for task in all.collect::<Vec<_>>() {
        tellings.push(task.await.unwrap());
    }
    for story in alone {
        tellings.push(told(&plane, pages.clone(), story).await);
    }
    tellings
}

async fn told(plane: &ControlPlane, pages: Pages, story: Story) -> (Story, Telling) {
    let telling = one(plane, pages, &story).await;
    println!(
        "{}: {} sightings in {:.0} s",
        story.name,
        telling.sightings.len(),
        telling.ended
    );
    (story, telling)
}

/// Reads kube-state-metrics each second for as long as anybody wants to know.
fn scrape(plane: &ControlPlane) -> Pages {
    let url = plane.kube_state_metrics_url().unwrap().to_owned();
    let (sender, receiver) = watch::channel(Arc::from(""));
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(5))
        .build()
        .unwrap();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let Ok(answer) = client.get(&url).send().await else {
                continue;
            };
            let Ok(page) = answer.text().await else { continue };
            if sender.send(page.into()).is_err() {
                break;
            }
        }
    });
    receiver
}

/// Everything that changes in a namespace.
async fn changes(client: &Client, path: String) -> impl futures::Stream<Item = WatchEvent<Value>> {
    let request = Request::get(format!("{path}?watch=1&resourceVersion=0"))
        .body(Vec::new())
        .unwrap();
    let stream = client.request_events::<Value>(request).await.unwrap();
    stream.map(Result::unwrap)
}

async fn one(plane: &ControlPlane, mut pages: Pages, story: &Story) -> Telling {
    let (client, namespace) = (plane.client(), story.name.as_str());
    plane.create_namespace(namespace).await.unwrap();
    let api = Api {
        client: &client,
        namespace,
    };
    for object in &story.before {
        api.make(object).await;
    }
    let of = |group: &str, plural: &str| format!("/{group}/namespaces/{namespace}/{plural}");
    let mut pods = Box::pin(changes(&client, of("api/v1", "pods")).await);
    let mut sets = Box::pin(changes(&client, of("apis/apps/v1", "replicasets")).await);
    let mut telling = Telling::default();
    let (begun, clock) = (Timestamp::now(), Instant::now());
    let at = || clock.elapsed().as_secs_f64();
    api.make(&story.object()).await;
    let mut then = story.then.iter();
    let mut next = then.next();
    let mut end = f64::from(story.longest());
    let mut over = false;
    while at() < end {
        let deed = next.map_or(end, |next| f64::from(next.at));
        let wait = Duration::from_secs_f64((deed.min(end) - at()).max(0.0));
        tokio::select! {
            change = pods.next() => match change.expect("a watch that goes on") {
                WatchEvent::Added(pod) | WatchEvent::Modified(pod) => telling.pod(at(), &pod, false),
                WatchEvent::Deleted(pod) => telling.pod(at(), &pod, true),
                _ => {}
            },
            change = sets.next() => match change.expect("a watch that goes on") {
                WatchEvent::Added(set) | WatchEvent::Modified(set) => telling.set(at(), &set),
                _ => {}
            },
            _ = pages.changed() => {
                let values = metrics::scraped(&pages.borrow_and_update(), namespace);
                telling.series.see(at(), &values);
            },
            () = tokio::time::sleep(wait) => if let Some(now) = next.filter(|next| f64::from(next.at) <= at()) {
                match (now.r#do, plane.real_node()) {
                    (Deed::KillKubelet, Some(node)) => node.kill_kubelet().await,
                    (Deed::StartKubelet, Some(node)) => node.start_kubelet().await.unwrap(),
                    (deed, _) => if let Some(answer) = api.carry_out(deed).await {
                        telling.hear_answer(at(), &answer);
                    }
                }
                next = then.next();
            },
        }
        if !over && story.restarts().is_some_and(|wanted| telling.restarts() >= wanted) {
            (over, end) = (true, at() + AFTERWARDS);
        }
    }
    telling.ended = at();
    telling.hear(&api.list("events").await, begun);
    telling.end_with(story.restarts());
    telling
}
