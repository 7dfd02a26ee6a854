//! One request from its arrival to its answer: which door it came to, what goes wrong with it on demand, and what the
//! log keeps of it.

use bytes::Bytes;
use http::{HeaderValue, Method as Verb, Request, Response, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Slack,
    calls::Call,
    methods::Method,
    refusal::Refusal,
    request::{Arguments, token},
    webhook::{self, HookPath},
    workspace::Workspace,
};
use crate::{
    faults::Fault,
    serve::{Answer, answer, whole},
};

/// What a request wants.
enum Door {
    Method {
        method: Method,
        arguments: Result<Arguments, Refusal>,
    },
    Unknown(String),
    Hook {
        path: HookPath,
        payload: Option<Arguments>,
    },
    Upload(String),
}

/// A request that has been read.
struct Visit {
    door: Door,
    token: Option<String>,
    /// Where the caller reached us.
    url: String,
    body: Bytes,
}

/// What is answered, unless something goes wrong on the way.
struct Reply {
    status: u16,
    retry_after: Option<u32>,
    body: Body,
    refused: Option<String>,
}

enum Body {
    Json(Value),
    Text(String),
}

const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Slack</title></head>\
    <body><h1>Server Error</h1><p>Something went awry.</p></body></html>\n";

impl Slack {
    /// Answers one request, as the server does: whoever is in the same process needs no socket.
    pub async fn answer(&self, request: Request<Bytes>) -> Answer {
        let Some(visit) = Visit::read(&request) else {
            return answer(StatusCode::NOT_FOUND, "text/html; charset=utf-8", PAGE);
        };
        let fault = {
            let workspace = self.workspace();
            let channel = visit.channel(&workspace);
            let names = channel.map(|at| &workspace.channels[at]);
            let names = names.map_or_else(Vec::new, |channel| vec![channel.id.as_str(), channel.name.as_str()]);
            self.faults().befall(visit.name(), &names)
        };
        if fault == Some(Fault::Held) {
            self.faults().hold().await;
        }
        let reply = {
            let now = (self.0.now)();
            let mut workspace = self.workspace();
            let channel = visit.channel(&workspace).map(|at| workspace.channels[at].id.clone());
            let reply = visit.serve(now, &mut workspace, fault.as_ref());
            let mut call = Call {
                at: now,
                method: visit.name().to_owned(),
                channel,
                refused: reply.refused.clone(),
                fault: fault.clone(),
                ignored: Vec::new(),
            };
            if call.took_effect() {
                call.ignored = visit.ignored();
            }
            workspace.calls.push(call);
            reply
        };
        match fault {
            Some(Fault::Cut | Fault::AnswerLost) => Answer::Cut,
            Some(Fault::Garbled) => reply.garbled(),
            Some(Fault::AnswerHeld) => {
                self.faults().hold().await;
                reply.answer()
            }
            _ => reply.answer(),
        }
    }
}

impl Visit {
    fn read(request: &Request<Bytes>) -> Option<Self> {
        let path = request.uri().path();
        let mut bearer = None;
        let door = if let Some(name) = path.strip_prefix("/api/") {
            match Method::named(name) {
                Some(method) => {
                    let arguments = Arguments::read(request, method.takes_json());
                    bearer = arguments.as_ref().ok().and_then(|arguments| token(request, arguments));
                    Door::Method { method, arguments }
                }
                None => Door::Unknown(name.to_owned()),
            }
        } else if request.method() != Verb::POST {
            return None;
        } else if let Some(path) = path.strip_prefix("/services/") {
            Door::Hook {
                path: HookPath::read(path)?,
                payload: Arguments::payload(request),
            }
        } else {
            Door::Upload(path.strip_prefix("/upload/v1/")?.to_owned())
        };
        let host = request.headers().get(header::HOST);
        let host = host.and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        Some(Self {
            door,
            token: bearer,
            url: format!("http://{host}"),
            body: request.body().clone(),
        })
    }

    /// The name that rules and the log know it by.
    fn name(&self) -> &str {
        match &self.door {
            Door::Method { method, .. } => method.name(),
            Door::Unknown(name) => name,
            Door::Hook { .. } => "webhook",
            Door::Upload(_) => "upload",
        }
    }

    fn channel(&self, workspace: &Workspace) -> Option<usize> {
        match &self.door {
            Door::Method {
                method,
                arguments: Ok(arguments),
            } => workspace.named(&arguments.string(method.channel_argument())?),
            Door::Hook { path, .. } => {
                let hook = workspace.hooks.iter().find(|hook| hook.id == path.id)?;
                workspace.with_id(&hook.channel)
            }
            Door::Method { .. } | Door::Unknown(_) | Door::Upload(_) => None,
        }
    }

    fn ignored(&self) -> Vec<String> {
        match &self.door {
            Door::Method {
                arguments: Ok(arguments),
                ..
            } => arguments.ignored(),
            _ => Vec::new(),
        }
    }

