//! What admission does to a request: the lifecycle of namespaces, and what every pod is given.

use serde_json::{Value, json};

use super::{
    defaults,
    refusal::Refusal,
    resources::{NAMESPACES, NODES, PODS, PRIORITY_CLASSES, ResourceId, SERVICE_ACCOUNTS, SERVICES},
    verbs::Ask,
    world::World,
};

/// Whether something can still be created in this namespace.
pub fn judge_namespace(world: &World, ask: &Ask<'_>, object: &Value) -> Result<(), Refusal> {
    let namespace = ask.namespace();
    if !ask.served.resource.namespaced {
        return Ok(());
    }
    let Some(found) = world.find(NAMESPACES, "", namespace) else {
        return Err(Refusal::not_found(
            super::refusal::About::new("", "namespaces"),
            namespace,
        ));
    };
    if !found.deleting() {
        return Ok(());
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    let mut refusal = Refusal::forbidden(ask.details(), name, &why);
    if let Some(details) = &mut refusal.details {
        details["causes"] = json!([{
            "reason": "NamespaceTerminating",
            "message": format!("namespace {namespace} is being terminated"),
            "field": "metadata.namespace",
        }]);
    }
    Err(refusal)
}

/// Judges a new object, and gives it what admission gives it.
pub fn admit(world: &mut World, ask: &Ask<'_>, object: &mut Value) -> Result<(), Refusal> {
    match ask.served.resource.id {
        PODS => judge_pod(world, ask, object)?,
        NODES => {
            // A new node is not ready until the node lifecycle controller says so.
            let taint = json!({"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"});
            match object["spec"]["taints"].as_array_mut() {
                Some(taints) if taints.contains(&taint) => {}
                Some(taints) => taints.push(taint),
                None => object["spec"]["taints"] = json!([taint]),
            }
        }
        _ => {}
    }
    furnish(world, ask.served.resource.id, object);
    Ok(())
}

/// Gives a new object what everybody's gets: a pod its tolerations, token and priority, a Service its address.
pub fn furnish(world: &mut World, resource: ResourceId, object: &mut Value) {
    match resource {
        PODS => {
            let priority = priority(world, object).unwrap_or_default();
            let suffix = world.chance().suffix(5);
            defaults::admit_pod(object, &suffix, priority);
        }
        SERVICES => {
            let spec = &mut object["spec"];
            if spec["type"] != "ExternalName" && spec["clusterIP"].is_null() {
                let address = format!("10.96.{}.{}", world.chance().below(256), 1 + world.chance().below(254));
                spec["clusterIP"] = address.clone().into();
                spec["clusterIPs"] = json!([address]);
            }
        }
        _ => {}
    }
}

/// The priority of a pod; the error is the class that is not there.
fn priority(world: &World, pod: &Value) -> Result<i64, String> {
    let class = pod["spec"]["priorityClassName"].as_str().unwrap_or_default();
    match (class, world.find(PRIORITY_CLASSES, "", class)) {
        ("", _) => Ok(0),
        (_, Some(class)) => Ok(class.value()["value"].as_i64().unwrap_or_default()),
        ("system-node-critical", None) => Ok(2_000_001_000),
        ("system-cluster-critical", None) => Ok(2_000_000_000),
        (_, None) => Err(class.to_owned()),
    }
}

fn judge_pod(world: &World, ask: &Ask<'_>, pod: &Value) -> Result<(), Refusal> {
    let name = match pod["metadata"]["name"].as_str() {
        Some(name) => name.to_owned(),
        None => pod["metadata"]["generateName"].as_str().unwrap_or_default().to_owned(),
    };
    if let Err(class) = priority(world, pod) {
        let why = format!("no PriorityClass with name {class} was found");
        return Err(Refusal::forbidden(ask.details(), &name, &why));
    }
    let account = pod["spec"]["serviceAccountName"]
        .as_str()
        .filter(|account| !account.is_empty());
    let account = account.unwrap_or("default");
    let mirror = pod["metadata"]["annotations"]["kubernetes.io/config.mirror"].is_string();
    if !mirror && world.find(SERVICE_ACCOUNTS, ask.namespace(), account).is_none() {
        let why = format!(
            "error looking up service account {}/{account}: serviceaccount \"{account}\" not found",
            ask.namespace()
        );
        return Err(Refusal::forbidden(ask.details(), &name, &why));
    }
    Ok(())
}

/// Gives a changed object what admission gives it.
pub fn admit_update(_world: &World, ask: &Ask<'_>, old: &Value, new: &mut Value) -> Result<(), Refusal> {
    if ask.served.resource.id == SERVICES {
        for field in ["clusterIP", "clusterIPs"] {
            if new["spec"][field].is_null() && !old["spec"][field].is_null() {
                new["spec"][field] = old["spec"][field].clone();
            }
        }
    }
    Ok(())
}
