//! What an object may not be: refused with 422 and a cause for every field, in the words of the real one.
//!
//! Not all rules of Kubernetes are here, but those that a client plausibly breaks. A rule that is missing makes this
//! kinder than the real one: the differential suite looks for such.

mod cluster;
mod container;
mod custom;
mod definition;
mod metadata;
mod pod;
mod policy;
mod rbac;
mod schedule;
mod scheduling;
mod storage;
#[cfg(test)]
mod tests;
mod workloads;

use serde_json::Value;

use super::{
    incoming::Served,
    refusal::Cause,
    resources::{
        CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, CONFIGMAPS, CONTROLLER_REVISIONS, CRON_JOBS, CUSTOM_RESOURCE_DEFINITIONS,
        DAEMON_SETS, DEPLOYMENTS, EVENTS, HORIZONTAL_POD_AUTOSCALERS, JOBS, LEASES, LIMIT_RANGES, NODES,
        PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, POD_DISRUPTION_BUDGETS, PODS, PRIORITY_CLASSES, REPLICA_SETS,
        REPLICATION_CONTROLLERS, RESOURCE_QUOTAS, ROLE_BINDINGS, ROLES, SECRETS, SERVICES, STATEFUL_SETS,
        STORAGE_CLASSES,
    },
    strategy::Part,
    world::World,
};

/// What is wrong with a new object.
pub fn of_new(_world: &World, served: &Served<'_>, object: &Value) -> Vec<Cause> {
    let mut causes = metadata::of_new(served.resource, object);
    of_content(served, object, true, &mut causes);
    causes
}

/// What is wrong with a change. `given` is the metadata as the client sent it.
pub fn of_changed(
    _world: &World,
    served: &Served<'_>,
    old: &Value,
    new: &Value,
    given: &Value,
    part: Part,
) -> Vec<Cause> {
    let mut causes = metadata::of_changed(served.resource, old, new, given);
    match part {
        Part::Status if served.resource.id == PODS => {
            pod::status(new, &mut causes);
            return causes;
        }
        Part::Status if served.resource.id == JOBS => {
            workloads::job_status(new, &mut causes);
            return causes;
        }
        Part::Status | Part::Finalize => return causes,
        Part::Resize => {
            pod::spec(&new["spec"], "spec", &mut causes);
            pod::resize(old, new, &mut causes);
            return causes;
        }
        Part::Ephemeral => {
            pod::spec(&new["spec"], "spec", &mut causes);
            pod::ephemeral(old, new, &mut causes);
            return causes;
        }
        _ => {}
    }
    of_content(served, new, false, &mut causes);
    match served.resource.id {
        PODS => pod::changed(old, new, &mut causes),
        DEPLOYMENTS | REPLICA_SETS | DAEMON_SETS => {
            immutable(
                "spec.selector",
                &old["spec"]["selector"],
                &new["spec"]["selector"],
                &mut causes,
            );
        }
        STATEFUL_SETS => workloads::stateful_set_changed(old, new, &mut causes),
        JOBS => workloads::job_changed(old, new, &mut causes),
        CONFIGMAPS | SECRETS => policy::data_changed(served.resource.id, old, new, &mut causes),
        ROLE_BINDINGS | CLUSTER_ROLE_BINDINGS => rbac::binding_changed(old, new, &mut causes),
        PRIORITY_CLASSES => cluster::priority_class_changed(old, new, &mut causes),
        PERSISTENT_VOLUME_CLAIMS => storage::claim_changed(old, new, &mut causes),
        STORAGE_CLASSES => storage::class_changed(old, new, &mut causes),
        NODES => policy::node_changed(old, new, &mut causes),
        SERVICES => policy::service_changed(old, new, &mut causes),
        EVENTS if !served.group.is_empty() => policy::event_changed(old, new, &mut causes),
        _ => {}
    }
    causes
}

