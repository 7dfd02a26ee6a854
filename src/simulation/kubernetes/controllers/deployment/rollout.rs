//! How pods move from the old ReplicaSets to the new one, and how a Deployment changes its size.

use std::collections::BTreeMap;

use super::{
    Deployment, Deployments, counted,
    sets::{self, Set},
    wanted,
};
use crate::kubernetes::{
    controllers::pod,
    world::{DeleteOptions, World},
};

/// How large the new ReplicaSet may be while others want so many pods and it has so many.
pub(super) fn size_of_new(deployment: &Deployment, others: i64, now: i64) -> i64 {
    if deployment.recreate {
        return deployment.replicas;
    }
    let room = deployment.replicas + deployment.surge - others - now;
    if room <= 0 {
        return now;
    }
    now + room.min(deployment.replicas - now)
}

impl Deployments {
    /// RollingUpdate.
    pub(super) fn roll(&mut self, world: &mut World, deployment: &mut Deployment, sets: Vec<Set>) {
        let (new, mut old) = self.number(world, deployment, sets, true);
        let Some(mut new) = new else { return };
        if !self.grow(world, deployment, &mut new, &old) && !self.shrink(world, deployment, &new, &mut old) {
            self.clean(world, deployment, &old);
        }
        self.report(world, deployment, Some(&new), &old);
    }

    fn grow(&mut self, world: &mut World, deployment: &Deployment, new: &mut Set, old: &[Set]) -> bool {
        if new.replicas == deployment.replicas {
            return false;
        }
        let size = if new.replicas > deployment.replicas {
            deployment.replicas
        } else {
            size_of_new(deployment, wanted(old), new.replicas)
        };
        let (resized, after) = sets::scale(world, &mut self.events, deployment, new, (size, false));
        *new = after;
        resized
    }

    fn shrink(&mut self, world: &mut World, deployment: &Deployment, new: &Set, old: &mut [Set]) -> bool {
        if wanted(&*old) == 0 {
            return false;
        }
        let least = deployment.replicas - deployment.unavailable;
        let unavailable = new.replicas - new.available();
        let most = wanted(&*old) + new.replicas - least - unavailable;
        if most <= 0 {
            return false;
        }
        // Those that do not work go first: nobody misses them.
        let mut gone = 0;
        for set in old.iter_mut().filter(|set| set.replicas > 0) {
            let sick = set.replicas - set.available();
            if gone >= most || sick == 0 {
                continue;
            }
            let count = sick.min(most - gone);
            if count > 0 {
                let size = set.replicas - count;
                *set = sets::scale(world, &mut self.events, deployment, set, (size, false)).1;
                gone += count;
            }
        }
        let spare = counted(old.iter().chain([new]), "availableReplicas") - least;
        let mut left = spare;
        for set in old.iter_mut().filter(|set| set.replicas > 0) {
            if left <= 0 {
                break;
            }
            let count = set.replicas.min(left);
            let size = set.replicas - count;
            *set = sets::scale(world, &mut self.events, deployment, set, (size, false)).1;
            left -= count;
            gone += count;
        }
        gone > 0
    }

    /// Recreate: first all old ones go, then the new ones come.
    pub(super) fn recreate(&mut self, world: &mut World, deployment: &mut Deployment, sets: Vec<Set>) {
        let (mut new, mut old) = self.number(world, deployment, sets.clone(), false);
        let mut scaled = false;
        for set in old.iter_mut().filter(|set| set.replicas > 0) {
            let (resized, after) = sets::scale(world, &mut self.events, deployment, set, (0, false));
            *set = after;
            scaled |= resized;
        }
        if scaled || still_there(world, &old) {
            self.report(world, deployment, new.as_ref(), &old);
            return;
        }
        if new.is_none() {
            (new, old) = self.number(world, deployment, sets, true);
        }
        let Some(set) = new else { return };
        let new = sets::scale(world, &mut self.events, deployment, &set, (deployment.replicas, false)).1;
        self.clean(world, deployment, &old);
        self.report(world, deployment, Some(&new), &old);
    }

    /// A Deployment that is paused, or wants another number of pods: the ReplicaSets share the difference.
    pub(super) fn resize(&mut self, world: &mut World, deployment: &mut Deployment, sets: Vec<Set>) {
        let (mut new, mut old) = self.number(world, deployment, sets, false);
        self.share(world, deployment, &mut new, &mut old);
        if deployment.paused {
            self.clean_old(world, deployment, &old);
        }
        self.report_size(world, deployment, new.as_ref(), &old);
    }

