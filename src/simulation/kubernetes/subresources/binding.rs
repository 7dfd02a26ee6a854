//! Binding: a pod gets its node.

use serde_json::{Value, json};

use crate::simulation::kubernetes::{
    incoming,
    refusal::{About, Cause, Refusal},
    reply::Reply,
    request::WriteOptions,
    resources::PODS,
    verbs::{Ask, update::storage_error},
    world::{Key, World},
};

/// Binds the pod that is named to the node in the body.
pub fn bind(world: &mut World, ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let options = WriteOptions::read(ask.call, "CreateOptions", false)?;
    let (binding, _) = incoming::document(ask.call)?;
    let node = binding["target"]["name"].as_str().unwrap_or_default().to_owned();
    let mut causes = Vec::new();
    let kind = binding["target"]["kind"].as_str().unwrap_or_default();
    if !matches!(kind, "" | "Node") {
        causes.push(Cause::not_supported("target.kind", &kind.into(), &["Node", "<empty>"]));
    }
    if node.is_empty() {
        causes.push(Cause::required("target.name", ""));
    }
    if !causes.is_empty() {
        let words: Vec<String> = causes
            .iter()
            .map(|cause| format!("{}: {}", cause.field, cause.message))
            .collect();
        let words = if words.len() == 1 {
            words.join("")
        } else {
            format!("[{}]", words.join(", "))
        };
        return Err(Refusal::new(500, "", words));
    }
    let named = binding["metadata"]["name"].as_str().unwrap_or_default();
    if named != ask.name() {
        return Err(Refusal::bad_request(
            "name in URL does not match name in Binding object",
        ));
    }
    let key = Key::new(PODS, ask.namespace(), ask.name());
    let Some(pod) = world.get(&key) else {
        return Err(Refusal::not_found(About::new("", "pods"), ask.name()));
    };
    let uid = binding["metadata"]["uid"].as_str().unwrap_or_default();
    if !uid.is_empty() && uid != &**pod.uid() {
        let words = storage_error(ask, uid, pod);
        return Err(Refusal::conflict(About::new("", "pods"), ask.name(), &words));
    }
    let conflict = |why: String| Err(Refusal::conflict(About::new("", "pods/binding"), ask.name(), &why));
    if pod.deleting() {
        return conflict(format!(
            "pod {} is being deleted, cannot be assigned to a host",
            ask.name()
        ));
    }
    if let Some(other) = pod.node() {
        return conflict(format!("pod {} is already assigned to node \"{other}\"", ask.name()));
    }
    if !list(&pod.value()["spec"]["schedulingGates"]).is_empty() {
        return conflict(format!("pod {} has non-empty .spec.schedulingGates", ask.name()));
    }
    let now = world.stamp();
    if !options.dry_run {
        world.overwrite(&key, |pod| {
            pod["spec"]["nodeName"] = node.into();
            let condition = json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null,
                "lastTransitionTime": now});
            let conditions = &mut pod["status"]["conditions"];
            if !conditions.is_array() {
                *conditions = json!([]);
            }
            if let Some(conditions) = conditions.as_array_mut() {
                conditions.retain(|other| other["type"] != "PodScheduled");
                conditions.push(condition);
            }
        })?;
    }
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    Ok(Reply::json(201, &status))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
