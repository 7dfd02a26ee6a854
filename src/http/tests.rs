//! The true app over a true store: requests go in, answers come out.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::Path,
    sync::{Arc, atomic::AtomicU64},
};

use actix_web::{
    body::MessageBody,
    dev::{Service as _, ServiceResponse},
    http::{Method, StatusCode, header::HeaderMap},
    rt,
    test::{TestRequest, init_service},
    web,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Notify;

use super::*;
use crate::{
    clock::SystemClock,
    domain::permission::Permission,
    ids::Ids,
    intake::{self, accept::Inbox},
    metrics::Page,
};

mod admin;
mod alerts;
mod lists;
mod requests;
mod sockets;

/// What a test may set.
struct Setup {
    limits: Limits,
    inbox: u64,
    tokens: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            inbox: 1_000_000,
            tokens: true,
        }
    }
}

/// Everything behind the app, and the folder that it lives in.
struct World {
    public: Public,
    ids: Arc<Ids>,
    folder: TempDir,
}

/// An answer, read to its end.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Status and reason, after a look at the rest of the problem.
    fn problem(&self) -> (u16, String) {
        let problem = self.json();
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(problem["type"], "about:blank");
        assert_eq!(problem["status"], self.status.as_u16());
        assert_eq!(problem["title"], self.status.canonical_reason().unwrap());
        assert!(problem["detail"].as_str().unwrap().chars().count() < 400, "{problem}");
        (self.status.as_u16(), problem["reason"].as_str().unwrap().to_owned())
    }

    fn detail(&self) -> String {
        self.json()["detail"].as_str().unwrap().to_owned()
    }
}

impl World {
    async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    async fn with(setup: Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let ids = Arc::new(Ids::random(clock.clone()));
        let store = Store::open(&folder.path().join("db"), clock.clone(), ids.clone())
            .await
            .unwrap();
        let waiting = Arc::new(AtomicU64::new(0));
        let arrived = Arc::new(Notify::new());
        let inbox = Inbox::new(
            Arc::new(store.clone()),
            clock.clone(),
            intake::Metrics::default(),
            setup.inbox,
            waiting,
            arrived,
        );
        let files = if setup.tokens {
            token_files(folder.path())
        } else {
            Vec::new()
        };
        let public = Public {
            inbox,
            store,
            tokens: Tokens::open(files, clock.clone()).unwrap(),
            limits: setup.limits,
            metrics: Metrics::default(),
            runbooks: Arc::new(|| json!([{"name": "evict-crash-looping-pod", "mode": "shadow"}])),
            wake: Arc::new(Notify::new()),
            draining: Draining::default(),
            clock,
        };
        Self { public, ids, folder }
    }

    /// Sends one request to the app.
    async fn send(&self, request: TestRequest) -> Answer {
        let service = web::Data::new(Service::new(self.public.clone()));
        let app = init_service(public_app(service)).await;
        read(app.call(request.to_request()).await.unwrap()).await
    }

    /// A request with the token of this name.
    fn request(&self, token: &str, method: Method, path: &str) -> TestRequest {
        TestRequest::default()
            .method(method)
            .uri(path)
            .peer_addr("10.1.2.3:4567".parse().unwrap())
            .insert_header(("Authorization", format!("Bearer {token}-secret")))
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(self.request("viewer", Method::GET, path)).await
    }

    async fn order(&self, method: Method, path: &str, body: &str) -> Answer {
        let request = self.request("oncall", method, path).set_payload(body.to_owned());
        self.send(request).await
    }

    async fn post(&self, body: impl Into<web::Bytes>) -> Answer {
        let request = self.request("alertmanager", Method::POST, "/alertmanager");
        self.send(request.set_payload(body)).await
    }

    /// How often Alertmanager was answered so.
    fn answers(&self, result: &str) -> u64 {
        let metrics = &self.public.metrics;
        let text = Page::new(|registry| metrics.register(registry)).encode().unwrap();
        let series = format!("selfhealer_notifications_total{{result=\"{result}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&series));
        line.unwrap_or_else(|| panic!("{result} is no result")).parse().unwrap()
    }

    /// The bodies in the inbox.
    async fn posts(&self) -> Vec<Vec<u8>> {
        let posts = self.public.store.waiting_posts(u32::MAX).await.unwrap();
        posts.into_iter().map(|post| post.body).collect()
    }
}

fn token_files(folder: &Path) -> Vec<TokenFile> {
    [
        ("alertmanager", Permission::Ingest),
        ("viewer", Permission::View),
        ("oncall", Permission::Operate),
    ]
    .map(|(name, permission)| {
        let file = folder.join(name);
        fs::write(&file, format!("{name}-secret\n")).unwrap();
        TokenFile {
            name: name.to_owned(),
            file,
            permissions: vec![permission],
        }
    })
    .into()
}

async fn read(response: ServiceResponse<impl MessageBody>) -> Answer {
    let status = response.status();
    let headers = response.headers().clone();
    let body = actix_web::test::read_body(response).await;
    Answer {
        status,
        headers,
        text: String::from_utf8(body.to_vec()).unwrap(),
    }
}

/// A firing alert as Alertmanager writes it.
fn alert(pod: &str) -> Value {
    json!({
        "status": "firing",
        "labels": {"alertname": "KubePodCrashLooping", "namespace": "shop", "pod": pod, "severity": "warning"},
        "annotations": {"summary": "Pod is crash looping."},
        "startsAt": "2026-11-22T10:18:42.617904Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph?g0.expr=up",
        "fingerprint": "b1ed3ba7e0ccc7e5"
    })
}

fn notification(alerts: Vec<Value>) -> Value {
    json!({
        "receiver": "selfhealer", "status": "firing", "alerts": alerts, "notification_reason": "first notification",
        "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://alertmanager:9093",
        "version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0
    })
}

fn one() -> String {
    notification(vec![alert("cart-1")]).to_string()
}
