//! The cells of a row, by kind.

use jiff::Timestamp;
use serde_json::Value;

use super::{duration::human_duration, duration::since, others, pod};
use crate::kubernetes::{
    incoming::Served,
    resources::{
        CLUSTER_ROLE_BINDINGS, CONFIGMAPS, CONTROLLER_REVISIONS, CRON_JOBS, DAEMON_SETS, DEPLOYMENTS, ENDPOINT_SLICES,
        ENDPOINTS, EVENTS, HORIZONTAL_POD_AUTOSCALERS, JOBS, LEASES, NAMESPACES, NODES, PERSISTENT_VOLUME_CLAIMS,
        PERSISTENT_VOLUMES, POD_DISRUPTION_BUDGETS, PODS, PRIORITY_CLASSES, REPLICA_SETS, REPLICATION_CONTROLLERS,
        RESOURCE_QUOTAS, ROLE_BINDINGS, SECRETS, SERVICE_ACCOUNTS, SERVICES, STATEFUL_SETS, STORAGE_CLASSES,
    },
    world::World,
};

/// The cells of a built-in kind.
pub(super) fn cells(world: &World, served: &Served<'_>, object: &Value) -> Vec<Value> {
    let now = world.now();
    let name = object["metadata"]["name"].clone();
    let age = || Value::from(since(now, &object["metadata"]["creationTimestamp"]));
    let (spec, status) = (&object["spec"], &object["status"]);
    let number = |value: &Value| value.as_i64().unwrap_or_default();
    let containers = || layout(&spec["template"]["spec"]["containers"]);
    let selector = || Value::from(label_selector(&spec["selector"]));
    match served.resource.id {
        PODS => pod::cells(now, object),
        NODES => node(now, object),
        DEPLOYMENTS => {
            let (names, images) = containers();
            vec![
                name,
                format!("{}/{}", number(&status["readyReplicas"]), number(&spec["replicas"])).into(),
                number(&status["updatedReplicas"]).into(),
                number(&status["availableReplicas"]).into(),
                age(),
                names,
                images,
                selector(),
            ]
        }
        REPLICA_SETS | REPLICATION_CONTROLLERS => {
            let (names, images) = containers();
            let selector = if served.resource.id == REPLICA_SETS {
                selector()
            } else {
                pairs(&spec["selector"]).into()
            };
            vec![
                name,
                number(&spec["replicas"]).into(),
                number(&status["replicas"]).into(),
                number(&status["readyReplicas"]).into(),
                age(),
                names,
                images,
                selector,
            ]
        }
        STATEFUL_SETS => {
            let (names, images) = containers();
            let ready = format!("{}/{}", number(&status["readyReplicas"]), number(&spec["replicas"]));
            vec![name, ready.into(), age(), names, images]
        }
        DAEMON_SETS => {
            let (names, images) = containers();
            vec![
                name,
                number(&status["desiredNumberScheduled"]).into(),
                number(&status["currentNumberScheduled"]).into(),
                number(&status["numberReady"]).into(),
                number(&status["updatedNumberScheduled"]).into(),
                number(&status["numberAvailable"]).into(),
                pairs(&spec["template"]["spec"]["nodeSelector"]).into(),
                age(),
                names,
                images,
                selector(),
            ]
        }
        JOBS => job(now, object),
        CRON_JOBS => {
            let (names, images) = layout(&spec["jobTemplate"]["spec"]["template"]["spec"]["containers"]);
            let last = &status["lastScheduleTime"];
            let suspended = if spec["suspend"] == true { "True" } else { "False" };
            vec![
                name,
                spec["schedule"].clone(),
                spec["timeZone"].as_str().unwrap_or("<none>").into(),
                suspended.into(),
                status["active"].as_array().map_or(0, Vec::len).into(),
                if last.is_string() {
                    since(now, last)
                } else {
                    "<none>".to_owned()
                }
                .into(),
                age(),
                names,
                images,
                label_selector(&spec["jobTemplate"]["spec"]["selector"]).into(),
            ]
        }
        HORIZONTAL_POD_AUTOSCALERS => autoscaler(object, age()),
        POD_DISRUPTION_BUDGETS => {
            let or_none = |value: &Value| match value {
                Value::Null => Value::from("N/A"),
                Value::String(text) => text.clone().into(),
                other => other.to_string().into(),
            };
            vec![
                name,
                or_none(&spec["minAvailable"]),
                or_none(&spec["maxUnavailable"]),
                number(&status["disruptionsAllowed"]).into(),
                age(),
            ]
        }
        EVENTS => event(now, served, object),
        NAMESPACES => vec![name, status["phase"].clone(), age()],
        SERVICES => service(object, age()),
        CONFIGMAPS => {
            let size = |field: &str| object[field].as_object().map_or(0, |data| data.len());
            vec![name, (size("data") + size("binaryData")).into(), age()]
        }
        SECRETS => {
            let size = object["data"].as_object().map_or(0, |data| data.len());
            vec![name, object["type"].clone(), size.into(), age()]
        }
        SERVICE_ACCOUNTS => vec![name, age()],
        LEASES => vec![name, spec["holderIdentity"].as_str().unwrap_or_default().into(), age()],
        PERSISTENT_VOLUME_CLAIMS => {
            let modes = others::modes(&status["accessModes"]);
            let capacity = status["capacity"]["storage"].as_str().unwrap_or_default();
            vec![
                name,
                status["phase"].clone(),
                spec["volumeName"].as_str().unwrap_or_default().into(),
                capacity.into(),
                modes.into(),
                spec["storageClassName"].as_str().unwrap_or_default().into(),
                spec["volumeAttributesClassName"].as_str().unwrap_or("<unset>").into(),
                age(),
                spec["volumeMode"].as_str().unwrap_or("<unset>").into(),
            ]
        }
        STORAGE_CLASSES => vec![
            name,
            object["provisioner"].clone(),
            object["reclaimPolicy"].clone(),
            object["volumeBindingMode"].clone(),
            (object["allowVolumeExpansion"] == true).into(),
            age(),
        ],
        ROLE_BINDINGS | CLUSTER_ROLE_BINDINGS => others::binding(object, age()),
        CONTROLLER_REVISIONS => others::revision(object, age()),
        ENDPOINTS => others::endpoints(object, age()),
        ENDPOINT_SLICES => others::slice(object, age()),
        RESOURCE_QUOTAS => others::quota(object, age()),
        PRIORITY_CLASSES => others::priority_class(object, age()),
        PERSISTENT_VOLUMES => others::volume(object, age()),
        _ => vec![name, object["metadata"]["creationTimestamp"].clone()],
    }
}

