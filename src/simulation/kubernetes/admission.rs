//! What admission does to a request: the lifecycle of namespaces, and what every pod is given.

use serde_json::{Value, json};

use super::{
    access::{Question, allowed, missing, rules_of_role},
    defaults,
    refusal::Refusal,
    resources::{
        CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, NAMESPACES, NODES, PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, PODS,
        PRIORITY_CLASSES, ROLE_BINDINGS, ROLES, ResourceId, SERVICE_ACCOUNTS, SERVICES,
    },
    verbs::Ask,
    world::World,
};

/// Nobody gives away by a role what they have not, unless they may do that too.
fn judge_escalation(world: &World, ask: &Ask<'_>, object: &Value) -> Result<(), Refusal> {
    let id = ask.served.resource.id;
    let (rules, verb, plural) = match id {
        ROLES | CLUSTER_ROLES => {
            let rules = object["rules"].as_array().cloned().unwrap_or_default();
            (rules, "escalate", &*ask.about.plural)
        }
        ROLE_BINDINGS | CLUSTER_ROLE_BINDINGS => {
            let role = &object["roleRef"];
            let plural = if role["kind"] == "ClusterRole" {
                "clusterroles"
            } else {
                "roles"
            };
            (rules_of_role(world, ask.namespace(), role), "bind", plural)
        }
        _ => return Ok(()),
    };
    let user = &ask.call.user;
    let name = match verb {
        "bind" => object["roleRef"]["name"].as_str().unwrap_or_default(),
        _ => object["metadata"]["name"].as_str().unwrap_or_default(),
    };
    let question = Question {
        verb,
        group: "rbac.authorization.k8s.io",
        resource: plural,
        namespace: ask.namespace(),
        name,
        ..Question::default()
    };
    if allowed(world, user, &question) {
        return Ok(());
    }
    let lacking = missing(world, user, ask.namespace(), &rules);
    if lacking.is_empty() {
        return Ok(());
    }
    let why = format!(
        "user \"{}\" (groups={:?}) is attempting to grant RBAC permissions not currently held:\n{}",
        user.name,
        user.groups,
        lacking.join("\n")
    );
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    Err(Refusal::forbidden(ask.details(), name, &why))
}

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
        ROLES | CLUSTER_ROLES | ROLE_BINDINGS | CLUSTER_ROLE_BINDINGS => judge_escalation(world, ask, object)?,
        // While somebody uses them they stay.
        PERSISTENT_VOLUME_CLAIMS => protect(object, "kubernetes.io/pvc-protection"),
        PERSISTENT_VOLUMES => protect(object, "kubernetes.io/pv-protection"),
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

fn protect(object: &mut Value, finalizer: &str) {
    match object["metadata"]["finalizers"].as_array_mut() {
        Some(finalizers) if finalizers.iter().any(|other| other == finalizer) => {}
        Some(finalizers) => finalizers.push(finalizer.into()),
        None => object["metadata"]["finalizers"] = json!([finalizer]),
    }
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
            if spec["type"] == "ExternalName" {
                return;
            }
            if spec["clusterIP"].is_null() {
                let address = format!("10.96.{}.{}", world.chance().below(256), 1 + world.chance().below(254));
                spec["clusterIP"] = address.into();
            }
            if spec["clusterIPs"].is_null() {
                spec["clusterIPs"] = json!([spec["clusterIP"]]);
            }
            for (field, value) in [
                ("ipFamilies", json!(["IPv4"])),
                ("ipFamilyPolicy", json!("SingleStack")),
            ] {
                if spec[field].is_null() {
                    spec[field] = value;
                }
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
    match priority(world, pod) {
        Err(class) => {
            let why = format!("no PriorityClass with name {class} was found");
            return Err(Refusal::forbidden(ask.details(), &name, &why));
        }
        Ok(computed) => {
            let given = pod["spec"]["priority"].as_i64();
            if let Some(given) = given.filter(|given| *given != computed) {
                let why = format!(
                    "the integer value of priority ({given}) must not be provided in pod spec; priority admission \
                     controller computed {computed} from the given PriorityClass name"
                );
                return Err(Refusal::forbidden(ask.details(), &name, &why));
            }
        }
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
pub fn admit_update(world: &World, ask: &Ask<'_>, old: &Value, new: &mut Value) -> Result<(), Refusal> {
    if old["rules"] != new["rules"] || old["subjects"] != new["subjects"] {
        judge_escalation(world, ask, new)?;
    }
    if ask.served.resource.id == PODS && ask.about.subresource.is_none() {
        defaults::tolerate(new);
    }
    if ask.served.resource.id == SERVICES {
        if new["spec"]["clusterIP"] != old["spec"]["clusterIP"] && !new["spec"]["clusterIP"].is_null() {
            new["spec"]["clusterIPs"] = json!([new["spec"]["clusterIP"]]);
        }
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            if new["spec"][field].is_null() && !old["spec"][field].is_null() {
                new["spec"][field] = old["spec"][field].clone();
            }
        }
    }
    Ok(())
}
