//! What changes, as it changes.

use std::{collections::VecDeque, io, sync::Arc};

use bytes::{BufMut, Bytes, BytesMut};
use futures::Stream;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{
    Ask,
    list::{Selection, judge_one_version},
};
use crate::kubernetes::{
    accept::Form,
    faults::Fault,
    incoming::Served,
    outgoing,
    refusal::{About, Cause, Refusal},
    reply::Reply,
    resources::{Conversion, DAEMON_SETS, DEPLOYMENTS, REPLICA_SETS, Resource, ResourceId, STATEFUL_SETS},
    run::Simulation,
    schema,
    strategy::TEMPLATE_GENERATION,
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
    /// Whether the columns of a table were sent.
    headed: bool,
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
    disturbance: Disturbance,
}

/// What goes wrong with a watch.
#[derive(Default)]
struct Disturbance {
    /// It tells what was so long ago.
    lag: SignedDuration,
    /// It tells nothing while the resource was listed so often.
    withheld: Option<u64>,
    /// Its connection is cut then.
    cut: Option<Timestamp>,
    /// It breaks in the middle of what it tells next.
    breaks: bool,
}

/// Begins to watch.
pub fn watch(simulation: &Simulation, world: &World, ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let query = &ask.call.query;
    judge_options(ask)?;
    let selection = Selection::read(ask)?;
    let initial = query.get("sendInitialEvents").map(|_| query.flag("sendInitialEvents"));
    let given = judge_one_version(world.revision(), query.text("resourceVersion"))?;
    let bookmarks = query.flag("allowWatchBookmarks");
    let lasting = query
        .number("timeoutSeconds")?
        .filter(|seconds| *seconds > 0)
        .unwrap_or(LASTING);
    let (resource, conversion) = ask.about.resource.as_ref().expect("the resource was looked up");
    let now = world.now();
    let disturbance = Disturbance::new(simulation, resource.id, ask.call.fault.as_ref(), now);
    let current = ask.current(world);
    let mut watching = Watching {
        simulation: simulation.clone(),
        resource: Arc::clone(resource),
        conversion: *conversion,
        group: ask.about.group.clone(),
        version: ask.about.version.clone(),
        form: ask.form,
        include: ask.include().to_owned(),
        headed: false,
        namespace: ask.about.namespace.clone(),
        selection,
        revision: given.unwrap_or_default(),
        bookmarks,
        next_bookmark: now + SignedDuration::from_secs(BOOKMARKS),
        ends: now + SignedDuration::from_secs(lasting),
        waiting: VecDeque::new(),
        revised: world.revised(),
        done: false,
        disturbance,
    };
    // Without a revision, or from revision 0, a watch begins with what there is.
    let begins = initial.unwrap_or(given.unwrap_or_default() == 0);
    if begins {
        let found = watching
            .selection
            .find_at(world, resource.id, watching.namespace.as_deref(), current);
        for object in found {
            watching.push(world, "ADDED", &object);
        }
        watching.revision = current;
    } else if given.is_none() || given == Some(0) {
        watching.revision = current;
    }
    if initial == Some(true) && bookmarks {
        watching.push_bookmark(world, true);
    }
    if !begins && world.events_since(resource.id, watching.revision).is_none() {
        let oldest = world.oldest(resource.id);
        let words = format!("too old resource version: {} ({oldest})", watching.revision);
        watching.push_error(&Refusal::new(410, "Expired", words));
    }
    Ok(Reply::breakable("application/json", watching.stream()))
}

impl Disturbance {
    fn new(simulation: &Simulation, resource: ResourceId, fault: Option<&Fault>, now: Timestamp) -> Self {
        let mut disturbance = Self::default();
        match fault {
            Some(Fault::Stale(lag)) => disturbance.lag = *lag,
            Some(Fault::Withheld) => disturbance.withheld = Some(simulation.faults().withhold(resource)),
            Some(Fault::WatchCut(after)) => disturbance.cut = Some(now + *after),
            Some(Fault::BrokenOff) => disturbance.breaks = true,
            _ => {}
        }
        disturbance
    }

