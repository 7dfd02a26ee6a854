//! What a node's state is to everybody else: its taints, and what is said of a node that nobody hears.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::kubernetes::{
    controllers::{
        conditions,
        node::{self, Taint},
        own::MANAGER,
    },
    world::{Key, Object, World, stamp},
};

pub(super) const NOT_READY: &str = "node.kubernetes.io/not-ready";
pub(super) const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
/// What a condition of a node means for those who would go there.
const PRESSURE: [(&str, &str); 4] = [
    ("MemoryPressure", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "node.kubernetes.io/disk-pressure"),
    ("PIDPressure", "node.kubernetes.io/pid-pressure"),
    ("NetworkUnavailable", "node.kubernetes.io/network-unavailable"),
];

/// The NoSchedule taints that the conditions of a node, and a cordon, mean.
pub(super) fn warn(world: &mut World, key: &Key) {
    // As it is now: an earlier change of this turn may have been answered already.
    let Some(object) = world.get(key).cloned() else { return };
    let facts = node::facts(&object);
    let mut wanted = Vec::new();
    match facts.ready.as_str() {
        "False" => wanted.push(NOT_READY),
        "Unknown" => wanted.push(UNREACHABLE),
        _ => {}
    }
    for (kind, key) in PRESSURE {
        if facts.conditions.iter().any(|holding| holding == kind) {
            wanted.push(key);
        }
    }
    if facts.unschedulable {
        wanted.push("node.kubernetes.io/unschedulable");
    }
    let ours = |taint: &Taint| {
        taint.effect == "NoSchedule"
            && (PRESSURE.iter().any(|(_, key)| taint.key == *key)
                || [NOT_READY, UNREACHABLE, "node.kubernetes.io/unschedulable"].contains(&taint.key.as_str()))
    };
    let there: Vec<&str> = facts
        .taints
        .iter()
        .filter(|taint| ours(taint))
        .map(|taint| taint.key.as_str())
        .collect();
    // A node that never said how it is has the taint that it was created with, or none.
    let (mut one, mut other) = (there.clone(), wanted.clone());
    one.sort_unstable();
    other.sort_unstable();
    if one == other || facts.ready.is_empty() && !facts.unschedulable && there.is_empty() {
        return;
    }
    let now = stamp(world.now());
    retaint(world, object.key(), |taints| {
        taints.retain(|taint| {
            let parsed: Option<Taint> = serde_json::from_value(taint.clone()).ok();
            parsed.is_none_or(|taint| !ours(&taint) || wanted.contains(&taint.key.as_str()))
        });
        for key in &wanted {
            if !there.contains(key) {
                taints.push(json!({"key": key, "effect": "NoSchedule", "timeAdded": now}));
            }
        }
    });
}

fn retaint(world: &mut World, key: &Key, change: impl FnOnce(&mut Vec<Value>)) {
    world
        .update(key, MANAGER, |node| {
            let mut taints = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
            change(&mut taints);
            if taints.is_empty() {
                if let Some(spec) = node["spec"].as_object_mut() {
                    spec.remove("taints");
                }
            } else {
                node["spec"]["taints"] = taints.into();
            }
        })
        .ok();
}

pub(super) fn execute(world: &mut World, key: &Key, taint: Option<&str>) {
    let now = stamp(world.now());
    retaint(world, key, |taints| {
        let ours = |one: &Value| one["effect"] == "NoExecute" && (one["key"] == NOT_READY || one["key"] == UNREACHABLE);
        let there = taint.is_some_and(|taint| taints.iter().any(|one| ours(one) && one["key"] == taint));
        taints.retain(|one| !ours(one) || taint.is_some_and(|taint| one["key"] == taint));
        if let Some(taint) = taint.filter(|_| !there) {
            taints.push(json!({"key": taint, "effect": "NoExecute", "timeAdded": now}));
        }
    });
}

pub(super) fn executed(node: &Object) -> Option<&str> {
    let taints = &node::facts(node).taints;
    let ours = |taint: &&Taint| taint.effect == "NoExecute" && (taint.key == NOT_READY || taint.key == UNREACHABLE);
    taints.iter().find(ours).map(|taint| taint.key.as_str())
}

/// Nobody knows how a node is.
pub(super) fn doubt(world: &mut World, key: &Key, now: Timestamp) {
    let Some(created) = world.get(key).map(|node| node.metadata()["creationTimestamp"].take()) else {
        return;
    };
    world
        .update_status(key, MANAGER, |status| {
            for kind in ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"] {
                let condition = match conditions::find(status, kind) {
                    Some(known) => {
                        let mut known = known.clone();
                        if known["status"] != "Unknown" {
                            known["reason"] = "NodeStatusUnknown".into();
                            known["message"] = "Kubelet stopped posting node status.".into();
                        }
                        known["status"] = "Unknown".into();
                        known
                    }
                    None => json!({
                        "type": kind,
                        "status": "Unknown",
                        "reason": "NodeStatusNeverUpdated",
                        "message": "Kubelet never posted node status.",
                        "lastHeartbeatTime": created,
                    }),
                };
                conditions::place(status, condition, now);
            }
        })
        .ok();
}
