//! The same seed tells the same story, byte for byte: everything that a client can see of a cluster with much going on.

use std::{collections::BTreeSet, pin::Pin};

use futures::FutureExt;
use jiff::SignedDuration;

use super::*;
use crate::kubernetes::{
    controllers::{self, kubelet::life, node, usage},
    faults::{Calls, Failure, Fault, Rule},
    reply::Body,
    resources::NODES,
    world::Key,
};

/// What is watched, whole.
const WATCHED: [&str; 14] = [
    "/api/v1/nodes",
    "/api/v1/pods",
    "/api/v1/events",
    "/api/v1/namespaces",
    "/apis/apps/v1/deployments",
    "/apis/apps/v1/replicasets",
    "/apis/apps/v1/statefulsets",
    "/apis/apps/v1/daemonsets",
    "/apis/apps/v1/controllerrevisions",
    "/apis/batch/v1/jobs",
    "/apis/batch/v1/cronjobs",
    "/apis/policy/v1/poddisruptionbudgets",
    "/apis/autoscaling/v2/horizontalpodautoscalers",
    "/apis/coordination.k8s.io/v1/leases",
];
const STATEFUL_SETS: &str = "/apis/apps/v1/namespaces/default/statefulsets";
const DAEMON_SETS: &str = "/apis/apps/v1/namespaces/default/daemonsets";
const CRON_JOBS: &str = "/apis/batch/v1/namespaces/default/cronjobs";
const BUDGETS: &str = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
const AUTOSCALERS: &str = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers";
const MERGE: &str = "application/merge-patch+json";

type Answered = Pin<Box<dyn Future<Output = std::io::Result<http::Response<Body>>> + Send>>;

/// Somebody who asks and writes down everything that is answered.
struct Client {
    simulation: Simulation,
    service: Service,
    watches: Vec<Body>,
    /// Calls that have not been answered.
    waiting: Vec<(usize, Answered)>,
    count: usize,
    transcript: Vec<u8>,
}

impl Client {
    fn new(seed: u64) -> Self {
        let simulation = controllers::start(start(), seed);
        let service = simulation.service();
        Self {
            simulation,
            service,
            watches: Vec::new(),
            waiting: Vec::new(),
            count: 0,
            transcript: Vec::new(),
        }
    }

