//! A story: what is made, what its containers do, and what is done meanwhile.
//!
//! ```yaml
//! - name: at-once
//!   what: A program that ends with code 3 as soon as it has started.
//!   until: {restarts: 5}                   # or {seconds: 60}, after its creation
//!   pod: {containers: [{sh: exit 3}]}      # a spec; `sh` is a command for a shell
//!   life: {app: {ends: {crashes: {after: 0s, exitCode: 3}}}}
//!   finalizers: [example.com/held]         # of the pod
//!   replicas: 1                            # the pod is that of a ReplicaSet
//!   before: [{kind: ConfigMap, …}]         # what is made before it
//!   then: [{at: 10, do: delete}]           # evict, release (takes its finalizers), kill-kubelet, start-kubelet
//! ```

use std::{fs, path::Path};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::differential::language::Case;

/// The image that is on the node already.
pub const IMAGE: &str = "localhost/busybox:1";

/// When a telling ends.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum Until {
    /// So long after the beginning.
    Seconds(u32),
    /// With the first sight of so many restarts of the container that has most.
    Restarts(u64),
}

/// What is done at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// The pod is deleted.
    Delete,
    /// The pod is evicted, or a budget forbids it.
    Evict,
    /// The pod's finalizers are taken away.
    Release,
    /// Nothing is heard of the kubelet.
    KillKubelet,
    /// It is there again.
    StartKubelet,
}

/// A deed and its second.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Then {
    pub at: u32,
    pub r#do: Deed,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Story {
    pub name: String,
    pub what: String,
    pub until: Until,
    pod: Value,
    #[serde(default)]
    life: serde_json::Map<String, Value>,
    #[serde(default)]
    finalizers: Vec<String>,
    replicas: Option<u32>,
    #[serde(default)]
    pub before: Vec<Value>,
    #[serde(default)]
    pub then: Vec<Then>,
}

impl Story {
    /// All that are told in a folder, in the order of their files.
    pub fn all(folder: &Path) -> Vec<Self> {
        let mut files: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        let mut stories: Vec<Self> = Vec::new();
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            let told: Vec<Self> =
                serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            stories.extend(told);
        }
        stories
    }

    /// Whether it needs the kubelet for itself.
    pub fn alone(&self) -> bool {
        self.then.iter().any(|then| then.r#do == Deed::KillKubelet)
    }

    /// What is made: the pod, or the ReplicaSet whose pod it is.
    pub fn object(&self) -> Value {
        let mut spec = self.pod.clone();
        for (field, name) in [("initContainers", "init"), ("containers", "app")] {
            for container in spec[field].as_array_mut().into_iter().flatten() {
                if let Some(script) = container.as_object_mut().unwrap().remove("sh") {
                    container["command"] = json!(["sh", "-c", script]);
                }
                or_else(container, "image", IMAGE.into());
                or_else(container, "name", name.into());
            }
        }
        or_else(&mut spec, "terminationGracePeriodSeconds", 2.into());
        // There is no DNS in the test cluster, and its kubelet would say so each time.
        or_else(&mut spec, "dnsPolicy", "Default".into());
        let scripts = self.life.iter();
        let notes: serde_json::Map<String, Value> = scripts
            .map(|(container, life)| (format!("simulation/life.{container}"), life.to_string().into()))
            .collect();
        let labels = json!({"story": self.name});
        let mut metadata = json!({"labels": labels, "annotations": notes});
        match self.replicas {
            None => {
                metadata["name"] = self.name.as_str().into();
                metadata["finalizers"] = json!(self.finalizers);
                json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
            }
            Some(replicas) => json!({
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "metadata": {"name": self.name},
                "spec": {
                    "replicas": replicas,
                    "selector": {"matchLabels": labels},
                    "template": {"metadata": metadata, "spec": spec},
                },
            }),
        }
    }

    /// How many restarts end it.
    pub fn restarts(&self) -> Option<u64> {
        match self.until {
            Until::Restarts(restarts) => Some(restarts),
            Until::Seconds(_) => None,
        }
    }

    /// How long it may take at most.
    pub fn longest(&self) -> u32 {
        match self.until {
            Until::Restarts(_) => 840,
            Until::Seconds(seconds) => seconds,
        }
    }
}

fn or_else(object: &mut Value, field: &str, value: Value) {
    if object[field].is_null() {
        object[field] = value;
    }
}

/// Where an object of this kind is made, in a namespace.
pub fn path(object: &Value, namespace: &str) -> String {
    let (group, plural) = match object["kind"].as_str().unwrap() {
        "Pod" => ("api/v1", "pods"),
        "ConfigMap" => ("api/v1", "configmaps"),
        "ResourceQuota" => ("api/v1", "resourcequotas"),
        "ReplicaSet" => ("apis/apps/v1", "replicasets"),
        "PodDisruptionBudget" => ("apis/policy/v1", "poddisruptionbudgets"),
        other => panic!("no story makes a {other} yet"),
    };
    format!("/{group}/namespaces/{namespace}/{plural}")
}

/// A story as the exceptions name it.
pub fn case(name: &str) -> Case {
    Case {
        theme: "kubelet".to_owned(),
        name: name.to_owned(),
        controllers: true,
        calls: Vec::new(),
    }
}
