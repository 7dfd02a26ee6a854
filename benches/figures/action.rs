//! From the post to the eviction, on an idle service and a real API server.
//!
//! A sample begins when the post is sent and ends with `requestReceivedTimestamp` of the eviction in the API server's own
//! audit log: one machine, one clock. Of that, the API server's own time is what the same reads take a client of the same
//! library with the same rights, measured just before; and four commits are allowed, each one `fdatasync` of that disk.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant, SystemTime},
};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{Client, core::Request, core::params::GetParams};
use serde_json::Value;

use super::{
    http,
    machine::{fdatasyncs, median, millis, quantile},
    runtime,
    service::{Installation, Service},
    spawn::address,
    table::Table,
    unfolding::runbook,
    webhook::{crash_looping, notification},
    workload::{World, name, uid},
};

const SAMPLES: usize = 24;
/// Commits before the eviction may be sent: the post, its run, the claim, the intent.
const COMMITS: f64 = 4.0;

pub fn measure(table: &mut Table) {
    runtime().block_on(async {
        let world = World::new("figures").await;
        let verify = "  mode: enforce\n  verify: {within: 30s, stableFor: 1s}\n";
        let runbook = runbook("bench", "SelfhealerPodCrashLooping", verify);
        let installation = Installation::new(&world.kubeconfig(), &[&runbook], "settle: 0s\n");
        let service = installation.start().await;
        let reader = world.plane.client_for("selfhealer").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (mut all, mut reads, mut syncs, mut rest) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for n in 0..SAMPLES {
            let app = format!("app-{n}");
            world.deployment(&app, 1).await;
            let pod = world.ready_pods(&app, 1).await.remove(0);
            world.crash(&pod).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            let read = reads_of(&reader, &world, &pod, &app).await;
            let sync = median(&mut fdatasyncs(folder.path(), 20));
            let total = to_the_eviction(&world, &service, &pod).await;
            println!("sample {n}: {total:.2} ms, of which reads {read:.2} ms, a commit {sync:.3} ms");
            all.push(total);
            reads.push(read);
            syncs.push(sync);
            rest.push(total - read - COMMITS * sync);
            over(&service, &world.namespace).await;
        }
        table.note("post to eviction, median", median(&mut all), " ms");
        table.note("post to eviction, nine of ten within", quantile(&mut all, 0.9), " ms");
        table.note(
            "of which the API server's time for the same reads, median",
            median(&mut reads),
            " ms",
        );
        table.note("an fdatasync, median", median(&mut syncs), " ms");
        table.at_most(
            "post to eviction, without reads and four fdatasyncs, median",
            median(&mut rest),
            5.0,
            " ms",
        );
        table.note("the same, nine of ten within", quantile(&mut rest, 0.9), " ms");
    });
}

/// What the API server takes for the reads before an eviction: the pod, its owners and its namespace. In milliseconds, the
/// median of five.
async fn reads_of(client: &Client, world: &World, pod: &Pod, app: &str) -> f64 {
    let namespace = &world.namespace;
    let owner = &pod.metadata.owner_references.as_ref().unwrap()[0].name;
    let paths = [
        (format!("/api/v1/namespaces/{namespace}/pods"), name(pod)),
        (format!("/apis/apps/v1/namespaces/{namespace}/replicasets"), owner),
        (format!("/apis/apps/v1/namespaces/{namespace}/deployments"), app),
        ("/api/v1/namespaces".to_owned(), namespace),
    ];
    let mut times = Vec::new();
    for _ in 0..5 {
        let begin = Instant::now();
        for (path, name) in &paths {
            let request = Request::new(path.clone()).get(name, &GetParams::default()).unwrap();
            let _: Value = client.request(request).await.unwrap();
        }
        times.push(millis(begin.elapsed()));
    }
    median(&mut times)
}

/// In milliseconds.
async fn to_the_eviction(world: &World, service: &Service, pod: &Pod) -> f64 {
    let body = notification(&[crash_looping(&world.namespace, name(pod), uid(pod))]).to_string();
    let to = address(service);
    let sent = tokio::task::spawn_blocking(move || post(&to, &body)).await.unwrap();
    let received = world
        .wait("the eviction", async || {
            let log = std::fs::read_to_string(world.plane.audit_log()).unwrap();
            log.lines().rev().find_map(|line| eviction(line, pod))
        })
        .await;
    received.duration_since(sent).as_secs_f64() * 1000.0
}

/// Sends a notification over a connection that is open already; tells when it began.
fn post(address: &str, body: &str) -> Timestamp {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    let request = format!(
        "POST /alertmanager HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let sent = Timestamp::try_from(SystemTime::now()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut buffer = [0; 4096];
    let read = stream.read(&mut buffer).unwrap();
    assert_eq!(http::answer(&buffer[..read]).unwrap().status, 202);
    sent
}

fn eviction(line: &str, pod: &Pod) -> Option<Timestamp> {
    let line: Value = serde_json::from_str(line).ok()?;
    let object = &line["objectRef"];
    let ours = object["subresource"] == "eviction"
        && object["name"] == name(pod)
        && line["user"]["username"] == "selfhealer"
        && line["responseStatus"]["code"] == 201;
    ours.then(|| line["requestReceivedTimestamp"].as_str()?.parse().ok())?
}

/// Waits until the run has ended, so that the service is idle when the next one begins.
async fn over(service: &Service, namespace: &str) {
    let over = |runs: &[Value]| runs.iter().all(|run| run["phase"] == "finished").then_some(());
    service.until(namespace, "the run to end", over).await;
}
