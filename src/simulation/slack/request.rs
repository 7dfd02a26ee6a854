//! What a caller said: the method, the token, and the arguments, from a query, a form or JSON. It refuses bodies that
//! Slack could not read; what an argument means is the method's business.

use std::{cell::RefCell, collections::BTreeSet};

use bytes::Bytes;
use http::{Request, header};
use serde_json::{Map, Value};

use super::refusal::Refusal;

/// The arguments of a call. It remembers which were asked for: the rest had no effect.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    values: Map<String, Value>,
    asked: RefCell<BTreeSet<String>>,
}

/// The token of a call, from the `Authorization` header; a form may bring it as an argument. JSON may not.
pub(super) fn token(request: &Request<Bytes>, arguments: &Arguments) -> Option<String> {
    let header = request.headers().get(header::AUTHORIZATION);
    let bearer = header
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .map(|token| token.trim().to_owned());
    bearer
        .or_else(|| (!is_json(request)).then(|| arguments.string("token")).flatten())
        .filter(|token| !token.is_empty())
}

fn is_json(request: &Request<Bytes>) -> bool {
    content_type(request) == "application/json"
}

fn content_type(request: &Request<Bytes>) -> String {
    let value = request.headers().get(header::CONTENT_TYPE);
    let text = value.and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

impl Arguments {
    /// Reads the query and the body. A method that takes no JSON sees nothing of it.
    pub(super) fn read(request: &Request<Bytes>, takes_json: bool) -> Result<Self, Refusal> {
        let mut values = form(request.uri().query().unwrap_or_default());
        let body = request.body();
        if !body.is_empty() {
            match content_type(request).as_str() {
                "" => return Err("missing_post_type".into()),
                "application/json" => {
                    let read = serde_json::from_slice(body).map_err(|_| Refusal::from("invalid_json"))?;
                    let Value::Object(read) = read else {
                        return Err("json_not_object".into());
                    };
                    if takes_json {
                        values.extend(read);
                    }
                }
                "application/x-www-form-urlencoded" => {
                    let body = str::from_utf8(body).map_err(|_| Refusal::from("invalid_form_data"))?;
                    values.extend(form(body));
                }
                _ => return Err("invalid_post_type".into()),
            }
        }
        values.retain(|_, value| !value.is_null());
        Ok(Self {
            values,
            asked: RefCell::default(),
        })
    }

    /// The payload of an incoming webhook.
    pub(super) fn payload(request: &Request<Bytes>) -> Option<Self> {
        let read = match content_type(request).as_str() {
            "application/x-www-form-urlencoded" => {
                let fields = form(str::from_utf8(request.body()).ok()?);
                serde_json::from_str(fields.get("payload")?.as_str()?).ok()?
            }
            _ => serde_json::from_slice(request.body()).ok()?,
        };
        match read {
            Value::Object(values) => Some(Self {
                values,
                asked: RefCell::default(),
            }),
            _ => None,
        }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.asked.borrow_mut().insert(name.to_owned());
        self.values.get(name)
    }

    pub(super) fn string(&self, name: &str) -> Option<String> {
        match self.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// An argument without which the method cannot be called.
    pub(super) fn required(&self, name: &str) -> Result<String, Refusal> {
        self.string(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| Refusal::arguments(vec![format!("missing required field: {name}")]))
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<usize>, Refusal> {
        self.string(name)
            .map(|text| {
                text.parse()
                    .map_err(|_| Refusal::arguments(vec![format!("must provide an integer [json-pointer:/{name}]")]))
            })
            .transpose()
    }

    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        match self.get(name)? {
            Value::Bool(flag) => Some(*flag),
            Value::Number(number) => Some(number.as_u64() != Some(0)),
            Value::String(text) => Some(!matches!(text.as_str(), "" | "0" | "false")),
            _ => None,
        }
    }

    /// Structured data, which a form brings as a string of JSON, and JSON may.
    pub(super) fn data(&self, name: &str) -> Option<Result<Value, ()>> {
        match self.get(name)? {
            Value::String(text) => Some(serde_json::from_str(text).map_err(drop)),
            value => Some(Ok(value.clone())),
        }
    }

    /// What the caller sent and nobody asked for.
    pub(super) fn ignored(&self) -> Vec<String> {
        let asked = self.asked.borrow();
        let unasked = self.values.keys().filter(|name| !asked.contains(*name));
        unasked.filter(|name| *name != "token").cloned().collect()
    }
}

fn form(text: &str) -> Map<String, Value> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), Value::String(decode(value)))
        })
        .collect()
}

fn decode(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        let escaped = after
            .get(..2)
            .filter(|_| *byte == b'%')
            .and_then(|digits| str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (byte, escaped) {
            (_, Some(byte)) => {
                decoded.push(byte);
                rest = &after[2..];
            }
            (b'+', None) => decoded.push(b' '),
            (byte, None) => decoded.push(*byte),
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