/// What a row says of a pod that has ended.
pub(super) fn ended(served: &Served<'_>, object: &Value) -> Option<Value> {
    if served.resource.id != PODS {
        return None;
    }
    let (reason, message) = match object["status"]["phase"].as_str()? {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return None,
    };
    Some(serde_json::json!([{"type": "Completed", "status": "True", "reason": reason, "message": message}]))
}

fn layout(containers: &Value) -> (Value, Value) {
    let of = |field: &str| -> Value {
        let all = containers.as_array().into_iter().flatten();
        let all: Vec<&str> = all.filter_map(|container| container[field].as_str()).collect();
        all.join(",").into()
    };
    (of("name"), of("image"))
}

fn pairs(map: &Value) -> String {
    let pairs = map.as_object().into_iter().flatten();
    let pairs: Vec<String> = pairs
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
        .collect();
    if pairs.is_empty() {
        "<none>".to_owned()
    } else {
        pairs.join(",")
    }
}

/// A selector as people write it.
fn label_selector(selector: &Value) -> String {
    let mut parts = Vec::new();
    for (name, value) in selector["matchLabels"].as_object().into_iter().flatten() {
        parts.push(format!("{name}={}", value.as_str().unwrap_or_default()));
    }
    for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = expression["key"].as_str().unwrap_or_default();
        let values = expression["values"].as_array().into_iter().flatten();
        let values: Vec<&str> = values.filter_map(Value::as_str).collect();
        parts.push(match expression["operator"].as_str().unwrap_or_default() {
            "Exists" => key.to_owned(),
            "DoesNotExist" => format!("!{key}"),
            operator => format!("{key} {} ({})", operator.to_lowercase(), values.join(",")),
        });
    }
    if parts.is_empty() {
        "<none>".to_owned()
    } else {
        parts.join(",")
    }
}

