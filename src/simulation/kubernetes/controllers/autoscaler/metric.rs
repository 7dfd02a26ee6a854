//! What one metric asks for, by the formulas of the real one.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{CPU_INITIALIZATION, INITIAL_READINESS};
use crate::kubernetes::{
    controllers::{
        latency,
        pod::{self, Phase},
        quantity::{self, Quantity},
        usage::{self, Meter},
    },
    world::{Object, World},
};

/// How far usage may be from its target without anything being done.
const TOLERANCE: f64 = 0.1;

/// What a metric asks for.
pub(super) struct Judged {
    pub(super) replicas: i64,
    pub(super) name: String,
    /// As `status.currentMetrics` has it.
    pub(super) shown: Value,
}

/// Why nothing can be said.
pub(super) struct Failure {
    pub(super) reason: &'static str,
    pub(super) short: String,
    pub(super) long: String,
}

/// The pods, as a metric sees them. Values are milli-units.
struct Seen<'a> {
    usage: BTreeMap<&'a str, i64>,
    unready: Vec<&'a str>,
    missing: Vec<&'a str>,
    ready: i64,
}

pub(super) fn judge(
    world: &World,
    metric: &Value,
    pods: &[Arc<Object>],
    replicas: i64,
    now: Timestamp,
) -> Result<Judged, Failure> {
    if metric["type"] != "Resource" {
        let short = format!(
            "unable to get metric {}: no metrics returned from custom metrics API",
            metric["type"].as_str().unwrap_or_default()
        );
        return Err(Failure {
            reason: "FailedGetPodsMetric",
            long: short.clone(),
            short,
        });
    }
    let resource = metric["resource"]["name"].as_str().unwrap_or_default();
    let target = &metric["resource"]["target"];
    let by_request = target["averageUtilization"].is_number();
    let fail = |why: &str| {
        let short = if by_request {
            format!("failed to get {resource} utilization: {why}")
        } else {
            format!("failed to get {resource} usage: {why}")
        };
        Failure {
            reason: "FailedGetResourceMetric",
            long: format!("failed to get {resource} resource metric value: {short}"),
            short,
        }
    };
    let seen = look(world, resource, pods, now);
    if pods.is_empty() {
        return Err(fail(
            "unable to get metrics for resource cpu: no metrics returned from resource metrics API",
        ));
    }
    if seen.usage.is_empty() {
        let why = if seen.missing.len() == pods.len() {
            format!("unable to get metrics for resource {resource}: no metrics returned from resource metrics API")
        } else {
            "did not receive metrics for targeted pods (pods might be unready)".to_owned()
        };
        return Err(fail(&why));
    }
    let count = i64::try_from(seen.usage.len()).unwrap_or(1);
    let total: i64 = seen.usage.values().sum();
    let show = |milli: i64| match resource {
        "cpu" => quantity::cpu(milli),
        _ => quantity::bytes(milli / 1000),
    };
    if by_request {
        let wanted = pod::number(&target["averageUtilization"], 80);
        let mut requests = BTreeMap::new();
        for pod in pods {
            requests.insert(pod.name(), request(pod, resource).map_err(|why| fail(&why))?);
        }
        let of = |usage: &BTreeMap<&str, i64>| {
            let used: i64 = usage.values().sum();
            let asked: i64 = usage.keys().filter_map(|name| requests.get(name)).sum();
            used as f64 * 100.0 / asked.max(1) as f64
        };
        let utilization = of(&seen.usage);
        let ratio = utilization.trunc() / wanted as f64;
        let filler = |name: &str| requests.get(name).copied().unwrap_or_default() * wanted.max(100) / 100;
        let again = |usage: &BTreeMap<&str, i64>| of(usage).trunc() / wanted as f64;
        Ok(Judged {
            replicas: propose(seen, replicas, ratio, filler, again),
            name: format!("{resource} resource utilization (percentage of request)"),
            shown: json!({"type": "Resource", "resource": {"name": resource, "current": {
                "averageUtilization": utilization.trunc() as i64,
                "averageValue": show(total / count),
            }}}),
        })
    } else {
        let wanted = Quantity::of(&target["averageValue"]).map_or(1, Quantity::milli).max(1);
        let of = |usage: &BTreeMap<&str, i64>| {
            let used: i64 = usage.values().sum();
            (used / i64::try_from(usage.len().max(1)).unwrap_or(1)) as f64 / wanted as f64
        };
        let ratio = of(&seen.usage);
        Ok(Judged {
            replicas: propose(seen, replicas, ratio, |_| wanted, of),
            name: format!("{resource} resource"),
            shown: json!({"type": "Resource", "resource": {"name": resource, "current": {
                "averageValue": show(total / count),
            }}}),
        })
    }
}

