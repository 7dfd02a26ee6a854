//! `/api/v1`: what is read. The orders that people give stand in [`requests`].

use actix_web::{HttpResponse, web};
use serde_json::json;
use uuid::Uuid;

use super::{
    ApiError,
    authorized::{Authorized, View},
    error::only,
    fields::{Fields, wrong},
    requests,
};
use crate::{
    domain::run::{Outcome, Phase, RunId},
    store::{AlertFilter, RunFilter},
};

/// Items of a page, unless `limit` says otherwise, and at the most.
const PAGE: u32 = 100;
const LARGEST_PAGE: u32 = 500;

const PHASES: [Phase; 4] = [Phase::Pending, Phase::Running, Phase::Verifying, Phase::Finished];

pub(super) fn configure(config: &mut web::ServiceConfig) {
    let read = |path| web::resource(path).default_service(only("GET"));
    let order = |path| web::resource(path).default_service(only("POST"));
    config
        .service(read("/api/v1/alerts").route(web::get().to(alerts)))
        .service(read("/api/v1/runs").route(web::get().to(runs)))
        .service(read("/api/v1/runs/{id}").route(web::get().to(run)))
        .service(read("/api/v1/runbooks").route(web::get().to(runbooks)))
        .service(order("/api/v1/runs/{id}/cancel").route(web::post().to(requests::cancel)))
        .service(
            web::resource("/api/v1/pauses")
                .route(web::get().to(pauses))
                .route(web::post().to(requests::pause))
                .default_service(only("GET, POST")),
        )
        .service(
            web::resource("/api/v1/pauses/{id}")
                .route(web::delete().to(requests::resume))
                .default_service(only("DELETE")),
        );
}

async fn alerts(allowed: Authorized<View>) -> Result<HttpResponse, ApiError> {
    let mut query = allowed.query(&["alertname", "status", "cursor", "limit"])?;
    let alertname = query.text("alertname")?;
    let status = query.word("status", &["firing", "resolved"])?;
    let (cursor, limit) = page(&mut query)?;
    let filter = AlertFilter {
        alertname,
        firing: status.map(|status| status == "firing"),
    };
    let page = allowed.public().store.alerts(&filter, cursor.as_deref(), limit).await?;
    Ok(HttpResponse::Ok().json(page))
}

async fn runs(allowed: Authorized<View>) -> Result<HttpResponse, ApiError> {
    let mut query = allowed.query(&["runbook", "phase", "outcome", "namespace", "cursor", "limit"])?;
    let outcomes: Vec<_> = Outcome::ALL.iter().map(|outcome| outcome.as_str()).collect();
    let filter = RunFilter {
        runbook: query.text("runbook")?,
        phase: query.word("phase", &PHASES.map(Phase::as_str))?.map(str::to_owned),
        outcome: query.word("outcome", &outcomes)?.map(str::to_owned),
        namespace: query.text("namespace")?,
    };
    let (cursor, limit) = page(&mut query)?;
    let page = allowed.public().store.runs(&filter, cursor.as_deref(), limit).await?;
    Ok(HttpResponse::Ok().json(page))
}

async fn run(allowed: Authorized<View>, id: web::Path<String>) -> Result<HttpResponse, ApiError> {
    allowed.query(&[])?;
    let run = allowed.public().store.run(run_id(&id)?).await?;
    Ok(HttpResponse::Ok().json(run.ok_or(ApiError::NotFound("run with this id"))?))
}

async fn runbooks(allowed: Authorized<View>) -> Result<HttpResponse, ApiError> {
    allowed.query(&[])?;
    Ok(HttpResponse::Ok().json(json!({"items": (allowed.public().runbooks)()})))
}

async fn pauses(allowed: Authorized<View>) -> Result<HttpResponse, ApiError> {
    allowed.query(&[])?;
    let pauses = allowed.public().store.pauses().await?;
    Ok(HttpResponse::Ok().json(json!({"items": pauses})))
}

/// Where a page begins, and how long it is.
fn page(query: &mut Fields) -> Result<(Option<String>, u32), ApiError> {
    let cursor = query.parsed::<Uuid>("cursor", "the `nextCursor` of a page")?;
    let expected = "a whole number from 1 to 500";
    let limit = query.parsed("limit", expected)?.unwrap_or(PAGE);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        return Err(wrong("limit", &limit.to_string(), expected));
    }
    Ok((cursor.map(|cursor| cursor.to_string()), limit))
}

/// What is not an id is the id of no run.
pub(super) fn run_id(text: &str) -> Result<RunId, ApiError> {
    text.parse()
        .map(RunId)
        .map_err(|_| ApiError::NotFound("run with this id"))
}
