//! The old names of a node's labels, which say what the new ones do.

use crate::kubernetes::{
    controllers::own::MANAGER,
    world::{Key, World},
};

const NAMES: [(&str, &str); 2] = [
    ("kubernetes.io/arch", "beta.kubernetes.io/arch"),
    ("kubernetes.io/os", "beta.kubernetes.io/os"),
];

pub(super) fn reconcile(world: &mut World, key: &Key) {
    // As it is now: an earlier change of this turn may have been answered already.
    let Some(node) = world.get(key) else { return };
    let said = |(new, old)| node.label(new).map(|value| (old, value.to_owned()));
    let mut differ: Vec<(&str, String)> = NAMES.into_iter().filter_map(said).collect();
    differ.retain(|(old, value)| node.label(old) != Some(value));
    if differ.is_empty() {
        return;
    }
    world
        .update(key, MANAGER, |node| {
            for (old, value) in differ {
                node["metadata"]["labels"][old] = value.into();
            }
        })
        .ok();
}
