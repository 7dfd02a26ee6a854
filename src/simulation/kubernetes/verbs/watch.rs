//! What changes, as it changes.

use std::{collections::VecDeque, sync::Arc};

use bytes::{BufMut, Bytes, BytesMut};
use futures::Stream;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{
    Ask,
    list::{Selection, judge_version},
};
use crate::simulation::kubernetes::{
    accept::Form,
    incoming::Served,
    outgoing,
    refusal::{About, Cause, Refusal},
    reply::Reply,
    resources::{Conversion, Resource},
    run::Simulation,
    world::{ChangeKind, Event, Object, World},
};

/// How long a watch lasts that does not say it, in seconds. The real one throws dice between this and twice as much.
const LASTING: i64 = 30 * 60;
/// Seconds between two bookmarks.
const BOOKMARKS: i64 = 60;

struct Watching {
    simulation: Simulation,
    resource: Arc<Resource>,
    conversion: Conversion,
    group: String,
    version: String,
    form: Form,
    include: String,
    namespace: Option<String>,
    selection: Selection,
    /// What was sent last.
    revision: u64,
    bookmarks: bool,
    next_bookmark: Timestamp,
    ends: Timestamp,
    waiting: VecDeque<Bytes>,
    revised: watch::Receiver<u64>,
    done: bool,
}

/// Begins to watch.
pub fn watch(simulation: &Simulation, world: &World, ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let query = &ask.call.query;
    judge_options(ask)?;
    let selection = Selection::read(ask)?;
    let initial = query.get("sendInitialEvents").map(|_| query.flag("sendInitialEvents"));
    let given = judge_version(world, query.text("resourceVersion"))?;
    let bookmarks = query.flag("allowWatchBookmarks");
    let lasting = query
        .number("timeoutSeconds")?
        .filter(|seconds| *seconds > 0)
        .unwrap_or(LASTING);
    let (resource, conversion) = ask.about.resource.as_ref().expect("the resource was looked up");
    let now = world.now();
    let mut watching = Watching {
        simulation: simulation.clone(),
        resource: Arc::clone(resource),
        conversion: *conversion,
        group: ask.about.group.clone(),
        version: ask.about.version.clone(),
        form: ask.form,
        include: ask.include().to_owned(),
        namespace: ask.about.namespace.clone(),
        selection,
        revision: given.unwrap_or_default(),
        bookmarks,
        next_bookmark: now + SignedDuration::from_secs(BOOKMARKS),
        ends: now + SignedDuration::from_secs(lasting),
        waiting: VecDeque::new(),
        revised: world.revised(),
        done: false,
    };
    // Without a revision, or from revision 0, a watch begins with what there is.
    let begins = initial.unwrap_or(given.unwrap_or_default() == 0);
    if begins {
        let found = watching
            .selection
            .find(world, resource.id, watching.namespace.as_deref());
        for object in found {
            watching.push(world, "ADDED", &object);
        }
        watching.revision = world.revision();
    } else if given.is_none() || given == Some(0) {
        watching.revision = world.revision();
    }
    if initial == Some(true) && bookmarks {
        watching.push_bookmark(true);
    }
    if !begins && world.events_since(resource.id, watching.revision).is_none() {
        let oldest = world.oldest(resource.id);
        let words = format!("too old resource version: {} ({oldest})", watching.revision);
        watching.push_error(&Refusal::new(410, "Expired", words));
    }
    Ok(Reply::stream("application/json", watching.stream()))
}

