//! Events as client-go records them: repeated ones are counted, similar ones combined, too many left out.
//!
//! Every component has a [`Recorder`] of its own, as every process has. [`EventLife`] takes Events away after an hour,
//! as the API server does.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::latency;
use crate::kubernetes::{
    resources::{EVENTS, ResourceId},
    run::Controller,
    world::{Change, ChangeKind, DeleteOptions, Due, Key, Object, World, micro_stamp, stamp},
};

/// Similar Events of one object within [`SIMILAR_FOR`] after which they are combined.
const SIMILAR: usize = 10;
/// How long Events count as similar.
const SIMILAR_FOR: SignedDuration = SignedDuration::from_mins(10);
/// Events of one kind that a source may write about one object at once.
const BURST: f64 = 25.0;
/// How many of these come back in a second.
const REFILL: f64 = 1.0 / 300.0;
/// Objects and Events that a source remembers on each host.
const REMEMBERED: usize = 4096;

/// A hash that stands for a text of which there are many. Its keys are fixed.
type Mark = u64;

fn mark(text: &str) -> Mark {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// `Normal` or `Warning`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As it should be.
    Normal,
    /// Not so.
    Warning,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// What an Event is about.
#[derive(Clone, Debug)]
pub struct About {
    key: Key,
    uid: Arc<str>,
    revision: u64,
    field: Option<String>,
}

impl About {
    /// An object.
    pub fn object(object: &Object) -> Self {
        Self {
            revision: object.revision(),
            ..Self::named(object.key().clone(), object.uid())
        }
    }

    /// What is known by its key and uid alone.
    pub fn named(key: Key, uid: &Arc<str>) -> Self {
        Self {
            key,
            uid: Arc::clone(uid),
            revision: 0,
            field: None,
        }
    }

    /// Where Events about it are.
    fn namespace(&self) -> &str {
        match &*self.key.namespace {
            "" => "default",
            namespace => namespace,
        }
    }

    /// A part of it: `spec.containers{app}`.
    pub fn field(mut self, field: String) -> Self {
        self.field = Some(field);
        self
    }

    /// Under another uid: what a kubelet says of its node carries the node's name as uid.
    pub fn uid(mut self, uid: &str) -> Self {
        self.uid = uid.into();
        self.revision = 0;
        self
    }
}

/// How an Event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// The core API: source, count, first and last.
    Core,
    /// `events.k8s.io`: reporter, action, series.
    Series,
}

#[derive(Clone)]
struct Seen {
    /// Of the Event, which is where others about the same are.
    name: Arc<str>,
    count: u32,
    /// In seconds.
    last: i64,
}

#[derive(Clone)]
struct Similar {
    /// Fewer than [`SIMILAR`].
    messages: Vec<Mark>,
    last: Timestamp,
}

#[derive(Clone)]
struct Bucket {
    left: f64,
    at: Timestamp,
}

/// Who records Events.
#[derive(Clone)]
pub struct Recorder {
    component: &'static str,
    manager: &'static str,
    form: Form,
    /// By what an Event says of what.
    seen: HashMap<(Mark, Mark), Seen>,
    similar: HashMap<Mark, Similar>,
    buckets: HashMap<Mark, Bucket>,
    /// Where it runs: one program on every node has a memory on every node.
    hosts: HashSet<Mark>,
}

impl Recorder {
    /// A component that writes through the core API.
    pub fn core(component: &'static str, manager: &'static str) -> Self {
        Self::new(component, manager, Form::Core)
    }

    /// A component that writes through `events.k8s.io`.
    pub fn series(component: &'static str, manager: &'static str) -> Self {
        Self::new(component, manager, Form::Series)
    }

    fn new(component: &'static str, manager: &'static str, form: Form) -> Self {
        Self {
            component,
            manager,
            form,
            seen: HashMap::new(),
            similar: HashMap::new(),
            buckets: HashMap::new(),
            hosts: HashSet::new(),
        }
    }

    /// Records an Event.
    pub fn record(&mut self, world: &mut World, about: &About, kind: Kind, reason: &str, message: &str) {
        self.record_at(world, about, "", (kind, reason, message, ""));
    }

