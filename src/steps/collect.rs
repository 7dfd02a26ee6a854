//! `collect`: keep evidence before it is gone. Reads only; needs `get` on the kind, `list` on events, and for logs `get` on
//! pods/log.

use serde_json::{Map, Value, json};

use super::{Answer, Plan, Scene};
use crate::{
    cluster::{Cluster, ClusterError, Lookup},
    domain::{
        guard::Facts,
        health::crashes,
        journal::Intent,
        reason::Reason,
        redact,
        step::{Collect, Evidence},
        target::Target,
    },
};

mod logs;

/// The longest evidence that the journal keeps of one part.
const LONGEST: usize = 64 * 1024;

/// Evidence is collected once, of the first alerted object.
pub fn plan(scene: &Scene<'_>, collect: &Collect) -> Plan {
    let collected = !scene.state.done.is_empty() || !scene.state.would.is_empty();
    match scene.binding.alerts.first() {
        Some(first) if !collected => Plan::Act {
            intent: Intent::Collect {
                target: first.target.clone(),
                evidence: collect.evidence,
            },
            ready_after: None,
            facts: Facts::default(),
        },
        _ if !scene.state.would.is_empty() => Plan::Complete {
            detail: "would have collected evidence".to_owned(),
        },
        _ => {
            let told = scene.state.done.last().and_then(|done| done.summary.as_deref());
            Plan::Complete {
                detail: told.unwrap_or("evidence collected").to_owned(),
            }
        }
    }
}

/// Reads; a repeat reads again.
pub async fn act(cluster: &Cluster, target: &Target, evidence: Evidence) -> Answer {
    match read(cluster, target, evidence).await {
        Ok(result) => Answer::Done { result },
        Err(error) => Answer::from_error(&error),
    }
}

async fn read(cluster: &Cluster, target: &Target, wanted: Evidence) -> Result<Value, ClusterError> {
    let mut evidence = Map::new();
    let mut lookup = cluster.get_by_uid(target).await?;
    if let Some(wanted) = wanted.logs
        && let Lookup::Found(live) = &lookup
    {
        let logs = logs::read(cluster, target, live, wanted).await;
        // They were read by name: they are this pod's if it is still there.
        lookup = cluster.get_by_uid(target).await?;
        if let Lookup::Found(_) = &lookup {
            evidence.insert("logs".to_owned(), Value::from(logs));
        }
    }
    if let Lookup::Found(live) = &lookup {
        let crashes = crashes(live);
        if !crashes.is_empty() {
            evidence.insert("summary".to_owned(), crashes.join("; ").into());
        }
    }
    if wanted.yaml {
        let object = match lookup {
            Lookup::Found(live) => short(redact::object(live)),
            Lookup::Gone => json!({"absent": Reason::TargetGone}),
            Lookup::Replaced { uid } => json!({"absent": Reason::TargetReplaced, "uid": uid}),
        };
        evidence.insert("object".to_owned(), object);
    }
    if wanted.events {
        let found = cluster.events_about(target).await?;
        let lines = found.iter().map(event).collect::<Vec<_>>();
        evidence.insert("events".to_owned(), short(Value::from(lines)));
    }
    Ok(Value::Object(evidence))
}

fn event(event: &Value) -> Value {
    let message = event["message"].as_str().unwrap_or_default();
    let time = [&event["lastTimestamp"], &event["eventTime"], &event["firstTimestamp"]]
        .into_iter()
        .find(|time| time.is_string());
    json!({
        "at": time,
        "type": event["type"],
        "reason": event["reason"],
        "count": event["count"],
        "message": redact::text(message),
    })
}

fn short(value: Value) -> Value {
    let length = value.to_string().len();
    if length <= LONGEST {
        value
    } else {
        json!({"omitted": format!("{length} bytes; at most {LONGEST} are kept")})
    }
}
