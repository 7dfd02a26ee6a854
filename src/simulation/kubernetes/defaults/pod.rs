//! Pods: their defaults, what admission adds to them, and their class of service.

use serde_json::{Map, Value, json};

use super::{default, fields};
use crate::kubernetes::quantity;

pub(super) fn pod(object: &mut Value) {
    let spec = fields(object, "spec");
    default(spec, "enableServiceLinks", true.into());
    // Requests are what the limits are, in pods only, not in templates.
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let limits = container["resources"]["limits"].clone();
            for (name, limit) in limits.as_object().into_iter().flatten() {
                let resources = fields(container, "resources");
                let requests = resources.entry("requests").or_insert_with(|| json!({}));
                if let Some(requests) = requests.as_object_mut() {
                    default(requests, name, limit.clone());
                }
            }
        }
    }
    pod_spec(spec);
}

/// The defaults of a pod or of the template of one.
pub fn pod_spec(spec: &mut Map<String, Value>) {
    default(spec, "dnsPolicy", "ClusterFirst".into());
    default(spec, "restartPolicy", "Always".into());
    default(spec, "terminationGracePeriodSeconds", 30.into());
    // What is less than nothing is at once.
    if spec["terminationGracePeriodSeconds"]
        .as_i64()
        .is_some_and(|grace| grace < 0)
    {
        spec.insert("terminationGracePeriodSeconds".to_owned(), 1.into());
    }
    default(spec, "securityContext", json!({}));
    default(spec, "schedulerName", "default-scheduler".into());
    // One of the two names is as old as the other is new.
    let account = spec
        .get("serviceAccountName")
        .or_else(|| spec.get("serviceAccount"))
        .cloned();
    if let Some(account) = account.filter(|account| account != "") {
        spec.insert("serviceAccountName".to_owned(), account.clone());
        spec.insert("serviceAccount".to_owned(), account);
    }
    let host = spec.get("hostNetwork") == Some(&Value::Bool(true));
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(container) = container.as_object_mut() {
                container_defaults(container, host);
            }
        }
    }
    for volume in spec
        .get_mut("volumes")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        if let Some(volume) = volume.as_object_mut() {
            volume_defaults(volume);
        }
    }
}

fn container_defaults(container: &mut Map<String, Value>, host: bool) {
    let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
    let name = image.rsplit('/').next().unwrap_or_default();
    let floating = !image.contains('@') && name.split_once(':').is_none_or(|(_, tag)| tag == "latest");
    let policy = if floating { "Always" } else { "IfNotPresent" };
    default(container, "imagePullPolicy", policy.into());
    default(container, "resources", json!({}));
    for kind in ["limits", "requests"] {
        let resources = container
            .get_mut("resources")
            .and_then(|resources| resources.get_mut(kind));
        for value in resources
            .and_then(Value::as_object_mut)
            .into_iter()
            .flat_map(Map::values_mut)
        {
            if let Some(rounded) = value.as_str().and_then(quantity::rounded) {
                *value = rounded.into();
            }
        }
    }
    default(container, "terminationMessagePath", "/dev/termination-log".into());
    default(container, "terminationMessagePolicy", "File".into());
    for port in container
        .get_mut("ports")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        let number = port["containerPort"].clone();
        if let Some(port) = port.as_object_mut() {
            default(port, "protocol", "TCP".into());
            if host {
                default(port, "hostPort", number);
            }
        }
    }
    for variable in container
        .get_mut("env")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        if let Some(field) = variable
            .pointer_mut("/valueFrom/fieldRef")
            .and_then(Value::as_object_mut)
        {
            default(field, "apiVersion", "v1".into());
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(name).and_then(Value::as_object_mut) {
            default(probe, "timeoutSeconds", 1.into());
            default(probe, "periodSeconds", 10.into());
            default(probe, "successThreshold", 1.into());
            default(probe, "failureThreshold", 3.into());
            http_get(probe);
            if let Some(grpc) = probe.get_mut("grpc").and_then(Value::as_object_mut) {
                default(grpc, "service", "".into());
            }
        }
    }
    for name in ["postStart", "preStop"] {
        let handler = container
            .get_mut("lifecycle")
            .and_then(|lifecycle| lifecycle.get_mut(name));
        if let Some(handler) = handler.and_then(Value::as_object_mut) {
            http_get(handler);
        }
    }
}

fn http_get(handler: &mut Map<String, Value>) {
    if let Some(get) = handler.get_mut("httpGet").and_then(Value::as_object_mut) {
        default(get, "path", "/".into());
        default(get, "scheme", "HTTP".into());
    }
}