/// What is allowed and yet not good.
pub fn warnings(served: &Served<'_>, object: &Value) -> Vec<String> {
    if served.resource.custom.is_none() {
        return Vec::new();
    }
    list(&object["metadata"]["finalizers"])
        .iter()
        .filter_map(Value::as_str)
        .filter(|finalizer| !finalizer.contains('/'))
        .map(|finalizer| {
            format!(
                "metadata.finalizers: {finalizer:?}: prefer a domain-qualified finalizer name to avoid accidental \
                 conflicts with other finalizer writers"
            )
        })
        .collect()
}

fn of_content(served: &Served<'_>, object: &Value, new: bool, causes: &mut Vec<Cause>) {
    match served.resource.id {
        PODS => {
            pod::spec(&object["spec"], "spec", causes);
            if new && !list(&object["spec"]["ephemeralContainers"]).is_empty() {
                causes.push(Cause::forbidden("spec.ephemeralContainers", "cannot be set on create"));
            }
        }
        DEPLOYMENTS => workloads::deployment(object, causes),
        REPLICA_SETS | DAEMON_SETS | STATEFUL_SETS | REPLICATION_CONTROLLERS => {
            workloads::replicated(served.resource.id, object, causes);
        }
        JOBS => workloads::job(&object["spec"], "spec", new, causes),
        CRON_JOBS => workloads::cron_job(object, causes),
        POD_DISRUPTION_BUDGETS => policy::budget(object, causes),
        HORIZONTAL_POD_AUTOSCALERS => policy::autoscaler(object, causes),
        EVENTS if new => policy::event(served, object, causes),
        NODES => policy::node(object, causes),
        SERVICES => policy::service(object, causes),
        LEASES => policy::lease(object, causes),
        CONFIGMAPS | SECRETS => policy::data(object, causes),
        ROLES | CLUSTER_ROLES => rbac::role(object, served.resource.namespaced, causes),
        ROLE_BINDINGS | CLUSTER_ROLE_BINDINGS => rbac::binding(object, served.resource.namespaced, causes),
        PRIORITY_CLASSES if new => cluster::priority_class(object, causes),
        RESOURCE_QUOTAS => cluster::quota(object, causes),
        LIMIT_RANGES => cluster::limits(object, causes),
        CONTROLLER_REVISIONS => cluster::revision(object, causes),
        PERSISTENT_VOLUME_CLAIMS if new => storage::claim(object, causes),
        PERSISTENT_VOLUMES => storage::volume(object, causes),
        STORAGE_CLASSES if new => storage::class(object, causes),
        CUSTOM_RESOURCE_DEFINITIONS => definition::of(object, causes),
        _ if served.resource.custom.is_some() => custom::of(served, object, causes),
        _ => {}
    }
}

/// The items of a list; none when it is none.
fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Refuses a change of what cannot be changed.
fn immutable(field: &str, old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    if old != new {
        causes.push(Cause::invalid(field, new, "field is immutable"));
    }
}

/// Refuses a negative number.
fn not_negative(field: &str, value: &Value, causes: &mut Vec<Cause>) {
    if value.as_i64().is_some_and(|number| number < 0) {
        causes.push(Cause::invalid(field, value, "must be greater than or equal to 0"));
    }
}

/// Refuses what is neither a number from 0 on nor a percentage.
fn number_or_percent(field: &str, value: &Value, causes: &mut Vec<Cause>) {
    match value {
        Value::String(text) => {
            let digits = text.strip_suffix('%').unwrap_or_default();
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                let why = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', \
                           regex used for validation is '[0-9]+%')";
                causes.push(Cause::invalid(field, value, why));
            } else if digits.parse::<u64>().is_ok_and(|number| number > 100) {
                causes.push(Cause::invalid(field, value, "must not be greater than 100%"));
            }
        }
        other => not_negative(field, other, causes),
    }
}

/// Whether it is nothing: absent, or zero.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.trim_end_matches('%').parse::<i64>() == Ok(0),
        _ => false,
    }
}
