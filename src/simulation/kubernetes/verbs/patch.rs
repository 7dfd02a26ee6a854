//! An object changed by what is said of it.

use serde_json::{Value, json};

use super::{Ask, apply, update};
use crate::kubernetes::{
    accept, json as documents, outgoing,
    patch::{self, Operation, StrategicError},
    quoting::go_map,
    refusal::{About, Cause, Refusal},
    reply::Reply,
    request::{FieldValidation, WriteOptions},
    schema::{self, Type},
    strategy::Part,
    world::{Key, World},
};

const JSON: &str = "application/json-patch+json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";
/// Operations of one JSON patch.
const OPERATIONS: usize = 10_000;

/// Changes the object that is named.
pub fn patch(world: &mut World, ask: &Ask<'_>, part: Part) -> Result<Reply, Refusal> {
    let kind = accept::content_type(&ask.call.headers).to_owned();
    let custom = ask.served.resource.custom.is_some();
    let known = [JSON, MERGE, STRATEGIC, APPLY];
    if !known.contains(&&*kind) || (custom && kind == STRATEGIC) {
        if !custom {
            return Err(Refusal {
                details: Some(json!({})),
                ..Refusal::new(415, "UnsupportedMediaType", "415: Unsupported Media Type")
            });
        }
        let known: Vec<&str> = known.into_iter().filter(|kind| !custom || *kind != STRATEGIC).collect();
        return Err(accept::unsupported(&known.join(", ")));
    }
    let options = WriteOptions::read(ask.call, "PatchOptions", kind == APPLY)?;
    let key = Key::new(ask.served.resource.id, ask.namespace(), ask.name());
    let live = world.get(&key).map(|live| live.value());
    if kind == APPLY {
        return apply::apply(world, ask, part, live, &options);
    }
    let Some(live) = live else {
        return Err(Refusal::not_found(ask.details(), ask.name()));
    };
    let current = ask.served.serve(live);
    let patched = patched(&kind, &current, &ask.call.body, kind_of(ask))?;
    let (value, warnings) = decoded(ask, patched, &kind, &options)?;
    judge_identity(ask, &value)?;
    let stored = update::put(world, ask, value, part, &options, true)?;
    let mut reply = outgoing::reply(world, &ask.served, ask.form, ask.include(), 200, stored);
    reply.warnings = warnings;
    Ok(reply)
}