    fn serve(&self, now: Timestamp, workspace: &mut Workspace, fault: Option<&Fault>) -> Reply {
        let refusal = match fault {
            // Nobody will read it.
            Some(Fault::Cut) => return Reply::page(StatusCode::OK.as_u16()),
            Some(Fault::Status(status)) => return Reply::page(*status),
            Some(Fault::Refused(error)) => Err(Refusal::from(error.as_str())),
            Some(Fault::RateLimited(seconds)) => {
                self.shut(now, workspace, *seconds);
                Err(Refusal::limited(*seconds))
            }
            Some(Fault::Held | Fault::AnswerLost | Fault::AnswerHeld | Fault::Garbled) | None => Ok(()),
        };
        match &self.door {
            Door::Method { method, arguments } => Reply::of(refusal.and_then(|()| {
                let arguments = arguments.as_ref().map_err(Clone::clone)?;
                workspace.call(now, *method, self.token.as_deref(), arguments, &self.url)
            })),
            Door::Unknown(name) => Reply::of(refusal.and_then(|()| Err(Refusal::unknown(name)))),
            Door::Hook { path, payload } => {
                Reply::of_hook(refusal.and_then(|()| workspace.hook(now, path, payload.as_ref())))
            }
            Door::Upload(secret) => Reply::of_upload(refusal.map_err(|refusal| refusal.error).and_then(|()| {
                let received = workspace.receive(secret, &self.body);
                received.map_err(str::to_owned)
            })),
        }
    }

    /// A limit that was reached on demand holds until its `Retry-After` is over.
    fn shut(&self, now: Timestamp, workspace: &mut Workspace, seconds: u32) {
        let (app, what) = match &self.door {
            Door::Method { method, .. } => {
                let Ok((app, _)) = workspace.authenticate(self.token.as_deref()) else {
                    return;
                };
                let channel = self.channel(workspace).map(|at| workspace.channels[at].id.as_str());
                let limits = method.limits(&workspace.apps[app].id, channel);
                let Some((what, _)) = limits.into_iter().next() else {
                    return;
                };
                (app, what)
            }
            Door::Hook { path, .. } => {
                let Some(hook) = workspace.hooks.iter().find(|hook| hook.id == path.id) else {
                    return;
                };
                (hook.app, workspace.limit_of(hook))
            }
            Door::Unknown(_) | Door::Upload(_) => return,
        };
        if workspace.rates.closed(now, &what).is_some() {
            workspace.not_listened(now, app);
        }
        workspace.rates.close(now, &what, seconds);
    }
}

impl Reply {
    fn of(done: Result<serde_json::Map<String, Value>, Refusal>) -> Self {
        match done {
            Ok(mut fields) => {
                fields.insert("ok".to_owned(), json!(true));
                Self::new(200, Body::Json(Value::Object(fields)))
            }
            Err(refusal) => Self {
                retry_after: refusal.retry_after,
                refused: Some(refusal.error.clone()),
                ..Self::new(
                    if refusal.retry_after.is_some() { 429 } else { 200 },
                    Body::Json(refusal.body()),
                )
            },
        }
    }

    fn of_hook(done: Result<(), Refusal>) -> Self {
        let Err(refusal) = done else {
            return Self::new(200, Body::Text("ok".to_owned()));
        };
        let reply = match refusal.retry_after {
            Some(seconds) => {
                let body = json!({ "retry_after": seconds, "ok": false, "error": "rate_limited" });
                Self::new(429, Body::Json(body))
            }
            None => Self::new(webhook::status(&refusal.error), Body::Text(refusal.error.clone())),
        };
        Self {
            retry_after: refusal.retry_after,
            refused: Some(refusal.error),
            ..reply
        }
    }

    fn of_upload(done: Result<usize, String>) -> Self {
        match done {
            Ok(length) => Self::new(200, Body::Text(format!("OK - {length}"))),
            Err(error) => Self {
                refused: Some(error.clone()),
                ..Self::new(400, Body::Text(error))
            },
        }
    }

    fn page(status: u16) -> Self {
        Self::new(status, Body::Text(PAGE.to_owned()))
    }

    fn new(status: u16, body: Body) -> Self {
        Self {
            status,
            retry_after: None,
            body,
            refused: None,
        }
    }

    fn answer(self) -> Answer {
        let (content_type, body) = match self.body {
            Body::Json(value) => ("application/json; charset=utf-8", value.to_string()),
            Body::Text(text) => ("text/html; charset=utf-8", text),
        };
        let mut response = Response::new(whole(body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        Answer::Response(response)
    }

    /// As if a proxy had lost the second half.
    fn garbled(self) -> Answer {
        let body = match self.body {
            Body::Json(value) => value.to_string(),
            Body::Text(text) => text,
        };
        let half: String = body.chars().take(body.chars().count() / 2).collect();
        answer(StatusCode::OK, "application/json; charset=utf-8", half)
    }
}
