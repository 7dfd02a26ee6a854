//! The garbage collector: what becomes of objects whose owners go.

use std::{collections::HashMap, sync::Arc};

use serde_json::Value;

use super::{latency, own, own::MANAGER};
use crate::kubernetes::{
    resources::ResourceId,
    run::Controller,
    world::{Change, ChangeKind, DeleteOptions, Due, Key, Object, Owner, Propagation, World},
};

#[cfg(test)]
mod tests;

const NAME: &str = "garbage-collector";
const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

/// The garbage collector.
#[derive(Clone, Default)]
pub struct Garbage {
    /// Owners that are gone, by the number under which they are on the queue.
    gone: HashMap<u64, Arc<str>>,
    came: u64,
}

impl Controller for Garbage {
    fn name(&self) -> &'static str {
        NAME
    }

    fn resources(&self) -> &[ResourceId] {
        &[]
    }

    fn changed(&mut self, world: &mut World, changes: &[Change]) {
        let soon = world.now() + latency::REACTION;
        for change in changes {
            match (&change.before, &change.after) {
                (Some(before), None) => {
                    if world.owned_by(before.uid()).next().is_some() {
                        self.came += 1;
                        self.gone.insert(self.came, Arc::clone(before.uid()));
                        let due = Due {
                            to: NAME,
                            what: "gone",
                            about: None,
                            number: self.came,
                        };
                        world.schedule(soon, due);
                    }
                    // Whoever waited for it to go may go now.
                    for owner in before.owners().iter().filter(|owner| owner.blocks) {
                        if let Some(key) = find(world, before, owner).filter(|key| deleting(world, key)) {
                            world.schedule(soon, Due::about(NAME, "finish", key));
                        }
                    }
                }
                (before, Some(after)) => {
                    if after.deleting() && !after.finalized() {
                        world.schedule(soon, Due::about(NAME, "finish", change.key.clone()));
                    }
                    let new = change.kind == ChangeKind::Added
                        || before.as_ref().is_some_and(|before| before.owners() != after.owners());
                    if new && after.owners().iter().any(|owner| find(world, after, owner).is_none()) {
                        world.schedule(soon, Due::about(NAME, "judge", change.key.clone()));
                    }
                }
                (None, None) => {}
            }
        }
    }

    fn due(&mut self, world: &mut World, due: &Due) {
        match (due.what, &due.about) {
            ("gone", _) => {
                let Some(uid) = self.gone.remove(&due.number) else {
                    return;
                };
                let keys: Vec<Key> = world.owned_by(&uid).map(|object| object.key().clone()).collect();
                for key in keys {
                    judge(world, &key);
                }
            }
            ("judge", Some(key)) => judge(world, key),
            (_, Some(key)) => finish(world, key),
            _ => {}
        }
    }
}

fn deleting(world: &World, key: &Key) -> bool {
    world.get(key).is_some_and(|object| object.deleting())
}

/// An object's owner, if it is there. One of a kind that nobody knows counts as there.
fn find(world: &World, object: &Object, owner: &Owner) -> Option<Key> {
    let Some(resource) = world.resources().of_kind(&owner.api_version, &owner.kind) else {
        return Some(object.key().clone());
    };
    let namespace = if resource.namespaced { object.namespace() } else { "" };
    let found = world.find(resource.id, namespace, &owner.name)?;
    (found.uid() == &owner.uid).then(|| found.key().clone())
}

fn finalizers(object: &Object) -> Vec<String> {
    let metadata = object.metadata();
    let finalizers = metadata["finalizers"].as_array();
    finalizers
        .into_iter()
        .flatten()
        .filter_map(|finalizer| finalizer.as_str().map(str::to_owned))
        .collect()
}

/// Whether an owner waits for what it owns.
fn waits(world: &World, key: &Key) -> bool {
    let Some(owner) = world.get(key) else { return false };
    owner.deleting() && finalizers(owner).iter().any(|finalizer| finalizer == FOREGROUND)
}

/// Deletes what has no owner any more; takes owners away that are gone or going from what has others.
fn judge(world: &mut World, key: &Key) {
    let Some(object) = world.get(key).cloned() else { return };
    if object.owners().is_empty() || object.deleting() {
        return;
    }
    let (mut solid, mut waiting, mut dangling) = (0, Vec::new(), Vec::new());
    for owner in object.owners() {
        match find(world, &object, owner) {
            None => dangling.push(Arc::clone(&owner.uid)),
            Some(owner_key) if waits(world, &owner_key) => waiting.push(Arc::clone(&owner.uid)),
            Some(_) => solid += 1,
        }
    }
    if solid > 0 {
        for uid in dangling.iter().chain(&waiting) {
            own::release(world, key, uid);
        }
        return;
    }
    let own = finalizers(&object);
    let has = |name: &str| own.iter().any(|finalizer| finalizer == name);
    let owns = world.owned_by(object.uid()).next().is_some();
    let propagation = if !waiting.is_empty() && owns {
        Propagation::Foreground
    } else if has(ORPHAN) {
        Propagation::Orphan
    } else if has(FOREGROUND) {
        Propagation::Foreground
    } else {
        Propagation::Background
    };
    let options = DeleteOptions {
        propagation: Some(propagation),
        uid: Some(object.uid().to_string()),
        ..DeleteOptions::default()
    };
    world.delete(key, &options).ok();
}

/// Does what the finalizers of an object that is being deleted ask for.
fn finish(world: &mut World, key: &Key) {
    let Some(object) = world.get(key).cloned() else { return };
    if !object.deleting() {
        return;
    }
    let own = finalizers(&object);
    if own.iter().any(|finalizer| finalizer == ORPHAN) {
        let owned: Vec<Key> = world
            .owned_by(object.uid())
            .map(|object| object.key().clone())
            .collect();
        for key in owned {
            own::release(world, &key, object.uid());
        }
        remove(world, key, ORPHAN);
    } else if own.iter().any(|finalizer| finalizer == FOREGROUND) {
        let owned: Vec<(Key, bool)> = world
            .owned_by(object.uid())
            .map(|other| {
                let blocks = other
                    .owners()
                    .iter()
                    .any(|owner| owner.uid == *object.uid() && owner.blocks);
                (other.key().clone(), blocks)
            })
            .collect();
        for (key, _) in &owned {
            judge(world, key);
        }
        let blocked = owned.iter().any(|(key, blocks)| *blocks && world.get(key).is_some());
        if !blocked {
            remove(world, key, FOREGROUND);
        }
    }
}

fn remove(world: &mut World, key: &Key, finalizer: &str) {
    world
        .update(key, MANAGER, |object| {
            let metadata = &mut object["metadata"];
            if let Some(finalizers) = metadata.get_mut("finalizers").and_then(Value::as_array_mut) {
                finalizers.retain(|one| one != finalizer);
                if finalizers.is_empty()
                    && let Some(fields) = metadata.as_object_mut()
                {
                    fields.remove("finalizers");
                }
            }
        })
        .ok();
}
