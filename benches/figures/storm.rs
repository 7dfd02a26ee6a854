//! Small enough to forget about: how it starts, what it holds when nothing happens, and what a storm does to it.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use super::{
    load::ALERTNAME,
    machine::{median, memory, millis, quantile},
    runtime,
    service::{Installation, Service},
    spawn::{address, client, drained, installation},
    table::Table,
    unfolding::runbook,
};

const STARTS: usize = 11;
const STORM: u64 = 100_000;
const SHIPPED: &str = include_str!("../../runbooks/crash-looping-pod.yaml");

/// From `exec` to `/readyz`, first with a new database, then with the one that is there; and the memory after a while.
pub fn start(table: &mut Table) {
    let runtime = runtime();
    runtime.block_on(async {
        let (mut new, mut again, mut idle) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..STARTS {
            let installation = installation(&[SHIPPED], "");
            new.push(ready(&installation).await.0);
            let (time, service) = ready(&installation).await;
            again.push(time);
            tokio::time::sleep(Duration::from_secs(2)).await;
            idle.push(memory(service.pid(), "VmRSS"));
        }
        println!("starts with a new database {new:.0?} ms, with an old one {again:.0?} ms; idle {idle:.1?} MiB");
        table.at_most("start to ready, new database, median", median(&mut new), 200.0, " ms");
        table.at_most(
            "start to ready, new database, slowest",
            quantile(&mut new, 1.0),
            200.0,
            " ms",
        );
        table.at_most(
            "start to ready, known database, median",
            median(&mut again),
            200.0,
            " ms",
        );
        table.at_most("idle memory (RSS)", quantile(&mut idle, 1.0), 28.0, " MiB");
    });
}

async fn ready(installation: &Installation) -> (f64, Service) {
    let client = reqwest::Client::new();
    let begin = Instant::now();
    let service = installation.start().await;
    let answer = client.get(format!("{}/readyz", service.admin)).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", service.log());
    (millis(begin.elapsed()), service)
}

/// 100,000 distinct alerts, one a post and fifty a post, into an inbox that holds them and into one that does not.
pub fn storm(table: &mut Table) {
    let runtime = runtime();
    let mut peak: f64 = 0.0;
    let mut lost = 0;
    for (alerts, more) in [(1, ""), (50, ""), (1, "store:inbox"), (50, "store:inbox")] {
        let (memory, missing) = runtime.block_on(one(alerts, !more.is_empty()));
        peak = peak.max(memory);
        lost += missing;
    }
    table.at_most("storm of 100,000 alerts: highest memory (RSS)", peak, 100.0, " MiB");
    table.at_most(
        "storm of 100,000 alerts: acknowledged and not there",
        lost as f64,
        0.0,
        "",
    );
}

async fn one(alerts: u64, small: bool) -> (f64, u64) {
    // Each alert opens a run, in shadow, and the engine asks a cluster for its pod that does not answer.
    let runbook = runbook("bench", ALERTNAME, "");
    let installation = installation(&[&runbook], "");
    let mut command = installation.command();
    if small {
        command.env("SELFHEALER_STORE_INBOX", "5000");
    }
    let service = Service::spawn(command).await;
    let to = address(&service);
    let posts = STORM / alerts;
    let run = move || client(&["closed", &to, &alerts.to_string(), &posts.to_string()]);
    let begin = Instant::now();
    let tally = tokio::task::spawn_blocking(run).await.unwrap();
    drained(&service).await;
    let took = begin.elapsed();
    let kept = fingerprints(&service).await;
    let peak = memory(service.pid(), "VmHWM");
    let accepted = tally.count * alerts;
    println!(
        "{STORM} alerts, {alerts} a post, inbox of {}: {} posts acknowledged in {:.1} s, {} answered with 503, unfolded after \
         {:.1} s; {accepted} alerts acknowledged, {kept} kept; highest memory {peak:.1} MiB",
        if small { "5,000" } else { "1,000,000" },
        tally.count,
        tally.seconds,
        tally.refused,
        took.as_secs_f64(),
    );
    assert_eq!(tally.count + tally.refused, posts, "each post was answered");
    (peak, accepted.saturating_sub(kept))
}

/// How many distinct alerts the API tells of.
async fn fingerprints(service: &Service) -> u64 {
    let mut known = HashSet::new();
    let mut cursor = String::new();
    loop {
        let page = service
            .get(&format!("/api/v1/alerts?alertname={ALERTNAME}&limit=500{cursor}"))
            .await;
        for alert in page["items"].as_array().unwrap() {
            known.insert(alert["fingerprint"].as_str().unwrap().to_owned());
        }
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return known.len() as u64,
        }
    }
}
