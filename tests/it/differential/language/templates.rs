//! Objects that the cases begin with. What controllers do to them on the real cluster is kept away: no pod is
//! scheduled, no Job is managed.

use serde_json::{Value, json};

use super::{word, yaml};

/// `pod web`, with what is merged into it or set by pointer.
pub fn made(text: &str) -> Result<Value, String> {
    let (kind, rest) = word(text);
    let (name, mut rest) = word(rest);
    let mut object = template(kind, name).ok_or_else(|| format!("no template is called {kind}"))?;
    while rest.starts_with('/') {
        let (change, after) = word(rest);
        let (pointer, value) = change.split_once('=').ok_or("a pointer has a value")?;
        set(&mut object, pointer, yaml(value)?);
        rest = after;
    }
    if !rest.is_empty() {
        merge(&mut object, yaml(rest)?);
    }
    Ok(object)
}

/// Sets a value where the pointer leads; what is not there on the way is made.
fn set(object: &mut Value, pointer: &str, value: Value) {
    let mut at = object;
    for step in pointer[1..].split('/') {
        let step = step.replace("~1", "/").replace("~0", "~");
        match at {
            Value::Array(items) => {
                let index: usize = step.parse().expect("lists have indices");
                while items.len() <= index {
                    items.push(Value::Null);
                }
                at = &mut items[index];
            }
            _ => at = &mut at[step],
        }
    }
    *at = value;
}

fn merge(object: &mut Value, change: Value) {
    match (object, change) {
        (Value::Object(fields), Value::Object(changes)) => {
            for (name, change) in changes {
                merge(fields.entry(name).or_insert(Value::Null), change);
            }
        }
        (object, change) => *object = change,
    }
}

fn template(kind: &str, name: &str) -> Option<Value> {
    let metadata = json!({"name": name});
    let labels = json!({"app": name});
    let container = json!({"name": "app", "image": "app:1"});
    let pod = json!({"schedulerName": "nobody", "containers": [container]});
    let template = json!({"metadata": {"labels": labels}, "spec": pod});
    let selector = json!({"matchLabels": labels});
    let apps = |kind: &str| {
        json!({"apiVersion": "apps/v1", "kind": kind, "metadata": metadata,
            "spec": {"replicas": 0, "selector": selector, "template": template}})
    };
    let mut jobs = template.clone();
    jobs["metadata"] = json!({});
    jobs["spec"]["restartPolicy"] = "Never".into();
    let job = json!({"managedBy": "example.com/nobody", "template": jobs});
    Some(match kind {
        "pod" => json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": pod}),
        "deployment" => apps("Deployment"),
        "replicaset" => apps("ReplicaSet"),
        "statefulset" => apps("StatefulSet"),
        "daemonset" => {
            let mut set = apps("DaemonSet");
            set["spec"] = json!({"selector": selector, "template": template});
            set
        }
        "job" => json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": job}),
        "cronjob" => json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata,
            "spec": {"schedule": "0 0 1 1 *", "suspend": true, "jobTemplate": {"spec": {"template": jobs}}}}),
        "budget" => json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata,
            "spec": {"minAvailable": 1, "selector": selector}}),
        "autoscaler" => {
            json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": metadata,
            "spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "none"}}})
        }
        "secret" => json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"key": "dmFsdWU="}}),
        "configmap" => {
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"key": "value"}})
        }
        "node" => json!({"apiVersion": "v1", "kind": "Node", "metadata": metadata}),
        "namespace" => json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}),
        "service" => json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata,
            "spec": {"selector": labels, "ports": [{"port": 80}]}}),
        "lease" => json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata,
            "spec": {"holderIdentity": "me", "leaseDurationSeconds": 15}}),
        "role" => json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata,
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]}),
        "binding" => json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}]}),
        "event" => json!({"apiVersion": "v1", "kind": "Event", "metadata": metadata, "type": "Normal",
            "reason": "Tested", "message": "It was tested.", "source": {"component": "suite"},
            "involvedObject": {"apiVersion": "v1", "kind": "Pod", "name": "web", "namespace": "$ns"}}),
        "newevent" => json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": metadata, "type": "Normal",
            "reason": "Tested", "note": "It was tested.", "action": "Testing", "eventTime": "2001-01-01T00:00:00.000000Z",
            "reportingController": "example.com/suite", "reportingInstance": "suite-1",
            "regarding": {"apiVersion": "v1", "kind": "Pod", "name": "web", "namespace": "$ns"}}),
        // A definition's group is the case's own, since all cases share one cluster: `$ns.example.com`.
        "definition" => json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{name}s.$ns.example.com")},
            "spec": {"group": "$ns.example.com", "scope": "Namespaced",
                "names": {"plural": format!("{name}s"), "singular": name, "kind": capital(name), "shortNames": [&name[..1]]},
                "versions": [{"name": "v1", "served": true, "storage": true,
                    "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas",
                        "statusReplicasPath": ".status.replicas", "labelSelectorPath": ".status.selector"}},
                    "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.replicas"}],
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                        "spec": {"type": "object", "required": ["replicas"], "properties": {
                            "replicas": {"type": "integer", "minimum": 0, "maximum": 10},
                            "color": {"type": "string", "enum": ["red", "green"]},
                            "names": {"type": "array", "items": {"type": "string"}},
                            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}},
                        "status": {"type": "object", "properties": {
                            "replicas": {"type": "integer"}, "selector": {"type": "string"}}}}}}}]}}),
        "custom" => json!({"apiVersion": "$ns.example.com/v1", "kind": "Widget", "metadata": metadata,
            "spec": {"replicas": 2}}),
        "scale" => json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": metadata, "spec": {}}),
        "eviction" => json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}),
        _ => return None,
    })
}

fn capital(name: &str) -> String {
    format!("{}{}", name[..1].to_uppercase(), &name[1..])
}
