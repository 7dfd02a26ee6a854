//! Deletion: at once, gracefully, or as soon as the finalizers are gone.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Key, Object, World, stamp};
use crate::kubernetes::{
    refusal::{About, Refusal},
    resources::{JOBS, NAMESPACES, PODS, REPLICATION_CONTROLLERS, ResourceId},
};

/// What is to become of what the object owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// The garbage collector deletes it afterwards.
    Background,
    /// The garbage collector deletes it first.
    Foreground,
    /// It stays, without this owner.
    Orphan,
}

/// How to delete.
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    /// Seconds; absent: the object's own.
    pub grace_period: Option<i64>,
    /// What is to become of what it owns.
    pub propagation: Option<Propagation>,
    /// Only the object with this uid.
    pub uid: Option<String>,
    /// Only the object in this version.
    pub resource_version: Option<String>,
    /// Only say what would happen.
    pub dry_run: bool,
}

/// What became of it.
#[derive(Clone, Debug)]
pub struct Deleted {
    /// The object: as it is now, or as it was at its end.
    pub object: Value,
    /// Whether it is gone.
    pub gone: bool,
}

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

/// What the strategy of a resource says about this deletion.
enum Grace {
    /// There is none: it is deleted at once.
    None,
    /// The object was marked; so many seconds are left.
    Marked(i64),
    /// It is being deleted already, and this changes nothing.
    Pending,
}

impl World {
    /// Deletes an object as a client does. Returns it as it is now, or as it was at its end, and whether it is gone.
    pub fn delete(&mut self, key: &Key, options: &DeleteOptions) -> Result<Deleted, Refusal> {
        let Some(live) = self.get(key).cloned() else {
            return Err(self.missing(key));
        };
        if key.resource == NAMESPACES {
            return self.delete_namespace(key, &live, options);
        }
        let old = live.value();
        self.judge_preconditions(key, &live, options)?;
        let mut marked = old.clone();
        let grace = match grace(key.resource, &mut marked, options, self.now) {
            Grace::Pending => {
                return Ok(Deleted {
                    object: old,
                    gone: false,
                });
            }
            Grace::None => None,
            Grace::Marked(left) => Some(left),
        };
        let changed = set_collection_finalizers(key.resource, &mut marked, options);
        let pending = !finalizers(&marked).is_empty();
        if grace.is_none() && !pending && !changed {
            return Ok(self.end(key, old, options.dry_run));
        }
        if grace.is_none() {
            if !pending {
                return Ok(self.end(key, old, options.dry_run));
            }
            mark(&mut marked, self.now);
        }
        if options.dry_run {
            let gone = !pending && grace.unwrap_or_default() == 0;
            return Ok(Deleted { object: marked, gone });
        }
        let stored = if marked == old {
            old
        } else {
            self.store(key.clone(), marked)
        };
        if pending || grace.is_some_and(|left| left > 0) {
            return Ok(Deleted {
                object: stored,
                gone: false,
            });
        }
        Ok(self.end(key, stored, false))
    }

    /// A namespace only begins to end: its controller empties it and takes its finalizer away.
    fn delete_namespace(&mut self, key: &Key, live: &Arc<Object>, options: &DeleteOptions) -> Result<Deleted, Refusal> {
        let about = About::new("", "namespaces");
        let mut value = live.value();
        if let Some(uid) = options.uid.as_deref().filter(|uid| *uid != &**live.uid()) {
            let why = format!(
                "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
                live.uid()
            );
            return Err(Refusal::conflict(about, &key.name, &why));
        }
        let version = live.revision().to_string();
        if let Some(wanted) = options.resource_version.as_deref().filter(|wanted| *wanted != version) {
            let why = format!(
                "Precondition failed: ResourceVersion in precondition: {wanted}, ResourceVersion in object meta: {version}"
            );
            return Err(Refusal::conflict(about, &key.name, &why));
        }
        if !live.deleting() {
            value["metadata"]["deletionTimestamp"] = stamp(self.now).into();
            value["status"]["phase"] = "Terminating".into();
            set_collection_finalizers(key.resource, &mut value, options);
            let object = if options.dry_run {
                value
            } else {
                self.store(key.clone(), value)
            };
            return Ok(Deleted { object, gone: false });
        }
        if value["spec"]["finalizers"]
            .as_array()
            .is_some_and(|all| !all.is_empty())
            || !live.finalized()
        {
            return Ok(Deleted {
                object: value,
                gone: false,
            });
        }
        Ok(self.end(key, value, options.dry_run))
    }

    fn judge_preconditions(&self, key: &Key, live: &Object, options: &DeleteOptions) -> Result<(), Refusal> {
        let resource = self.resources.get(key.resource);
        // The real one names the kind here, not the plural.
        let about = About::new(&resource.group, &resource.kind);
        if let Some(uid) = options.uid.as_deref().filter(|uid| *uid != &**live.uid()) {
            let why = format!(
                "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been \
                 deleted and then recreated",
                live.uid()
            );
            return Err(Refusal::conflict(about, &key.name, &why));
        }
        let version = live.revision().to_string();
        if let Some(wanted) = options.resource_version.as_deref().filter(|wanted| *wanted != version) {
            let why = format!(
                "the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record \
                 ({version}). The object might have been modified"
            );
            return Err(Refusal::conflict(about, &key.name, &why));
        }
        Ok(())
    }

