//! What a pod says about where it runs: tolerations, affinity, spreading, gates.

use serde_json::Value;

use super::{list, metadata};
use crate::kubernetes::{names, refusal::Cause};

/// Judges all of it.
pub(super) fn of(spec: &Value, at: &str, causes: &mut Vec<Cause>) {
    tolerations(&spec["tolerations"], &format!("{at}.tolerations"), causes);
    affinity(&spec["affinity"], &format!("{at}.affinity"), causes);
    for (index, constraint) in list(&spec["topologySpreadConstraints"]).iter().enumerate() {
        spread(constraint, &format!("{at}.topologySpreadConstraints[{index}]"), causes);
    }
    let gates = list(&spec["schedulingGates"]);
    for (index, gate) in gates.iter().enumerate() {
        for why in names::label_key(gate["name"].as_str().unwrap_or_default()) {
            causes.push(Cause::invalid(
                format!("{at}.schedulingGates[{index}]"),
                &gate["name"],
                &why,
            ));
        }
    }
    let node = spec["nodeName"].as_str().unwrap_or_default();
    if !node.is_empty() {
        for why in names::subdomain(node) {
            causes.push(Cause::invalid(format!("{at}.nodeName"), &spec["nodeName"], &why));
        }
        if !gates.is_empty() {
            let why = "cannot be set until all schedulingGates have been cleared";
            causes.push(Cause::forbidden(format!("{at}.nodeName"), why));
        }
    }
}

pub(super) fn tolerations(tolerations: &Value, at: &str, causes: &mut Vec<Cause>) {
    for (index, toleration) in list(tolerations).iter().enumerate() {
        let at = format!("{at}[{index}]");
        let text = |field: &str| toleration[field].as_str().unwrap_or_default();
        let (key, operator, effect) = (text("key"), text("operator"), text("effect"));
        if !key.is_empty() {
            for why in names::label_key(key) {
                causes.push(Cause::invalid(format!("{at}.key"), &key.into(), &why));
            }
        } else if operator != "Exists" {
            let why = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            causes.push(Cause::invalid(format!("{at}.operator"), &operator.into(), why));
        }
        if !toleration["tolerationSeconds"].is_null() && effect != "NoExecute" {
            let why = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            causes.push(Cause::invalid(format!("{at}.effect"), &effect.into(), why));
        }
        match operator {
            "" | "Equal" => {
                for why in names::label_value(text("value")) {
                    causes.push(Cause::invalid(format!("{at}.operator"), &text("value").into(), &why));
                }
            }
            "Exists" if !text("value").is_empty() => {
                let why = "value must be empty when `operator` is 'Exists'";
                causes.push(Cause::invalid(format!("{at}.operator"), &text("value").into(), why));
            }
            "Exists" => {}
            _ => {
                let known = ["Equal", "Exists"];
                causes.push(Cause::not_supported(format!("{at}.operator"), &operator.into(), &known));
            }
        }
        if !matches!(effect, "" | "NoSchedule" | "PreferNoSchedule" | "NoExecute") {
            let known = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
            causes.push(Cause::not_supported(format!("{at}.effect"), &effect.into(), &known));
        }
    }
}

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

fn affinity(affinity: &Value, at: &str, causes: &mut Vec<Cause>) {
    let node = &affinity["nodeAffinity"];
    let at_node = format!("{at}.nodeAffinity");
    if node[REQUIRED].is_object() {
        let at = format!("{at_node}.{REQUIRED}.nodeSelectorTerms");
        let terms = list(&node[REQUIRED]["nodeSelectorTerms"]);
        if terms.is_empty() {
            causes.push(Cause::required(&*at, "must have at least one node selector term"));
        }
        for (index, term) in terms.iter().enumerate() {
            node_term(term, &format!("{at}[{index}]"), causes);
        }
    }
    for (index, term) in list(&node[PREFERRED]).iter().enumerate() {
        let at = format!("{at_node}.{PREFERRED}[{index}]");
        weight(term, &at, causes);
        node_term(&term["preference"], &format!("{at}.preference"), causes);
    }
    for name in ["podAffinity", "podAntiAffinity"] {
        let at = format!("{at}.{name}");
        for (index, term) in list(&affinity[name][REQUIRED]).iter().enumerate() {
            pod_term(term, &format!("{at}.{REQUIRED}[{index}]"), causes);
        }
        for (index, term) in list(&affinity[name][PREFERRED]).iter().enumerate() {
            let at = format!("{at}.{PREFERRED}[{index}]");
            weight(term, &at, causes);
            pod_term(&term["podAffinityTerm"], &format!("{at}.podAffinityTerm"), causes);
        }
    }
}

