//! The state of a simulated cluster, and how controllers work on it.
//!
//! # For whoever writes a controller
//!
//! A controller is a struct with [`Controller`](super::run::Controller): a name, the resources it wants to hear of, and
//! two functions that are called under the lock, never at the same time, never with any other clock than
//! [`World::now`]:
//!
//! * `changed(world, changes)`: what happened to those resources since its last turn, oldest first, its own writes
//!   included. A [`Change`] carries the objects before and after ([`Object`]s, cheap to keep), so nothing has to be
//!   scanned: go from a pod to its owners by [`Object::owners`], back by [`World::owned_by`], from a node to its pods by
//!   [`World::pods_on`], from a selector to objects by [`World::labelled`].
//! * `due(world, due)`: something that it put on the queue with [`World::schedule`] has come. The queue is ordered by
//!   time and, at the same time, by who came first. Nothing is ever taken off it: look whether it still holds (the
//!   object is there, has the same uid, is in the state that you left it in), and do nothing otherwise.
//!
//! [`Simulation::advance`](super::run::Simulation::advance) lets every controller have its turns until nobody has
//! anything more to say at this moment, then goes on to the next moment in the queue. So a controller that writes in
//! `changed` must come to rest: write only what differs. ([`World::update`] with an equal object is no change and tells
//! nobody, as on the real one.) A controller keeps whatever sums it needs (free CPU per node, pods by workload) and
//! moves them by the changes; no turn may walk over all pods.
//!
//! **Reading.** [`World::get`] gives an [`Object`]: its header (uid, resourceVersion, generation, labels, owners, the
//! node of a pod, whether it is being deleted) is there at once; [`Object::spec`] and [`Object::status`] parse one part,
//! [`Object::value`] the whole, and [`Object::view_status`] and its like only what a borrowing `#[derive(Deserialize)]`
//! struct names, which is five times cheaper.
//!
//! **Writing as the system.** [`World::create`], [`World::update`], [`World::update_status`] and [`World::delete`] do what the
//! API does for a client: defaults, uid, resourceVersion, generation, `managedFields` under the given manager, graceful
//! deletion, finalizers. Only validation and authorization are left out, and a change meant for the one half of an
//! object never touches the other: `update` keeps the old status, `update_status` is given the status and nothing else.
//! What admission gives to everybody's objects it gives to these too: a pod its tolerations for nodes that are not ready
//! or reachable (300 s), its priority and the token of its service account, a Service its address. A new namespace has a
//! `default` ServiceAccount at once. A node that a client creates over the API comes with the taint
//! `node.kubernetes.io/not-ready:NoSchedule`, which the node lifecycle controller has to take away; one that is created
//! here has the taints that it is given. A null in an object is a field that is not there.
//! A kubelet that has seen a pod end calls [`World::delete`] with `grace_period: Some(0)`. The garbage collector sees
//! `foregroundDeletion` and `orphan` among the finalizers; nobody else looks at them.
//! Names: leave `metadata.name` out and set `generateName`, and the world's seeded generator makes the suffix.
//! There is no other source of chance: [`World::chance`] is it.
//!
//! **Logs.** What a container prints is no part of an object: [`World::log`] and [`World::logs_mut`].
//!
//! # What it refuses
//!
//! It never reads a clock, never iterates over anything whose order is not fixed, and knows no client: the same seed and
//! the same calls give the same bytes.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use jiff::Timestamp;
use tokio::sync::watch;

mod chance;
mod delete;
mod log;
mod object;
mod past;
mod queue;
mod shelf;
mod store;
mod table;
#[cfg(test)]
mod tests;
mod write;

pub use chance::Chance;
pub use delete::{DeleteOptions, Deleted, Propagation};
pub use log::{Line, Logs};
pub use object::{Key, Object, Owner};
pub use queue::Due;
pub(super) use shelf::Shelf;
pub use table::{Change, ChangeKind, Event};
pub(super) use write::Write;

use super::{
    refusal::{About, Refusal},
    resources::{ResourceId, Resources},
};
use past::Moments;
use queue::Queue;
use table::{Feeds, Table};

/// How many changes of one resource a watch can go back, unless told otherwise.
const HISTORY: usize = 10_000;

/// A namespace and a name.
type Place = (Arc<str>, Arc<str>);

