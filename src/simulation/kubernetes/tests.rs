//! The API server as its clients see it: `kube::Client` in process, and bare requests where the answer's form matters.

#![allow(clippy::unwrap_used)]

use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use jiff::Timestamp;
use serde_json::{Value, json};
use tower_service::Service as _;

use super::{Service, Simulation, world};

mod access;
mod again;
mod bodies;
mod client;
mod delete;
mod evict;
mod forms;
mod list;
mod loopback;
mod patch;
mod refusals;
mod watch;

fn start() -> Timestamp {
    "2026-11-24T10:00:00Z".parse().unwrap()
}

fn simulation() -> Simulation {
    Simulation::new(start(), 7)
}

/// An answer: the status, the headers, the JSON.
struct Answer {
    code: u16,
    headers: http::HeaderMap,
    value: Value,
    text: String,
}

impl Answer {
    fn reason(&self) -> &str {
        self.value["reason"].as_str().unwrap_or_default()
    }

    fn message(&self) -> &str {
        self.value["message"].as_str().unwrap_or_default()
    }
}

async fn send(service: &Service, request: Request<Full<bytes::Bytes>>) -> Answer {
    let response = service.clone().call(request).await.unwrap();
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Answer {
        code: head.status.as_u16(),
        headers: head.headers,
        value: serde_json::from_slice(&bytes).unwrap_or_default(),
        text: String::from_utf8_lossy(&bytes).into_owned(),
    }
}

async fn ask(service: &Service, method: &str, path: &str, body: Value) -> Answer {
    ask_as(service, method, path, body, "application/json").await
}

async fn ask_as(service: &Service, method: &str, path: &str, body: Value, content_type: &str) -> Answer {
    let bytes = if body.is_null() {
        Vec::new()
    } else {
        body.to_string().into_bytes()
    };
    let request = Request::builder()
        .method(Method::from_bytes(method.as_bytes()).unwrap())
        .uri(path)
        .header("content-type", content_type)
        .header("user-agent", "tester/1")
        .body(Full::new(bytes.into()))
        .unwrap();
    send(service, request).await
}

async fn get(service: &Service, path: &str) -> Answer {
    ask(service, "GET", path, Value::Null).await
}

const PODS: &str = "/api/v1/namespaces/default/pods";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "app", "image": "web:1", "resources": {"requests": {"cpu": "100m"}}}]},
    })
}

fn deployment(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "app", "image": "web:1"}]},
            },
        },
    })
}

/// A pod that runs and is ready, as a kubelet would say.
async fn running(service: &Service, name: &str) -> Value {
    let mut made = pod(name);
    made["spec"]["nodeName"] = "n1".into();
    let made = ask(service, "POST", PODS, made).await;
    assert_eq!(made.code, 201, "{}", made.text);
    let status = json!({"status": {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [{"name": "app", "image": "web:1", "imageID": "", "ready": true, "restartCount": 0,
            "state": {"running": {"startedAt": "2026-11-24T10:00:00Z"}}}],
    }});
    let path = format!("{PODS}/{name}/status");
    let patched = ask_as(service, "PATCH", &path, status, "application/merge-patch+json").await;
    assert_eq!(patched.code, 200, "{}", patched.text);
    patched.value
}