    /// Whether it tells nothing yet.
    fn withholds(&self, simulation: &Simulation, resource: ResourceId) -> bool {
        self.withheld
            .is_some_and(|lists| lists == simulation.faults().lists_of(resource))
    }
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
                let mut value = outgoing::object(world, &self.served(), form, &self.include, object.value());
                self.head(&mut value);
                serde_json::to_vec(&value).expect("a JSON value can be written").into()
            }
        };
        self.waiting.push_back(line(kind, &object));
    }

    /// Only the first table of a watch says what its columns are.
    fn head(&mut self, value: &mut Value) {
        if matches!(self.form, Form::Table(_)) {
            if self.headed {
                value["columnDefinitions"] = Value::Null;
            }
            self.headed = true;
        }
    }

    fn push_bookmark(&mut self, world: &World, ends_beginning: bool) {
        let mut metadata = json!({"resourceVersion": self.revision.to_string()});
        if ends_beginning {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let api_version = self.served().api_version();
        // An object that says nothing else.
        let mut object = match &self.resource.custom {
            None => schema::of_kind(&api_version, &self.resource.kind).map_or_else(|| json!({}), schema::blank),
            Some(_) => json!({}),
        };
        object["kind"] = self.resource.kind.clone().into();
        object["apiVersion"] = api_version.into();
        match self.resource.id {
            // Nothing means one of them to who reads, but to nobody inside.
            DEPLOYMENTS | REPLICA_SETS | STATEFUL_SETS => object["spec"]["replicas"] = 0.into(),
            DAEMON_SETS => metadata["annotations"][TEMPLATE_GENERATION] = "0".into(),
            _ => {}
        }
        object["metadata"] = metadata;
        if self.form != Form::Whole {
            object = outgoing::object(world, &self.served(), self.form, &self.include, object);
            self.head(&mut object);
        }
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
        let now = world.now();
        if now >= self.ends {
            self.done = true;
        }
        if self.disturbance.withholds(&simulation, self.resource.id) {
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
        let told = world.revision_at(now - self.disturbance.lag).max(self.revision);
        let events: Vec<Event> = events
            .take_while(|event| event.revision <= told)
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
                    let mut last = outgoing::object(&world, &self.served(), self.form, &self.include, last);
                    self.head(&mut last);
                    self.waiting.push_back(line("DELETED", last.to_string().as_bytes()));
                }
                (Some(kind), _) => self.push(&world, kind, &event.object),
                (None, _) => {}
            }
        }
        self.revision = told;
        if self.bookmarks && now >= self.next_bookmark {
            self.push_bookmark(&world, false);
            self.next_bookmark = now + SignedDuration::from_secs(BOOKMARKS);
        }
    }

    fn is_cut(&self) -> bool {
        let cut = self.disturbance.cut;
        cut.is_some_and(|cut| self.simulation.now() >= cut)
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

    fn stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        futures::stream::unfold(self, |mut watching| async move {
            loop {
                if watching.is_cut() {
                    watching.waiting.clear();
                    watching.done = true;
                    watching.disturbance = Disturbance::default();
                    return Some((Err(io::ErrorKind::ConnectionReset.into()), watching));
                }
                if let Some(line) = watching.waiting.pop_front() {
                    let told = if watching.disturbance.breaks {
                        watching.disturbance.cut = Some(Timestamp::MIN);
                        line.slice(..line.len() / 2)
                    } else {
                        line
                    };
                    return Some((Ok(told), watching));
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

/// One event, as it is on the wire.
pub fn line(kind: &str, object: &[u8]) -> Bytes {
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
    }
    if query.text("continue").is_some() {
        let why = "resourceVersionMatch is forbidden when continue is provided";
        causes.push(Cause::forbidden(field, why));
    }
    if causes.is_empty() {
        return Ok(());
    }
    Err(Refusal::invalid(About::new("meta.k8s.io", "ListOptions"), "", &causes))
}
