//! Eviction: a deletion in which a PodDisruptionBudget has a say.

use std::{borrow::Cow, sync::Arc};

use serde_json::{Value, json};

use crate::kubernetes::{
    incoming::{self, Served},
    refusal::{About, Refusal},
    reply::Reply,
    request::{Call, WriteOptions},
    resources::{Conversion, POD_DISRUPTION_BUDGETS, PODS, Resource, ResourceId},
    selectors::Labels,
    verbs::{Ask, delete, update::judge_namespace},
    world::{DeleteOptions, Key, Object, World},
};

/// Entries of `disruptedPods` beyond which nothing is evicted.
const DISRUPTED: usize = 2000;

fn resource() -> Resource {
    Resource {
        id: ResourceId(u16::MAX),
        group: "policy".to_owned(),
        version: "v1".to_owned(),
        kind: "Eviction".to_owned(),
        list_kind: String::new(),
        plural: "evictions".to_owned(),
        singular: "eviction".to_owned(),
        short_names: Vec::new(),
        categories: Vec::new(),
        namespaced: true,
        verbs: &[],
        subresources: Vec::new(),
        served: Vec::new(),
        custom: None,
    }
}

/// Evicts the pod that is named.
pub fn evict(world: &mut World, ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let options = WriteOptions::read(ask.call, "CreateOptions", false)?;
    let resource = resource();
    let served = Served {
        resource: &resource,
        version: "v1",
        group: "policy",
        conversion: Conversion::None,
    };
    let (eviction, warnings) = served.read(&renewed(ask.call), options.validation)?;
    judge_namespace(ask, &eviction)?;
    if eviction["metadata"]["name"].as_str().unwrap_or_default() != ask.name() {
        return Err(Refusal::bad_request(
            "name in URL does not match name in Eviction object",
        ));
    }
    let mut wanted = match &eviction["deleteOptions"] {
        Value::Null => DeleteOptions::default(),
        value => delete::options(value.clone())?,
    };
    wanted.dry_run |= options.dry_run;
    let key = Key::new(PODS, ask.namespace(), ask.name());
    let Some(pod) = world.get(&key).cloned() else {
        return Err(Refusal::not_found(About::new("", "pods"), ask.name()));
    };
    judge_budgets(world, &pod, &mut wanted)?;
    mark_and_delete(world, &key, &pod, &wanted)?;
    let mut reply = Reply::json(
        201,
        &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}),
    );
    reply.warnings = warnings;
    Ok(reply)
}

/// An eviction in the version of old, which alone of all old versions is accepted still.
fn renewed(call: &Call) -> Cow<'_, Call> {
    match incoming::document(call) {
        Ok((mut eviction, _)) if eviction["apiVersion"] == "policy/v1beta1" && eviction["kind"] == "Eviction" => {
            eviction["apiVersion"] = "policy/v1".into();
            let mut call = call.clone();
            call.body = eviction.to_string().into();
            call.headers.remove(http::header::CONTENT_TYPE);
            Cow::Owned(call)
        }
        _ => Cow::Borrowed(call),
    }
}

