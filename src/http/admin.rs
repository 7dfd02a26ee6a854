//! Probes and metrics, for kubelet and Prometheus only: no token, nothing that can be changed.
//!
//! Ready means that posts can be committed. A runbook file that is refused, or a cluster that does not answer, is a
//! warning: taking us out of the Service would lose alerts and repair neither.

use std::{sync::Arc, time::Duration};

use actix_web::{HttpResponse, web};
use futures::future::{BoxFuture, join_all};
use tokio::time::timeout;

use super::{Draining, error::only};
use crate::metrics::{CONTENT_TYPE, Metrics};

/// A check that takes longer has failed: kubelet waits a second by default, and asks again.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the admin listener needs.
#[derive(Clone)]
pub struct Admin {
    /// What must be well for the process to be left alone.
    pub live: Vec<Part>,
    /// What must be well for posts to be sent here.
    pub ready: Vec<Part>,
    /// What Prometheus scrapes.
    pub metrics: Metrics,
    /// Set when the service stops: it is not ready any more.
    pub draining: Draining,
}

/// A part of the service that can tell how it is.
#[derive(Clone)]
pub struct Part {
    /// What it is called in answers.
    pub name: &'static str,
    /// Asks it.
    pub check: Arc<dyn Fn() -> BoxFuture<'static, PartState> + Send + Sync>,
}

/// How a part is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartState {
    /// Well.
    Ok,
    /// Somebody should look at it; it is no reason to stop.
    Warning(String),
    /// It cannot do its work.
    Failed(String),
}

impl Part {
    /// A part that is asked by this function.
    pub fn new<F>(name: &'static str, check: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = PartState> + Send + 'static,
    {
        Self {
            name,
            check: Arc::new(move || Box::pin(check())),
        }
    }

    /// The line about it, and whether it has failed.
    async fn line(&self) -> (String, bool) {
        let state = timeout(PATIENCE, (self.check)())
            .await
            .unwrap_or_else(|_| PartState::Failed(format!("no answer within {} s", PATIENCE.as_secs())));
        let name = self.name;
        match state {
            PartState::Ok => (format!("[+]{name} ok"), false),
            PartState::Warning(words) => (format!("[!]{name}: {}", one_line(&words)), false),
            PartState::Failed(words) => (format!("[-]{name} failed: {}", one_line(&words)), true),
        }
    }
}

pub(super) fn configure(config: &mut web::ServiceConfig) {
    let read = |path| web::resource(path).default_service(only("GET"));
    config
        .service(read("/livez").route(web::get().to(livez)))
        .service(read("/readyz").route(web::get().to(readyz)))
        .service(read("/metrics").route(web::get().to(metrics)));
}

async fn livez(admin: web::Data<Admin>) -> HttpResponse {
    report("livez", &admin.live, None).await
}

async fn readyz(admin: web::Data<Admin>) -> HttpResponse {
    let draining = admin
        .draining
        .began()
        .then(|| "[-]draining failed: the service is stopping".to_owned());
    report("readyz", &admin.ready, draining).await
}

/// As `kubectl get --raw /readyz?verbose` shows the API server's.
async fn report(name: &str, parts: &[Part], draining: Option<String>) -> HttpResponse {
    let lines = join_all(parts.iter().map(Part::line)).await;
    let failed = draining.is_some() || lines.iter().any(|(_, failed)| *failed);
    let mut text = String::new();
    for line in lines.into_iter().map(|(line, _)| line).chain(draining) {
        text.push_str(&line);
        text.push('\n');
    }
    text.push_str(&format!("{name} check {}\n", if failed { "failed" } else { "passed" }));
    let mut answer = if failed {
        HttpResponse::ServiceUnavailable()
    } else {
        HttpResponse::Ok()
    };
    answer.content_type("text/plain; charset=utf-8").body(text)
}

async fn metrics(admin: web::Data<Admin>) -> HttpResponse {
    match admin.metrics.encode() {
        Ok(text) => HttpResponse::Ok().content_type(CONTENT_TYPE).body(text),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be written");
            HttpResponse::InternalServerError().finish()
        }
    }
}

fn one_line(words: &str) -> String {
    words
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("; ")
}
