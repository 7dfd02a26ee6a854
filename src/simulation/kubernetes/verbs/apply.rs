//! Server-side apply: what a manager says shall be.

use serde_json::{Value, json};

use super::{Ask, create, patch::judge_identity, update};
use crate::kubernetes::{
    defaults,
    incoming::Served,
    outgoing,
    ownership::{self, ApplyError, Conflict, Identity},
    refusal::Refusal,
    reply::Reply,
    request::{Call, FieldValidation, WriteOptions},
    strategy::Part,
    world::World,
    yaml,
};

/// Creates what is not there.
pub fn apply(
    world: &mut World,
    ask: &Ask<'_>,
    part: Part,
    live: Option<Value>,
    options: &WriteOptions,
) -> Result<Reply, Refusal> {
    let (config, warnings) = read(&ask.served, ask.call, options)?;
    let there = live.is_some();
    let api_version = ask.served.api_version();
    let current = live.map_or_else(
        || json!({"apiVersion": api_version, "kind": ask.served.resource.kind}),
        |live| ask.served.serve(live),
    );
    let id = ask.served.resource.id;
    let now = world.stamp();
    let merged = merged(&ask.served, &config, &current, part, options, &now, |merged| {
        if there {
            let mut stored = ask.served.stored(merged.take());
            defaults::fill(id, &mut stored);
            *merged = ask.served.serve(stored);
        }
    })?;
    judge_identity(ask, &merged)?;
    let (code, stored) = if there {
        (200, update::put(world, ask, merged, part, options, false)?)
    } else {
        if part != Part::Main {
            return Err(Refusal::not_found(ask.details(), ask.name()));
        }
        if let Some(uid) = merged["metadata"]["uid"].as_str() {
            let why =
                format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
            return Err(Refusal::conflict(ask.details(), ask.name(), &why));
        }
        (201, create::place_owned(world, ask, merged, options)?)
    };
    let mut reply = outgoing::reply(world, &ask.served, ask.form, ask.include(), code, stored);
    reply.warnings = warnings;
    Ok(reply)
}

/// Reads what is applied, as it is said: what says nothing is owned, too. With it comes what the client is warned of.
pub fn read(served: &Served<'_>, call: &Call, options: &WriteOptions) -> Result<(Value, Vec<String>), Refusal> {
    let (mut config, twice) =
        yaml::parse(&call.body).map_err(|error| Refusal::bad_request(format!("error decoding YAML: {error}")))?;
    let api_version = served.api_version();
    let given = config["apiVersion"].as_str().unwrap_or_default();
    let kind = config["kind"].as_str().unwrap_or_default();
    if given != api_version || kind != served.resource.kind {
        return Err(Refusal::bad_request(format!(
            "invalid object type: {}, Kind={kind}",
            slashed(given)
        )));
    }
    if !config["metadata"]["managedFields"].is_null() {
        return Err(Refusal::bad_request("metadata.managedFields must be nil"));
    }
    // What the types do not know cannot be owned: an apply with it fails whatever the validation.
    if let Some(words) = ownership::judge(&config, served.view()) {
        let named = named(&config, &api_version, kind);
        let words = format!("failed to create typed patch object ({named}): {words}");
        return Err(Refusal::new(500, "", words));
    }
    served.decode(config.clone()).map_err(|why| {
        let why = match why
            .strip_suffix(" of type intstr.IntOrString")
            .and_then(|why| why.split_once(" into "))
        {
            Some((found, _)) => format!("{found} into Go value of type int32"),
            None => why,
        };
        let versioned = format!("{}, Kind={kind}", slashed(&api_version));
        let why = format!("unable to convert unstructured object to {versioned}: {why}");
        Refusal::new(500, "", unconverted(&config, &api_version, kind, &why))
    })?;
    let warnings = match options.validation {
        FieldValidation::Strict if !twice.is_empty() => {
            return Err(Refusal::bad_request(format!(
                "error strict decoding YAML: error converting YAML to JSON: {}",
                yaml::twice(&twice)
            )));
        }
        FieldValidation::Warn => twice,
        _ => Vec::new(),
    };
    if let Some(metadata) = config["metadata"].as_object_mut() {
        metadata.remove("creationTimestamp");
    }
    Ok((config, warnings))
}

/// What is applied, as its errors name it.
fn named(config: &Value, api_version: &str, kind: &str) -> String {
    format!(
        "{}/{}; {}, Kind={kind}",
        config["metadata"]["namespace"].as_str().unwrap_or_default(),
        config["metadata"]["name"].as_str().unwrap_or_default(),
        slashed(api_version)
    )
}

/// Why the result cannot be brought into the version in which it would be stored.
pub fn unconverted(config: &Value, api_version: &str, kind: &str, why: &str) -> String {
    let named = named(config, api_version, kind);
    format!("failed to convert new object ({named}) to proper version: {why}")
}

/// Merges what is applied into the object that there is. `finish` gives the result its defaults.
pub fn merged(
    served: &Served<'_>,
    config: &Value,
    current: &Value,
    part: Part,
    options: &WriteOptions,
    now: &str,
    finish: impl FnOnce(&mut Value),
) -> Result<Value, Refusal> {
    let identity = Identity {
        manager: options.manager.clone(),
        applies: true,
        api_version: served.api_version(),
        subresource: part.subresource().map(str::to_owned),
    };
    let finish = |merged: &mut Value| {
        // What is said and says nothing is owned, but not kept.
        if let Ok(decoded) = served.decode(merged.clone()) {
            *merged = decoded.value;
        }
        finish(merged);
    };
    ownership::apply(current, config, served.view(), &identity, options.force, now, finish)
        .map_err(|ApplyError::Conflicts(conflicts)| conflicted(&conflicts))
}

/// A version as Go writes it, with its group however empty.
fn slashed(api_version: &str) -> String {
    if api_version.contains('/') {
        api_version.to_owned()
    } else {
        format!("/{api_version}")
    }
}

fn conflicted(conflicts: &[Conflict]) -> Refusal {
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