    /// Asks, and goes on without waiting for the answer.
    fn ask(&mut self, method: &str, path: &str, body: &Value, content_type: &str) {
        let bytes = if body.is_null() {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", content_type)
            .header("user-agent", "tester/1")
            .body(Full::new(bytes::Bytes::from(bytes)))
            .unwrap();
        self.count += 1;
        let answer = self.service.call(request);
        self.waiting.push((self.count, answer));
        self.read();
    }

    fn make(&mut self, path: &str, object: &Value) {
        self.ask("POST", path, object, "application/json");
    }

    fn watch(&mut self) {
        for path in WATCHED {
            let request = Request::get(format!("{path}?watch=1&allowWatchBookmarks=true"))
                .body(Full::new(bytes::Bytes::new()))
                .unwrap();
            let response = self.service.call(request).now_or_never().unwrap().unwrap();
            self.watches.push(response.into_body());
        }
    }

    /// Writes down what has come.
    fn read(&mut self) {
        for (number, mut answer) in std::mem::take(&mut self.waiting) {
            match (&mut answer).now_or_never() {
                None => self.waiting.push((number, answer)),
                Some(Err(error)) => self.note(&format!("{number} {error}"), &[]),
                Some(Ok(response)) => {
                    let (head, body) = response.into_parts();
                    let bytes = body.collect().now_or_never().unwrap().unwrap().to_bytes();
                    self.note(&format!("{number} {}", head.status), &bytes);
                }
            }
        }
        let mut watches = std::mem::take(&mut self.watches);
        for (path, watch) in WATCHED.iter().zip(&mut watches) {
            while let Some(Some(frame)) = watch.frame().now_or_never() {
                let bytes = frame.unwrap().into_data().unwrap();
                self.note(path, &bytes);
            }
        }
        self.watches = watches;
    }

    fn note(&mut self, title: &str, bytes: &[u8]) {
        self.transcript.extend_from_slice(title.as_bytes());
        self.transcript.push(b' ');
        self.transcript.extend_from_slice(bytes);
        self.transcript.push(b'\n');
    }

    fn pass(&mut self, seconds: i64) {
        for _ in 0..seconds / 5 {
            self.simulation
                .advance(self.simulation.now() + SignedDuration::from_secs(5));
            self.read();
        }
    }

    fn script(&mut self, node: &str, script: &Value) {
        self.simulation.with(|world| {
            let key = Key::new(NODES, "", node);
            let script = script.to_string();
            let change = |node: &mut Value| node["metadata"]["annotations"][node::ANNOTATION] = script.into();
            world.update(&key, "test", change).unwrap();
        });
    }

    /// The names of the pods of an app, as they come in a list.
    fn pods(&self, app: &str) -> Vec<String> {
        self.simulation.with(|world| {
            let labels = [("app", app)];
            let pods = world.labelled(crate::kubernetes::resources::PODS, "default", &labels);
            pods.map(|pod| pod.name().to_owned()).collect()
        })
    }
}

fn template(app: &str, script: &Value) -> Value {
    let script = if script.is_null() { json!({}) } else { script.clone() };
    json!({
        "metadata": {"labels": {"app": app}, "annotations": {life::ANNOTATION: script.to_string()}},
        "spec": {"containers": [{
            "name": "app",
            "image": format!("{app}:1"),
            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
            "readinessProbe": {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 5},
        }]},
    })
}

fn workload(kind: &str, app: &str, replicas: i64, script: &Value) -> Value {
    let mut made = json!({
        "apiVersion": "apps/v1", "kind": kind,
        "metadata": {"name": app, "annotations": {usage::LOAD: "2"}},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": app}}, "template": template(app, script)},
    });
    match kind {
        "StatefulSet" => made["spec"]["serviceName"] = app.into(),
        "DaemonSet" => {
            made["spec"].as_object_mut().unwrap().remove("replicas");
        }
        _ => {}
    }
    made
}

fn tell(seed: u64) -> (String, String) {
    let mut client = Client::new(seed);
    client.watch();
    let faults = client.simulation.faults();
    let changes = |probability| Calls::changes().with_probability(probability);
    let (request, answer) = (SignedDuration::from_secs(7), SignedDuration::from_secs(3));
    faults.add(Rule::always(Fault::Latency { request, answer }).on(changes(0.2)));
    faults.add(Rule::always(Fault::AnswerLost).on(changes(0.1)));
    faults.add(Rule::always(Fault::Refused(Failure::Conflict)).on(changes(0.1)));
    faults.add(Rule::always(Fault::DeliveredLate(SignedDuration::from_secs(45))).on(changes(0.1)));
    faults.add(Rule::always(Fault::Stale(SignedDuration::from_secs(30))).on(Calls::of("pods").verb("list")));
    for number in 1..=6 {
        let made = node::node(&format!("n{number}"), ["a", "b"][number % 2], ("4", "8Gi", 40));
        client.make("/api/v1/nodes", &made);
    }
    client.pass(60);
    let crashes = json!({"ends": {"crashes": {"after": "4s", "log": ["boom"]}}});
    let flaps = json!({"answers": {"flaps": {"up": "40s", "down": "20s"}}});
    for (path, object) in [
        (DEPLOYMENTS, workload("Deployment", "web", 6, &Value::Null)),
        (DEPLOYMENTS, workload("Deployment", "sick", 2, &crashes)),
        (DEPLOYMENTS, workload("Deployment", "shaky", 3, &flaps)),
        (
            DEPLOYMENTS,
            workload("Deployment", "leaky", 2, &json!({"leaks": {"perSecond": "4Mi"}})),
        ),
        (STATEFUL_SETS, workload("StatefulSet", "store", 3, &Value::Null)),
        (DAEMON_SETS, workload("DaemonSet", "agent", 0, &Value::Null)),
        (
            BUDGETS,
            json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
                "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}}}),
        ),
        (
            AUTOSCALERS,
            json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}, "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
                "minReplicas": 4, "maxReplicas": 12, "metrics": [{"type": "Resource", "resource": {
                    "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}]}}),
        ),
        (
            CRON_JOBS,
            json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "report"}, "spec": {
            "schedule": "*/2 * * * *", "jobTemplate": {"spec": {"template": {
                "metadata": {"annotations": {life::ANNOTATION: json!({"ends": {"completes": {"after": "20s"}}}).to_string()}},
                "spec": {"restartPolicy": "Never", "containers": [{"name": "app", "image": "report:1"}]},
            }}}}}),
        ),
    ] {
        // Who is not told that it was made makes it again.
        for _ in 0..3 {
            client.make(path, &object);
        }
    }
    client.pass(120);
    for round in 0..3 {
        for pod in client.pods("web").into_iter().take(3) {
            let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}});
            client.make(&format!("{PODS}/{pod}/eviction"), &eviction);
        }
        let image =
            json!({"spec": {"template": {"spec": {"containers": [{"name": "app", "image": format!("web:{round}")}]}}}});
        client.ask(
            "PATCH",
            &format!("{DEPLOYMENTS}/web"),
            &image,
            "application/strategic-merge-patch+json",
        );
        client.ask("GET", &format!("{PODS}?limit=5"), &Value::Null, "application/json");
        client.pass(60);
    }
    let load = json!({"metadata": {"annotations": {usage::LOAD: "9"}}});
    client.ask("PATCH", &format!("{DEPLOYMENTS}/web"), &load, MERGE);
    client.script("n2", &json!({"silent": true}));
    client.script("n3", &json!({"memoryPressure": true, "evicts": 2}));
    client.pass(480);
    client.script("n2", &json!({}));
    client.ask(
        "DELETE",
        &format!("{STATEFUL_SETS}/store"),
        &Value::Null,
        "application/json",
    );
    client.ask("DELETE", "/api/v1/nodes/n4", &Value::Null, "application/json");
    client.pass(120);
    let calls: Vec<String> = client.simulation.calls().iter().map(ToString::to_string).collect();
    (String::from_utf8(client.transcript).unwrap(), calls.join("\n"))
}

