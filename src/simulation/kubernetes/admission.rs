//! What admission does to a request: the lifecycle of namespaces, and what every pod is given.

use serde_json::{Value, json};

use super::{
    defaults,
    refusal::Refusal,
    resources::{NAMESPACES, PODS, PRIORITY_CLASSES, SERVICE_ACCOUNTS, SERVICES},
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

/// Gives a new object what admission gives it.
pub fn admit(world: &mut World, ask: &Ask<'_>, object: &mut Value) -> Result<(), Refusal> {
    match ask.served.resource.id {
        PODS => admit_pod(world, ask, object),
        SERVICES => {
            let spec = &mut object["spec"];
            if spec["type"] != "ExternalName" && spec["clusterIP"].is_null() {
                let address = format!("10.96.{}.{}", world.chance().below(256), 1 + world.chance().below(254));
                spec["clusterIP"] = address.clone().into();
                spec["clusterIPs"] = json!([address]);
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn admit_pod(world: &mut World, ask: &Ask<'_>, pod: &mut Value) -> Result<(), Refusal> {
    let name = match pod["metadata"]["name"].as_str() {
        Some(name) => name.to_owned(),
        None => pod["metadata"]["generateName"].as_str().unwrap_or_default().to_owned(),
    };
    let mut priority = 0;
    if let Some(class) = pod["spec"]["priorityClassName"]
        .as_str()
        .filter(|class| !class.is_empty())
    {
        priority = match (class, world.find(PRIORITY_CLASSES, "", class)) {
            ("system-node-critical", None) => 2_000_001_000,
            ("system-cluster-critical", None) => 2_000_000_000,
            (_, Some(class)) => class.value()["value"].as_i64().unwrap_or_default(),
            (_, None) => {
                let why = format!("no PriorityClass with name {class} was found");
                return Err(Refusal::forbidden(ask.details(), &name, &why));
            }
        };
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
    let suffix = world.chance().suffix(5);
    defaults::admit_pod(pod, &suffix, priority);
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