fn volume_defaults(volume: &mut Map<String, Value>) {
    if volume.len() <= 1 {
        volume.insert("emptyDir".to_owned(), json!({}));
    }
    for source in ["secret", "configMap", "projected", "downwardAPI"] {
        if let Some(source) = volume.get_mut(source).and_then(Value::as_object_mut) {
            default(source, "defaultMode", 420.into());
        }
    }
    if let Some(path) = volume.get_mut("hostPath").and_then(Value::as_object_mut) {
        default(path, "type", "".into());
    }
    let projected = volume
        .get_mut("projected")
        .and_then(|projected| projected.get_mut("sources"));
    for source in projected.and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(token) = source
            .pointer_mut("/serviceAccountToken")
            .and_then(Value::as_object_mut)
        {
            default(token, "expirationSeconds", 3607.into());
        }
        let items = source.pointer_mut("/downwardAPI/items").and_then(Value::as_array_mut);
        for item in items.into_iter().flatten() {
            if let Some(field) = item.pointer_mut("/fieldRef").and_then(Value::as_object_mut) {
                default(field, "apiVersion", "v1".into());
            }
        }
    }
}

/// What admission adds to every pod: its account with the token, tolerations, a priority.
pub fn admit_pod(pod: &mut Value, suffix: &str, priority: i64) {
    let mirror = pod["metadata"]["annotations"]["kubernetes.io/config.mirror"].is_string();
    tolerate(pod);
    let spec = fields(pod, "spec");
    default(spec, "priority", priority.into());
    default(spec, "preemptionPolicy", "PreemptLowerPriority".into());
    if mirror {
        return;
    }
    default(spec, "serviceAccountName", "default".into());
    let account = spec["serviceAccountName"].clone();
    default(spec, "serviceAccount", account);
    if spec.get("automountServiceAccountToken") == Some(&Value::Bool(false)) {
        return;
    }
    mount_token(spec, suffix);
}

/// Every pod bears a node that is not ready or not reachable for a while, whatever becomes of its other tolerations.
pub fn tolerate(pod: &mut Value) {
    let spec = fields(pod, "spec");
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let tolerations = spec.entry("tolerations").or_insert_with(|| json!([]));
        let Some(tolerations) = tolerations.as_array_mut() else {
            continue;
        };
        let tolerated = tolerations.iter().any(|toleration| {
            let any = toleration["key"].as_str().unwrap_or_default().is_empty() || toleration["key"] == key;
            let effect = toleration["effect"].as_str().unwrap_or_default();
            any && (effect.is_empty() || effect == "NoExecute")
        });
        if !tolerated {
            tolerations
                .push(json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}));
        }
    }
}

const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

fn mount_token(spec: &mut Map<String, Value>, suffix: &str) {
    let name = format!("kube-api-access-{suffix}");
    let mut mounted = false;
    for list in ["initContainers", "containers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(container) = container.as_object_mut() else {
                continue;
            };
            let mounts = container.entry("volumeMounts").or_insert_with(|| json!([]));
            let Some(mounts) = mounts.as_array_mut() else { continue };
            if mounts.iter().all(|mount| mount["mountPath"] != TOKEN) {
                mounts.push(json!({"name": name, "mountPath": TOKEN, "readOnly": true}));
                mounted = true;
            }
        }
    }
    if !mounted {
        return;
    }
    let volumes = spec.entry("volumes").or_insert_with(|| json!([]));
    if let Some(volumes) = volumes.as_array_mut() {
        volumes.push(json!({"name": name, "projected": {"defaultMode": 420, "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"items": [{"key": "ca.crt", "path": "ca.crt"}], "name": "kube-root-ca.crt"}},
            {"downwardAPI": {"items": [
                {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}, "path": "namespace"}]}},
        ]}}));
    }
}

/// The class of service that requests and limits make.
pub fn qos(spec: &Value) -> &'static str {
    let positive = |value: &Value| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        quantity::nanos(&text).filter(|value| *value > 0)
    };
    let (mut any, mut guaranteed) = (false, true);
    for container in ["containers", "initContainers"]
        .iter()
        .flat_map(|list| spec[*list].as_array().into_iter().flatten())
    {
        let resources = &container["resources"];
        for name in ["cpu", "memory"] {
            let (request, limit) = (
                positive(&resources["requests"][name]),
                positive(&resources["limits"][name]),
            );
            any |= request.is_some() || limit.is_some();
            guaranteed &= limit.is_some() && request.is_none_or(|request| Some(request) == limit);
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}
