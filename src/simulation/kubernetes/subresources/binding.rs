//! Binding: a pod gets its node.

use serde_json::{Value, json};

use crate::kubernetes::{
    incoming::Served,
    refusal::{About, Cause, Refusal},
    reply::Reply,
    request::WriteOptions,
    resources::{BINDINGS, Conversion, PODS},
    strategy::Part,
    verbs::{
        Ask,
        update::{judge_namespace, storage_error},
    },
    world::{Key, World, Write},
};

/// Binds the pod that is named, in the path or, the old way, only in the body, to the node in the body.
pub fn bind(world: &mut World, ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let options = WriteOptions::read(ask.call, "CreateOptions", false)?;
    let resource = std::sync::Arc::clone(world.resources().get(BINDINGS));
    let served = Served {
        resource: &resource,
        version: "v1",
        group: "",
        conversion: Conversion::None,
    };
    let (binding, warnings) = served.read(ask.call, options.validation)?;
    judge_namespace(ask, &binding)?;
    let named = binding["metadata"]["name"].as_str().unwrap_or_default();
    let pod = ask.about.name.as_deref().unwrap_or(named);
    if named != pod {
        return Err(Refusal::bad_request(
            "name in URL does not match name in Binding object",
        ));
    }
    judge_target(&binding["target"])?;
    assign(world, ask, pod, &binding, options.dry_run)?;
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    let mut reply = Reply::json(201, &status);
    reply.warnings = warnings;
    Ok(reply)
}

fn judge_target(target: &Value) -> Result<(), Refusal> {
    let mut causes = Vec::new();
    let kind = target["kind"].as_str().unwrap_or_default();
    if !matches!(kind, "" | "Node") {
        causes.push(Cause::not_supported("target.kind", &kind.into(), &["Node", "<empty>"]));
    }
    if target["name"].as_str().unwrap_or_default().is_empty() {
        causes.push(Cause::required("target.name", ""));
    }
    let words: Vec<String> = causes
        .iter()
        .map(|cause| format!("{}: {}", cause.field, cause.message))
        .collect();
    match words.as_slice() {
        [] => Ok(()),
        [one] => Err(Refusal::new(500, "", one.clone())),
        many => Err(Refusal::new(500, "", format!("[{}]", many.join(", ")))),
    }
}

/// Writes the node into the pod, and nobody down as its owner.
fn assign(world: &mut World, ask: &Ask<'_>, name: &str, binding: &Value, dry_run: bool) -> Result<(), Refusal> {
    if name.is_empty() {
        return Err(Refusal::bad_request("Name parameter required."));
    }
    let key = Key::new(PODS, ask.namespace(), name);
    let Some(pod) = world.get(&key) else {
        return Err(Refusal::not_found(About::new("", "pods"), name));
    };
    let uid = binding["metadata"]["uid"].as_str().unwrap_or_default();
    if !uid.is_empty() && uid != &**pod.uid() {
        let words = storage_error("pods", ask.namespace(), uid, pod);
        return Err(Refusal::conflict(About::new("", "pods"), name, &words));
    }
    let conflict = |why: String| Err(Refusal::conflict(About::new("", "pods/binding"), name, &why));
    if pod.deleting() {
        return conflict(format!("pod {name} is being deleted, cannot be assigned to a host"));
    }
    if let Some(other) = pod.node() {
        return conflict(format!("pod {name} is already assigned to node \"{other}\""));
    }
    let old = pod.value();
    if !list(&old["spec"]["schedulingGates"]).is_empty() {
        return conflict(format!("pod {name} has non-empty .spec.schedulingGates"));
    }
    let mut new = old.clone();
    new["spec"]["nodeName"] = binding["target"]["name"].clone();
    for field in ["annotations", "labels"] {
        for (name, value) in binding["metadata"][field].as_object().into_iter().flatten() {
            new["metadata"][field][name] = value.clone();
        }
    }
    let condition = json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null,
        "lastTransitionTime": world.stamp()});
    let conditions = &mut new["status"]["conditions"];
    if !conditions.is_array() {
        *conditions = json!([]);
    }
    if let Some(conditions) = conditions.as_array_mut() {
        conditions.retain(|other| other["type"] != "PodScheduled");
        conditions.push(condition);
    }
    let write = Write {
        part: Part::Whole,
        manager: None,
        served: None,
        dry_run,
    };
    world.replace(&key, old, new, write).map(|_| ())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