/// The state of a simulated cluster.
pub struct World {
    /// Which resources there are.
    resources: Arc<Resources>,
    tables: Vec<Table>,
    revision: u64,
    now: Timestamp,
    chance: Chance,
    /// For what is only rehearsed: it must not change what comes later.
    rehearsals: Chance,
    queue: Queue,
    feeds: Feeds,
    logs: Logs,
    moments: Moments,
    history: usize,
    shelf: Shelf,
    /// Only ever asked for one: the order of these is no order.
    by_owner: HashMap<Arc<str>, BTreeMap<Key, Arc<Object>>>,
    by_node: HashMap<Arc<str>, BTreeMap<Place, Arc<Object>>>,
    /// Tells those who watch that there is a new revision.
    revised: watch::Sender<u64>,
}

impl World {
    /// An empty world at a moment. The same seed gives the same uids and names.
    pub fn new(now: Timestamp, seed: u64) -> Self {
        let resources = Resources::default();
        let tables = (0..resources.places()).map(|_| Table::default()).collect();
        Self {
            resources: Arc::new(resources),
            tables,
            revision: 1,
            now,
            chance: Chance::from_seed(seed),
            rehearsals: Chance::from_seed(!seed),
            queue: Queue::default(),
            feeds: Feeds::default(),
            logs: Logs::default(),
            moments: Moments::default(),
            history: HISTORY,
            shelf: Shelf::default(),
            by_owner: HashMap::new(),
            by_node: HashMap::new(),
            revised: watch::Sender::new(1),
        }
    }

    /// The same once more. Objects are shared, since they never change.
    pub(super) fn fork(&self) -> Self {
        Self {
            resources: Arc::clone(&self.resources),
            tables: self.tables.clone(),
            revision: self.revision,
            now: self.now,
            chance: self.chance.clone(),
            rehearsals: self.rehearsals.clone(),
            queue: self.queue.clone(),
            feeds: self.feeds.clone(),
            logs: self.logs.clone(),
            moments: self.moments.clone(),
            history: self.history,
            shelf: self.shelf.clone(),
            by_owner: self.by_owner.clone(),
            by_node: self.by_node.clone(),
            revised: watch::Sender::new(self.revision),
        }
    }

    /// The simulated time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The simulated time as `metadata` has it: whole seconds.
    pub fn stamp(&self) -> String {
        stamp(self.now)
    }

    pub(super) fn set_now(&mut self, now: Timestamp) {
        if now > self.now {
            self.moments.end(self.now, self.revision);
            self.now = now;
        }
    }

    /// Wakes those who wait for changes: the time has moved, which may be the end of their waiting.
    pub(super) fn wake(&self) {
        self.revised.send_replace(self.revision);
    }

    /// The resourceVersion of the whole.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Resolves for every new revision.
    pub fn revised(&self) -> watch::Receiver<u64> {
        self.revised.subscribe()
    }

    /// Which resources there are.
    pub fn resources(&self) -> &Arc<Resources> {
        &self.resources
    }

    /// The source of names and uids, and of every other throw of dice.
    pub fn chance(&mut self) -> &mut Chance {
        &mut self.chance
    }

    /// Does what is only rehearsed, with dice of its own.
    pub(super) fn rehearse<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        std::mem::swap(&mut self.chance, &mut self.rehearsals);
        let done = work(self);
        std::mem::swap(&mut self.chance, &mut self.rehearsals);
        done
    }

    /// Puts something on the queue. What is due in the past is due now.
    pub fn schedule(&mut self, at: Timestamp, due: Due) {
        self.queue.push(at.max(self.now), due);
    }

    pub(super) fn next_due(&mut self, until: Timestamp) -> Option<(Timestamp, Due)> {
        self.queue.pop(until)
    }

    pub(super) fn feeds(&mut self) -> &mut Feeds {
        &mut self.feeds
    }

    /// What a container has printed.
    pub fn log(&self, pod: &str, container: &str, previous: bool) -> Option<&[Line]> {
        self.logs.lines(pod, container, previous)
    }

    /// What containers print, by the pod's uid.
    pub fn logs_mut(&mut self) -> &mut Logs {
        &mut self.logs
    }
}

// === reading ===

impl World {
    /// The object of this key.
    pub fn get(&self, key: &Key) -> Option<&Arc<Object>> {
        self.find(key.resource, &key.namespace, &key.name)
    }

