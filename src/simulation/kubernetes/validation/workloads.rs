//! What runs pods.

use serde_json::Value;

use super::{immutable, is_zero, list, metadata, not_negative, number_or_percent, pod, schedule, scheduling};
use crate::kubernetes::{
    refusal::Cause,
    resources::{DAEMON_SETS, REPLICATION_CONTROLLERS, ResourceId, STATEFUL_SETS},
    selectors::Labels,
};

fn template(spec: &Value, selector: &Labels, kind: &str, causes: &mut Vec<Cause>) {
    let template = &spec["template"];
    let labels = &template["metadata"]["labels"];
    if !selector.is_empty() && !selector.matches_value(labels) {
        let why = "`selector` does not match template `labels`";
        causes.push(Cause::invalid("spec.template.metadata.labels", labels, why));
    }
    if !template["spec"]["activeDeadlineSeconds"].is_null() {
        let why = format!("activeDeadlineSeconds in {kind} is not Supported");
        causes.push(Cause::forbidden("spec.template.spec.activeDeadlineSeconds", &why));
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

fn selector(spec: &Value, of: &str, causes: &mut Vec<Cause>) -> Labels {
    let selector = &spec["selector"];
    if selector.is_null() {
        causes.push(Cause::required("spec.selector", ""));
    } else if Labels::from_object(selector).is_empty() {
        let why = format!("empty selector is invalid for {of}");
        causes.push(Cause::invalid("spec.selector", selector, &why));
    }
    scheduling::selector(selector, "spec.selector", causes);
    Labels::from_object(selector)
}

pub(super) fn deployment(object: &Value, causes: &mut Vec<Cause>) {
    let spec = &object["spec"];
    not_negative("spec.replicas", &spec["replicas"], causes);
    let selector = selector(spec, "deployment", causes);
    template(spec, &selector, "ReplicaSet", causes);
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
        let selector = Labels::from_map(&spec["selector"]);
        if spec["selector"].as_object().is_none_or(|selector| selector.is_empty()) {
            causes.push(Cause::required("spec.selector", ""));
        }
        if spec["template"].is_null() {
            causes.push(Cause::required("spec.template", ""));
            return;
        }
        selector
    } else {
        let of = match resource {
            STATEFUL_SETS => "statefulset",
            DAEMON_SETS => "daemonset",
            _ => "deployment",
        };
        selector(spec, of, causes)
    };
    let kind = match resource {
        STATEFUL_SETS => "StatefulSet",
        DAEMON_SETS => "DaemonSet",
        _ => "ReplicaSet",
    };
    template(spec, &selector, kind, causes);
    not_negative("spec.minReadySeconds", &spec["minReadySeconds"], causes);
    match resource {
        STATEFUL_SETS => stateful_set(spec, causes),
        DAEMON_SETS => daemon_set(spec, causes),
        _ => {}
    }
}

fn stateful_set(spec: &Value, causes: &mut Vec<Cause>) {
    let policy = &spec["podManagementPolicy"];
    if policy != "OrderedReady" && policy != "Parallel" {
        let why = "must be 'OrderedReady' or 'Parallel'";
        causes.push(Cause::invalid("spec.podManagementPolicy", policy, why));
    }
    let strategy = &spec["updateStrategy"];
    let rolling = &strategy["rollingUpdate"];
    let at = "spec.updateStrategy.rollingUpdate";
    match strategy["type"].as_str().unwrap_or_default() {
        "OnDelete" if !rolling.is_null() => {
            let why = "only allowed for updateStrategy 'RollingUpdate'";
            causes.push(Cause::invalid(at, rolling, why));
        }
        "OnDelete" => {}
        "RollingUpdate" => not_negative(&format!("{at}.partition"), &rolling["partition"], causes),
        _ => {
            let why = "must be 'RollingUpdate' or 'OnDelete'";
            causes.push(Cause::invalid("spec.updateStrategy", strategy, why));
        }
    }
    not_negative("spec.revisionHistoryLimit", &spec["revisionHistoryLimit"], causes);
}

fn daemon_set(spec: &Value, causes: &mut Vec<Cause>) {
    let strategy = &spec["updateStrategy"];
    let rolling = &strategy["rollingUpdate"];
    let at = "spec.updateStrategy.rollingUpdate";
    match strategy["type"].as_str().unwrap_or_default() {
        "OnDelete" => {}
        "RollingUpdate" => {
            for name in ["maxUnavailable", "maxSurge"] {
                number_or_percent(&format!("{at}.{name}"), &rolling[name], causes);
            }
            match (is_zero(&rolling["maxUnavailable"]), is_zero(&rolling["maxSurge"])) {
                (false, false) => {
                    let why = "may not be set when maxUnavailable is non-zero";
                    causes.push(Cause::invalid(format!("{at}.maxSurge"), &rolling["maxSurge"], why));
                }
                (true, true) => {
                    let why = "cannot be 0 when maxSurge is 0";
                    causes.push(Cause::required(format!("{at}.maxUnavailable"), why));
                }
                _ => {}
            }
        }
        _ => {
            let known = ["RollingUpdate", "OnDelete"];
            causes.push(Cause::not_supported("spec.updateStrategy", strategy, &known));
        }
    }
    not_negative("spec.revisionHistoryLimit", &spec["revisionHistoryLimit"], causes);
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
    for (field, known) in [
        ("completionMode", &["NonIndexed", "Indexed"][..]),
        ("podReplacementPolicy", &["Failed", "TerminatingOrFailed"]),
    ] {
        let value = &spec[field];
        if !value.is_null() && !value.as_str().is_some_and(|value| known.contains(&value)) {
            causes.push(Cause::not_supported(format!("{at}.{field}"), value, known));
        }
    }
    if spec["completionMode"] == "Indexed" && spec["completions"].is_null() {
        let why = "when completion mode is Indexed";
        causes.push(Cause::required(format!("{at}.completions"), why));
    }
    if !spec["backoffLimitPerIndex"].is_null() && spec["completionMode"] != "Indexed" {
        let field = format!("{at}.backoffLimitPerIndex");
        let why = "requires indexed completion mode";
        causes.push(Cause::invalid(field, &spec["backoffLimitPerIndex"], why));
    }
    if let Some(manager) = spec["managedBy"].as_str()
        && !manager.contains('/')
    {
        let why = "must be a domain-prefixed path (such as \"acme.io/foo\")";
        causes.push(Cause::invalid(format!("{at}.managedBy"), &spec["managedBy"], why));
    }
    for (index, rule) in list(&spec["podFailurePolicy"]["rules"]).iter().enumerate() {
        if rule["onExitCodes"].is_null() && list(&rule["onPodConditions"]).is_empty() {
            causes.push(Cause {
                reason: "FieldValueInvalid",
                message: "Invalid value: specifying one of OnExitCodes and OnPodConditions is required".to_owned(),
                field: format!("{at}.podFailurePolicy.rules[{index}]"),
            });
        }
    }
    if spec["manualSelector"] == true && spec["selector"].is_null() {
        causes.push(Cause::required(format!("{at}.selector"), ""));
    }
    if new && spec["manualSelector"] != true && spec["selector"].is_object() {
        let why = "`selector` not auto-generated";
        causes.push(Cause::invalid(format!("{at}.selector"), &spec["selector"], why));
    }
    let labels = &spec["template"]["metadata"]["labels"];
    if spec["selector"].is_object() && !Labels::from_object(&spec["selector"]).matches_value(labels) {
        let empty = serde_json::json!({});
        let shown = if labels.is_null() { &empty } else { labels };
        let why = "`selector` does not match template `labels`";
        causes.push(Cause::invalid(format!("{at}.template.metadata.labels"), shown, why));
    }
    pod::spec(&spec["template"]["spec"], &format!("{at}.template.spec"), causes);
    let policy = &spec["template"]["spec"]["restartPolicy"];
    if policy == "Always" {
        let field = format!("{at}.template.spec.restartPolicy");
        causes.push(Cause::required(field, "valid values: \"OnFailure\", \"Never\""));
    }
}

/// What cannot be true of a Job that is complete.
pub(super) fn job_status(object: &Value, causes: &mut Vec<Cause>) {
    let status = &object["status"];
    let is = |kind: &str| {
        list(&status["conditions"])
            .iter()
            .any(|condition| condition["type"] == kind && condition["status"] == "True")
    };
    if is("Complete") {
        if status["completionTime"].is_null() {
            let why = "completionTime is required for Complete jobs";
            causes.push(Cause::required("status.completionTime", why));
        }
        if !is("SuccessCriteriaMet") {
            causes.push(Cause {
                reason: "FieldValueInvalid",
                message:
                    "Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true condition"
                        .to_owned(),
                field: "status.conditions".to_owned(),
            });
        }
    }
    if is("Failed") && !is("FailureTarget") {
        causes.push(Cause {
            reason: "FieldValueInvalid",
            message: "Invalid value: cannot set Failed=True condition without the FailureTarget=true condition"
                .to_owned(),
            field: "status.conditions".to_owned(),
        });
    }
    let active = &status["active"];
    if (is("Complete") || is("Failed")) && active.as_i64().is_some_and(|active| active > 0) {
        let why = "active>0 is invalid for finished job";
        causes.push(Cause::invalid("status.active", active, why));
    }
}

pub(super) fn job_changed(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    let (before, after) = (&old["spec"], &new["spec"]);
    immutable("spec.selector", &before["selector"], &after["selector"], causes);
    immutable("spec.template", &before["template"], &after["template"], causes);
    immutable("spec.managedBy", &before["managedBy"], &after["managedBy"], causes);
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
    } else if schedule.contains("TZ") {
        let why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
        causes.push(Cause::invalid("spec.schedule", &spec["schedule"], why));
    } else if let Err(why) = schedule::judge(schedule) {
        causes.push(Cause::invalid("spec.schedule", &spec["schedule"], &why));
    }
    if let Some(zone) = spec["timeZone"].as_str()
        && jiff::tz::TimeZone::get(zone).is_err()
    {
        let why = format!("unknown time zone {zone}");
        causes.push(Cause::invalid("spec.timeZone", &spec["timeZone"], &why));
    }
    for name in [
        "startingDeadlineSeconds",
        "successfulJobsHistoryLimit",
        "failedJobsHistoryLimit",
    ] {
        not_negative(&format!("spec.{name}"), &spec[name], causes);
    }
    let policy = &spec["concurrencyPolicy"];
    if !matches!(policy.as_str(), Some("Allow" | "Forbid" | "Replace")) {
        let known = ["Allow", "Forbid", "Replace"];
        causes.push(Cause::not_supported("spec.concurrencyPolicy", policy, &known));
    }
    job(&spec["jobTemplate"]["spec"], "spec.jobTemplate.spec", false, causes);
}