/// The first line in which two texts differ.
fn difference<'a>(left: &'a str, right: &'a str) -> Option<(&'a str, &'a str)> {
    left.lines().zip(right.lines()).find(|(left, right)| left != right)
}

/// The uids in a transcript.
fn uids(transcript: &str) -> BTreeSet<&str> {
    let parts = transcript.split("\"uid\":\"").skip(1);
    parts.filter_map(|part| part.split('"').next()).collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_to_everybody_who_watches() {
    let [one, again, other] = [11, 11, 12].map(|seed| std::thread::spawn(move || tell(seed)));
    let (transcript, calls) = one.join().unwrap();
    let (same, same_calls) = again.join().unwrap();
    assert_eq!(difference(&transcript, &same), None);
    assert_eq!((transcript.len(), &calls), (same.len(), &same_calls));
    // It is a story with everything in it.
    for word in [
        "\"CrashLoopBackOff\"",
        "\"OOMKilled\"",
        "\"ScalingReplicaSet\"",
        "\"EvictionByEvictionAPI\"",
        "\"TerminationByKubelet\"",
        "\"SuccessfulRescale\"",
        "\"DeletionByTaintManager\"",
        "\"DeletionByPodGC\"",
        "\"NodeNotReady\"",
        "\"SuccessfulCreate\"",
        "\"Completed\"",
        "\"Unhealthy\"",
    ] {
        assert!(transcript.contains(word), "{word}");
    }
    for word in [
        "Latency",
        "AnswerLost",
        "Conflict",
        "DeliveredLate",
        "Stale",
        "carried out",
    ] {
        assert!(calls.contains(word), "{word}");
    }
    // Another seed gives other uids. What a kubelet says of its node carries the node's name as uid.
    let (other, _) = other.join().unwrap();
    let both: Vec<_> = uids(&transcript).intersection(&uids(&other)).copied().collect();
    assert!(both.iter().all(|uid| uid.starts_with('n')), "{both:?}");
}
