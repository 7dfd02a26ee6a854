//! Probes and metrics, for kubelet and Prometheus only: no token, nothing that can be changed.
//!
//! Ready means that posts can be committed. A runbook file that is refused, or a cluster that does not answer, is a
//! warning: taking us out of the Service would lose alerts and repair neither.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use futures::future::join_all;
use tokio::time::timeout;

use super::{Draining, error::only};
use crate::{
    metrics::{CONTENT_TYPE, Page},
    readiness::{Part, Readiness, State},
};

/// A check that takes longer has failed: kubelet waits a second by default, and asks again.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// What the admin listener needs.
#[derive(Clone)]
pub struct Admin {
    /// How the parts of the service are.
    pub readiness: Readiness,
    /// What Prometheus scrapes.
    pub metrics: Page,
    /// Set when the service stops: it is not ready any more.
    pub draining: Draining,
}

/// The line about a part, and whether it has failed.
async fn line(part: &Part) -> (String, bool) {
    let state = timeout(CHECK_TIMEOUT, part.state())
        .await
        .unwrap_or_else(|_| State::Failed(format!("no answer within {} s", CHECK_TIMEOUT.as_secs())));
    let name = part.name;
    match state {
        State::Ok => (format!("[+]{name} ok"), false),
        State::Warning(words) => (format!("[!]{name}: {}", one_line(&words)), false),
        State::Failed(words) => (format!("[-]{name} failed: {}", one_line(&words)), true),
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
    report("livez", &admin.readiness.vital(), None).await
}

async fn readyz(admin: web::Data<Admin>) -> HttpResponse {
    let draining = admin
        .draining
        .began()
        .then(|| "[-]draining failed: the service is stopping".to_owned());
    report("readyz", &admin.readiness.parts(), draining).await
}

/// As `kubectl get --raw /readyz?verbose` shows the API server's.
async fn report(name: &str, parts: &[Part], draining: Option<String>) -> HttpResponse {
    let lines = join_all(parts.iter().map(line)).await;
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