fn kind_of(ask: &Ask<'_>) -> Option<&'static Type> {
    schema::of_kind(&ask.served.api_version(), &ask.served.resource.kind)
}

/// Decodes what a patch has made.
fn decoded(ask: &Ask<'_>, patched: Value, kind: &str, options: &WriteOptions) -> Result<(Value, Vec<String>), Refusal> {
    let shown = match kind {
        STRATEGIC => documents::parse(&ask.call.body).map_or_else(|error| error, |(patch, _)| go_map(&patch)),
        _ => patched.to_string(),
    };
    let refuse = |why: &str| {
        let cause = Cause::invalid("patch", &shown.clone().into(), why);
        Refusal::invalid(About::new("", ""), "", &[cause])
    };
    if kind != STRATEGIC {
        // What is converted is of the right type already, whatever it says of itself; so is what says nothing.
        let api_version = ask.served.api_version();
        let kind = patched["kind"].as_str().unwrap_or(&ask.served.resource.kind);
        ask.served
            .judge_kind(&patched, patched["apiVersion"].as_str().unwrap_or(&api_version), kind)
            .map_err(|why| refuse(&why))?;
        ask.served.judge_own_kind(&patched)?;
    }
    let decoded = ask
        .served
        .decode(patched)
        .map_err(|why| match why.rsplit_once(" of type ") {
            Some((found, wanted)) if kind == STRATEGIC => refuse(&converted(found, wanted).unwrap_or(why.clone())),
            _ if kind == STRATEGIC && why.starts_with("illegal base64") => {
                refuse(&format!("error decoding from json: {why}"))
            }
            _ => refuse(&why),
        })?;
    match options.validation {
        FieldValidation::Strict if !decoded.strict.is_empty() => {
            Err(refuse(&format!("strict decoding error: {}", decoded.strict.join(", "))))
        }
        FieldValidation::Warn => Ok((decoded.value, decoded.strict)),
        _ => Ok((decoded.value, Vec::new())),
    }
}

/// What is not decoded from text but converted has its own words for it.
fn converted(found: &str, wanted: &str) -> Option<String> {
    let found = match found.strip_prefix("json: cannot unmarshal ")?.split(' ').next()? {
        "number" => "int64",
        "array" => "slice",
        "object" => "map",
        other => other,
    };
    Some(if wanted.starts_with("map[") {
        format!("cannot restore map from {found}")
    } else if wanted.starts_with("[]") {
        format!("cannot restore slice from {found}")
    } else if wanted == "string" && found == "int64" {
        format!("cannot convert {found} to {wanted}")
    } else if wanted == "string" || wanted.starts_with("int") || wanted == "bool" {
        format!("unrecognized type: {wanted}")
    } else {
        return None;
    })
}

pub(super) fn judge_identity(ask: &Ask<'_>, value: &Value) -> Result<(), Refusal> {
    update::judge_namespace(ask, value)?;
    let named = value["metadata"]["name"].as_str().unwrap_or_default();
    if named.is_empty() {
        return Err(Refusal::bad_request(format!(
            "the name of the object ({} based on URL) was undeterminable: name must be provided",
            ask.name()
        )));
    }
    if named != ask.name() {
        return Err(Refusal::bad_request(format!(
            "the name of the object ({named}) does not match the name on the URL ({})",
            ask.name()
        )));
    }
    Ok(())
}

/// Applies a patch of one of the three kinds to an object.
pub fn patched(kind: &str, current: &Value, body: &[u8], types: Option<&Type>) -> Result<Value, Refusal> {
    let unprocessable = || {
        let mut refusal = Refusal::new(
            422,
            "Invalid",
            "the server rejected our request due to an error in our request",
        );
        refusal.details = Some(json!({}));
        refusal
    };
    let document = documents::parse(body).map(|(document, _)| document);
    match kind {
        JSON => {
            let document = document.map_err(|error| Refusal::bad_request(format!("error decoding patch: {error}")))?;
            let operations = Operation::parse(&document)
                .map_err(|error| Refusal::bad_request(format!("error decoding patch: {error}")))?;
            if operations.len() > OPERATIONS {
                let words = format!(
                    "Request entity too large: The allowed maximum operations in a JSON patch is {OPERATIONS}, got {}",
                    operations.len()
                );
                return Err(Refusal::new(413, "RequestEntityTooLarge", words));
            }
            patch::apply_json(current, &operations).map_err(|_| unprocessable())
        }
        MERGE => {
            let document = document.map_err(|error| Refusal::bad_request(format!("error decoding patch: {error}")))?;
            if document.is_null() {
                return Err(Refusal::bad_request("Invalid JSON Patch"));
            }
            if !document.is_object() {
                let kind = documents::kind(&document);
                return Err(Refusal::bad_request(format!(
                    "error decoding patch: json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
                )));
            }
            let mut patched = current.clone();
            patch::merge(&mut patched, &document);
            Ok(patched)
        }
        _ => {
            let mut document = document.map_err(Refusal::bad_request)?;
            if document.is_null() {
                document = json!({});
            }
            if !document.is_object() {
                let kind = documents::kind(&document);
                return Err(Refusal::bad_request(format!(
                    "json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
                )));
            }
            patch::apply_strategic(current, &document, types).map_err(|error| match error {
                StrategicError::Form(words) => Refusal::bad_request(words),
                StrategicError::Content(_) => unprocessable(),
                StrategicError::Other(words) => Refusal::new(500, "", words),
            })
        }
    }
}
