//! Namespaces that are being deleted: emptied, and then gone.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{conditions, own::MANAGER, turns::Turns};
use crate::kubernetes::{
    resources::{MEASURED, NAMESPACES, ResourceId},
    run::Controller,
    world::{Change, DeleteOptions, Due, Key, World},
};

const NAME: &str = "namespace-controller";
/// Between two looks at what is left.
const AGAIN: SignedDuration = SignedDuration::from_secs(2);

/// The namespace controller.
#[derive(Clone)]
pub struct Namespaces(Turns);

impl Default for Namespaces {
    fn default() -> Self {
        Self(Turns::new(NAME))
    }
}

impl Controller for Namespaces {
    fn name(&self) -> &'static str {
        NAME
    }

    fn resources(&self) -> &[ResourceId] {
        &[NAMESPACES]
    }

    fn changed(&mut self, world: &mut World, changes: &[Change]) {
        for change in changes {
            if change.after.as_ref().is_some_and(|namespace| namespace.deleting()) {
                self.0.ask(world, &change.key);
            }
        }
    }

    fn due(&mut self, world: &mut World, due: &Due) {
        let Some(key) = self.0.take(due) else { return };
        if world.get(&key).is_some_and(|namespace| namespace.deleting()) && !empty(world, &key) {
            self.0.ask_at(world, &key, world.now() + AGAIN);
        }
    }
}

/// Deletes what is there. Returns whether nothing was left, which is the end of the namespace.
fn empty(world: &mut World, key: &Key) -> bool {
    let resources: Vec<(ResourceId, String)> = world
        .resources()
        .iter()
        .filter(|resource| resource.namespaced && resource.verbs != MEASURED)
        // With the dot, though the core group has no name.
        .map(|resource| (resource.id, format!("{}.{}", resource.plural, resource.group)))
        .collect();
    let mut left: BTreeMap<String, usize> = BTreeMap::new();
    let mut held: BTreeMap<String, usize> = BTreeMap::new();
    for (resource, name) in resources {
        let objects: Vec<Key> = world
            .list(resource, Some(&key.name))
            .map(|object| object.key().clone())
            .collect();
        for object in objects {
            // Background, whatever the resource's own default is: nothing may be orphaned here.
            let options = DeleteOptions {
                propagation: Some(crate::kubernetes::world::Propagation::Background),
                ..DeleteOptions::default()
            };
            if world.get(&object).is_some_and(|live| !live.deleting()) {
                world.delete(&object, &options).ok();
            }
            if let Some(live) = world.get(&object) {
                *left.entry(name.clone()).or_default() += 1;
                for finalizer in live.metadata()["finalizers"].as_array().into_iter().flatten() {
                    *held
                        .entry(finalizer.as_str().unwrap_or_default().to_owned())
                        .or_default() += 1;
                }
            }
        }
    }
    report(world, key, &left, &held);
    if !left.is_empty() {
        return false;
    }
    let finalized = |namespace: &mut Value| {
        if let Some(finalizers) = namespace["spec"]["finalizers"].as_array_mut() {
            finalizers.retain(|finalizer| finalizer != "kubernetes");
        }
    };
    world.overwrite(key, finalized).ok();
    true
}

fn report(world: &mut World, key: &Key, left: &BTreeMap<String, usize>, held: &BTreeMap<String, usize>) {
    let now = world.now();
    let some = |words: Vec<String>, title: &str| (!words.is_empty()).then(|| format!("{title}: {}", words.join(", ")));
    let content = left
        .iter()
        .map(|(name, count)| format!("{name} has {count} resource instances"))
        .collect();
    let content = some(content, "Some resources are remaining");
    let tokens = held
        .iter()
        .map(|(name, count)| format!("{name} in {count} resource instances"))
        .collect();
    let tokens = some(tokens, "Some content in the namespace has finalizers remaining");
    let all = [
        (
            "NamespaceDeletionDiscoveryFailure",
            "ResourcesDiscovered",
            "All resources successfully discovered",
            None,
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
            None,
        ),
        (
            "NamespaceDeletionContentFailure",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
            None,
        ),
        (
            "NamespaceContentRemaining",
            "ContentRemoved",
            "All content successfully removed",
            content.map(|message| ("SomeResourcesRemain", message)),
        ),
        (
            "NamespaceFinalizersRemaining",
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished",
            tokens.map(|message| ("SomeFinalizersRemain", message)),
        ),
    ];
    world
        .update_status(key, MANAGER, |status| {
            for (kind, reason, message, trouble) in all {
                let condition = match trouble {
                    None => json!({"type": kind, "status": "False", "reason": reason, "message": message}),
                    Some((reason, message)) => {
                        json!({"type": kind, "status": "True", "reason": reason, "message": message})
                    }
                };
                conditions::place(status, condition, now);
            }
        })
        .ok();
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use crate::kubernetes::{
        controllers::tests::{Cluster, deployment},
        resources::{CONFIGMAPS, DEPLOYMENTS, NAMESPACES, PODS},
    };

    #[test]
    fn a_namespace_goes_when_the_last_of_it_has_gone() {
        let cluster = Cluster::new(1, 1);
        let key = cluster.make(NAMESPACES, json!({"metadata": {"name": "shop"}}));
        let mut web = deployment("web", 2, &json!({"stops": {"takes": "5s"}}));
        web["metadata"]["namespace"] = "shop".into();
        cluster.make(DEPLOYMENTS, web);
        let map = json!({"metadata": {"name": "m", "namespace": "shop", "finalizers": ["keep/me"]}});
        let map = cluster.make(CONFIGMAPS, map);
        cluster.wait(20);
        cluster.delete(&key);
        cluster.wait(4);
        assert_eq!(cluster.all(PODS).len(), 2, "pods take their time");
        cluster.wait(20);
        assert_eq!(cluster.all(PODS).len(), 0);
        let status = cluster.get(&key)["status"].clone();
        let told = super::conditions::find(&status, "NamespaceFinalizersRemaining").unwrap();
        assert_eq!(
            told["message"],
            "Some content in the namespace has finalizers remaining: keep/me in 1 resource instances"
        );
        cluster.change(&map, |map| map["metadata"]["finalizers"] = json!([]));
        cluster.wait(5);
        assert_eq!(cluster.get(&key), Value::Null);
    }
}
