//! The cluster as it was: which revision belongs to a moment, and what was there at a revision. It reaches back as far as
//! the changes that are kept for those who watch.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use jiff::Timestamp;

use super::{Object, World, table::KNOWN};
use crate::kubernetes::resources::ResourceId;

/// The revision with which each moment ended that changed anything.
#[derive(Clone, Default)]
pub(super) struct Moments {
    ended: VecDeque<(Timestamp, u64)>,
    /// The revision before the first of them.
    before: u64,
}

impl Moments {
    /// A moment has ended.
    pub(super) fn end(&mut self, at: Timestamp, revision: u64) {
        if self.ended.back().is_some_and(|(_, last)| *last == revision) {
            return;
        }
        self.ended.push_back((at, revision));
        while let Some((first, revision)) = self.ended.front()
            && at.duration_since(*first) > KNOWN
        {
            self.before = *revision;
            self.ended.pop_front();
        }
    }

    fn revision_at(&self, at: Timestamp) -> u64 {
        match self.ended.partition_point(|(moment, _)| *moment <= at) {
            0 => self.before,
            later => self.ended[later - 1].1,
        }
    }
}

impl World {
    /// The revision of the whole at the end of a moment, as far as it is known.
    pub fn revision_at(&self, at: Timestamp) -> u64 {
        if at >= self.now {
            return self.revision;
        }
        self.moments.revision_at(at)
    }

    /// The objects of a resource as they were at a revision, in the order of the store; `None` when that is not known
    /// any more.
    pub fn list_at(&self, resource: ResourceId, namespace: Option<&str>, revision: u64) -> Option<Vec<Arc<Object>>> {
        let mut objects: BTreeMap<(String, String), Arc<Object>> = self
            .list(resource, namespace)
            .map(|object| (object.place(), Arc::clone(object)))
            .collect();
        let events: Vec<_> = self.events_since(resource, revision)?.collect();
        for event in events.into_iter().rev() {
            if namespace.is_some_and(|namespace| event.object.namespace() != namespace) {
                continue;
            }
            let place = event.object.place();
            match &event.before {
                Some(before) => objects.insert(place, Arc::clone(before)),
                None => objects.remove(&place),
            };
        }
        Some(objects.into_values().collect())
    }

    /// The object of this name as it was at a revision; as it is, when that is not known any more.
    pub fn find_at(&self, resource: ResourceId, namespace: &str, name: &str, revision: u64) -> Option<&Arc<Object>> {
        let changed = self.events_since(resource, revision).and_then(|mut events| {
            events.find(|event| event.object.namespace() == namespace && event.object.name() == name)
        });
        match changed {
            Some(event) => event.before.as_ref(),
            None => self.find(resource, namespace, name),
        }
    }
}