fn node(now: Timestamp, node: &Value) -> Vec<Value> {
    let (spec, status) = (&node["spec"], &node["status"]);
    let ready = status["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == "Ready");
    let mut words = match ready {
        Some(ready) if ready["status"] == "True" => "Ready".to_owned(),
        Some(_) => "NotReady".to_owned(),
        None => "Unknown".to_owned(),
    };
    if spec["unschedulable"] == true {
        words.push_str(",SchedulingDisabled");
    }
    let labels = node["metadata"]["labels"].as_object().into_iter().flatten();
    let roles: Vec<&str> = labels
        .filter_map(|(name, value)| match name.strip_prefix("node-role.kubernetes.io/") {
            Some(role) if !role.is_empty() => Some(role),
            _ if name == "kubernetes.io/role" => value.as_str(),
            _ => None,
        })
        .collect();
    let roles = if roles.is_empty() {
        "<none>".to_owned()
    } else {
        roles.join(",")
    };
    let address = |kind: &str| {
        let mut all = status["addresses"].as_array().into_iter().flatten();
        let found = all.find(|address| address["type"] == kind);
        Value::from(
            found
                .and_then(|address| address["address"].as_str())
                .unwrap_or("<none>"),
        )
    };
    let info = &status["nodeInfo"];
    let or_unknown = |field: &str| match info[field].as_str() {
        Some(text) if !text.is_empty() => text.to_owned(),
        _ => "<unknown>".to_owned(),
    };
    let mut kernel = or_unknown("kernelVersion");
    if let Some(architecture) = info["architecture"].as_str().filter(|text| !text.is_empty()) {
        kernel.push_str(&format!(" ({architecture})"));
    }
    vec![
        node["metadata"]["name"].clone(),
        words.into(),
        roles.into(),
        since(now, &node["metadata"]["creationTimestamp"]).into(),
        info["kubeletVersion"].as_str().unwrap_or_default().into(),
        address("InternalIP"),
        address("ExternalIP"),
        or_unknown("osImage").into(),
        kernel.into(),
        or_unknown("containerRuntimeVersion").into(),
    ]
}

fn job(now: Timestamp, job: &Value) -> Vec<Value> {
    let (spec, status) = (&job["spec"], &job["status"]);
    let succeeded = status["succeeded"].as_i64().unwrap_or_default();
    let parallelism = spec["parallelism"].as_i64().unwrap_or_default();
    let completions = match spec["completions"].as_i64() {
        Some(wanted) => format!("{succeeded}/{wanted}"),
        None if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        None => format!("{succeeded}/1"),
    };
    let at = |field: &str| -> Option<Timestamp> { status[field].as_str()?.parse().ok() };
    let lasted = at("startTime").map_or_else(String::new, |start| {
        human_duration(at("completionTime").unwrap_or(now).duration_since(start))
    });
    let holds = |kind: &str| {
        let mut all = status["conditions"].as_array().into_iter().flatten();
        all.any(|condition| condition["type"] == kind && condition["status"] == "True")
    };
    let words = if holds("Complete") {
        "Complete"
    } else if holds("Failed") {
        "Failed"
    } else if job["metadata"]["deletionTimestamp"].is_string() {
        "Terminating"
    } else {
        let rest = ["Suspended", "FailureTarget", "SuccessCriteriaMet"];
        rest.into_iter().find(|kind| holds(kind)).unwrap_or("Running")
    };
    let (names, images) = layout(&spec["template"]["spec"]["containers"]);
    vec![
        job["metadata"]["name"].clone(),
        words.into(),
        completions.into(),
        lasted.into(),
        since(now, &job["metadata"]["creationTimestamp"]).into(),
        names,
        images,
        label_selector(&spec["selector"]).into(),
    ]
}

fn autoscaler(object: &Value, age: Value) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut targets = Vec::new();
    let legacy = &spec["targetCPUUtilizationPercentage"];
    if !legacy.is_null() {
        let now = &status["currentCPUUtilizationPercentage"];
        let now = if now.is_null() {
            "<unknown>".to_owned()
        } else {
            format!("{now}%")
        };
        targets.push(format!("cpu: {now}/{legacy}%"));
    }
    for (index, metric) in spec["metrics"].as_array().into_iter().flatten().enumerate() {
        let kind = text(&metric["type"]);
        let field = format!(
            "{}{}",
            kind[..1.min(kind.len())].to_lowercase(),
            kind.get(1..).unwrap_or_default()
        );
        let (metric, current) = (&metric[&field], &status["currentMetrics"][index][&field]["current"]);
        let name = match text(&metric["name"]) {
            name if name.is_empty() => String::new(),
            name => format!("{name}: "),
        };
        let target = &metric["target"];
        if target["averageUtilization"].is_number() {
            let now = &current["averageUtilization"];
            let now = if now.is_null() {
                "<unknown>".to_owned()
            } else {
                format!("{now}%")
            };
            targets.push(format!("{name}{now}/{}%", target["averageUtilization"]));
        } else {
            let of = |value: &Value| match text(&value["averageValue"]) {
                average if !average.is_empty() => (average, " (avg)"),
                _ => (text(&value["value"]), ""),
            };
            let (wanted, average) = of(target);
            let now = match of(current).0 {
                now if now.is_empty() => "<unknown>".to_owned(),
                now => now,
            };
            targets.push(format!("{name}{now}/{wanted}{average}"));
        }
    }
    let shown = match targets.len() {
        0 => "<none>".to_owned(),
        1 | 2 => targets.join(", "),
        all => format!("{} + {} more...", targets[..2].join(", "), all - 2),
    };
    let minimum = spec["minReplicas"].as_i64();
    vec![
        object["metadata"]["name"].clone(),
        format!(
            "{}/{}",
            text(&spec["scaleTargetRef"]["kind"]),
            text(&spec["scaleTargetRef"]["name"])
        )
        .into(),
        shown.into(),
        minimum
            .map_or_else(|| "<unset>".to_owned(), |minimum| minimum.to_string())
            .into(),
        spec["maxReplicas"].as_i64().unwrap_or_default().into(),
        status["currentReplicas"].as_i64().unwrap_or_default().into(),
        age,
    ]
}

