//! The objects of one resource, their recent changes for those who watch, and the feeds of the controllers.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};

use super::object::{Key, Object};
use crate::kubernetes::resources::ResourceId;

/// How long changes are known at most, once others have come: so long etcd keeps them from one compaction to the next.
pub(super) const KNOWN: SignedDuration = SignedDuration::from_mins(5);

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It came.
    Added,
    /// It is another one now.
    Modified,
    /// It is gone.
    Deleted,
}

/// One change, as a controller hears of it.
#[derive(Clone, Debug)]
pub struct Change {
    /// The revision that it made.
    pub revision: u64,
    /// What happened.
    pub kind: ChangeKind,
    /// To what.
    pub key: Key,
    /// As it was.
    pub before: Option<Arc<Object>>,
    /// As it is; absent when it is gone.
    pub after: Option<Arc<Object>>,
}

/// One change, as it is kept for those who watch.
#[derive(Clone, Debug)]
pub struct Event {
    /// The revision that it made.
    pub revision: u64,
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub kind: ChangeKind,
    /// As it was.
    pub before: Option<Arc<Object>>,
    /// As it is, or was at its end.
    pub object: Arc<Object>,
}

/// The places of the objects that carry one label.
type Places = BTreeSet<(Arc<str>, Arc<str>)>;

/// The objects of one resource.
#[derive(Clone, Default)]
pub(super) struct Table {
    /// By namespace, then by name.
    objects: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Arc<Object>>>,
    /// By label: what a selector with one equality needs.
    labels: BTreeMap<(Box<str>, Box<str>), Places>,
    len: usize,
    history: VecDeque<Event>,
    /// Changes up to this revision are forgotten.
    forgotten: u64,
}

impl Table {
    pub(super) fn find(&self, namespace: &str, name: &str) -> Option<&Arc<Object>> {
        self.objects.get(namespace)?.get(name)
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn list<'a>(&'a self, namespace: Option<&str>) -> Box<dyn Iterator<Item = &'a Arc<Object>> + 'a> {
        match namespace {
            Some(namespace) => Box::new(self.objects.get(namespace).into_iter().flat_map(BTreeMap::values)),
            None => {
                // The store orders by `<namespace>/<name>`, in which `/` comes after `-`.
                let mut namespaces: Vec<_> = self.objects.iter().collect();
                namespaces.sort_by(|(left, _), (right, _)| left.bytes().chain([b'/']).cmp(right.bytes().chain([b'/'])));
                Box::new(namespaces.into_iter().flat_map(|(_, objects)| objects.values()))
            }
        }
    }

    pub(super) fn labelled<'a>(
        &'a self,
        namespace: &'a str,
        labels: &'a [(&'a str, &'a str)],
    ) -> Box<dyn Iterator<Item = &'a Arc<Object>> + 'a> {
        let places = labels
            .iter()
            .map(|(name, value)| self.labels.get(&(Box::from(*name), Box::from(*value))))
            .collect::<Option<Vec<_>>>();
        let Some(places) = places else {
            return Box::new(std::iter::empty());
        };
        let Some(fewest) = places.into_iter().min_by_key(|places| places.len()) else {
            return self.list(Some(namespace));
        };
        Box::new(
            fewest
                .range((Arc::from(namespace), Arc::from(""))..)
                .take_while(move |(place, _)| **place == *namespace)
                .filter_map(|(namespace, name)| self.find(namespace, name))
                .filter(move |object| labels.iter().all(|(name, value)| object.label(name) == Some(*value))),
        )
    }

    /// Returns the one that was there.
    pub(super) fn put(&mut self, object: Arc<Object>) -> Option<Arc<Object>> {
        let key = object.key().clone();
        let before = self
            .objects
            .entry(Arc::clone(&key.namespace))
            .or_default()
            .insert(Arc::clone(&key.name), Arc::clone(&object));
        if before.is_none() {
            self.len += 1;
        }
        if before.as_ref().is_none_or(|before| !before.is_labelled_as(&object)) {
            if let Some(before) = &before {
                self.unlabel(before);
            }
            for (name, value) in object.labels() {
                self.labels
                    .entry((name.into(), value.into()))
                    .or_default()
                    .insert((Arc::clone(&key.namespace), Arc::clone(&key.name)));
            }
        }
        before
    }

    pub(super) fn take(&mut self, namespace: &str, name: &str) -> Option<Arc<Object>> {
        let objects = self.objects.get_mut(namespace)?;
        let before = objects.remove(name)?;
        if objects.is_empty() {
            self.objects.remove(namespace);
        }
        self.len -= 1;
        self.unlabel(&before);
        Some(before)
    }

    fn unlabel(&mut self, object: &Object) {
        let place = (Arc::clone(&object.key().namespace), Arc::clone(&object.key().name));
        for (name, value) in object.labels() {
            let label = (Box::from(name), Box::from(value));
            if let Some(places) = self.labels.get_mut(&label) {
                places.remove(&place);
                if places.is_empty() {
                    self.labels.remove(&label);
                }
            }
        }
    }

    pub(super) fn remember(&mut self, event: Event, limit: usize) {
        let old = event.at - KNOWN;
        self.history.push_back(event);
        self.trim(limit);
        while let Some(event) = self.history.pop_front_if(|event| event.at < old) {
            self.forgotten = event.revision;
        }
    }

    pub(super) fn trim(&mut self, limit: usize) {
        while self.history.len() > limit
            && let Some(event) = self.history.pop_front()
        {
            self.forgotten = event.revision;
        }
    }

    pub(super) fn compact(&mut self, revision: u64) {
        self.history.clear();
        self.forgotten = revision;
    }

    pub(super) fn oldest(&self) -> u64 {
        self.forgotten
    }

    pub(super) fn events_since(&self, revision: u64) -> Option<impl Iterator<Item = &Event>> {
        if revision < self.forgotten {
            return None;
        }
        let first = self.history.partition_point(|event| event.revision <= revision);
        Some(self.history.range(first..))
    }
}

/// What each controller has not heard yet.
#[derive(Clone, Default)]
pub(in super::super) struct Feeds {
    feeds: Vec<(Vec<ResourceId>, Vec<Change>)>,
}

impl Feeds {
    /// A new feed of these resources; of all when there are none.
    pub(in super::super) fn open(&mut self, resources: &[ResourceId]) -> usize {
        self.feeds.push((resources.to_vec(), Vec::new()));
        self.feeds.len() - 1
    }

    pub(super) fn tell(&mut self, change: Change) {
        for (resources, waiting) in &mut self.feeds {
            if resources.is_empty() || resources.contains(&change.key.resource) {
                waiting.push(change.clone());
            }
        }
    }

    /// What came since the last time.
    pub(in super::super) fn drain(&mut self, feed: usize) -> Vec<Change> {
        std::mem::take(&mut self.feeds[feed].1)
    }
}
