//! HorizontalPodAutoscalers: Resource metrics against usage, with tolerance and stabilisation.
//!
//! Other metrics than those of type Resource are not served by this cluster: they fail as they do where nobody has
//! installed an adapter.

use std::{collections::HashMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    conditions::{self, Condition},
    latency,
    own::MANAGER,
    pod,
    record::{About, Kind, Recorder},
    selector::Selector,
};
use crate::kubernetes::{
    resources::{HORIZONTAL_POD_AUTOSCALERS, PODS, ResourceId},
    run::Controller,
    world::{Change, ChangeKind, Due, Key, Object, World, stamp},
};

mod limits;
mod metric;
#[cfg(test)]
mod tests;

use limits::History;

const NAME: &str = "horizontal-pod-autoscaler";

/// The autoscaler.
#[derive(Clone)]
pub struct Autoscaler {
    history: HashMap<Arc<str>, History>,
    events: Recorder,
}

impl Default for Autoscaler {
    fn default() -> Self {
        Self {
            history: HashMap::new(),
            events: Recorder::core(NAME, MANAGER),
        }
    }
}

impl Controller for Autoscaler {
    fn name(&self) -> &'static str {
        NAME
    }

    fn resources(&self) -> &[ResourceId] {
        &[HORIZONTAL_POD_AUTOSCALERS]
    }

    fn changed(&mut self, world: &mut World, changes: &[Change]) {
        for change in changes {
            match (change.kind, &change.after) {
                (ChangeKind::Added, Some(object)) => {
                    self.history.insert(Arc::clone(object.uid()), History::default());
                    world.schedule(
                        world.now() + latency::REACTION,
                        Due::about(NAME, "look", change.key.clone()),
                    );
                }
                (ChangeKind::Deleted, _) => {
                    if let Some(before) = &change.before {
                        self.history.remove(before.uid());
                    }
                }
                _ => {}
            }
        }
    }

    fn due(&mut self, world: &mut World, due: &Due) {
        let Some(object) = due.about.as_ref().and_then(|key| world.get(key)).cloned() else {
            return;
        };
        let Some(history) = self.history.get_mut(object.uid()) else {
            return;
        };
        // One that was deleted and made again has two of these on the queue: the later one holds.
        let now = world.now();
        if history
            .looked
            .is_some_and(|at| now.duration_since(at) < latency::AUTOSCALER_PERIOD)
        {
            return;
        }
        history.looked = Some(now);
        let again = Due::about(NAME, "look", object.key().clone());
        world.schedule(now + latency::AUTOSCALER_PERIOD, again);
        self.look(world, &object);
    }
}

/// An autoscaler's turn.
struct Look {
    object: Arc<Object>,
    value: Value,
    status: Value,
    now: Timestamp,
}

impl Look {
    fn note(&mut self, (kind, status): (&str, &str), reason: &str, message: &str) {
        let condition = Condition {
            kind,
            status,
            reason,
            message,
        };
        conditions::set(&mut self.status, condition, self.now);
    }
}

impl Autoscaler {
    fn look(&mut self, world: &mut World, object: &Arc<Object>) {
        let value = object.bare();
        let mut look = Look {
            status: if value["status"].is_object() {
                value["status"].clone()
            } else {
                json!({})
            },
            object: Arc::clone(object),
            now: world.now(),
            value,
        };
        look.status["desiredReplicas"] = pod::number(&look.status["desiredReplicas"], 0).into();
        self.scale(world, &mut look);
        let status = look.status;
        if status != look.value["status"] {
            world.write_status(object.key(), MANAGER, |_| status).ok();
        }
    }

    fn scale(&mut self, world: &mut World, look: &mut Look) {
        let about = About::object(&look.object);
        let spec = look.value["spec"].clone();
        let target = match target(world, look.object.namespace(), &spec["scaleTargetRef"]) {
            Ok(target) => target,
            Err(error) => {
                let message = format!("the HPA controller was unable to get the target's current scale: {error}");
                look.note(("AbleToScale", "False"), "FailedGetScale", &message);
                self.events
                    .record(world, &about, Kind::Warning, "FailedGetScale", &error);
                return;
            }
        };
        let words = "the HPA controller was able to get the target's current scale";
        look.note(("AbleToScale", "True"), "SucceededGetScale", words);
        let current = target.replicas;
        let (least, most) = (
            pod::number(&spec["minReplicas"], 1),
            pod::number(&spec["maxReplicas"], 1),
        );
        let (mut desired, mut reason) = (0, String::new());
        let mut metrics = Vec::new();
        if current == 0 && least != 0 {
            let words = "scaling is disabled since the replica count of the target is zero";
            look.note(("ScalingActive", "False"), "ScalingDisabled", words);
        } else if current > most {
            (desired, reason) = (most, "Current number of replicas above Spec.MaxReplicas".to_owned());
        } else if current < least {
            (desired, reason) = (least, "Current number of replicas below Spec.MinReplicas".to_owned());
        } else {
            let (proposed, name, shown) = match self.measure(world, look, &spec, &target) {
                Ok(measured) => measured,
                Err(shown) => {
                    set_current(&mut look.status, target.there);
                    look.status["currentMetrics"] = shown.into();
                    return;
                }
            };
            metrics = shown;
            if proposed > current {
                reason = format!("{name} above target");
            } else if proposed < current {
                reason = "All metrics below target".to_owned();
            }
            let Some(history) = self.history.get_mut(look.object.uid()) else {
                return;
            };
            let bounds = (least, most);
            let judged = history.normalize(&spec["behavior"], (current, proposed), bounds, look.now);
            desired = judged.desired;
            look.note(("AbleToScale", "True"), judged.able.0, judged.able.1);
            let limited = if judged.limit.0 == "DesiredWithinRange" {
                "False"
            } else {
                "True"
            };
            look.note(("ScalingLimited", limited), judged.limit.0, judged.limit.1);
        }
        let disabled = current == 0 && least != 0;
        if desired != current && !disabled {
            world.scale(&target.key, MANAGER, desired).ok();
            let words = format!("the HPA controller was able to update the target scale to {desired}");
            look.note(("AbleToScale", "True"), "SucceededRescale", &words);
            let message = format!("New size: {desired}; reason: {reason}");
            self.events
                .record(world, &about, Kind::Normal, "SuccessfulRescale", &message);
            if let Some(history) = self.history.get_mut(look.object.uid()) {
                history.scaled(current, desired, look.now);
            }
            look.status["lastScaleTime"] = stamp(look.now).into();
        }
        set_current(&mut look.status, target.there);
        look.status["desiredReplicas"] = if disabled { 0 } else { desired }.into();
        if metrics.is_empty() {
            if let Some(fields) = look.status.as_object_mut() {
                fields.remove("currentMetrics");
            }
        } else {
            look.status["currentMetrics"] = metrics.into();
        }
        if let Some(fields) = look.status.as_object_mut() {
            // This kind has an observedGeneration and no generation of its own.
            match look.object.generation() {
                0 => fields.remove("observedGeneration"),
                generation => fields.insert("observedGeneration".to_owned(), generation.into()),
            };
        }
    }