    /// The end of an object.
    pub(super) fn end(&mut self, key: &Key, object: Value, dry_run: bool) -> Deleted {
        if dry_run {
            return Deleted { object, gone: true };
        }
        let managed = self.managed_in(&object);
        let gone = self.erase(key, &object, managed);
        Deleted {
            object: gone.value(),
            gone: true,
        }
    }
}

/// The graceful deletion of pods; no other kind here has one.
fn grace(resource: ResourceId, object: &mut Value, options: &DeleteOptions, now: Timestamp) -> Grace {
    if resource != PODS {
        return Grace::None;
    }
    let wanted = options.grace_period.map(|period| if period < 0 { 1 } else { period });
    let metadata = &object["metadata"];
    if let Some(until) = metadata["deletionTimestamp"].as_str() {
        let left = metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or_default();
        if left == 0 {
            return Grace::None;
        }
        let Some(mut period) = wanted.filter(|wanted| *wanted < left) else {
            return Grace::Pending;
        };
        let until: Timestamp = until.parse().unwrap_or(now);
        let mut sooner = until - SignedDuration::from_secs(left) + SignedDuration::from_secs(period);
        if sooner < now {
            sooner = now;
            if period != 0 {
                period = 1;
            }
        }
        object["metadata"]["deletionTimestamp"] = stamp(sooner).into();
        object["metadata"]["deletionGracePeriodSeconds"] = period.into();
        return Grace::Marked(period);
    }
    let own = object["spec"]["terminationGracePeriodSeconds"]
        .as_i64()
        .unwrap_or_default();
    let mut period = wanted.unwrap_or(own);
    let unscheduled = object["spec"]["nodeName"].as_str().unwrap_or_default().is_empty();
    if unscheduled || object["status"]["phase"] == "Failed" || object["status"]["phase"] == "Succeeded" {
        period = 0;
    }
    let period = if period < 0 { 1 } else { period };
    object["metadata"]["deletionTimestamp"] = stamp(now + SignedDuration::from_secs(period)).into();
    object["metadata"]["deletionGracePeriodSeconds"] = period.into();
    bump_generation(object);
    Grace::Marked(period)
}

/// Marks an object that waits for its finalizers.
fn mark(object: &mut Value, now: Timestamp) {
    let marked: Option<Timestamp> = object["metadata"]["deletionTimestamp"]
        .as_str()
        .and_then(|at| at.parse().ok());
    if marked.is_none() {
        bump_generation(object);
    }
    if marked.is_none_or(|at| at > now) {
        object["metadata"]["deletionTimestamp"] = stamp(now).into();
    }
    object["metadata"]["deletionGracePeriodSeconds"] = 0.into();
}

fn bump_generation(object: &mut Value) {
    if let Some(generation) = object["metadata"]["generation"]
        .as_i64()
        .filter(|generation| *generation > 0)
    {
        object["metadata"]["generation"] = (generation + 1).into();
    }
}

fn finalizers(object: &Value) -> &[Value] {
    object["metadata"]["finalizers"].as_array().map_or(&[], Vec::as_slice)
}

/// Sets the finalizers by which the garbage collector is asked; returns whether they differ from before.
fn set_collection_finalizers(resource: ResourceId, object: &mut Value, options: &DeleteOptions) -> bool {
    let has = |name: &str| finalizers(object).iter().any(|finalizer| finalizer == name);
    let propagation = options.propagation.unwrap_or_else(|| {
        if has(ORPHAN) {
            Propagation::Orphan
        } else if has(FOREGROUND) {
            Propagation::Foreground
        } else if matches!(resource, REPLICATION_CONTROLLERS | JOBS) {
            // As old as these resources: what kubectl sends overrides it.
            Propagation::Orphan
        } else {
            Propagation::Background
        }
    });
    let before = finalizers(object).to_vec();
    let mut after: Vec<Value> = before
        .iter()
        .filter(|finalizer| *finalizer != ORPHAN && *finalizer != FOREGROUND)
        .cloned()
        .collect();
    match propagation {
        Propagation::Background => {}
        Propagation::Orphan => after.push(json!(ORPHAN)),
        Propagation::Foreground => after.push(json!(FOREGROUND)),
    }
    let same = after.len() == before.len() && after.iter().all(|finalizer| before.contains(finalizer));
    if same {
        return false;
    }
    if after.is_empty() {
        if let Value::Object(metadata) = &mut object["metadata"] {
            metadata.remove("finalizers");
        }
    } else {
        object["metadata"]["finalizers"] = after.into();
    }
    true
}