    /// The object of this name; the namespace of what has none is empty.
    pub fn find(&self, resource: ResourceId, namespace: &str, name: &str) -> Option<&Arc<Object>> {
        self.tables.get(resource.index())?.find(namespace, name)
    }

    /// The objects of a resource, in one namespace or in all, in the order of the store.
    pub fn list<'a>(
        &'a self,
        resource: ResourceId,
        namespace: Option<&str>,
    ) -> Box<dyn Iterator<Item = &'a Arc<Object>> + 'a> {
        match self.tables.get(resource.index()) {
            Some(table) => table.list(namespace),
            None => Box::new(std::iter::empty()),
        }
    }

    /// How many objects of a resource there are.
    pub fn count(&self, resource: ResourceId) -> usize {
        self.tables.get(resource.index()).map_or(0, Table::len)
    }

    /// The objects of a namespace that carry all these labels.
    pub fn labelled<'a>(
        &'a self,
        resource: ResourceId,
        namespace: &'a str,
        labels: &'a [(&'a str, &'a str)],
    ) -> Box<dyn Iterator<Item = &'a Arc<Object>> + 'a> {
        match self.tables.get(resource.index()) {
            Some(table) => table.labelled(namespace, labels),
            None => Box::new(std::iter::empty()),
        }
    }

    /// What names this uid among its owners, by resource, namespace and name.
    pub fn owned_by(&self, uid: &str) -> impl Iterator<Item = &Arc<Object>> {
        self.by_owner.get(uid).into_iter().flat_map(BTreeMap::values)
    }

    /// The pods that are bound to a node, by namespace and name.
    pub fn pods_on(&self, node: &str) -> impl Iterator<Item = &Arc<Object>> {
        self.by_node.get(node).into_iter().flat_map(BTreeMap::values)
    }

    /// The changes of a resource after a revision, oldest first; `None` when they are not known any more.
    pub fn events_since(&self, resource: ResourceId, revision: u64) -> Option<impl Iterator<Item = &Event>> {
        self.tables.get(resource.index())?.events_since(revision)
    }

    /// The oldest revision from which a watch of this resource can go on.
    pub fn oldest(&self, resource: ResourceId) -> u64 {
        self.tables.get(resource.index()).map_or(0, Table::oldest)
    }

    /// How many changes of one resource are kept for those who watch.
    pub fn keep_history(&mut self, changes: usize) {
        self.history = changes;
        for table in &mut self.tables {
            table.trim(changes);
        }
    }

    /// Forgets the changes up to now, as a compaction of etcd does: whoever watches from before gets 410.
    pub fn compact(&mut self) {
        for table in &mut self.tables {
            table.compact(self.revision);
        }
    }

    /// Everything that is there, as changes: what a controller that starts now has to hear first.
    pub(super) fn as_changes(&self, resources: &[ResourceId]) -> Vec<Change> {
        let mut all: Vec<&Arc<Object>> = self
            .tables
            .iter()
            .flat_map(|table| table.list(None))
            .filter(|object| resources.is_empty() || resources.contains(&object.key().resource))
            .collect();
        all.sort_by_key(|object| object.revision());
        all.into_iter()
            .map(|object| Change {
                revision: object.revision(),
                kind: ChangeKind::Added,
                key: object.key().clone(),
                before: None,
                after: Some(Arc::clone(object)),
            })
            .collect()
    }

    pub(super) fn about(&self, resource: ResourceId) -> AboutOwned {
        let resource = self.resources.get(resource);
        AboutOwned {
            group: resource.group.clone(),
            plural: resource.plural.clone(),
        }
    }

    fn missing(&self, key: &Key) -> Refusal {
        Refusal::not_found(self.about(key.resource).borrow(), &key.name)
    }
}

/// Group and plural of a resource, for the details of a refusal.
pub(super) struct AboutOwned {
    group: String,
    plural: String,
}

impl AboutOwned {
    pub(super) fn borrow(&self) -> About<'_> {
        About::new(&self.group, &self.plural)
    }
}

/// A moment as `metadata` has it: RFC 3339, whole seconds.
pub fn stamp(at: Timestamp) -> String {
    format!("{:.0}", at)
}

/// A moment with microseconds, as Leases and Events have it.
pub fn micro_stamp(at: Timestamp) -> String {
    format!("{at:.6}")
}
