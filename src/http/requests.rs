//! What people order: cancels and pauses. Each becomes rows, with who and from where; the engine judges them. When a
//! pause is answered with 201, no mutation that it concerns will be started.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    ApiError, Public,
    api::run_id,
    authorized::{Authorized, Operate},
    fields::{Fields, wrong},
};
use crate::{
    domain::{duration, next::after},
    store::{NewPause, PauseScope, RequestError},
    suggestion::{hint, list},
};

/// A reason is a line or two in a log, a page and a message.
const LONGEST_WHY: usize = 500;

/// `POST /api/v1/runs/{id}/cancel`
pub(super) async fn cancel(mut allowed: Authorized<Operate>, id: web::Path<String>) -> Result<HttpResponse, ApiError> {
    allowed.query(&[])?;
    let run = run_id(&id)?;
    let body = allowed.body().await?;
    let mut fields = Fields::of_json(&body.bytes, &["why"])?;
    let why = fields.text("why")?.unwrap_or_default();
    check_why(&why)?;
    let public = allowed.public();
    public
        .store
        .cancel(run, &allowed.who, &allowed.source, &why)
        .await
        .map_err(|error| missing(error, "run with this id"))?;
    public.wake.notify_one();
    Ok(HttpResponse::Accepted().json(json!({"id": run.to_string()})))
}

/// `POST /api/v1/pauses`
pub(super) async fn pause(mut allowed: Authorized<Operate>) -> Result<HttpResponse, ApiError> {
    allowed.query(&[])?;
    let body = allowed.body().await?;
    let mut fields = Fields::of_json(&body.bytes, &["scope", "name", "why", "until", "for"])?;
    let public = allowed.public();
    let scope = scope(&mut fields, public)?;
    let why = fields.required("why", "the reason, for whoever finds the pause later")?;
    check_why(&why)?;
    let pause = NewPause {
        scope,
        who: allowed.who.clone(),
        source: allowed.source.clone(),
        why,
        until: until(&mut fields, public.clock.now())?,
    };
    Ok(HttpResponse::Created().json(public.store.pause(&pause).await?))
}

/// `DELETE /api/v1/pauses/{id}`
pub(super) async fn resume(allowed: Authorized<Operate>, id: web::Path<String>) -> Result<HttpResponse, ApiError> {
    allowed.query(&[])?;
    let public = allowed.public();
    public
        .store
        .resume(&id, &allowed.who, &allowed.source)
        .await
        .map_err(|error| missing(error, "pause in force with this id"))?;
    public.wake.notify_one();
    Ok(HttpResponse::NoContent().finish())
}

fn missing(error: RequestError, what: &'static str) -> ApiError {
    match error {
        RequestError::NotFound => ApiError::NotFound(what),
        error => error.into(),
    }
}

/// What a pause concerns. A misspelt name would pause nothing and look as if it did, so names are checked as far as
/// they can be: runbooks against those in force, namespaces against what Kubernetes allows.
fn scope(fields: &mut Fields, public: &Public) -> Result<PauseScope, ApiError> {
    let words = ["all", "runbook", "namespace"];
    let scope = fields.word("scope", &words)?;
    let name = fields.text("name")?;
    match (scope, name) {
        (Some("all"), None) => Ok(PauseScope::All),
        (Some("all"), Some(name)) => Err(wrong("name", &name, "none, since `scope` is `all`")),
        (Some("runbook"), Some(name)) => known_runbook(&(public.runbooks)(), name).map(PauseScope::Runbook),
        (Some("namespace"), Some(name)) if is_dns_label(&name) => Ok(PauseScope::Namespace(name)),
        (Some("namespace"), Some(name)) => Err(wrong(
            "name",
            &name,
            "a namespace: lower-case letters, digits and `-`, at most 63",
        )),
        (Some(scope), None) => Err(ApiError::Invalid(format!(
            "`name` is missing: expected the {scope}'s name"
        ))),
        _ => Err(ApiError::Invalid(format!(
            "`scope` is missing: expected {}",
            list(&words)
        ))),
    }
}

fn known_runbook(runbooks: &Value, name: String) -> Result<String, ApiError> {
    let known: Vec<&str> = runbooks
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|runbook| runbook["name"].as_str())
        .collect();
    if known.contains(&name.as_str()) {
        return Ok(name);
    }
    Err(ApiError::Invalid(format!(
        "`name`: no runbook {name:?} is in force, {}",
        hint(&name, &known)
    )))
}

fn is_dns_label(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    name.len() <= 63 && name.bytes().all(inner) && !name.starts_with('-') && !name.ends_with('-')
}

/// When a pause ends by itself, if it does.
fn until(fields: &mut Fields, now: Timestamp) -> Result<Option<Timestamp>, ApiError> {
    let until = fields.parsed::<Timestamp>("until", "a time as in RFC 3339, for example `2026-01-31T18:00:00Z`")?;
    let text = fields.text("for")?;
    match (until, text) {
        (Some(_), Some(_)) => Err(ApiError::Invalid("`until` and `for` exclude each other".to_owned())),
        (Some(until), None) if until <= now => Err(wrong("until", &until.to_string(), "a time in the future")),
        (until, None) => Ok(until),
        (None, Some(text)) => match duration::parse(&text) {
            Ok(Duration::ZERO) => Err(wrong("for", &text, "more than no time")),
            Ok(duration) => Ok(Some(after(now, duration))),
            Err(error) => Err(ApiError::Invalid(format!("`for`: {error}"))),
        },
    }
}

fn check_why(why: &str) -> Result<(), ApiError> {
    if why.chars().count() > LONGEST_WHY {
        return Err(ApiError::Invalid(format!(
            "`why` is too long: at most {LONGEST_WHY} characters"
        )));
    }
    Ok(())
}