/// Lets the budget of a pod decide, and writes into it what it has allowed.
fn judge_budgets(world: &mut World, pod: &Arc<Object>, wanted: &mut DeleteOptions) -> Result<(), Refusal> {
    let value = pod.value();
    let phase = value["status"]["phase"].as_str().unwrap_or_default();
    if matches!(phase, "Succeeded" | "Failed" | "Pending") || pod.deleting() {
        return Ok(());
    }
    let budgets: Vec<Arc<Object>> = world
        .list(POD_DISRUPTION_BUDGETS, Some(pod.namespace()))
        .filter(|budget| {
            let selector = Labels::from_object(&budget.value()["spec"]["selector"]);
            selector.matches(|name| pod.label(name))
        })
        .cloned()
        .collect();
    let budget = match budgets.as_slice() {
        [] => return Ok(()),
        [one] => one,
        _ => {
            return Err(Refusal::new(
                500,
                "",
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
            ));
        }
    };
    let found = budget.value();
    let number = |name: &str| found["status"][name].as_i64().unwrap_or_default();
    let mut conditions = value["status"]["conditions"].as_array().into_iter().flatten();
    let ready = conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
    if !ready {
        let always = found["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow";
        let healthy = number("currentHealthy") >= number("desiredHealthy") && number("desiredHealthy") > 0;
        if always || healthy {
            // It must still be the pod that was seen unready.
            if wanted.resource_version.is_none() {
                wanted.resource_version = Some(pod.revision().to_string());
            }
            return Ok(());
        }
    }
    check_and_decrement(world, budget, &found, pod.name(), wanted.dry_run)
}

fn check_and_decrement(
    world: &mut World,
    budget: &Object,
    found: &Value,
    pod: &str,
    dry_run: bool,
) -> Result<(), Refusal> {
    let status = &found["status"];
    let number = |name: &str| status[name].as_i64().unwrap_or_default();
    let name = budget.name();
    let about = About::new("policy", "poddisruptionbudget");
    if number("observedGeneration") < budget.generation() {
        let words = format!("The disruption budget {name} is still being processed by the server.");
        return Err(refused(&words, Some(10)));
    }
    let allowed = number("disruptionsAllowed");
    if allowed < 0 {
        return Err(Refusal::forbidden(about, name, "pdb disruptions allowed is negative"));
    }
    if status["disruptedPods"]
        .as_object()
        .is_some_and(|pods| pods.len() > DISRUPTED)
    {
        let why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller";
        return Err(Refusal::forbidden(about, name, why));
    }
    if allowed == 0 {
        return Err(refused(&why_not(name, status), None));
    }
    if dry_run {
        return Ok(());
    }
    let now = world.stamp();
    let written = world.update_status(budget.key(), "kube-apiserver", |status| {
        status["disruptionsAllowed"] = (allowed - 1).into();
        status["disruptedPods"][pod] = now.clone().into();
        if allowed == 1 {
            let condition = json!({"type": "DisruptionAllowed", "status": "False", "reason": "InsufficientPods", "message": "",
                "lastTransitionTime": now, "observedGeneration": status["observedGeneration"]});
            let conditions = &mut status["conditions"];
            if !conditions.is_array() {
                *conditions = json!([]);
            }
            if let Some(conditions) = conditions.as_array_mut() {
                match conditions.iter_mut().find(|other| other["type"] == "DisruptionAllowed") {
                    Some(other) if other["status"] == "False" => {}
                    Some(other) => *other = condition,
                    None => conditions.push(condition),
                }
            }
        }
    });
    written.map(|_| ())
}

fn why_not(name: &str, status: &Value) -> String {
    let number = |name: &str| status[name].as_i64().unwrap_or_default();
    let mut conditions = status["conditions"].as_array().into_iter().flatten();
    let refusing = conditions
        .find(|condition| condition["type"] == "DisruptionAllowed" && condition["status"] == "False")
        .filter(|condition| condition["message"].as_str().is_some_and(|message| !message.is_empty()));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match refusing {
        Some(condition) if condition["reason"] == "SyncFailed" => format!(
            "The disruption budget {name} does not allow evicting pods currently because it failed sync: {}",
            text(&condition["message"])
        ),
        _ if number("currentHealthy") <= number("desiredHealthy") => format!(
            "The disruption budget {name} needs {} healthy pods and has {} currently",
            number("desiredHealthy"),
            number("currentHealthy")
        ),
        Some(condition) => format!(
            "The disruption budget {name} does not allow evicting pods currently ({}): {}",
            text(&condition["reason"]),
            text(&condition["message"])
        ),
        None => format!("The disruption budget {name} does not allow evicting pods currently"),
    }
}

fn refused(why: &str, retry_after: Option<u32>) -> Refusal {
    let mut details = json!({"causes": [{"reason": "DisruptionBudget", "message": why}]});
    if let Some(seconds) = retry_after {
        details["retryAfterSeconds"] = seconds.into();
    }
    Refusal {
        details: Some(details),
        retry_after,
        ..Refusal::new(
            429,
            "TooManyRequests",
            "Cannot evict pod as it would violate the pod's disruption budget.",
        )
    }
}

/// Says in the pod's status why it goes, and deletes it.
fn mark_and_delete(world: &mut World, key: &Key, pod: &Object, wanted: &DeleteOptions) -> Result<(), Refusal> {
    let mut wanted = wanted.clone();
    if !wanted.dry_run {
        let about = About::new("", "Pod");
        if let Some(uid) = wanted.uid.as_deref().filter(|uid| *uid != &**pod.uid()) {
            let why = format!(
                "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been \
                 deleted and then recreated",
                pod.uid()
            );
            return Err(Refusal::conflict(about, &key.name, &why));
        }
        let version = pod.revision().to_string();
        if let Some(other) = wanted.resource_version.as_deref().filter(|other| *other != version) {
            let why = format!(
                "the ResourceVersion in the precondition ({other}) does not match the ResourceVersion in record \
                 ({version}). The object might have been modified"
            );
            return Err(Refusal::conflict(about, &key.name, &why));
        }
        let now = world.stamp();
        let marked = world.update_status(key, "kube-apiserver", |status| {
            let condition = json!({
                "type": "DisruptionTarget",
                "status": "True",
                "reason": "EvictionByEvictionAPI",
                "message": "Eviction API: evicting",
                "lastProbeTime": null,
                "lastTransitionTime": now,
            });
            let conditions = &mut status["conditions"];
            if !conditions.is_array() {
                *conditions = json!([]);
            }
            if let Some(conditions) = conditions.as_array_mut() {
                match conditions.iter_mut().find(|other| other["type"] == "DisruptionTarget") {
                    Some(other) if other["status"] == "True" && other["reason"] == condition["reason"] => {}
                    Some(other) => *other = condition,
                    None => conditions.push(condition),
                }
            }
        })?;
        if wanted.resource_version.is_some() {
            wanted.resource_version = Some(marked.revision().to_string());
        }
    }
    world.delete(key, &wanted).map(|_| ())
}
