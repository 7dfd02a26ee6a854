//! The row of a pod: its status is a story of its own.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::duration::since;

pub(super) fn cells(now: Timestamp, pod: &Value) -> Vec<Value> {
    let (spec, status) = (&pod["spec"], &pod["status"]);
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let restartable = |name: &Value| {
        list(&spec["initContainers"])
            .iter()
            .any(|container| container["name"] == *name && container["restartPolicy"] == "Always")
    };
    let inits = list(&spec["initContainers"]);
    let sidecars = inits
        .iter()
        .filter(|container| container["restartPolicy"] == "Always")
        .count();
    let total = list(&spec["containers"]).len() + sidecars;
    let mut reason = text(&status["reason"]);
    if reason.is_empty() {
        reason = text(&status["phase"]);
    }
    if condition(status, "PodScheduled").is_some_and(|condition| condition["reason"] == "SchedulingGated") {
        "SchedulingGated".clone_into(&mut reason);
    }
    let mut count = Restarts::default();
    let mut sidecar_count = Restarts::default();
    let mut ready = 0;
    let mut initializing = false;
    for (index, container) in list(&status["initContainerStatuses"]).iter().enumerate() {
        count.add(container);
        let sidecar = restartable(&container["name"]);
        if sidecar {
            sidecar_count.add(container);
        }
        let (terminated, waiting) = (&container["state"]["terminated"], &container["state"]["waiting"]);
        if terminated.is_object() && terminated["exitCode"] == 0 {
            continue;
        }
        if sidecar && container["started"] == true {
            ready += usize::from(container["ready"] == true);
            continue;
        }
        reason = if terminated.is_object() {
            format!("Init:{}", ended(terminated))
        } else if !text(&waiting["reason"]).is_empty() && waiting["reason"] != "PodInitializing" {
            format!("Init:{}", text(&waiting["reason"]))
        } else {
            format!("Init:{index}/{}", inits.len())
        };
        initializing = true;
        break;
    }
    let initialized = condition(status, "Initialized").is_some_and(|condition| condition["status"] == "True");
    if !initializing || initialized {
        count = sidecar_count;
        let mut running = false;
        let mut failed = None;
        for container in list(&status["containerStatuses"]).iter().rev() {
            count.add(container);
            let state = &container["state"];
            if !text(&state["waiting"]["reason"]).is_empty() {
                reason = text(&state["waiting"]["reason"]);
            } else if state["terminated"].is_object() {
                reason = ended(&state["terminated"]);
                if state["terminated"]["exitCode"] != 0 {
                    failed = Some(reason.clone());
                }
            } else if container["ready"] == true && state["running"].is_object() {
                running = true;
                ready += 1;
            }
        }
        if reason == "Completed" {
            let is_ready = condition(status, "Ready").is_some_and(|condition| condition["status"] == "True");
            if running && is_ready {
                "Running".clone_into(&mut reason);
            } else if let Some(failed) = failed {
                reason = failed;
            } else if running {
                "NotReady".clone_into(&mut reason);
            }
        }
    }
    let deleting = pod["metadata"]["deletionTimestamp"].is_string();
    let ended = status["phase"] == "Succeeded" || status["phase"] == "Failed";
    if deleting && status["reason"] == "NodeLost" {
        "Unknown".clone_into(&mut reason);
    } else if deleting && !ended {
        "Terminating".clone_into(&mut reason);
    }
    let restarts = match &count.last {
        Some(last) if count.number > 0 => format!("{} ({} ago)", count.number, since(now, last)),
        _ => count.number.to_string(),
    };
    let or_none = |value: &Value| match text(value) {
        text if text.is_empty() => "<none>".to_owned(),
        text => text,
    };
    let gates = list(&spec["readinessGates"]);
    let passed = gates
        .iter()
        .filter(|gate| {
            condition(status, &text(&gate["conditionType"])).is_some_and(|condition| condition["status"] == "True")
        })
        .count();
    let gates = if gates.is_empty() {
        "<none>".to_owned()
    } else {
        format!("{passed}/{}", gates.len())
    };
    vec![
        pod["metadata"]["name"].clone(),
        format!("{ready}/{total}").into(),
        reason.into(),
        restarts.into(),
        since(now, &pod["metadata"]["creationTimestamp"]).into(),
        or_none(&status["podIPs"][0]["ip"]).into(),
        or_none(&spec["nodeName"]).into(),
        or_none(&status["nominatedNodeName"]).into(),
        json!(gates),
    ]
}

#[derive(Default)]
struct Restarts {
    number: i64,
    last: Option<Value>,
}

impl Restarts {
    fn add(&mut self, container: &Value) {
        self.number += container["restartCount"].as_i64().unwrap_or_default();
        let at = &container["lastState"]["terminated"]["finishedAt"];
        // Both are RFC 3339 in UTC: the order of the text is that of the time.
        if at.is_string() && self.last.as_ref().is_none_or(|last| last.as_str() < at.as_str()) {
            self.last = Some(at.clone());
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn ended(terminated: &Value) -> String {
    let reason = text(&terminated["reason"]);
    if !reason.is_empty() {
        return reason;
    }
    match terminated["signal"].as_i64().unwrap_or_default() {
        0 => format!("ExitCode:{}", terminated["exitCode"].as_i64().unwrap_or_default()),
        signal => format!("Signal:{signal}"),
    }
}

fn condition<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    status["conditions"]
        .as_array()?
        .iter()
        .find(|condition| condition["type"] == kind)
}