    fn share(&mut self, world: &mut World, deployment: &Deployment, new: &mut Option<Set>, old: &mut [Set]) {
        let saturated = new.as_ref().is_some_and(|set| {
            set.replicas == deployment.replicas
                && set.desired() == Some(deployment.replicas)
                && set.available() == deployment.replicas
        });
        let mut active: Vec<&mut Set> = old.iter_mut().filter(|set| set.replicas > 0).collect();
        let new_active = new.as_ref().is_some_and(|set| set.replicas > 0);
        match (active.len(), new_active) {
            (0, true) | (1, false) | (0, false) => {
                let only = match active.pop() {
                    Some(set) => set,
                    None => match new.as_mut() {
                        Some(set) => set,
                        None => match old.iter_mut().max_by_key(|set| set.created) {
                            Some(set) => set,
                            None => return,
                        },
                    },
                };
                *only = sets::scale(world, &mut self.events, deployment, only, (deployment.replicas, false)).1;
            }
            _ if saturated => {
                for set in active {
                    *set = sets::scale(world, &mut self.events, deployment, set, (0, false)).1;
                }
            }
            _ if !deployment.recreate => {
                active.extend(new.as_mut().filter(|set| set.replicas > 0));
                self.share_out(world, deployment, active);
            }
            _ => {}
        }
    }

    /// Larger ReplicaSets take more of it; what is left over goes to the largest.
    fn share_out(&mut self, world: &mut World, deployment: &Deployment, mut active: Vec<&mut Set>) {
        let allowed = match deployment.replicas {
            0 => 0,
            replicas => replicas + deployment.surge,
        };
        let total: i64 = active.iter().map(|set| set.replicas).sum();
        let more = allowed - total;
        active.sort_by(|left, right| {
            let by_age = if more > 0 {
                right.age().cmp(&left.age())
            } else {
                left.age().cmp(&right.age())
            };
            right.replicas.cmp(&left.replicas).then(by_age)
        });
        let mut sizes = BTreeMap::new();
        let mut given = 0;
        for set in &active {
            let part = part_of(deployment, set, more, given);
            given += part;
            sizes.insert(set.uid().to_owned(), set.replicas + part);
        }
        for (index, set) in active.into_iter().enumerate() {
            let mut size = sizes.get(set.uid()).copied().unwrap_or(set.replicas);
            if index == 0 {
                size = (size + more - given).max(0);
            }
            *set = sets::scale(world, &mut self.events, deployment, set, (size, true)).1;
        }
    }

    /// Old ReplicaSets beyond the history go, once the rollout is complete.
    fn clean(&mut self, world: &mut World, deployment: &Deployment, old: &[Set]) {
        if super::progress::complete(deployment, deployment.status()) {
            self.clean_old(world, deployment, old);
        }
    }

    fn clean_old(&mut self, world: &mut World, deployment: &Deployment, old: &[Set]) {
        let Some(limit) = deployment.history else { return };
        let mut alive: Vec<&Set> = old.iter().filter(|set| !set.object.deleting()).collect();
        alive.sort_by_key(|set| (set.revision(), set.created));
        let limit = usize::try_from(limit).unwrap_or_default();
        let count = alive.len().saturating_sub(limit);
        for set in alive.into_iter().take(count) {
            let status = &set.value["status"];
            let seen = pod::number(&status["observedGeneration"], 0);
            if pod::number(&status["replicas"], 0) == 0 && set.replicas == 0 && set.object.generation() <= seen {
                world.delete(set.object.key(), &DeleteOptions::default()).ok();
            }
        }
    }
}

/// What one ReplicaSet takes of the difference.
fn part_of(deployment: &Deployment, set: &Set, more: i64, given: i64) -> i64 {
    if set.replicas == 0 || more == 0 || more == given {
        return 0;
    }
    let left = more - given;
    let fraction = if deployment.replicas == 0 {
        -set.replicas
    } else {
        let before = match set.max() {
            Some(max) if max != 0 => max,
            _ => pod::number(&deployment.status()["replicas"], 0),
        };
        if before == 0 {
            return 0;
        }
        // Rounded half away from zero; all of it is positive.
        let doubled = 2 * set.replicas * (deployment.replicas + deployment.surge);
        (doubled + before) / (2 * before) - set.replicas
    };
    if more > 0 {
        fraction.min(left)
    } else {
        fraction.max(left)
    }
}

/// Whether the old ReplicaSets still have pods that have not ended.
fn still_there(world: &World, old: &[Set]) -> bool {
    counted(old, "replicas") > 0
        || old.iter().any(|set| {
            pod::owned(world, set.uid())
                .iter()
                .any(|pod| pod::facts(pod).running_or_coming())
        })
}
