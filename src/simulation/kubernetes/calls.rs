//! What was asked, by whom, and what became of it: the record that a test reads afterwards.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use super::{faults::Fault, request::Call};

/// Calls that are kept; of more, the latest are.
const KEPT: usize = 100_000;

/// One call, as the API server saw it.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// How many calls came before it.
    pub number: u64,
    /// When it came.
    pub at: Timestamp,
    /// Who made it; empty: the server does not know them.
    pub user: String,
    /// The verb, as RBAC names it; the method for what is not about objects.
    pub verb: String,
    /// The path.
    pub path: String,
    /// The group.
    pub group: String,
    /// The plural; empty for what is not about objects.
    pub resource: String,
    /// The subresource.
    pub subresource: String,
    /// The namespace.
    pub namespace: String,
    /// The name that the call gives, in its path or in what it wants to create.
    pub name: String,
    /// The uid that the object of this name had just before the call was carried out.
    pub uid: Option<String>,
    /// The body of a call that may change something.
    pub body: Bytes,
    /// What went wrong.
    pub fault: Option<Fault>,
    /// The status of the answer; none: there was none, or it has not come yet.
    pub status: Option<u16>,
    /// When it was carried out, successfully or not.
    pub carried_out: Option<Timestamp>,
    /// Whether that changed anything in the cluster.
    pub changed: bool,
}

impl Recorded {
    /// Whether it changed anything in the cluster, whatever its caller was told.
    pub fn took_effect(&self) -> bool {
        self.changed
    }

    /// The resource and subresource as RBAC names them: `pods/eviction`, `deployments.apps`.
    pub fn target(&self) -> String {
        let mut target = super::resources::qualified(&self.resource, &self.group);
        if !self.subresource.is_empty() {
            target.push('/');
            target.push_str(&self.subresource);
        }
        target
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} ", self.at.strftime("%H:%M:%S%.3f"), self.user, self.verb)?;
        if self.resource.is_empty() {
            f.write_str(&self.path)?;
        } else {
            f.write_str(&self.target())?;
            if !self.namespace.is_empty() || !self.name.is_empty() {
                write!(f, " {}/{}", self.namespace, self.name)?;
            }
        }
        match self.status {
            Some(status) => write!(f, ": {status}")?,
            None => f.write_str(": no answer")?,
        }
        if let Some(at) = self.carried_out.filter(|at| *at != self.at) {
            write!(f, ", carried out {}", at.strftime("%H:%M:%S%.3f"))?;
        }
        if self.changed {
            f.write_str(", took effect")?;
        }
        match &self.fault {
            Some(fault) => write!(f, " ({fault:?})"),
            None => Ok(()),
        }
    }
}

/// The name of what is to be created.
fn created(call: &Call) -> Option<String> {
    call.about.as_ref().filter(|about| about.verb == "create")?;
    let value: Value = serde_json::from_slice(&call.body).ok()?;
    value["metadata"]["name"].as_str().map(str::to_owned)
}

/// The calls so far.
#[derive(Default)]
pub(super) struct Record(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    calls: VecDeque<Recorded>,
    count: u64,
}

impl Record {
    /// The calls that are kept, in the order of their coming.
    pub(super) fn all(&self) -> Vec<Recorded> {
        self.lock().calls.iter().cloned().collect()
    }

    /// Writes down that a call has come. Returns its number.
    pub(super) fn came(&self, call: &Call, at: Timestamp, fault: Option<Fault>) -> u64 {
        let about = call.about.as_ref();
        let text = |part: Option<&String>| part.cloned().unwrap_or_default();
        let mut kept = self.lock();
        let number = kept.count;
        kept.count += 1;
        if kept.calls.len() >= KEPT {
            kept.calls.pop_front();
        }
        kept.calls.push_back(Recorded {
            number,
            at,
            user: call.user.name.clone(),
            verb: about.map_or_else(|| call.method.as_str().to_lowercase(), |about| about.verb.to_owned()),
            path: call.path.clone(),
            group: text(about.map(|about| &about.group)),
            resource: text(about.map(|about| &about.plural)),
            subresource: text(about.and_then(|about| about.subresource.as_ref())),
            namespace: text(about.and_then(|about| about.namespace.as_ref())),
            name: about
                .and_then(|about| about.name.clone())
                .or_else(|| created(call))
                .unwrap_or_default(),
            uid: None,
            body: about
                .filter(|about| about.changes())
                .map_or_else(Bytes::new, |_| call.body.clone()),
            fault,
            status: None,
            carried_out: None,
            changed: false,
        });
        number
    }

    /// Writes down what became of a call.
    pub(super) fn note(&self, number: u64, what: impl FnOnce(&mut Recorded)) {
        let mut kept = self.lock();
        let dropped = kept.count - kept.calls.len() as u64;
        let place = number
            .checked_sub(dropped)
            .and_then(|place| usize::try_from(place).ok());
        if let Some(call) = place.and_then(|place| kept.calls.get_mut(place)) {
            what(call);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
