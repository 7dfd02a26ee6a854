//! A double of Teams: a channel with a Workflow, "When a Teams webhook request is received", that posts the Adaptive
//! Cards it is sent.
//!
//! Stricter than Power Automate, which answers 202 before it looks at a card and fails later where only the owner of
//! the flow sees it: here a card that could not be shown is a 400 at once, and one that is too large a 413. The limit
//! is the one documented for webhooks of Teams, four requests a second; `Retry-After` is a second. The signature in the
//! URL is the only authentication, so the URL is a secret. Whatever is posted stays: nothing can be edited.

mod card;

#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    faults::{Fault, Faults},
    serve::{Answer, Server, answer, serve, whole},
    slack::Now,
};

/// The largest request.
const LARGEST: usize = 28 * 1024;

/// The most requests in any second.
const EACH_SECOND: usize = 4;

const SECOND: i64 = 1_000_000;

const PATH: &str = "/workflows/local/triggers/manual/paths/invoke";
const SIGNATURE: &str = "local-signature";

/// A channel of Teams. Clones are the same channel.
#[derive(Clone)]
pub struct Teams(Arc<Inner>);

struct Inner {
    now: Now,
    faults: Faults,
    channel: Mutex<Channel>,
}

#[derive(Debug, Default)]
struct Channel {
    cards: Vec<Card>,
    calls: Vec<Call>,
    /// The requests of the last second, in microseconds.
    recent: VecDeque<i64>,
    shut: i64,
}

/// A card that was posted.
#[derive(Clone, Debug, PartialEq)]
pub struct Card {
    /// When.
    pub posted: Timestamp,
    /// The Adaptive Card.
    pub content: Value,
    /// The names of those whom it mentions.
    pub mentions: Vec<String>,
}

/// A request as Teams saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// When it was served.
    pub at: Timestamp,
    /// Why it was refused, unless it was done.
    pub refused: Option<String>,
    /// What went wrong besides, on demand.
    pub fault: Option<Fault>,
}

/// A request that is not done.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    code: String,
    message: String,
    retry_after: Option<u32>,
}

impl fmt::Debug for Teams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Teams").field(&*self.channel()).finish()
    }
}

impl Teams {
    /// An empty channel.
    pub fn new(now: Now) -> Self {
        Self(Arc::new(Inner {
            now,
            faults: Faults::new(),
            channel: Mutex::default(),
        }))
    }

    /// Serves the channel on a free port.
    pub async fn serve(&self) -> io::Result<Server> {
        let teams = self.clone();
        serve(move |request| {
            let teams = teams.clone();
            async move { teams.answer(request).await }
        })
        .await
    }

    /// The path and the query that belong behind the server's URL.
    pub fn path(&self) -> String {
        format!("{PATH}?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig={SIGNATURE}")
    }

    /// What goes wrong on demand. There is one method, `webhook`. A refusal on demand is a 400 with its error as code.
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// The cards that were posted, in order.
    pub fn cards(&self) -> Vec<Card> {
        self.channel().cards.clone()
    }

    /// Every request so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.channel().calls.clone()
    }

    /// The channel as a person sees it, in plain text.
    pub fn channel_as_text(&self) -> String {
        let cards = self.cards();
        let shown: Vec<_> = cards
            .iter()
            .map(|card| {
                let head = format!("{}  Workflows", card.posted.strftime("%H:%M:%S"));
                let lines = card::lines(&card.content).into_iter().map(|line| format!("  {line}"));
                [head].into_iter().chain(lines).collect::<Vec<_>>().join("\n") + "\n"
            })
            .collect();
        shown.join("\n")
    }

    fn channel(&self) -> MutexGuard<'_, Channel> {
        self.0.channel.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: Request<Bytes>) -> Answer {
        let fault = self.faults().befall("webhook", &[]);
        if fault == Some(Fault::Held) {
            self.faults().hold().await;
        }
        let done = {
            let now = (self.0.now)();
            let mut channel = self.channel();
            let done = match &fault {
                Some(Fault::Cut) => Ok(()),
                Some(Fault::Status(status)) => Err(Refusal::page(*status)),
                Some(Fault::Refused(code)) => Err(Refusal::bad(code, "refused on demand".to_owned())),
                Some(Fault::RateLimited(seconds)) => Err(channel.shut(now, *seconds)),
                Some(Fault::Held | Fault::AnswerLost | Fault::AnswerHeld | Fault::Garbled) | None => {
                    channel.receive(now, &request)
                }
            };
            channel.calls.push(Call {
                at: now,
                refused: done.as_ref().err().map(|refusal| refusal.code.clone()),
                fault: fault.clone(),
            });
            done
        };
        match fault {
            Some(Fault::Cut | Fault::AnswerLost) => return Answer::Cut,
            Some(Fault::Garbled) => return answer(StatusCode::OK, "application/json", "{\"status\": \"acc"),
            Some(Fault::AnswerHeld) => self.faults().hold().await,
            _ => {}
        }
        match done {
            Ok(()) => answer(StatusCode::ACCEPTED, "text/plain", Bytes::new()),
            Err(refusal) => refusal.answer(),
        }
    }
}

