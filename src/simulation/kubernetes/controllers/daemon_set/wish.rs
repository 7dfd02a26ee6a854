//! On which nodes the pods of a DaemonSet are.

use serde_json::{Value, json};

use crate::kubernetes::{
    controllers::{
        node::{self, Taint, Toleration},
        selector::Selector,
    },
    world::Object,
};

/// What every pod of a DaemonSet tolerates.
fn tolerated(host_network: bool) -> Vec<Value> {
    let mut all = vec![
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    ];
    if host_network {
        all.push(("network-unavailable", "NoSchedule"));
    }
    all.into_iter()
        .map(
            |(key, effect)| json!({"key": format!("node.kubernetes.io/{key}"), "operator": "Exists", "effect": effect}),
        )
        .collect()
}

/// The pod's tolerations with those of every daemon.
pub(super) fn tolerations(spec: &Value) -> Vec<Value> {
    let mut all = spec["tolerations"].as_array().cloned().unwrap_or_default();
    for one in tolerated(spec["hostNetwork"] == true) {
        if !all
            .iter()
            .any(|other| other["key"] == one["key"] && other["effect"] == one["effect"])
        {
            all.push(one);
        }
    }
    all
}

/// What a template asks of the nodes on which its pods are.
pub(super) struct Wish {
    labels: Selector,
    terms: Option<Vec<(Selector, Selector)>>,
    tolerations: Vec<Toleration>,
}

impl Wish {
    pub(super) fn read(spec: &Value) -> Self {
        let required = &spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
        let terms = required["nodeSelectorTerms"].as_array();
        let read = |term: &Value| {
            (
                Selector::expressions(&term["matchExpressions"]),
                Selector::expressions(&term["matchFields"]),
            )
        };
        Self {
            labels: Selector::labels(&spec["nodeSelector"]),
            terms: terms.map(|terms| terms.iter().map(read).collect()),
            tolerations: tolerations(spec)
                .into_iter()
                .filter_map(|one| serde_json::from_value(one).ok())
                .collect(),
        }
    }

    /// Where a pod of the set is to be, and where one may go on being.
    pub(super) fn may(&self, node: &Object) -> (bool, bool) {
        if !self.labels.matches(node) {
            return (false, false);
        }
        if let Some(terms) = &self.terms {
            let field = json!({"metadata.name": node.name()});
            let fits = |(labels, fields): &(Selector, Selector)| labels.matches(node) && fields.matches_value(&field);
            if !terms.iter().any(fits) {
                return (false, false);
            }
        }
        let stands = |taint: &Taint| self.tolerations.iter().any(|toleration| toleration.tolerates(taint));
        let taints = &node::facts(node).taints;
        let of = |effects: &[&str]| {
            taints
                .iter()
                .filter(|taint| effects.contains(&taint.effect.as_str()))
                .all(stands)
        };
        (of(&["NoSchedule", "NoExecute"]), of(&["NoExecute"]))
    }
}
