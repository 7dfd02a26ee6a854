//! An object changed by what is said of it.

use serde_json::{Value, json};

use super::{Ask, create, update};
use crate::simulation::kubernetes::{
    accept, defaults, json as documents, outgoing,
    ownership::{self, ApplyError, Identity},
    patch::{self, Operation, StrategicError, go_map},
    refusal::{About, Cause, Refusal},
    reply::Reply,
    request::{FieldValidation, WriteOptions},
    schema::{self, Type},
    strategy::Part,
    world::{Key, World},
    yaml,
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
        return apply(world, ask, part, live, &options);
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
    let decoded = ask
        .served
        .decode(patched)
        .map_err(|why| match why.rsplit_once(" of type ") {
            Some((found, wanted)) if kind == STRATEGIC => refuse(&converted(found, wanted).unwrap_or(why.clone())),
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

fn judge_identity(ask: &Ask<'_>, value: &Value) -> Result<(), Refusal> {
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

/// Server-side apply: creates what is not there.
fn apply(
    world: &mut World,
    ask: &Ask<'_>,
    part: Part,
    live: Option<Value>,
    options: &WriteOptions,
) -> Result<Reply, Refusal> {
    let (config, twice) =
        yaml::parse(&ask.call.body).map_err(|error| Refusal::bad_request(format!("error decoding YAML: {error}")))?;
    let api_version = ask.served.api_version();
    let given = config["apiVersion"].as_str().unwrap_or_default().to_owned();
    let kind = config["kind"].as_str().unwrap_or_default().to_owned();
    if given != api_version || kind != ask.served.resource.kind {
        return Err(Refusal::bad_request(format!(
            "invalid object type: {}, Kind={kind}",
            slashed(&given)
        )));
    }
    if !config["metadata"]["managedFields"].is_null() {
        return Err(Refusal::bad_request("metadata.managedFields must be nil"));
    }
    let named = format!(
        "{}/{}; {}, Kind={kind}",
        config["metadata"]["namespace"].as_str().unwrap_or_default(),
        config["metadata"]["name"].as_str().unwrap_or_default(),
        slashed(&api_version)
    );
    let decoded = ask.served.decode(config).map_err(|why| {
        let words = typed(&why).unwrap_or(why);
        Refusal::new(
            500,
            "",
            format!("failed to create typed patch object ({named}): {words}"),
        )
    })?;
    // What the types do not know cannot be owned: an apply with it fails whatever the validation.
    if !decoded.strict.is_empty() {
        let unknown: Vec<String> = decoded
            .strict
            .iter()
            .map(|words| {
                let field = words.trim_start_matches("unknown field ").trim_matches('"');
                format!(".{field}: field not declared in schema")
            })
            .collect();
        let words = format!("failed to create typed patch object ({named}): {}", unknown.join("\n"));
        return Err(Refusal::new(500, "", words));
    }
    if options.validation == FieldValidation::Strict && !twice.is_empty() {
        return Err(Refusal::bad_request(format!(
            "error strict decoding YAML: {}",
            twice.join(", ")
        )));
    }
    let mut config = decoded.value;
    if let Some(metadata) = config["metadata"].as_object_mut() {
        metadata.remove("creationTimestamp");
    }
    let identity = Identity {
        manager: options.manager.clone(),
        applies: true,
        api_version: api_version.clone(),
        subresource: part.subresource().map(str::to_owned),
    };
    let there = live.is_some();
    let current = live.map_or_else(
        || json!({"apiVersion": api_version, "kind": ask.served.resource.kind}),
        |live| ask.served.serve(live),
    );
    let id = ask.served.resource.id;
    let now = world.stamp();
    if let Some(words) = ownership::twice(&config, ask.served.view()) {
        return Err(Refusal::new(
            500,
            "",
            format!("failed to create typed patch object ({named}): {words}"),
        ));
    }
    let merged = ownership::apply(
        &current,
        &config,
        ask.served.view(),
        &identity,
        options.force,
        &now,
        |merged| {
            if there {
                let mut stored = ask.served.stored(merged.take());
                defaults::fill(id, &mut stored);
                *merged = ask.served.serve(stored);
            }
        },
    )
    .map_err(|ApplyError::Conflicts(conflicts)| conflicted(&conflicts))?;
    judge_identity(ask, &merged)?;
    if there {
        let stored = update::put(world, ask, merged, part, options, false)?;
        return Ok(outgoing::reply(
            world,
            &ask.served,
            ask.form,
            ask.include(),
            200,
            stored,
        ));
    }
    if part != Part::Main {
        return Err(Refusal::not_found(ask.details(), ask.name()));
    }
    if let Some(uid) = merged["metadata"]["uid"].as_str() {
        let why = format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
        return Err(Refusal::conflict(ask.details(), ask.name(), &why));
    }
    let created = create::place_owned(world, ask, merged, options)?;
    Ok(outgoing::reply(
        world,
        &ask.served,
        ask.form,
        ask.include(),
        201,
        created,
    ))
}

/// A version as Go writes it, with its group however empty.
fn slashed(api_version: &str) -> String {
    if api_version.contains('/') {
        api_version.to_owned()
    } else {
        format!("/{api_version}")
    }
}

/// A mismatch in the words of typed values, where they are known.
fn typed(why: &str) -> Option<String> {
    let rest = why.strip_prefix("json: cannot unmarshal ")?;
    let (found, rest) = rest.split_once(" into Go struct field ")?;
    let (field, wanted) = rest.split_once(" of type ")?;
    let (_, path) = field.split_once('.')?;
    wanted
        .starts_with("int")
        .then(|| format!(".{path}: expected numeric (int or float), got {found}"))
}

fn conflicted(conflicts: &[ownership::Conflict]) -> Refusal {
    let message = match conflicts {
        [one] => format!(
            "Apply failed with 1 conflict: conflict with {}: {}",
            one.manager, one.field
        ),
        many => {
            let mut words = Vec::new();
            let mut last = None;
            for conflict in many {
                if last != Some(&conflict.manager) {
                    words.push(format!("conflicts with {}:", conflict.manager));
                    last = Some(&conflict.manager);
                }
                words.push(format!("- {}", conflict.field));
            }
            format!("Apply failed with {} conflicts: {}", many.len(), words.join("\n"))
        }
    };
    let causes: Vec<Value> = conflicts
        .iter()
        .map(|conflict| {
            json!({
                "reason": "FieldManagerConflict",
                "message": format!("conflict with {}", conflict.manager),
                "field": conflict.field,
            })
        })
        .collect();
    Refusal {
        details: Some(json!({"causes": causes})),
        ..Refusal::new(409, "Conflict", message)
    }
}