impl Channel {
    fn receive(&mut self, now: Timestamp, request: &Request<Bytes>) -> Result<(), Refusal> {
        if request.method() != Method::POST || request.uri().path() != PATH {
            let message = "The workflow could not be found.".to_owned();
            return Err(Refusal::new(StatusCode::NOT_FOUND, "WorkflowNotFound", message));
        }
        let signature = format!("sig={SIGNATURE}");
        let query = request.uri().query().unwrap_or_default();
        if !query.split('&').any(|pair| pair == signature) {
            let message = "The request must be authenticated only by Shared Access scheme.".to_owned();
            let code = "DirectApiAuthorizationRequired";
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, code, message));
        }
        self.admit(now)?;
        let body = request.body();
        if body.len() > LARGEST {
            let message = "Request Entity too large".to_owned();
            return Err(Refusal::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "RequestEntityTooLarge",
                message,
            ));
        }
        let message: Value = serde_json::from_slice(body)
            .map_err(|error| Refusal::bad("InvalidRequestContent", format!("The body is not JSON: {error}")))?;
        let cards = card::read(&message).map_err(|fault| Refusal::bad("InvalidCard", fault))?;
        self.cards.extend(cards.into_iter().map(|content| Card {
            posted: now,
            mentions: card::mentions(&content),
            content,
        }));
        Ok(())
    }

    fn admit(&mut self, now: Timestamp) -> Result<(), Refusal> {
        let time = now.as_microsecond();
        while self.recent.front().is_some_and(|call| call + SECOND <= time) {
            self.recent.pop_front();
        }
        if time < self.shut {
            return Err(Refusal::limited(self.left(time)));
        }
        if self.recent.len() >= EACH_SECOND {
            return Err(self.shut(now, 1));
        }
        self.recent.push_back(time);
        Ok(())
    }

    fn shut(&mut self, now: Timestamp, seconds: u32) -> Refusal {
        let time = now.as_microsecond();
        self.shut = self.shut.max(time + i64::from(seconds) * SECOND);
        Refusal::limited(self.left(time))
    }

    /// Whole seconds until it opens.
    fn left(&self, now: i64) -> u32 {
        let left = (self.shut - now).max(0).unsigned_abs().div_ceil(SECOND.unsigned_abs());
        u32::try_from(left).unwrap_or(u32::MAX)
    }
}

impl Refusal {
    fn new(status: StatusCode, code: &str, message: String) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message,
            retry_after: None,
        }
    }

    fn bad(code: &str, message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    fn limited(seconds: u32) -> Self {
        let message = format!("Rate limit is exceeded. Try again in {seconds} seconds.");
        Self {
            retry_after: Some(seconds),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message)
        }
    }

    /// A proxy's word.
    fn page(status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(status, "", String::new())
    }

    fn answer(self) -> Answer {
        if self.code.is_empty() {
            let page = "<html><body><h2>Our services aren't available right now</h2></body></html>\n";
            return answer(self.status, "text/html", page);
        }
        let body = json!({ "error": { "code": self.code, "message": self.message } });
        let mut response = Response::new(whole(body.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=utf-8"),
        );
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        Answer::Response(response)
    }
}