fn event(now: Timestamp, served: &Served<'_>, event: &Value) -> Vec<Value> {
    // Both forms of an Event have the same columns.
    let field = |stored: &str, renamed: &str| {
        let name = if served.group.is_empty() { stored } else { renamed };
        event[name].clone()
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let about = field("involvedObject", "regarding");
    let first = field("firstTimestamp", "deprecatedFirstTimestamp");
    let first = since(now, if first.is_null() { &event["eventTime"] } else { &first });
    let last = field("lastTimestamp", "deprecatedLastTimestamp");
    let mut last = if last.is_null() {
        first.clone()
    } else {
        since(now, &last)
    };
    let mut count = field("count", "deprecatedCount")
        .as_i64()
        .filter(|count| *count > 0)
        .unwrap_or(1);
    if event["series"].is_object() {
        last = since(now, &event["series"]["lastObservedTime"]);
        count = event["series"]["count"].as_i64().unwrap_or_default();
    }
    let kind = text(&about["kind"]).to_lowercase();
    let target = match text(&about["name"]) {
        name if name.is_empty() => kind,
        name => format!("{kind}/{name}"),
    };
    let source = field("source", "deprecatedSource");
    let mut from = text(&source["component"]);
    if from.is_empty() {
        from = text(&field("reportingComponent", "reportingController"));
    }
    let instance = match text(&source["host"]) {
        host if host.is_empty() => text(&event["reportingInstance"]),
        host => host,
    };
    if !instance.is_empty() {
        from = format!("{from}, {instance}");
    }
    vec![
        last.into(),
        event["type"].clone(),
        event["reason"].clone(),
        target.into(),
        text(&about["fieldPath"]).into(),
        from.into(),
        text(&field("message", "note")).trim().into(),
        first.into(),
        count.into(),
        event["metadata"]["name"].clone(),
    ]
}

fn service(object: &Value, age: Value) -> Vec<Value> {
    let spec = &object["spec"];
    let ports = spec["ports"].as_array().into_iter().flatten();
    let ports: Vec<String> = ports
        .map(|port| {
            let node = port["nodePort"]
                .as_i64()
                .map_or_else(String::new, |node| format!(":{node}"));
            format!("{}{node}/{}", port["port"], port["protocol"].as_str().unwrap_or("TCP"))
        })
        .collect();
    let ports = if ports.is_empty() {
        "<none>".to_owned()
    } else {
        ports.join(",")
    };
    vec![
        object["metadata"]["name"].clone(),
        spec["type"].clone(),
        spec["clusterIP"].as_str().unwrap_or("<none>").into(),
        "<none>".into(),
        ports.into(),
        age,
        pairs(&spec["selector"]).into(),
    ]
}
