//! One error for all routes: a status, a stable reason, and words; as `application/problem+json` (RFC 9457).

use actix_web::{
    HttpRequest, HttpResponse, ResponseError, Route,
    http::{StatusCode, header},
    web,
};
use serde::Serialize;

use crate::{
    domain::permission::Permission,
    intake::accept::AcceptError,
    store::{RequestError, StoreError},
};

/// Alertmanager writes the whole body of a refusal into its log.
const DETAIL_CHARS: usize = 300;

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The post is not an Alertmanager notification.
    #[error("{0}")]
    Malformed(String),
    /// A parameter, or a field of the body.
    #[error("{0}")]
    Invalid(String),
    /// No token, or one that nobody has.
    #[error("a token is needed: send `Authorization: Bearer TOKEN`")]
    Unauthenticated,
    /// The token is known and lacks a permission.
    #[error("the token lacks the permission `{0}`")]
    Forbidden(Permission),
    /// A web page sent it, and there are no tokens to tell whether it may.
    #[error("requests of web pages are refused while no tokens are configured")]
    WebPage,
    /// There is no such thing.
    #[error("there is no {0}")]
    NotFound(&'static str),
    /// The path has no such method.
    #[error("this path takes {0} only")]
    Method(&'static str),
    /// It is over already.
    #[error("the run has finished")]
    Finished,
    /// The body is larger than it may be.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// The body did not arrive in time.
    #[error("the body did not arrive in time")]
    TooSlow,
    /// The connection ended before the body did.
    #[error("the body did not arrive to its end")]
    Incomplete,
    /// The bodies in flight, or the alerts in the inbox, leave no room.
    #[error("{0}")]
    Overloaded(&'static str),
    /// The store could not read or commit. Its own words stay in the log: they name files.
    #[error("the store could not do it ({0}): nothing was kept, and sending it again is safe")]
    Store(&'static str),
    /// The service is stopping.
    #[error("the service is stopping")]
    Draining,
}

/// The body of an answer that is an error.
#[derive(Serialize)]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    reason: &'static str,
}

impl ApiError {
    /// A malformed post, with the parser's words cut to what fits a log line.
    pub(super) fn malformed(detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        if let Some((end, _)) = detail.char_indices().nth(DETAIL_CHARS) {
            detail.truncate(end);
            detail.push('…');
        }
        Self::Malformed(detail)
    }

    /// The stable name: in the body, in logs, and in the metric of answers to Alertmanager.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Invalid(_) => "invalid",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden(_) | Self::WebPage => "forbidden",
            Self::NotFound(_) => "not_found",
            Self::Method(_) => "method_not_allowed",
            Self::Finished => "run_finished",
            Self::TooLarge(_) => "too_large",
            Self::TooSlow => "too_slow",
            Self::Incomplete => "incomplete",
            Self::Overloaded(_) => "overloaded",
            Self::Store(_) => "store_unavailable",
            Self::Draining => "draining",
        }
    }

    /// Whether sending the same again may succeed. Exactly these are 503: Alertmanager sends again at once after 5xx
    /// only, and gives up until the next `group_interval` after everything else.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::TooSlow | Self::Incomplete | Self::Overloaded(_) | Self::Store(_) | Self::Draining
        )
    }

    /// Whether the connection ends with the answer: a client without a known token must not hold one, since only the
    /// first request of a connection has a time limit; nor one that we wait for in vain.
    fn closes(&self) -> bool {
        matches!(
            self,
            Self::Unauthenticated
                | Self::WebPage
                | Self::NotFound(_)
                | Self::Method(_)
                | Self::TooLarge(_)
                | Self::TooSlow
                | Self::Incomplete
                | Self::Draining
        )
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Malformed(_) | Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) | Self::WebPage => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Finished => StatusCode::CONFLICT,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow | Self::Incomplete | Self::Overloaded(_) | Self::Store(_) | Self::Draining => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        let problem = Problem {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: &self.to_string(),
            reason: self.reason(),
        };
        let mut answer = HttpResponse::build(status);
        match self {
            Self::Unauthenticated => {
                answer.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
            }
            Self::Method(allowed) => {
                answer.insert_header((header::ALLOW, *allowed));
            }
            _ => {}
        }
        if self.closes() {
            answer.force_close();
        }
        answer
            .insert_header((header::CONTENT_TYPE, "application/problem+json"))
            .body(serde_json::to_string(&problem).unwrap_or_default())
    }
}

impl From<AcceptError> for ApiError {
    fn from(error: AcceptError) -> Self {
        match error {
            AcceptError::Malformed(detail) => {
                Self::malformed(format!("not an Alertmanager webhook notification: {detail}"))
            }
            AcceptError::Full { .. } => Self::Overloaded("the inbox is full: too many alerts wait to be unfolded"),
            // The writer has logged the store's own words.
            AcceptError::Store(_) => Self::Store("commit failed"),
            AcceptError::Closing => Self::Draining,
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        tracing::error!(reason = error.reason(), error = %error, "the store could not serve a request");
        Self::Store(error.reason())
    }
}

impl From<RequestError> for ApiError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::NotFound => Self::NotFound("such run or pause"),
            RequestError::Finished => Self::Finished,
            RequestError::Store(error) => error.into(),
        }
    }
}

/// What is answered where no route is. Never a redirect: after 301, 302 and 303 Alertmanager asks with a GET and takes
/// its 200 for a delivery.
pub(super) async fn no_such_path(_: HttpRequest) -> Result<HttpResponse, ApiError> {
    Err(ApiError::NotFound("such path"))
}

/// What is answered where a path has other methods.
pub(super) fn only(methods: &'static str) -> Route {
    web::to(move || std::future::ready(Err::<HttpResponse, _>(ApiError::Method(methods))))
}
