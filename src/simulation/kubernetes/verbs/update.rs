//! An object in the place of another one.

use serde_json::{Value, json};

use super::{Ask, create};
use crate::kubernetes::{
    admission, defaults, outgoing,
    refusal::{About, Cause, Refusal},
    reply::Reply,
    request::WriteOptions,
    resources::{
        CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ENDPOINTS, EVENTS, LEASES, LIMIT_RANGES, POD_DISRUPTION_BUDGETS,
        ROLE_BINDINGS, ROLES, ResourceId, SERVICES,
    },
    strategy::{self, Part},
    validation,
    world::{Key, Object, World, Write},
};

/// Puts the object in the body.
pub fn update(world: &mut World, ask: &Ask<'_>, part: Part) -> Result<Reply, Refusal> {
    let options = WriteOptions::read(ask.call, "UpdateOptions", false)?;
    let (value, warnings) = ask.served.read(ask.call, options.validation)?;
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
    judge_namespace(ask, &value)?;
    let there = world
        .find(ask.served.resource.id, ask.namespace(), ask.name())
        .is_some();
    if !there && part == Part::Main && creates(ask.served.resource.id) {
        let created = create::place(world, ask, value, &options)?;
        return Ok(outgoing::reply(
            world,
            &ask.served,
            ask.form,
            ask.include(),
            201,
            created,
        ));
    }
    let stored = put(world, ask, value, part, &options, true)?;
    let mut reply = outgoing::reply(world, &ask.served, ask.form, ask.include(), 200, stored);
    reply.warnings = warnings;
    Ok(reply)
}

/// Resources that a PUT creates.
fn creates(resource: ResourceId) -> bool {
    matches!(
        resource,
        ROLE_BINDINGS
            | CLUSTER_ROLE_BINDINGS
            | ROLES
            | CLUSTER_ROLES
            | LEASES
            | LIMIT_RANGES
            | EVENTS
            | SERVICES
            | ENDPOINTS
    )
}

/// Resources that are not changed without saying which version is meant.
fn conditional(ask: &Ask<'_>) -> bool {
    ask.served.resource.custom.is_some() || matches!(ask.served.resource.id, LEASES | POD_DISRUPTION_BUDGETS)
}

pub fn judge_namespace(ask: &Ask<'_>, value: &Value) -> Result<(), Refusal> {
    let given = value["metadata"]["namespace"].as_str().unwrap_or_default();
    if ask.served.resource.namespaced && !given.is_empty() && given != ask.namespace() {
        return Err(Refusal::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    Ok(())
}

/// Puts an object, as served and decoded, in the place of the live one. Returns it as it is stored.
pub fn put(
    world: &mut World,
    ask: &Ask<'_>,
    value: Value,
    part: Part,
    options: &WriteOptions,
    own: bool,
) -> Result<Value, Refusal> {
    let resource = ask.served.resource;
    let key = Key::new(resource.id, ask.namespace(), ask.name());
    let Some(live) = world.get(&key).cloned() else {
        return Err(Refusal::not_found(ask.details(), ask.name()));
    };
    let old = live.value();
    let mut new = ask.served.stored(value);
    if !new["metadata"].is_object() {
        new["metadata"] = json!({});
    }
    let uid = new["metadata"]["uid"].as_str().unwrap_or_default();
    if options.judges_uid && !uid.is_empty() && uid != &**live.uid() {
        return Err(Refusal::conflict(
            ask.details(),
            ask.name(),
            &stored_error(ask, uid, &live),
        ));
    }
    let version = new["metadata"]["resourceVersion"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    if version.is_empty() || version == "0" {
        if conditional(ask) {
            let cause = Cause::invalid("metadata.resourceVersion", &json!(0), "must be specified for an update");
            let about = About::new(&ask.about.group, &ask.about.plural);
            return Err(Refusal::invalid(about, ask.name(), &[cause]));
        }
    } else {
        match version.parse::<u64>() {
            Ok(version) if version == live.revision() => {}
            Ok(_) => return Err(Refusal::conflict(ask.details(), ask.name(), MODIFIED)),
            Err(_) => {
                let words = format!("strconv.ParseUint: parsing \"{version}\": invalid syntax");
                return Err(Refusal::new(500, "", words));
            }
        }
    }
    defaults::fill(resource.id, &mut new);
    let mut own = own;
    if matches!(part, Part::Resize | Part::Ephemeral) && own {
        // Whoever writes these parts owns whatever is said with them, though most of that is dropped.
        let write = Write {
            part,
            manager: Some(&*options.manager),
            served: Some(ask.served),
            dry_run: options.dry_run,
        };
        strategy::own_changed(world, resource.id, &old, &mut new, &write);
        own = false;
    }
    let given = new["metadata"].clone();
    strategy::prepare_update(world, resource.id, &old, &mut new, part);
    admission::admit_update(world, ask, &old, &mut new)?;
    let causes = validation::of_changed(world, &ask.served, &old, &new, &given, part);
    if !causes.is_empty() {
        return Err(Refusal::invalid(ask.kind(), ask.name(), &causes));
    }
    let write = Write {
        part,
        manager: own.then_some(&*options.manager),
        served: Some(ask.served),
        dry_run: options.dry_run,
    };
    Ok(world.replace(&key, old, new, write)?.0)
}

/// What a write is told that means another object.
pub fn stored_error(ask: &Ask<'_>, uid: &str, live: &Object) -> String {
    let resource = ask.served.resource;
    let place = if resource.custom.is_some() {
        format!("{}/{}", resource.group, resource.plural)
    } else {
        resource.plural.clone()
    };
    let namespace = if resource.namespaced { ask.namespace() } else { "" };
    storage_error(&place, namespace, uid, live)
}

/// The same of an object that is stored at a place.
pub fn storage_error(place: &str, namespace: &str, uid: &str, live: &Object) -> String {
    let slash = if namespace.is_empty() { "" } else { "/" };
    format!(
        "StorageError: invalid object, Code: 4, Key: /registry/{place}/{namespace}{slash}{}, ResourceVersion: 0, \
         AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
        live.name(),
        live.uid()
    )
}

/// What a write that comes too late is told.
pub const MODIFIED: &str =
    "the object has been modified; please apply your changes to the latest version and try again";