    /// Records an Event of a component that runs on a node.
    pub fn record_on(
        &mut self,
        world: &mut World,
        host: &str,
        about: &About,
        (kind, reason, message): (Kind, &str, &str),
    ) {
        self.record_at(world, about, host, (kind, reason, message, ""));
    }

    /// Records an Event with an action, as `events.k8s.io` wants one.
    pub fn record_action(
        &mut self,
        world: &mut World,
        about: &About,
        action: &str,
        (kind, reason, message): (Kind, &str, &str),
    ) {
        self.record_at(world, about, "", (kind, reason, message, action));
    }

    fn record_at(
        &mut self,
        world: &mut World,
        about: &About,
        host: &str,
        (kind, reason, message, action): (Kind, &str, &str, &str),
    ) {
        let now = world.now();
        self.hosts.insert(mark(host));
        self.forget(now);
        let source = format!("{host}/{}/{}", about.uid, about.field.as_deref().unwrap_or_default());
        let group = mark(&format!("{source}/{}/{reason}", kind.name()));
        let mut message = message.to_owned();
        let mut local = message.clone();
        if self.form == Form::Core {
            let similar = self.similar.entry(group).or_insert_with(|| Similar {
                messages: Vec::new(),
                last: now,
            });
            if now.duration_since(similar.last) > SIMILAR_FOR {
                similar.messages.clear();
            }
            similar.last = now;
            let said = mark(&message);
            if !similar.messages.contains(&said) {
                if similar.messages.len() + 1 >= SIMILAR {
                    message = format!("(combined from similar events): {message}");
                    local = String::new();
                } else {
                    similar.messages.push(said);
                }
            }
            if !self.affords(mark(&format!("{host}/{}/{}", about.uid, kind.name())), now) {
                return;
            }
        }
        let place = (group, mark(&local));
        if let Some(seen) = self.seen.get_mut(&place)
            && let Some(found) = world.find(EVENTS, about.namespace(), &seen.name)
        {
            seen.count += 1;
            seen.last = now.as_second();
            let (count, key) = (seen.count, found.key().clone());
            let form = self.form;
            let updated = world.update(&key, self.manager, |event| match form {
                Form::Core => {
                    event["count"] = count.into();
                    event["lastTimestamp"] = stamp(now).into();
                    event["message"] = message.as_str().into();
                }
                Form::Series => event["series"] = json!({"count": count, "lastObservedTime": micro_stamp(now)}),
            });
            if updated.is_ok() {
                return;
            }
        }
        let event = self.event(world, about, host, (kind, reason, &message, action));
        if let Ok(created) = world.create(EVENTS, event, self.manager) {
            let seen = Seen {
                name: Arc::clone(&created.key().name),
                count: 1,
                last: now.as_second(),
            };
            self.seen.insert(place, seen);
        }
    }

    /// Whether this source may write one more Event of this kind about this object.
    fn affords(&mut self, source: Mark, now: Timestamp) -> bool {
        let bucket = self.buckets.entry(source).or_insert(Bucket { left: BURST, at: now });
        let passed = now.duration_since(bucket.at).as_secs_f64();
        bucket.left = (bucket.left + passed * REFILL).min(BURST);
        bucket.at = now;
        if bucket.left < 1.0 {
            return false;
        }
        bucket.left -= 1.0;
        true
    }

    /// Keeps what is remembered within its bound: the real caches drop what was not used for longest.
    fn forget(&mut self, now: Timestamp) {
        let (old, most) = (now - SIMILAR_FOR, REMEMBERED * self.hosts.len());
        if self.seen.len() > most {
            self.seen.retain(|_, seen| seen.last > old.as_second());
            if self.seen.len() > most {
                self.seen.clear();
            }
        }
        if self.similar.len() > most {
            self.similar.retain(|_, similar| similar.last > old);
            if self.similar.len() > most {
                self.similar.clear();
            }
        }
        if self.buckets.len() > most {
            self.buckets.retain(|_, bucket| bucket.left < BURST - 5.0);
            if self.buckets.len() > most {
                self.buckets.clear();
            }
        }
    }

