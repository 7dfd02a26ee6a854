//! An object, or many, deleted.

use serde_json::{Value, json};

use super::{Ask, list};
use crate::kubernetes::{
    incoming, kinds, outgoing,
    refusal::{About, Cause, Refusal},
    reply::Reply,
    request::dry_run,
    resources::{
        CUSTOM_RESOURCE_DEFINITIONS, JOBS, NAMESPACES, PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, PODS,
        RESOURCE_QUOTAS, ResourceId, SERVICE_ACCOUNTS, SERVICES, STORAGE_CLASSES,
    },
    schema,
    world::{DeleteOptions, Key, Propagation, World},
};

/// What somebody is told who deletes a Job and says nothing of its pods.
const ORPHANS: &str = "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove \
                       them or set propagationPolicy=Orphan to suppress this warning";

/// Deletes the object that is named.
pub fn delete(world: &mut World, ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let (options, dependents) = read(ask)?;
    let id = ask.served.resource.id;
    let key = Key::new(id, ask.namespace(), ask.name());
    if world.get(&key).is_none() {
        return Err(Refusal::not_found(ask.details(), ask.name()));
    }
    if id == NAMESPACES && matches!(ask.name(), "default" | "kube-system" | "kube-public") {
        return Err(Refusal::forbidden(
            ask.details(),
            ask.name(),
            "this namespace may not be deleted",
        ));
    }
    let mut deleted = world.delete(&key, &options)?;
    if id == CUSTOM_RESOURCE_DEFINITIONS && deleted.gone {
        // The real one holds it until the objects are gone, which is at once here.
        let metadata = &mut deleted.object["metadata"];
        metadata["deletionTimestamp"] = world.stamp().into();
        metadata["finalizers"] = json!(["customresourcecleanup.apiextensions.k8s.io"]);
    }
    let mut warnings = Vec::new();
    if id == JOBS && options.propagation.is_none() {
        warnings.push(ORPHANS.to_owned());
    }
    if !deleted.gone || returned(id) {
        // Whoever says the old way that all shall go is told that it is not done yet.
        let code = if dependents && !deleted.gone { 202 } else { 200 };
        let mut reply = outgoing::reply(world, &ask.served, ask.form, ask.include(), code, deleted.object);
        reply.warnings = warnings;
        return Ok(reply);
    }
    let mut details = json!({"name": ask.name(), "kind": ask.about.plural, "uid": deleted.object["metadata"]["uid"]});
    if !ask.about.group.is_empty() {
        details["group"] = ask.about.group.clone().into();
    }
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
    let mut reply = Reply::json(200, &status);
    reply.warnings = warnings;
    Ok(reply)
}

/// Resources whose deletion answers with the object even when it is gone.
fn returned(resource: ResourceId) -> bool {
    matches!(
        resource,
        PODS | SERVICES
            | CUSTOM_RESOURCE_DEFINITIONS
            | SERVICE_ACCOUNTS
            | PERSISTENT_VOLUMES
            | PERSISTENT_VOLUME_CLAIMS
            | RESOURCE_QUOTAS
            | STORAGE_CLASSES
            | NAMESPACES
    )
}

/// Deletes all objects that are selected, one after the other.
pub fn delete_collection(world: &mut World, ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let (options, _) = read(ask)?;
    // Of a part only that part is deleted.
    let (meant, metadata) = list::find(world, ask)?;
    let items: Vec<Value> = meant
        .iter()
        .map(|object| {
            let mut item = ask.served.serve(object.value());
            if ask.served.resource.custom.is_none() {
                outgoing::untype(&mut item);
            }
            item
        })
        .collect();
    for object in &meant {
        match world.delete(object.key(), &options) {
            Ok(_) => {}
            Err(refusal) if refusal.code == 404 => {}
            Err(refusal) => return Err(refusal),
        }
    }
    let list = json!({
        "kind": ask.served.resource.list_kind,
        "apiVersion": ask.served.api_version(),
        "metadata": metadata.value(&ask.served, true),
        "items": items,
    });
    Ok(Reply::json(200, &list))
}

/// Reads the options from the body, or, when there is none, from the query; and whether they say the old way that what depends on
/// the object shall not be orphaned.
fn read(ask: &Ask<'_>) -> Result<(DeleteOptions, bool), Refusal> {
    let value = if ask.call.body.is_empty() {
        let query = &ask.call.query;
        let mut value = json!({});
        if let Some(seconds) = query.number("gracePeriodSeconds")? {
            value["gracePeriodSeconds"] = seconds.into();
        }
        {
            let name = "propagationPolicy";
            if let Some(text) = query.text(name) {
                value[name] = text.into();
            }
        }
        if query.get("orphanDependents").is_some() {
            value["orphanDependents"] = query.flag("orphanDependents").into();
        }
        let dry: Vec<&str> = query.all("dryRun").collect();
        if !dry.is_empty() {
            value["dryRun"] = json!(dry);
        }
        value
    } else {
        let value = incoming::document(ask.call)?.0;
        incoming::judge_object(&value).map_err(Refusal::bad_request)?;
        judge_kind(&value)?;
        value
    };
    let dependents = value["orphanDependents"] == false;
    Ok((options(value)?, dependents))
}

/// Refuses a body that says it is something else.
fn judge_kind(value: &Value) -> Result<(), Refusal> {
    let kind = value["kind"].as_str().unwrap_or("DeleteOptions");
    if kind == "DeleteOptions" {
        return Ok(());
    }
    let api_version = value["apiVersion"].as_str().unwrap_or("v1");
    Err(Refusal::bad_request(if kinds::is_common(api_version, kind) {
        format!("converting (v1.{kind}) to (v1.DeleteOptions): unknown conversion")
    } else {
        kinds::unknown(api_version, kind)
    }))
}

/// Reads a `DeleteOptions`.
pub fn options(value: Value) -> Result<DeleteOptions, Refusal> {
    let types = schema::find("DeleteOptions").expect("there are delete options");
    let value = schema::decode(value, types).map_err(Refusal::bad_request)?.value;
    let mut causes = Vec::new();
    let orphan = value["orphanDependents"].as_bool();
    let policy = value["propagationPolicy"].as_str();
    if orphan.is_some()
        && let Some(policy) = policy
    {
        causes.push(Cause::invalid(
            "propagationPolicy",
            &policy.into(),
            "orphanDependents and deletionPropagation cannot be both set",
        ));
    }
    let propagation = match (orphan, policy) {
        (Some(true), _) => Some(Propagation::Orphan),
        (Some(false), _) => Some(Propagation::Background),
        (None, None) => None,
        (None, Some("Background")) => Some(Propagation::Background),
        (None, Some("Foreground")) => Some(Propagation::Foreground),
        (None, Some("Orphan")) => Some(Propagation::Orphan),
        (None, Some(other)) => {
            let known = ["Foreground", "Background", "Orphan", "nil"];
            causes.push(Cause::not_supported("propagationPolicy", &other.into(), &known));
            None
        }
    };
    let dry = value["dryRun"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let dry_run = dry_run(dry, &mut causes);
    if !causes.is_empty() {
        return Err(Refusal::invalid(
            About::new("meta.k8s.io", "DeleteOptions"),
            "",
            &causes,
        ));
    }
    let text = |name: &str| value["preconditions"][name].as_str().map(str::to_owned);
    Ok(DeleteOptions {
        grace_period: value["gracePeriodSeconds"].as_i64(),
        propagation,
        uid: text("uid"),
        resource_version: text("resourceVersion"),
        dry_run,
    })
}
