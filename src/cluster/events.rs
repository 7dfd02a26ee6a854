//! Kubernetes Events: reading those about an object, and telling in `kubectl describe` what we did to it.

use jiff::Timestamp;
use kube::core::{Request, params::PostParams};
use serde_json::{Value, json};

use super::{Cluster, ClusterError, get::Selection, send::Asked};
use crate::domain::target::{ObjectRef, Target};

/// The API refuses longer notes.
const NOTE: usize = 1024;
/// Events about one object that are read at the most; the API server keeps them for an hour, and lists them by name.
const READ: usize = 5000;
/// Of these the newest are kept.
const NEWEST: usize = 100;

/// An Event to post. Its name comes from the run, so that a repeat is the same Event.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// A DNS-1123 subdomain.
    pub name: String,
    /// The object in whose description it appears.
    pub regarding: Target,
    /// Its root.
    pub related: Option<ObjectRef>,
    /// `UpperCamelCase`, as Kubernetes' own.
    pub reason: &'static str,
    /// What was done, `UpperCamelCase`.
    pub action: &'static str,
    /// In words.
    pub note: String,
    /// Whether somebody should look.
    pub event_type: EventType,
    /// When.
    pub at: Timestamp,
}

/// Kubernetes' two types of Events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    /// For the record.
    Normal,
    /// Somebody should look.
    Warning,
}

impl Cluster {
    /// Posts an Event; one that is there already is the same one.
    pub async fn post_event(&self, event: &NewEvent) -> Result<(), ClusterError> {
        let regarding = &event.regarding;
        let namespace = regarding.object.namespace.as_deref().unwrap_or("default");
        let mut note = event.note.clone();
        while note.len() > NOTE {
            note.pop();
        }
        let body = json!({
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": event.name, "namespace": namespace},
            "eventTime": format!("{:.6}", event.at),
            "reportingController": "selfhealer.dev/selfhealer",
            "reportingInstance": "selfhealer",
            "action": event.action,
            "reason": event.reason,
            "type": match event.event_type {
                EventType::Normal => "Normal",
                EventType::Warning => "Warning",
            },
            "note": note,
            "regarding": reference(&regarding.object, Some(&regarding.uid)),
            "related": event.related.as_ref().map(|related| reference(related, None)),
        });
        let path = format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events");
        let asked = Asked {
            verb: "create",
            resource: "events.events.k8s.io",
        };
        let request = Request::new(path).create(&PostParams::default(), body.to_string().into_bytes());
        match self.send(asked, request).await {
            Ok(_) | Err(ClusterError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The newest Events about this very object, oldest first.
    pub async fn events_about(&self, target: &Target) -> Result<Vec<Value>, ClusterError> {
        let about = format!("involvedObject.uid={}", target.uid);
        let selection = Selection {
            api_version: "v1",
            kind: "Event",
            namespace: Some(target.object.namespace.as_deref().unwrap_or("default")),
            labels: None,
            fields: Some(&about),
            limit: READ,
        };
        let mut events = self.list(&selection).await?.items;
        // Stable: those of the same second stay in the order of their names.
        events.sort_by_cached_key(last_seen);
        let older = events.len().saturating_sub(NEWEST);
        Ok(events.split_off(older))
    }
}

/// When it was seen last, by whichever of the fields its author fills.
fn last_seen(event: &Value) -> Option<Timestamp> {
    [
        &event["series"]["lastObservedTime"],
        &event["lastTimestamp"],
        &event["eventTime"],
        &event["firstTimestamp"],
        &event["metadata"]["creationTimestamp"],
    ]
    .into_iter()
    .filter_map(Value::as_str)
    .find_map(|time| time.parse().ok())
}

fn reference(object: &ObjectRef, uid: Option<&str>) -> Value {
    json!({
        "apiVersion": object.api_version,
        "kind": object.kind,
        "namespace": object.namespace,
        "name": object.name,
        "uid": uid,
    })
}
