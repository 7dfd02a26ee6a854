//! The ttl controller: it writes into every node for how many seconds kubelets may keep what they have read, which is longer in
//! larger clusters.

use super::{own::MANAGER, turns::Turns};
use crate::kubernetes::{
    resources::{NODES, ResourceId},
    run::Controller,
    world::{Change, ChangeKind, Due, World},
};

const NAME: &str = "ttl-controller";
const ANNOTATION: &str = "node.alpha.kubernetes.io/ttl";
/// From so many nodes on, and up to so many: seconds. One that is left for the next is not come back to at once.
const STEPS: [(usize, usize, &str); 5] = [
    (0, 100, "0"),
    (90, 500, "15"),
    (450, 1000, "30"),
    (900, 2000, "60"),
    (1800, usize::MAX, "300"),
];

/// The ttl controller.
#[derive(Clone)]
pub struct Ttl {
    turns: Turns,
    nodes: usize,
    step: usize,
}

impl Default for Ttl {
    fn default() -> Self {
        Self {
            turns: Turns::new(NAME),
            nodes: 0,
            step: 0,
        }
    }
}

impl Controller for Ttl {
    fn name(&self) -> &'static str {
        NAME
    }

    fn resources(&self) -> &[ResourceId] {
        &[NODES]
    }

    fn changed(&mut self, world: &mut World, changes: &[Change]) {
        for change in changes {
            match change.kind {
                ChangeKind::Added => self.nodes += 1,
                ChangeKind::Deleted => self.nodes = self.nodes.saturating_sub(1),
                ChangeKind::Modified => {}
            }
            let (least, most, _) = STEPS[self.step];
            if self.nodes > most {
                self.step += 1;
            } else if self.nodes < least {
                self.step -= 1;
            }
            if change.kind != ChangeKind::Deleted {
                self.turns.ask(world, &change.key);
            }
        }
    }

    fn due(&mut self, world: &mut World, due: &Due) {
        let Some(key) = self.turns.take(due) else { return };
        let seconds = STEPS[self.step].2;
        let said = world
            .get(&key)
            .is_none_or(|node| node.metadata()["annotations"][ANNOTATION] == seconds);
        if !said {
            world
                .update(&key, MANAGER, |node| {
                    node["metadata"]["annotations"][ANNOTATION] = seconds.into()
                })
                .ok();
        }
    }
}
