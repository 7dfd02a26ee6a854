//! A case, played on one side.

use std::time::{Duration, Instant};

use http::{Request, Response, header};
use http_body_util::BodyExt;
use jiff::SignedDuration;
use kube::{Client, client::Body as Bytes};
use serde_json::{Map, Value, json};
use simulated_cluster::kubernetes::{Simulation, controllers};

use super::language::{Body, Call, Case, path};

/// How long something may take that will come, in real time.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long an answer may take, and an event that a watch owes.
const SILENCE: Duration = Duration::from_secs(15);

/// Who is asked.
pub struct Side {
    client: Client,
    simulation: Option<Simulation>,
}

impl Side {
    /// The test cluster.
    pub fn real(client: Client) -> Self {
        Self {
            client,
            simulation: None,
        }
    }

    /// A simulation for one case, with its namespace.
    pub async fn simulated(case: &Case, namespace: &str) -> Self {
        let now = "2026-03-01T12:00:00Z".parse().unwrap();
        let simulation = Simulation::new(now, 7);
        if case.controllers {
            controllers::run(&simulation);
        }
        let client = Client::new(simulation.service(), "default");
        // As on the test cluster, by somebody who says no name.
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        let request = Request::post("/api/v1/namespaces").body(Bytes::from(object.to_string().into_bytes()));
        let made = client.send(request.unwrap()).await.unwrap();
        assert_eq!(made.status(), 201);
        Self {
            client,
            simulation: Some(simulation),
        }
    }

    /// Any cluster.
    pub fn of(client: Client, simulation: Option<Simulation>) -> Self {
        Self { client, simulation }
    }

    /// Lets some time go by.
    pub async fn wait(&self) {
        match &self.simulation {
            Some(simulation) => simulation.advance(simulation.now() + SignedDuration::from_millis(500)),
            None => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// The answers to all calls: code, headers and body.
pub async fn play(case: &Case, side: &Side, namespace: &str) -> Vec<Value> {
    let mut answers = Vec::new();
    for call in &case.calls {
        let answer = match &*call.method {
            "UNTIL" | "GONE" => until(case, call, side, namespace, &answers).await,
            "WATCH" => ask(case, call, side, namespace, &answers).await,
            _ => match tokio::time::timeout(SILENCE, ask(case, call, side, namespace, &answers)).await {
                Ok(answer) => answer,
                Err(_) => json!({"failed": "no answer"}),
            },
        };
        answers.push(answer);
    }
    answers
}

async fn until(case: &Case, call: &Call, side: &Side, namespace: &str, answers: &[Value]) -> Value {
    let wanted = match &call.body {
        Body::Json(wanted) => {
            let mut wanted = wanted.clone();
            fill(&mut wanted, namespace, answers);
            wanted
        }
        _ => Value::Null,
    };
    let begun = Instant::now();
    loop {
        let answer = ask(case, call, side, namespace, answers).await;
        let come = match &*call.method {
            "GONE" => answer["code"] == 404,
            _ => contains(&answer["body"], &wanted),
        };
        // Simulated time passes fast, so the simulation has plenty of it.
        if come || begun.elapsed() > PATIENCE {
            return answer;
        }
        side.wait().await;
    }
}

/// Whether all that is wanted is there.
fn contains(value: &Value, wanted: &Value) -> bool {
    contains_by(value, wanted, Value::eq)
}

/// The same, where what is no object and no list is compared by something else.
pub fn contains_by(value: &Value, wanted: &Value, same: fn(&Value, &Value) -> bool) -> bool {
    match (value, wanted) {
        (Value::Object(value), Value::Object(wanted)) => wanted
            .iter()
            .all(|(name, wanted)| contains_by(value.get(name).unwrap_or(&Value::Null), wanted, same)),
        (Value::Array(value), Value::Array(wanted)) => wanted
            .iter()
            .all(|wanted| value.iter().any(|value| contains_by(value, wanted, same))),
        (value, wanted) => same(value, wanted),
    }
}

/// The answer to one call.
pub async fn ask(case: &Case, call: &Call, side: &Side, namespace: &str, answers: &[Value]) -> Value {
    let text = |text: &str| filled(text, namespace, answers);
    let mut target = path(&text(&call.target), namespace);
    let method = match &*call.method {
        "WATCH" => {
            target.push_str(if target.contains('?') {
                "&watch=true"
            } else {
                "?watch=true"
            });
            "GET"
        }
        "UNTIL" | "GONE" => "GET",
        method => method,
    };
    let mut request = Request::builder().method(method).uri(target);
    let agent = call.options.get("agent").map_or("suite/1", String::as_str);
    request = request.header(header::USER_AGENT, agent);
    if let Some(accept) = call.options.get("accept") {
        request = request.header(header::ACCEPT, accepted(accept));
    }
    for (option, name) in [("as", "Impersonate-User"), ("group", "Impersonate-Group")] {
        if let Some(value) = call.options.get(option) {
            for value in value.split(',') {
                request = request.header(name, text(value));
            }
        }
    }
    let given = call.options.get("type").map(String::as_str);
    let body = match &call.body {
        _ if matches!(&*call.method, "UNTIL" | "GONE") => Vec::new(),
        Body::None => Vec::new(),
        Body::Json(value) => {
            let mut value = value.clone();
            fill(&mut value, namespace, answers);
            serde_json::to_vec(&value).unwrap()
        }
        Body::Raw(raw) => text(raw).into_bytes(),
    };
    if let Some(kind) = given.or((!body.is_empty()).then_some("application/json")) {
        request = request.header(header::CONTENT_TYPE, media_type(kind));
    }
    let request = request
        .body(Bytes::from(body))
        .unwrap_or_else(|error| panic!("{case}: {}: {error}", call.line));
    let response = match side.client.send(request).await {
        Ok(response) => response,
        Err(error) => return json!({"failed": error.to_string()}),
    };
    let events = call.options.get("events").map(|count| count.parse::<usize>().unwrap());
    read(response, (call.method == "WATCH").then_some(events.unwrap_or_default())).await
}

fn media_type(short: &str) -> &str {
    match short {
        "merge" => "application/merge-patch+json",
        "json" => "application/json-patch+json",
        "strategic" => "application/strategic-merge-patch+json",
        "apply" => "application/apply-patch+yaml",
        other => other,
    }
}

fn accepted(short: &str) -> &str {
    match short {
        "table" => "application/json;as=Table;v=v1;g=meta.k8s.io",
        "metadata" => "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
        "metadatalist" => "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
        other => other,
    }
}

async fn read(response: Response<Bytes>, events: Option<usize>) -> Value {
    let (head, body) = response.into_parts();
    let headers = |name: &str| -> Vec<String> {
        let values = head.headers.get_all(name).iter();
        values
            .filter_map(|value| Some(value.to_str().ok()?.to_owned()))
            .collect()
    };
    let mut kept = Map::new();
    for name in ["content-type", "warning", "retry-after"] {
        let values = headers(name);
        if !values.is_empty() {
            kept.insert(name.to_owned(), json!(values));
        }
    }
    let body = match events {
        Some(events) if head.status == 200 => watched(body, events).await,
        _ => match body.collect().await {
            Ok(body) => {
                let bytes = body.to_bytes();
                serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into())
            }
            Err(error) => json!({"cut": error.to_string()}),
        },
    };
    json!({"code": head.status.as_u16(), "headers": kept, "body": body})
}

/// So many events of a watch; fewer when it ends.
async fn watched(mut body: Bytes, count: usize) -> Value {
    let mut events: Vec<Value> = Vec::new();
    let mut text = Vec::new();
    let mut end = "read";
    while events.len() < count {
        let frame = match tokio::time::timeout(SILENCE, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(_) => {
                end = "ended";
                break;
            }
            Err(_) => {
                end = "silent";
                break;
            }
        };
        text.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        while let Some(at) = text.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = text.drain(..=at).collect();
            events.push(serde_json::from_slice(&line).unwrap());
        }
    }
    events.truncate(count);
    json!({"events": events, "end": end})
}

/// Fills in every text of a value, the names of its fields too.
fn fill(value: &mut Value, namespace: &str, answers: &[Value]) {
    match value {
        Value::String(text) => *text = filled(text, namespace, answers),
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, namespace, answers)),
        Value::Object(fields) => {
            let old = std::mem::take(fields);
            for (name, mut value) in old {
                fill(&mut value, namespace, answers);
                fields.insert(filled(&name, namespace, answers), value);
            }
        }
        _ => {}
    }
}

