//! What kube-state-metrics makes of a pod's containers: which series there are, and since when with which value.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::Value;

/// What rules ask, without `kube_pod_` and `kube_pod_init_`.
const NAMES: [&str; 5] = [
    "container_status_waiting_reason",
    "container_status_terminated_reason",
    "container_status_last_terminated_reason",
    "container_status_restarts_total",
    "container_status_ready",
];
/// How long a value must last to be sure to be seen by who looks each second.
const LASTING: f64 = 3.0;

/// The values of all series at one moment. A series is called `init_container_status_waiting_reason app PodInitializing`.
pub type Values = BTreeMap<String, f64>;

/// How the values changed.
#[derive(Default)]
pub struct Series(BTreeMap<String, Vec<(f64, Option<f64>)>>);

impl Series {
    /// The values from a moment on.
    pub fn see(&mut self, at: f64, values: &Values) {
        for (name, changes) in &mut self.0 {
            if !values.contains_key(name) && changes.last().is_some_and(|(_, value)| value.is_some()) {
                changes.push((at, None));
            }
        }
        for (name, value) in values {
            let changes = self.0.entry(name.clone()).or_default();
            if changes.last().is_none_or(|(_, last)| *last != Some(*value)) {
                changes.push((at, Some(*value)));
            }
        }
    }

    /// The series with each of their values that lasted.
    pub fn lasting(&self, ended: f64) -> Vec<String> {
        let mut lasting = Vec::new();
        for (name, changes) in &self.0 {
            let ends = changes.iter().skip(1).map(|(at, _)| *at).chain([ended]);
            for ((at, value), end) in changes.iter().zip(ends) {
                if let Some(value) = value
                    && end - at >= LASTING
                {
                    lasting.push(format!("{name} = {value}"));
                }
            }
        }
        lasting.sort();
        lasting.dedup();
        lasting
    }

    /// Whether a series had a value at all.
    pub fn had(&self, series: &str) -> bool {
        self.0.iter().any(|(name, changes)| {
            let mut values = changes.iter().filter_map(|(_, value)| *value);
            values.any(|value| format!("{name} = {value}") == series)
        })
    }

    pub fn write(&self, text: &mut String) {
        for (name, changes) in &self.0 {
            let changes: Vec<String> = changes
                .iter()
                .map(|(at, value)| match value {
                    Some(value) => format!("{at:.0}:{value}"),
                    None => format!("{at:.0}:-"),
                })
                .collect();
            writeln!(text, "  {name} | {}", changes.join(" ")).unwrap();
        }
    }

    pub fn read(&mut self, line: &str) {
        let (name, changes) = line.split_once(" | ").unwrap();
        let changes = changes.split(' ').map(|change| {
            let (at, value) = change.split_once(':').unwrap();
            (at.parse().unwrap(), value.parse().ok())
        });
        self.0.insert(name.to_owned(), changes.collect());
    }
}

/// What kube-state-metrics says of the pods of a namespace; `page` is what it serves.
pub fn scraped(page: &str, namespace: &str) -> Values {
    let mut values = Values::new();
    for line in page.lines().filter(|line| line.starts_with("kube_pod_")) {
        let Some((name, rest)) = line["kube_pod_".len()..].split_once('{') else {
            continue;
        };
        let (init, plain) = match name.strip_prefix("init_") {
            Some(plain) => ("init_", plain),
            None => ("", name),
        };
        let Some((labels, value)) = rest.rsplit_once("} ") else {
            continue;
        };
        let label = |name: &str| {
            let start = labels.find(&format!("{name}=\""))? + name.len() + 2;
            labels[start..].split('"').next()
        };
        if !NAMES.contains(&plain) || label("namespace") != Some(namespace) {
            continue;
        }
        let mut name = format!("{init}{plain} {}", label("container").unwrap_or_default());
        if let Some(reason) = label("reason") {
            name.push(' ');
            name.push_str(reason);
        }
        values.insert(name, value.parse().unwrap());
    }
    values
}

/// What it would say of a pod.
pub fn of(pod: &Value) -> Values {
    let mut values = Values::new();
    for (field, init) in [("initContainerStatuses", "init_"), ("containerStatuses", "")] {
        for container in pod["status"][field].as_array().into_iter().flatten() {
            let name = container["name"].as_str().unwrap_or_default();
            let mut say = |what: &str, reason: &str, value: f64| {
                let series = format!("{init}container_status_{what} {name} {reason}");
                values.insert(series.trim_end().to_owned(), value);
            };
            for (state, kind, what) in [
                ("state", "waiting", "waiting_reason"),
                ("state", "terminated", "terminated_reason"),
                ("lastState", "terminated", "last_terminated_reason"),
            ] {
                if let Some(reason) = container[state][kind]["reason"].as_str() {
                    say(what, reason, 1.0);
                }
            }
            say(
                "restarts_total",
                "",
                container["restartCount"].as_f64().unwrap_or_default(),
            );
            say("ready", "", if container["ready"] == true { 1.0 } else { 0.0 });
        }
    }
    values
}