impl Watching {
    fn served(&self) -> Served<'_> {
        Served {
            resource: &self.resource,
            version: &self.version,
            group: &self.group,
            conversion: self.conversion,
        }
    }

    fn push(&mut self, world: &World, kind: &str, object: &Object) {
        let object = match self.form {
            Form::Whole => outgoing::stored_bytes(&self.served(), object),
            form => {
                let value = outgoing::object(world, &self.served(), form, &self.include, object.value());
                serde_json::to_vec(&value).expect("a JSON value can be written").into()
            }
        };
        self.waiting.push_back(line(kind, &object));
    }

    fn push_bookmark(&mut self, ends_beginning: bool) {
        let mut metadata = json!({"resourceVersion": self.revision.to_string()});
        if ends_beginning {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let object = json!({
            "kind": self.resource.kind,
            "apiVersion": self.served().api_version(),
            "metadata": metadata,
        });
        self.waiting.push_back(line("BOOKMARK", object.to_string().as_bytes()));
    }

    fn push_error(&mut self, refusal: &Refusal) {
        self.waiting
            .push_back(line("ERROR", refusal.status().to_string().as_bytes()));
        self.done = true;
    }

    /// Takes up what has happened since the last time.
    fn look(&mut self) {
        let simulation = self.simulation.clone();
        let world = simulation.world();
        if world.resources().find(self.resource.id).is_none() {
            self.done = true;
            return;
        }
        let Some(events) = world.events_since(self.resource.id, self.revision) else {
            let words = format!(
                "too old resource version: {} ({})",
                self.revision,
                world.oldest(self.resource.id)
            );
            self.push_error(&Refusal::new(410, "Expired", words));
            return;
        };
        let events: Vec<Event> = events
            .filter(|event| {
                let namespace = self.namespace.as_deref();
                namespace.is_none_or(|namespace| event.object.namespace() == namespace)
            })
            .cloned()
            .collect();
        for event in &events {
            match (self.transition(event), &event.before) {
                // It is still there, but not for this one: as it was when it still was, at the revision of the change.
                (Some("DELETED"), Some(before)) if event.kind == ChangeKind::Modified => {
                    let mut last = before.value();
                    last["metadata"]["resourceVersion"] = event.revision.to_string().into();
                    let last = outgoing::object(&world, &self.served(), self.form, &self.include, last);
                    self.waiting.push_back(line("DELETED", last.to_string().as_bytes()));
                }
                (Some(kind), _) => self.push(&world, kind, &event.object),
                (None, _) => {}
            }
        }
        self.revision = world.revision();
        let now = world.now();
        if self.bookmarks && now >= self.next_bookmark {
            self.push_bookmark(false);
            self.next_bookmark = now + SignedDuration::from_secs(BOOKMARKS);
        }
        if now >= self.ends {
            self.done = true;
        }
    }

    /// What a change is to someone who sees only what is selected.
    fn transition(&self, event: &Event) -> Option<&'static str> {
        let before = event
            .before
            .as_ref()
            .is_some_and(|before| self.selection.matches(before));
        let after = event.kind != ChangeKind::Deleted && self.selection.matches(&event.object);
        match (before, after) {
            (false, true) => Some("ADDED"),
            (true, true) => Some("MODIFIED"),
            (true, false) => Some("DELETED"),
            (false, false) => None,
        }
    }

    fn stream(self) -> impl Stream<Item = Bytes> + Send + 'static {
        futures::stream::unfold(self, |mut watching| async move {
            loop {
                if let Some(line) = watching.waiting.pop_front() {
                    return Some((line, watching));
                }
                if watching.done {
                    return None;
                }
                // Seen before it is looked: what comes meanwhile wakes again.
                watching.revised.borrow_and_update();
                watching.look();
                if watching.waiting.is_empty() && !watching.done && watching.revised.changed().await.is_err() {
                    return None;
                }
            }
        })
    }
}

fn line(kind: &str, object: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(object.len() + 40);
    bytes.put_slice(b"{\"type\":\"");
    bytes.put_slice(kind.as_bytes());
    bytes.put_slice(b"\",\"object\":");
    bytes.put_slice(object);
    bytes.put_slice(b"}\n");
    bytes.freeze()
}

/// Refuses options that contradict each other.
fn judge_options(ask: &Ask<'_>) -> Result<(), Refusal> {
    let query = &ask.call.query;
    let matching = query.text("resourceVersionMatch");
    let initial = query.get("sendInitialEvents").is_some();
    let field = "resourceVersionMatch";
    let mut causes = Vec::new();
    if initial && matching != Some("NotOlderThan") {
        let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        causes.push(Cause::forbidden(field, why));
    }
    if let Some(matching) = matching {
        if !initial {
            let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            causes.push(Cause::forbidden(field, why));
        }
        if matching != "NotOlderThan" {
            causes.push(Cause::not_supported(field, &Value::from(matching), &["NotOlderThan"]));
        }
        if query.text("continue").is_some() {
            let why = "resourceVersionMatch is forbidden when continue is provided";
            causes.push(Cause::forbidden(field, why));
        }
    }
    if causes.is_empty() {
        return Ok(());
    }
    Err(Refusal::invalid(About::new("meta.k8s.io", "ListOptions"), "", &causes))
}
