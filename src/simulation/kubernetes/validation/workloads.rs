//! What runs pods.

use serde_json::Value;

use super::{immutable, is_zero, metadata, not_negative, number_or_percent, pod};
use crate::simulation::kubernetes::{
    refusal::Cause,
    resources::{REPLICATION_CONTROLLERS, ResourceId},
    selectors::Labels,
};

fn template(spec: &Value, selector: &Labels, causes: &mut Vec<Cause>) {
    let template = &spec["template"];
    let labels = &template["metadata"]["labels"];
    if !selector.is_empty() && !selector.matches_value(labels) {
        let why = "`selector` does not match template `labels`";
        causes.push(Cause::invalid("spec.template.metadata.labels", labels, why));
    }
    metadata::labels(labels, "spec.template.labels", causes);
    pod::spec(&template["spec"], "spec.template.spec", causes);
    let policy = &template["spec"]["restartPolicy"];
    if policy != "Always" {
        causes.push(Cause::not_supported(
            "spec.template.spec.restartPolicy",
            policy,
            &["Always"],
        ));
    }
}

fn selector(spec: &Value, causes: &mut Vec<Cause>) -> Labels {
    let selector = &spec["selector"];
    if selector.is_null() {
        causes.push(Cause::required("spec.selector", ""));
    } else if Labels::from_object(selector).is_empty() {
        let why = "empty selector is invalid for deployment";
        causes.push(Cause::invalid("spec.selector", selector, why));
    }
    for (index, expression) in selector["matchExpressions"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
    {
        let at = format!("spec.selector.matchExpressions[{index}]");
        let none = expression["values"].as_array().is_none_or(Vec::is_empty);
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
    }
    Labels::from_object(selector)
}

pub(super) fn deployment(object: &Value, causes: &mut Vec<Cause>) {
    let spec = &object["spec"];
    not_negative("spec.replicas", &spec["replicas"], causes);
    let selector = selector(spec, causes);
    template(spec, &selector, causes);
    let strategy = &spec["strategy"];
    match strategy["type"].as_str() {
        Some("Recreate") if !strategy["rollingUpdate"].is_null() => {
            let why = "may not be specified when strategy `type` is 'Recreate'";
            causes.push(Cause::forbidden("spec.strategy.rollingUpdate", why));
        }
        Some("Recreate") => {}
        Some("RollingUpdate") => {
            let rolling = &strategy["rollingUpdate"];
            for name in ["maxUnavailable", "maxSurge"] {
                number_or_percent(&format!("spec.strategy.rollingUpdate.{name}"), &rolling[name], causes);
            }
            if is_zero(&rolling["maxUnavailable"]) && is_zero(&rolling["maxSurge"]) {
                let why = "may not be 0 when `maxSurge` is 0";
                let field = "spec.strategy.rollingUpdate.maxUnavailable";
                causes.push(Cause::invalid(field, &rolling["maxUnavailable"], why));
            }
        }
        _ => {
            let message = format!(
                "Unsupported value: {{\"Type\":{},\"RollingUpdate\":null}}: supported values: \"Recreate\", \"RollingUpdate\"",
                strategy["type"]
            );
            causes.push(Cause {
                reason: "FieldValueNotSupported",
                message,
                field: "spec.strategy".to_owned(),
            });
        }
    }
    for name in ["minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"] {
        not_negative(&format!("spec.{name}"), &spec[name], causes);
    }
    let ready = spec["minReadySeconds"].as_i64().unwrap_or_default();
    if spec["progressDeadlineSeconds"]
        .as_i64()
        .is_some_and(|deadline| deadline <= ready)
    {
        let why = "must be greater than minReadySeconds";
        let field = "spec.progressDeadlineSeconds";
        causes.push(Cause::invalid(field, &spec["progressDeadlineSeconds"], why));
    }
}

pub(super) fn replicated(resource: ResourceId, object: &Value, causes: &mut Vec<Cause>) {
    let spec = &object["spec"];
    not_negative("spec.replicas", &spec["replicas"], causes);
    let selector = if resource == REPLICATION_CONTROLLERS {
        Labels::from_map(&spec["selector"])
    } else {
        selector(spec, causes)
    };
    template(spec, &selector, causes);
    not_negative("spec.minReadySeconds", &spec["minReadySeconds"], causes);
}

pub(super) fn stateful_set_changed(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    const CHANGEABLE: [&str; 8] = [
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
        "podManagementPolicy",
    ];
    let without = |object: &Value| {
        let mut spec = object["spec"].clone();
        if let Value::Object(fields) = &mut spec {
            for name in &CHANGEABLE[..7] {
                fields.remove(*name);
            }
        }
        spec
    };
    if without(old) != without(new) {
        let why = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
                   'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and \
                   'minReadySeconds' are forbidden";
        causes.push(Cause::forbidden("spec", why));
    }
}

pub(super) fn job(spec: &Value, at: &str, new: bool, causes: &mut Vec<Cause>) {
    for name in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
    ] {
        not_negative(&format!("{at}.{name}"), &spec[name], causes);
    }
    if spec["manualSelector"] == true && spec["selector"].is_null() {
        causes.push(Cause::required(format!("{at}.selector"), ""));
    }
    if new && spec["manualSelector"] != true && spec["selector"].is_object() {
        let why = "`selector` not auto-generated";
        causes.push(Cause::invalid(format!("{at}.selector"), &spec["selector"], why));
    }
    pod::spec(&spec["template"]["spec"], &format!("{at}.template.spec"), causes);
    let policy = &spec["template"]["spec"]["restartPolicy"];
    if policy == "Always" {
        let field = format!("{at}.template.spec.restartPolicy");
        causes.push(Cause::required(field, "valid values: \"OnFailure\", \"Never\""));
    }
}

pub(super) fn job_changed(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    let (before, after) = (&old["spec"], &new["spec"]);
    immutable("spec.selector", &before["selector"], &after["selector"], causes);
    immutable("spec.template", &before["template"], &after["template"], causes);
    immutable(
        "spec.completionMode",
        &before["completionMode"],
        &after["completionMode"],
        causes,
    );
    if before["completionMode"] != "Indexed" {
        immutable(
            "spec.completions",
            &before["completions"],
            &after["completions"],
            causes,
        );
    }
}

pub(super) fn cron_job(object: &Value, causes: &mut Vec<Cause>) {
    let spec = &object["spec"];
    let schedule = spec["schedule"].as_str().unwrap_or_default();
    if schedule.is_empty() {
        causes.push(Cause::required("spec.schedule", ""));
    } else if !schedule.starts_with('@') {
        let found = schedule.split_whitespace().count();
        if found != 5 {
            let why = format!("expected exactly 5 fields, found {found}: [{schedule}]");
            causes.push(Cause::invalid("spec.schedule", &spec["schedule"], &why));
        }
    }
    let policy = &spec["concurrencyPolicy"];
    if !matches!(policy.as_str(), Some("Allow" | "Forbid" | "Replace")) {
        let known = ["Allow", "Forbid", "Replace"];
        causes.push(Cause::not_supported("spec.concurrencyPolicy", policy, &known));
    }
    job(&spec["jobTemplate"]["spec"], "spec.jobTemplate.spec", false, causes);
}
