//! A new object.

use serde_json::{Value, json};

use super::Ask;
use crate::kubernetes::{
    admission, defaults, outgoing,
    refusal::{Cause, Refusal},
    reply::Reply,
    request::WriteOptions,
    resources::{DAEMON_SETS, NAMESPACES},
    strategy::{self, Part},
    validation,
    world::{World, Write},
};

/// Creates the object in the body.
pub fn create(world: &mut World, ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let options = WriteOptions::read(ask.call, "CreateOptions", false)?;
    let (value, mut warnings) = ask.served.read(ask.call, options.validation)?;
    warnings.extend(validation::warnings(&ask.served, &value));
    // Who is refused is warned too.
    let mut reply = match place(world, ask, value, &options) {
        Ok(created) => outgoing::reply(world, &ask.served, ask.form, ask.include(), 201, created),
        Err(refusal) => refusal.into(),
    };
    reply.warnings = warnings;
    Ok(reply)
}

/// Puts an object that is not there yet; it is as served, and decoded.
pub fn place(world: &mut World, ask: &Ask<'_>, value: Value, options: &WriteOptions) -> Result<Value, Refusal> {
    put(world, ask, value, options, Some(&options.manager))
}

/// Puts an object that says itself who owns its fields.
pub fn place_owned(world: &mut World, ask: &Ask<'_>, value: Value, options: &WriteOptions) -> Result<Value, Refusal> {
    put(world, ask, value, options, None)
}

fn put(
    world: &mut World,
    ask: &Ask<'_>,
    value: Value,
    options: &WriteOptions,
    manager: Option<&str>,
) -> Result<Value, Refusal> {
    if options.dry_run {
        return world.rehearse(|world| placed(world, ask, value, options, manager));
    }
    let before = world.chance().clone();
    let placed = placed(world, ask, value, options, manager);
    if placed.is_err() {
        // What does not come to be leaves no trace, not even in the dice.
        *world.chance() = before;
    }
    placed
}

fn placed(
    world: &mut World,
    ask: &Ask<'_>,
    value: Value,
    options: &WriteOptions,
    manager: Option<&str>,
) -> Result<Value, Refusal> {
    let resource = ask.served.resource;
    let id = resource.id;
    let mut object = value;
    // An apply that finds nothing forgets which version it meant.
    let versioned = manager.is_some()
        && object["metadata"]["resourceVersion"]
            .as_str()
            .and_then(|version| version.parse::<u64>().ok())
            .is_some_and(|version| version > 0);
    judge_namespace(ask, &mut object)?;
    let mut object = ask.served.stored(object);
    admission::judge_namespace(world, ask, &object)?;
    defaults::fill(id, &mut object);
    if id == NAMESPACES {
        // A name that is made up comes too late for it to be the creator's.
        strategy::label_namespace(&mut object);
    }
    if id == DAEMON_SETS {
        strategy::count_first_template(&mut object);
    }
    world.name(id, &mut object);
    // What admission adds, nobody owns.
    if let Some(manager) = manager {
        strategy::own_created(world, id, &mut object, manager, Some(&ask.served));
    }
    strategy::prepare_create(world, id, &mut object);
    admission::admit(world, ask, &mut object)?;
    let mut causes = validation::of_new(world, &ask.served, &object);
    if !causes.is_empty() {
        as_sent(&mut causes, &ask.call.body);
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        return Err(Refusal::invalid(ask.kind(), &name, &causes));
    }
    if versioned {
        return Err(Refusal::new(
            500,
            "",
            "resourceVersion should not be set on objects to be created",
        ));
    }
    let write = Write {
        part: Part::Main,
        manager: None,
        served: None,
        dry_run: options.dry_run,
    };
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    world.insert(id, object, write).map_err(|refusal| match refusal.reason {
        "AlreadyExists" => Refusal {
            message: refusal.message,
            ..Refusal::already_exists(ask.details(), &name)
        },
        _ => refusal,
    })
}

/// What was sent empty is shown empty, and what was not sent as nothing.
fn as_sent(causes: &mut [Cause], body: &[u8]) {
    let Ok(sent) = serde_json::from_slice::<Value>(body) else {
        return;
    };
    for cause in causes {
        let pointer = cause.field.replace(['.', '['], "/").replace(']', "");
        let Some(rest) = cause.message.strip_prefix("Invalid value: null") else {
            continue;
        };
        if sent.pointer(&format!("/{pointer}")) == Some(&json!({})) {
            cause.message = format!("Invalid value: {{}}{rest}");
        }
    }
}

/// The namespace of the object is that of the path.
pub fn judge_namespace(ask: &Ask<'_>, object: &mut Value) -> Result<(), Refusal> {
    if object["metadata"].is_null() {
        object["metadata"] = json!({});
    }
    let expected = ask.namespace();
    let metadata = &mut object["metadata"];
    let given = metadata["namespace"].as_str().unwrap_or_default();
    if !given.is_empty() && !expected.is_empty() && given != expected {
        let words = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Refusal::bad_request(words));
    }
    if let Value::Object(metadata) = metadata {
        if ask.served.resource.namespaced {
            metadata.insert("namespace".to_owned(), expected.into());
        } else {
            metadata.remove("namespace");
        }
        for field in [
            "uid",
            "creationTimestamp",
            "selfLink",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
        ] {
            metadata.remove(field);
        }
    }
    Ok(())
}