    /// How many pods the metrics ask for: the most that one of them does. Without an answer, what is shown all the same.
    fn measure(
        &mut self,
        world: &mut World,
        look: &mut Look,
        spec: &Value,
        target: &Target,
    ) -> Result<(i64, String, Vec<Value>), Vec<Value>> {
        let about = About::object(&look.object);
        let default = json!([{"type": "Resource", "resource": {"name": "cpu",
            "target": {"type": "Utilization", "averageUtilization": 80}}}]);
        let wanted = if spec["metrics"].as_array().is_some_and(|all| !all.is_empty()) {
            &spec["metrics"]
        } else {
            &default
        };
        let mut best: Option<(i64, String)> = None;
        let mut shown = Vec::new();
        let mut failure: Option<(&'static str, String, String)> = None;
        let (mut invalid, mut all) = (0, 0);
        for one in wanted.as_array().into_iter().flatten() {
            all += 1;
            match metric::judge(world, one, &target.pods, target.replicas, look.now) {
                Ok(judged) => {
                    if best.as_ref().is_none_or(|(most, _)| judged.replicas > *most) {
                        best = Some((judged.replicas, judged.name));
                    }
                    shown.push(judged.shown);
                }
                Err(error) => {
                    invalid += 1;
                    shown.push(json!({"type": ""}));
                    self.events
                        .record(world, &about, Kind::Warning, error.reason, &error.short);
                    failure.get_or_insert((error.reason, error.short, error.long));
                }
            }
        }
        let low = best.as_ref().is_none_or(|(most, _)| *most < target.replicas);
        if let Some((reason, short, long)) = failure
            && (best.is_none() || low)
        {
            // With something unknown it only ever grows.
            let words = format!("the HPA was unable to compute the replica count: {short}");
            look.note(("ScalingActive", "False"), reason, &words);
            let message = format!("invalid metrics ({invalid} invalid out of {all}), first error is: {long}");
            self.events
                .record(world, &about, Kind::Warning, "FailedComputeMetricsReplicas", &message);
            return Err(shown);
        }
        let Some((replicas, name)) = best else {
            return Err(shown);
        };
        let words = format!("the HPA was able to successfully calculate a replica count from {name}");
        look.note(("ScalingActive", "True"), "ValidMetricFound", &words);
        Ok((replicas, name, shown))
    }
}

/// How many pods there are; none are not written out.
fn set_current(status: &mut Value, count: i64) {
    match status.as_object_mut() {
        Some(fields) if count == 0 => drop(fields.remove("currentReplicas")),
        _ => status["currentReplicas"] = count.into(),
    }
}

/// What is scaled.
struct Target {
    key: Key,
    replicas: i64,
    there: i64,
    pods: Vec<Arc<Object>>,
}

fn target(world: &World, namespace: &str, reference: &Value) -> Result<Target, String> {
    let text = |field: &str| reference[field].as_str().unwrap_or_default();
    let (version, kind, name) = (text("apiVersion"), text("kind"), text("name"));
    let resource = world
        .resources()
        .of_kind(version, kind)
        .filter(|resource| resource.subresource("scale").is_some())
        .ok_or_else(|| format!("no matches for kind \"{kind}\" in group \"{version}\""))?;
    let object = world
        .find(resource.id, namespace, name)
        .ok_or_else(|| format!("{} \"{name}\" not found", resource.qualified()))?;
    let value = object.outline();
    let selector = Selector::parse(&value["spec"]["selector"]);
    let pods = world
        .labelled(PODS, namespace, &selector.equalities())
        .filter(|pod| selector.matches(pod))
        .cloned()
        .collect();
    Ok(Target {
        key: object.key().clone(),
        replicas: pod::number(&value["spec"]["replicas"], 1),
        there: pod::number(&value["status"]["replicas"], 0),
        pods,
    })
}

/// How long a pod's CPU may be that of its start.
const CPU_INITIALIZATION: SignedDuration = SignedDuration::from_mins(5);
/// How long a pod that was never ready is not taken for one that was.
const INITIAL_READINESS: SignedDuration = SignedDuration::from_secs(30);
