//! `POST /alertmanager`: 2xx only after commit; 503 for whatever passes, since Alertmanager sends again at once after
//! 5xx only; everything else it sends again with the group's next flush.

use actix_web::{HttpResponse, rt, web};
use serde_json::json;

use super::{
    ApiError, Service,
    authorized::{Authorized, Ingest},
    error::only,
    metrics::Answer,
};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    let hook = web::resource("/alertmanager")
        .route(web::post().to(post))
        .default_service(only("POST"));
    config.service(hook);
}

/// Takes the shared service for the counter only: also a refused caller's answer is counted.
async fn post(
    service: web::Data<Service>,
    allowed: Result<Authorized<Ingest>, ApiError>,
) -> Result<HttpResponse, ApiError> {
    let answer = if service.public.draining.began() {
        Err(ApiError::Draining)
    } else {
        receive(allowed).await
    };
    let result = answer.as_ref().map_or_else(Answer::from, |_| Answer::Accepted);
    service.public.metrics.notification(result);
    Ok(HttpResponse::Accepted().json(json!({"alerts": answer?})))
}

/// How many alerts were committed.
async fn receive(allowed: Result<Authorized<Ingest>, ApiError>) -> Result<u32, ApiError> {
    let mut allowed = allowed?;
    let (who, source) = (allowed.who.clone(), allowed.source.clone());
    let committed = commit(&mut allowed).await;
    if let Err(ApiError::Malformed(detail)) = &committed {
        // Written as Debug: the parser's words quote the sender's.
        tracing::warn!(
            reason = "malformed",
            token = who,
            source,
            ?detail,
            "a post that is not an Alertmanager notification was refused"
        );
    }
    committed
}

async fn commit(allowed: &mut Authorized<Ingest>) -> Result<u32, ApiError> {
    let body = allowed.body().await?;
    if body.bytes.is_empty() {
        return Err(ApiError::malformed("the body is empty"));
    }
    // The parser looks at the parts that it reads only; what is kept must be text as a whole.
    if let Err(error) = std::str::from_utf8(&body.bytes) {
        return Err(ApiError::malformed(format!("the body is not UTF-8: {error}")));
    }
    let inbox = allowed.public().inbox.clone();
    let who = allowed.who.clone();
    // A task of its own: when the caller hangs up now, the post waits for its commit all the same, and its memory
    // stays reserved as long.
    let accepted = rt::spawn(async move {
        let accepted = inbox.accept(&who, body.bytes.clone()).await;
        drop(body);
        accepted
    });
    accepted
        .await
        .map_err(|_| ApiError::Store("commit failed"))?
        .map_err(ApiError::from)
}
