//! The service's intake and store by themselves: posts are checked and committed, without HTTP, client and unfolding.

use std::time::{Duration, Instant};

use bytes::Bytes;
use selfhealer::{app::Service, intake::accept::Inbox};

use super::{
    assembled::{config, service},
    load::{ALERTNAME, CONNECTIONS},
    posts::Posts,
    runtime,
    tally::Tally,
};

/// So many posts of so many alerts, as fast as 64 tasks that each wait for their commit.
pub fn closed(alerts: usize, posts: u64) {
    let folder = tempfile::tempdir().unwrap();
    let (latencies, took) = runtime().block_on(async {
        let Service { inbox, .. } = service(&config(folder.path())).await;
        let begin = Instant::now();
        let tasks: Vec<_> = (0..CONNECTIONS)
            .map(|first| tokio::spawn(sender(inbox.clone(), alerts, first, posts)))
            .collect();
        let mut latencies = Vec::new();
        for task in tasks {
            latencies.extend(task.await.unwrap());
        }
        (latencies, begin.elapsed())
    });
    println!("{}", Tally::new(latencies, 0, took));
}

async fn sender(inbox: Inbox, alerts: usize, first: u64, posts: u64) -> Vec<Duration> {
    let mut bodies = Posts::new(alerts, ALERTNAME, |_| String::new());
    let mut latencies = Vec::new();
    for n in (first..posts).step_by(CONNECTIONS as usize) {
        let body = Bytes::copy_from_slice(bodies.number(n));
        let begin = Instant::now();
        inbox.accept("bench", body).await.unwrap();
        latencies.push(begin.elapsed());
    }
    latencies
}
