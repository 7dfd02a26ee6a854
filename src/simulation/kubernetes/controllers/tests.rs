//! Stories: whole clusters told as a test author tells them, and what the tests of single controllers share.

#![allow(clippy::unwrap_used)]

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{kubelet::life, node};
use crate::kubernetes::{
    resources::{DEPLOYMENTS, EVENTS, NODES, PODS, ResourceId},
    run::Simulation,
    world::{Key, World},
};

mod story;

/// A cluster, and the short words in which tests speak of it.
pub(super) struct Cluster(pub(super) Simulation);

pub(super) fn moment() -> Timestamp {
    "2026-11-24T10:00:00Z".parse().unwrap()
}

impl Cluster {
    /// With so many nodes `n1`, `n2` … of 4 cores, 16Gi and 110 pods in the zones a, b and c.
    pub(super) fn new(nodes: usize, seed: u64) -> Self {
        let cluster = Self(super::start(moment(), seed));
        for number in 1..=nodes {
            let zone = ["a", "b", "c"][number % 3];
            cluster.make(NODES, node::node(&format!("n{number}"), zone, ("4", "16Gi", 110)));
        }
        cluster.wait(2);
        cluster
    }

    pub(super) fn make(&self, resource: ResourceId, object: Value) -> Key {
        self.0
            .with(|world| world.create(resource, object, "test").unwrap().key().clone())
    }

    /// Lets so many seconds pass.
    pub(super) fn wait(&self, seconds: i64) {
        self.0.advance(self.0.now() + SignedDuration::from_secs(seconds));
    }

    pub(super) fn change(&self, key: &Key, change: impl FnOnce(&mut Value)) {
        self.0.with(|world| world.update(key, "test", change).unwrap());
    }

    pub(super) fn delete(&self, key: &Key) {
        self.0.with(|world| world.delete(key, &Default::default()).unwrap());
    }

    pub(super) fn get(&self, key: &Key) -> Value {
        self.0
            .with(|world| world.get(key).map_or(Value::Null, |object| object.value()))
    }

    pub(super) fn all(&self, resource: ResourceId) -> Vec<Value> {
        self.0
            .with(|world| world.list(resource, None).map(|object| object.value()).collect())
    }

    pub(super) fn pods(&self) -> Vec<Value> {
        self.all(PODS)
    }

    pub(super) fn key(&self, object: &Value) -> Key {
        let kind = self.0.with(|world| {
            let (version, kind) = (object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap());
            world.resources().of_kind(version, kind).unwrap().id
        });
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        Key::new(kind, &text("namespace"), &text("name"))
    }

    /// `reason xcount: message` of all Events about an object of this kind, oldest first.
    pub(super) fn events(&self, kind: &str) -> Vec<String> {
        let mut events: Vec<Value> = self.all(EVENTS);
        events.retain(|event| event["involvedObject"]["kind"] == kind);
        events.sort_by_key(|event| {
            let revision: u64 = event["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
            let at = event["metadata"]["creationTimestamp"].as_str().unwrap().to_owned();
            (at, revision)
        });
        events
            .iter()
            .map(|event| {
                let count = event["count"]
                    .as_i64()
                    .or(event["series"]["count"].as_i64())
                    .unwrap_or(1);
                let (reason, message) = (event["reason"].as_str().unwrap(), event["message"].as_str().unwrap());
                format!("{reason} x{count}: {message}")
            })
            .collect()
    }

    /// The reasons alone.
    pub(super) fn reasons(&self, kind: &str) -> Vec<String> {
        let events = self.events(kind);
        events
            .iter()
            .map(|event| event.split(' ').next().unwrap().to_owned())
            .collect()
    }

    /// Everything that is stored.
    pub(super) fn dump(&self) -> Vec<u8> {
        self.0.with(|world: &mut World| {
            let ids: Vec<ResourceId> = world.resources().iter().map(|resource| resource.id).collect();
            let mut dump = Vec::new();
            for id in ids {
                for object in world.list(id, None) {
                    dump.extend_from_slice(&object.bytes());
                    dump.push(b'\n');
                }
            }
            dump
        })
    }

    /// `name phase ready/restarts` of the pods, without the random half of their names, sorted.
    pub(super) fn table(&self) -> Vec<String> {
        let mut rows: Vec<String> = self.pods().iter().map(row).collect();
        rows.sort();
        rows
    }
}

/// One pod in one line.
pub(super) fn row(pod: &Value) -> String {
    let owner = pod["metadata"]["ownerReferences"][0]["name"]
        .as_str()
        .unwrap_or("nobody");
    let status = &pod["status"];
    let container = &status["containerStatuses"][0];
    let state = &container["state"];
    let shown = ["waiting", "terminated"]
        .into_iter()
        .find_map(|kind| state[kind]["reason"].as_str())
        .or(status["reason"].as_str())
        .unwrap_or(status["phase"].as_str().unwrap_or("Pending"));
    let leaving = if pod["metadata"]["deletionTimestamp"].is_string() {
        " leaving"
    } else {
        ""
    };
    format!(
        "{owner} on {}: {shown}{} restarts={}{leaving}",
        pod["spec"]["nodeName"].as_str().unwrap_or("no node"),
        if ready(pod) { " ready" } else { "" },
        container["restartCount"].as_i64().unwrap_or_default(),
    )
}

pub(super) fn ready(pod: &Value) -> bool {
    super::conditions::status(&pod["status"], "Ready") == "True"
}

/// A template of one container with a readiness probe.
pub(super) fn template(app: &str, script: &Value) -> Value {
    let mut template = json!({
        "metadata": {"labels": {"app": app}},
        "spec": {"terminationGracePeriodSeconds": 30, "containers": [{
            "name": "app",
            "image": format!("{app}:1"),
            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
            "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 5},
        }]},
    });
    if !script.is_null() {
        template["metadata"]["annotations"][life::ANNOTATION] = script.to_string().into();
    }
    template
}

/// A Deployment of such pods.
pub(super) fn deployment(name: &str, replicas: i64, script: &Value) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": template(name, script),
        },
    })
}

/// A pod of its own.
pub(super) fn pod(name: &str, script: &Value) -> Value {
    let mut pod = template(name, script);
    pod["metadata"]["name"] = name.into();
    pod["metadata"]["namespace"] = "default".into();
    pod
}

#[test]
fn fifty_nodes_and_a_thousand_pods_come_up_spread_and_counted() {
    let cluster = Cluster::new(50, 3);
    for number in 0..50 {
        cluster.make(DEPLOYMENTS, deployment(&format!("web-{number}"), 20, &Value::Null));
    }
    cluster.wait(60);
    let pods = cluster.pods();
    assert_eq!(pods.len(), 1000);
    assert!(pods.iter().all(ready));
    for deployment in cluster.all(DEPLOYMENTS) {
        let status = &deployment["status"];
        for field in ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"] {
            assert_eq!(status[field], 20, "{field} of {}", deployment["metadata"]["name"]);
        }
        assert_eq!(status["observedGeneration"], deployment["metadata"]["generation"]);
    }
    cluster.0.with(|world| {
        for number in 1..=50 {
            let node = format!("n{number}");
            let count = world.pods_on(&node).count();
            assert!((10..=30).contains(&count), "{node} has {count} pods");
        }
    });
    let revision = cluster.0.with(|world| world.revision());
    cluster.wait(60);
    let renewals = 50 * 6 * 2;
    let moved = cluster.0.with(|world| world.revision()) - revision;
    assert!(moved < renewals, "a cluster at rest writes little but Leases: {moved}");
}