    fn event(
        &self,
        world: &World,
        about: &About,
        host: &str,
        (kind, reason, message, action): (Kind, &str, &str, &str),
    ) -> Value {
        let now = world.now();
        let resource = world.resources().get(about.key.resource);
        let namespace = about.namespace();
        let mut involved = json!({
            "kind": resource.kind,
            "apiVersion": resource.api_version(),
            "name": &*about.key.name,
            "uid": &*about.uid,
        });
        if !about.key.namespace.is_empty() {
            involved["namespace"] = (*about.key.namespace).into();
        }
        if about.revision > 0 {
            involved["resourceVersion"] = about.revision.to_string().into();
        }
        if let Some(field) = &about.field {
            involved["fieldPath"] = field.as_str().into();
        }
        let mut event = json!({
            "metadata": {"name": self.name(world, about, namespace), "namespace": namespace},
            "involvedObject": involved,
            "reason": reason,
            "message": message,
            "type": kind.name(),
            "reportingComponent": self.component,
            "reportingInstance": host,
        });
        match self.form {
            Form::Core => {
                event["source"] = json!({"component": self.component});
                if !host.is_empty() {
                    event["source"]["host"] = host.into();
                }
                event["count"] = 1.into();
                event["firstTimestamp"] = stamp(now).into();
                event["lastTimestamp"] = stamp(now).into();
                event["eventTime"] = Value::Null;
            }
            Form::Series => {
                event["source"] = json!({});
                event["eventTime"] = micro_stamp(now).into();
                event["action"] = action.into();
                event["reportingInstance"] = format!("{}-0", self.component).into();
                event["firstTimestamp"] = Value::Null;
                event["lastTimestamp"] = Value::Null;
            }
        }
        event
    }

    /// `<object>.<nanoseconds in hexadecimal>`; time stands still here, so the next one that is free.
    fn name(&self, world: &World, about: &About, namespace: &str) -> String {
        let mut nanos = world.now().as_nanosecond();
        loop {
            let name = format!("{}.{nanos:x}", about.key.name);
            if world.find(EVENTS, namespace, &name).is_none() {
                return name;
            }
            nanos += 1;
        }
    }
}

/// Ends Events an hour after they were written last.
#[derive(Clone, Default)]
pub struct EventLife {
    /// By the moment of their end, with the revision as of which it holds.
    waiting: BTreeMap<Timestamp, Vec<(Key, u64)>>,
    asked: bool,
}

impl Controller for EventLife {
    fn name(&self) -> &'static str {
        "event-life"
    }

    fn resources(&self) -> &[ResourceId] {
        &[EVENTS]
    }

    fn changed(&mut self, world: &mut World, changes: &[Change]) {
        let end = world.now() + latency::EVENT_LIFE;
        for change in changes.iter().filter(|change| change.kind != ChangeKind::Deleted) {
            let ending = self.waiting.entry(end).or_default();
            ending.push((change.key.clone(), change.revision));
        }
        self.ask(world);
    }

    fn due(&mut self, world: &mut World, _: &Due) {
        self.asked = false;
        while let Some(ending) = self.waiting.first_entry().filter(|ending| *ending.key() <= world.now()) {
            for (key, revision) in ending.remove() {
                if world.get(&key).is_some_and(|event| event.revision() == revision) {
                    world.delete(&key, &DeleteOptions::default()).ok();
                }
            }
        }
        self.ask(world);
    }
}

impl EventLife {
    fn ask(&mut self, world: &mut World) {
        if let Some((end, _)) = self.waiting.first_key_value().filter(|_| !self.asked) {
            self.asked = true;
            // A store's leases end in heaps, not one by one.
            let at = *end + SignedDuration::from_secs(10);
            let due = Due {
                to: "event-life",
                what: "end",
                about: None,
                number: 0,
            };
            world.schedule(at, due);
        }
    }
}

#[cfg(test)]
mod tests;