/// Usage against target, with pods that nothing is known of taken for what does least harm.
fn propose(
    seen: Seen<'_>,
    replicas: i64,
    ratio: f64,
    filler: impl Fn(&str) -> i64,
    again: impl Fn(&BTreeMap<&str, i64>) -> f64,
) -> i64 {
    let within = |ratio: f64| (1.0 - TOLERANCE..=1.0 + TOLERANCE).contains(&ratio);
    let ceil = |value: f64| value.ceil() as i64;
    let up_with_unready = !seen.unready.is_empty() && ratio > 1.0;
    if !up_with_unready && seen.missing.is_empty() {
        return if within(ratio) {
            replicas
        } else {
            ceil(ratio * seen.ready as f64)
        };
    }
    let mut usage = seen.usage;
    for name in seen.missing {
        if ratio < 1.0 {
            usage.insert(name, filler(name));
        } else if ratio > 1.0 {
            usage.insert(name, 0);
        }
    }
    if up_with_unready {
        for name in seen.unready {
            usage.insert(name, 0);
        }
    }
    let new = again(&usage);
    if within(new) || (ratio < 1.0 && new > 1.0) || (ratio > 1.0 && new < 1.0) {
        return replicas;
    }
    let proposed = ceil(new * usage.len() as f64);
    if (new < 1.0 && proposed > replicas) || (new > 1.0 && proposed < replicas) {
        return replicas;
    }
    proposed
}

fn look<'a>(world: &World, resource: &str, pods: &'a [Arc<Object>], now: Timestamp) -> Seen<'a> {
    let mut seen = Seen {
        usage: BTreeMap::new(),
        unready: Vec::new(),
        missing: Vec::new(),
        ready: 0,
    };
    let mut meter = Meter::new(world);
    for pod in pods {
        let facts = pod::facts(pod);
        let name = pod.name();
        if pod.deleting() || facts.phase == Phase::Failed {
            continue;
        }
        if facts.phase == Phase::Pending {
            seen.unready.push(name);
            continue;
        }
        let used = meter.containers(pod);
        if used.is_empty() {
            seen.missing.push(name);
            continue;
        }
        if resource == "cpu" && warming_up(pod, now) {
            seen.unready.push(name);
            continue;
        }
        let value = used
            .iter()
            .map(|used| {
                if resource == "cpu" {
                    used.cpu
                } else {
                    used.memory * 1000
                }
            })
            .sum();
        seen.usage.insert(name, value);
        seen.ready += 1;
    }
    seen
}

/// Whether a pod's CPU says nothing yet.
fn warming_up(pod: &Object, now: Timestamp) -> bool {
    let facts = pod::facts(pod);
    let (Some(started), Some(since)) = (facts.started, facts.ready_since) else {
        return true;
    };
    if started + CPU_INITIALIZATION > now {
        return !facts.ready || now < since + latency::SCRAPE;
    }
    !facts.ready && started + INITIAL_READINESS > since
}

/// What a pod asks for, in milli-units; every container has to say it.
fn request(pod: &Object, resource: &str) -> Result<i64, String> {
    let mut total = 0;
    for container in usage::metered(pod) {
        let Some(asked) = container.resources.asked(resource) else {
            let (container, pod) = (&container.name, pod.name());
            return Err(format!(
                "missing request for {resource} in container {container} of Pod {pod}"
            ));
        };
        total += asked.milli();
    }
    Ok(total)
}