/// Fills in `$ns`, `$1.metadata.uid` and `$many(10)`.
fn filled(text: &str, namespace: &str, answers: &[Value]) -> String {
    let mut made = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        made.push_str(before);
        if let Some(after) = after.strip_prefix("ns") {
            made.push_str(namespace);
            rest = after;
        } else if let Some(after) = after.strip_prefix("many(") {
            let (count, after) = after.split_once(')').expect("$many(COUNT)");
            made.push_str(&"a".repeat(count.parse().expect("$many(COUNT)")));
            rest = after;
        } else if after.starts_with(|first: char| first.is_ascii_digit()) {
            let end = after
                .find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '.'))
                .unwrap_or(after.len());
            let (reference, after) = after.split_at(end);
            made.push_str(&field(reference, answers));
            rest = after;
        } else {
            made.push('$');
            rest = after;
        }
    }
    made.push_str(rest);
    made
}

fn field(reference: &str, answers: &[Value]) -> String {
    let (number, path) = reference.split_once('.').unwrap_or((reference, ""));
    let number: usize = number.parse().expect("an answer has a number");
    let pointer = format!("/body/{}", path.replace('.', "/"));
    let value = answers
        .get(number.wrapping_sub(1))
        .and_then(|answer| answer.pointer(&pointer));
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        // What follows will say so on one of the sides, or on both.
        None => "nothing".to_owned(),
    }
}

#[test]
fn placeholders_are_filled_in() {
    let answers = [json!({"body": {"metadata": {"uid": "u"}, "items": [{"n": 3}]}})];
    let text = filled("$ns-x/$1.metadata.uid/$1.items.0.n/$many(3)$", "n", &answers);
    assert_eq!(text, "n-x/u/3/aaa$");
}
