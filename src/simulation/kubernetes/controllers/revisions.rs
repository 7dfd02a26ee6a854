//! ControllerRevisions: the templates that a StatefulSet or DaemonSet has had.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    own::{self, MANAGER},
    template,
};
use crate::kubernetes::{
    resources::{CONTROLLER_REVISIONS, DAEMON_SETS},
    world::{DeleteOptions, Key, Object, World},
};

/// The label in which a revision carries its hash.
const HASH_LABEL: &str = "controller.kubernetes.io/hash";

/// A revision.
#[derive(Clone, Debug)]
pub struct Revision {
    /// `web-5d4b8c7f9`.
    pub name: String,
    /// What stands in the label of pods.
    pub hash: String,
    /// Which one it is.
    pub number: i64,
    /// The template.
    pub template: Value,
}

fn read(object: &Object) -> Revision {
    let value = object.bare();
    let mut template = value["data"]["spec"]["template"].clone();
    if let Some(fields) = template.as_object_mut() {
        fields.remove("$patch");
    }
    Revision {
        name: object.name().to_owned(),
        hash: object
            .label(HASH_LABEL)
            .or_else(|| object.label(template::REVISION_LABEL))
            .unwrap_or_default()
            .to_owned(),
        number: value["revision"].as_i64().unwrap_or_default(),
        template,
    }
}

/// The revisions of an owner, oldest first.
pub fn all(world: &World, owner: &Object) -> Vec<Revision> {
    let mut all: Vec<Revision> = world
        .owned_by(owner.uid())
        .filter(|object| object.key().resource == CONTROLLER_REVISIONS)
        .map(|object| read(object))
        .collect();
    all.sort_by(|left, right| (left.number, &left.name).cmp(&(right.number, &right.name)));
    all
}

/// The revision of the present template: found, renumbered if it was an older one, or made.
pub fn current(world: &mut World, owner: &Arc<Object>, value: &Value) -> Option<Revision> {
    let wanted = &value["spec"]["template"];
    let known = all(world, owner);
    let next = known.last().map_or(0, |revision| revision.number) + 1;
    if let Some(found) = known
        .iter()
        .rev()
        .find(|revision| template::same(&revision.template, wanted))
    {
        let mut found = found.clone();
        if found.number + 1 < next {
            let key = Key::new(CONTROLLER_REVISIONS, owner.namespace(), &found.name);
            world
                .update(&key, MANAGER, |revision| revision["revision"] = next.into())
                .ok();
            found.number = next;
        }
        return Some(found);
    }
    let mut data = wanted.clone();
    data["$patch"] = "replace".into();
    for collisions in 0..100 {
        let hash = template::hash(wanted, collisions);
        let mut labels = wanted["metadata"]["labels"].clone();
        // A DaemonSet marks its revisions as it marks its pods.
        let label = if owner.key().resource == DAEMON_SETS {
            template::REVISION_LABEL
        } else {
            HASH_LABEL
        };
        labels[label] = hash.as_str().into();
        let mut revision = json!({
            "metadata": {"name": format!("{}-{hash}", owner.name()), "labels": labels},
            "data": {"spec": {"template": data}},
            "revision": next,
        });
        if value["metadata"]["annotations"].is_object() {
            revision["metadata"]["annotations"] = value["metadata"]["annotations"].clone();
        }
        match own::create(world, CONTROLLER_REVISIONS, revision, owner) {
            Ok(object) => return Some(read(&object)),
            Err(refusal) if refusal.reason == "AlreadyExists" => {}
            Err(_) => return None,
        }
    }
    None
}

/// Forgets the oldest revisions that nobody uses, beyond the history.
pub fn trim(world: &mut World, owner: &Object, used: &[&str], limit: i64) {
    let unused: Vec<Revision> = all(world, owner)
        .into_iter()
        .filter(|revision| !used.contains(&revision.name.as_str()) && !used.contains(&revision.hash.as_str()))
        .collect();
    let excess = unused.len().saturating_sub(usize::try_from(limit).unwrap_or_default());
    for revision in unused.into_iter().take(excess) {
        let key = Key::new(CONTROLLER_REVISIONS, owner.namespace(), &revision.name);
        world.delete(&key, &DeleteOptions::default()).ok();
    }
}
