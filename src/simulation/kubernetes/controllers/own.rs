//! Owners: references to them, and the claiming of pods by labels.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{record::About, selector::Selector};
use crate::kubernetes::{
    refusal::Refusal,
    resources::{NAMESPACES, PODS, ResourceId},
    world::{Key, Object, World},
};

/// Who owns the fields that the controllers of the control plane write.
pub const MANAGER: &str = "kube-controller-manager";

/// A reference to an object that controls another one.
pub fn reference(world: &World, owner: &Object) -> Value {
    let resource = world.resources().get(owner.key().resource);
    json!({
        "apiVersion": resource.api_version(),
        "kind": resource.kind,
        "name": owner.name(),
        "uid": &**owner.uid(),
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

/// Creates an object that a controller owns. A namespace that is being deleted takes nothing new.
pub fn create(
    world: &mut World,
    resource: ResourceId,
    mut object: Value,
    owner: &Object,
) -> Result<Arc<Object>, Refusal> {
    object["metadata"]["ownerReferences"] = json!([reference(world, owner)]);
    object["metadata"]["namespace"] = owner.namespace().into();
    create_free(world, resource, object)
}

/// Creates an object in a namespace that still takes some.
pub fn create_free(world: &mut World, resource: ResourceId, object: Value) -> Result<Arc<Object>, Refusal> {
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
    if world
        .find(NAMESPACES, "", &namespace)
        .is_some_and(|namespace| namespace.deleting())
    {
        let about = world.about(resource);
        let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        return Err(Refusal::forbidden(about.borrow(), name, &why));
    }
    world.create(resource, object, MANAGER)
}

/// A pod from a template, without owner.
pub fn pod_from(template: &Value, owner: &Object) -> Value {
    let base = format!("{}-", owner.name());
    let mut metadata = json!({"generateName": base, "namespace": owner.namespace()});
    for field in ["labels", "annotations", "finalizers"] {
        if template["metadata"][field]
            .as_object()
            .is_some_and(|fields| !fields.is_empty())
            || template["metadata"][field].is_array()
        {
            metadata[field] = template["metadata"][field].clone();
        }
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
}

/// The pods that are an owner's: those that it controls and selects. Others that it selects and nobody controls are
/// adopted, those that it controls and does not select any more are released.
pub fn claim(world: &mut World, owner: &Object, selector: &Selector) -> Vec<Arc<Object>> {
    let mut mine = Vec::new();
    let mut released = Vec::new();
    for object in world
        .owned_by(owner.uid())
        .filter(|object| object.key().resource == PODS)
    {
        if object.controller() != Some(owner.uid()) {
            continue;
        }
        if selector.matches(object) {
            mine.push(Arc::clone(object));
        } else if !object.deleting() {
            released.push(object.key().clone());
        }
    }
    let adopted: Vec<Key> = if owner.deleting() || selector.is_empty() {
        Vec::new()
    } else {
        world
            .labelled(PODS, owner.namespace(), &selector.equalities())
            .filter(|pod| pod.controller().is_none() && !pod.deleting() && selector.matches(pod))
            .filter(|pod| super::pod::facts(pod).running_or_coming())
            .map(|pod| pod.key().clone())
            .collect()
    };
    for key in released {
        release(world, &key, owner.uid());
    }
    let reference = reference(world, owner);
    for key in adopted {
        mine.extend(adopt(world, &key, &reference));
    }
    mine
}

/// Takes an owner away from an object.
pub fn release(world: &mut World, key: &Key, uid: &str) {
    world
        .update(key, MANAGER, |object| {
            let metadata = &mut object["metadata"];
            if let Some(owners) = metadata.get_mut("ownerReferences").and_then(Value::as_array_mut) {
                owners.retain(|owner| owner["uid"].as_str() != Some(uid));
                if owners.is_empty()
                    && let Value::Object(fields) = metadata
                {
                    fields.remove("ownerReferences");
                }
            }
        })
        .ok();
}

/// Gives an object an owner. Returns it as it is now.
pub fn adopt(world: &mut World, key: &Key, reference: &Value) -> Option<Arc<Object>> {
    let adopted = world.update(key, MANAGER, |object| {
        let owners = &mut object["metadata"]["ownerReferences"];
        match owners.as_array_mut() {
            Some(owners) => owners.push(reference.clone()),
            None => *owners = json!([reference]),
        }
    });
    adopted.ok().flatten()
}

/// The key of an object's controller, if it is one of these and there.
pub fn controller_key(world: &World, object: &Object, resource: ResourceId) -> Option<Key> {
    let owner = object.owners().iter().find(|owner| owner.controller)?;
    if *owner.kind != *world.resources().get(resource).kind {
        return None;
    }
    let there = world.find(resource, object.namespace(), &owner.name)?;
    (there.uid() == &owner.uid).then(|| there.key().clone())
}

/// What an Event about this object is about.
pub fn about(object: &Object) -> About {
    About::object(object)
}