fn weight(term: &Value, at: &str, causes: &mut Vec<Cause>) {
    let weight = term["weight"].as_i64().unwrap_or_default();
    if !(1..=100).contains(&weight) {
        causes.push(Cause::invalid(
            format!("{at}.weight"),
            &weight.into(),
            "must be in the range 1-100",
        ));
    }
}

fn node_term(term: &Value, at: &str, causes: &mut Vec<Cause>) {
    for (index, requirement) in list(&term["matchExpressions"]).iter().enumerate() {
        let at = format!("{at}.matchExpressions[{index}]");
        let values = list(&requirement["values"]).len();
        match requirement["operator"].as_str().unwrap_or_default() {
            "In" | "NotIn" if values == 0 => {
                let why = "must be specified when `operator` is 'In' or 'NotIn'";
                causes.push(Cause::required(format!("{at}.values"), why));
            }
            "Exists" | "DoesNotExist" if values > 0 => {
                let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                causes.push(Cause::forbidden(format!("{at}.values"), why));
            }
            "Gt" | "Lt" if values != 1 => {
                let why = "must be specified single value when `operator` is 'Lt' or 'Gt'";
                causes.push(Cause::required(format!("{at}.values"), why));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
            other => causes.push(Cause::invalid(
                format!("{at}.operator"),
                &other.into(),
                "not a valid selector operator",
            )),
        }
        let key = requirement["key"].as_str().unwrap_or_default();
        for why in names::label_key(key) {
            causes.push(Cause::invalid(format!("{at}.key"), &key.into(), &why));
        }
    }
}

fn pod_term(term: &Value, at: &str, causes: &mut Vec<Cause>) {
    selector(&term["labelSelector"], &format!("{at}.labelSelector"), causes);
    let key = term["topologyKey"].as_str().unwrap_or_default();
    if key.is_empty() {
        causes.push(Cause::required(format!("{at}.topologyKey"), "can not be empty"));
    }
    for why in names::label_key(key) {
        causes.push(Cause::invalid(format!("{at}.topologyKey"), &key.into(), &why));
    }
}

fn spread(constraint: &Value, at: &str, causes: &mut Vec<Cause>) {
    let skew = constraint["maxSkew"].as_i64().unwrap_or_default();
    if skew <= 0 {
        causes.push(Cause::invalid(
            format!("{at}.maxSkew"),
            &skew.into(),
            "must be greater than zero",
        ));
    }
    if constraint["topologyKey"].as_str().unwrap_or_default().is_empty() {
        causes.push(Cause::required(format!("{at}.topologyKey"), "can not be empty"));
    }
    let action = constraint["whenUnsatisfiable"].as_str().unwrap_or_default();
    let known = ["DoNotSchedule", "ScheduleAnyway"];
    if !known.contains(&action) {
        let at = format!("{at}.whenUnsatisfiable");
        causes.push(Cause::not_supported(at, &action.into(), &known));
    }
    selector(&constraint["labelSelector"], &format!("{at}.labelSelector"), causes);
}

/// A selector of labels.
pub(super) fn selector(selector: &Value, at: &str, causes: &mut Vec<Cause>) {
    metadata::labels(&selector["matchLabels"], &format!("{at}.matchLabels"), causes);
    for (index, expression) in list(&selector["matchExpressions"]).iter().enumerate() {
        let at = format!("{at}.matchExpressions[{index}]");
        let none = list(&expression["values"]).is_empty();
        match expression["operator"].as_str().unwrap_or_default() {
            "In" | "NotIn" if none => {
                let why = "must be specified when `operator` is 'In' or 'NotIn'";
                causes.push(Cause::required(format!("{at}.values"), why));
            }
            "Exists" | "DoesNotExist" if !none => {
                let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                causes.push(Cause::forbidden(format!("{at}.values"), why));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            _ => {
                let why = "not a valid selector operator";
                causes.push(Cause::invalid(format!("{at}.operator"), &expression["operator"], why));
            }
        }
        let key = expression["key"].as_str().unwrap_or_default();
        for why in names::label_key(key) {
            causes.push(Cause::invalid(format!("{at}.key"), &key.into(), &why));
        }
    }
}
