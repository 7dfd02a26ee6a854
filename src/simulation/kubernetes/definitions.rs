//! CustomResourceDefinitions: the resources that they make.

use std::sync::Arc;

use serde_json::{Value, json};

use super::resources::{Conversion, Custom, Resource, ResourceId, Served, Subresource};

/// As the real one lists them.
const VERBS: &[&str] = &[
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "create",
    "update",
    "watch",
];
const CHANGED: &[&str] = &["get", "patch", "update"];

/// The resource that a definition makes, if it says enough.
pub fn resource(definition: &Value) -> Option<Resource> {
    let spec = &definition["spec"];
    let names = &spec["names"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let (group, plural, kind) = (text(&spec["group"])?, text(&names["plural"])?, text(&names["kind"])?);
    let list = |value: &Value| -> Vec<String> { value.as_array().into_iter().flatten().filter_map(text).collect() };
    let mut custom = Custom::default();
    let mut served = Vec::new();
    let mut stored = None;
    let mut subresources = Vec::new();
    for version in spec["versions"].as_array().into_iter().flatten() {
        let Some(name) = text(&version["name"]) else { continue };
        if version["storage"] == true {
            stored = Some(name.clone());
        }
        let parts = &version["subresources"];
        let status = parts["status"].is_object();
        custom.status.insert(name.clone(), status);
        let mut add = |part: Subresource| {
            if !subresources.contains(&part) {
                subresources.push(part);
            }
        };
        if status {
            add(Subresource {
                name: "status",
                verbs: CHANGED,
                kind: None,
            });
        }
        let scale = &parts["scale"];
        if let (Some(spec), Some(status)) = (text(&scale["specReplicasPath"]), text(&scale["statusReplicasPath"])) {
            custom
                .scale
                .insert(name.clone(), (spec, status, text(&scale["labelSelectorPath"])));
            add(Subresource {
                name: "scale",
                verbs: CHANGED,
                kind: Some(("autoscaling", "v1", "Scale")),
            });
        }
        custom
            .columns
            .insert(name.clone(), version["additionalPrinterColumns"].clone());
        let schema = &version["schema"]["openAPIV3Schema"];
        if schema.is_object() {
            custom.schemas.insert(name.clone(), schema.clone());
        }
        let fields = version["selectableFields"].as_array().into_iter().flatten();
        let paths = fields.filter_map(|field| text(&field["jsonPath"])).collect();
        custom.selectable.insert(name.clone(), paths);
        if version["served"] == true {
            served.push(Served {
                group: group.clone(),
                version: name,
                conversion: Conversion::None,
            });
        }
    }
    Some(Resource {
        id: ResourceId(0),
        version: stored?,
        list_kind: text(&names["listKind"]).unwrap_or_else(|| format!("{kind}List")),
        singular: text(&names["singular"]).unwrap_or_else(|| kind.to_lowercase()),
        short_names: list(&names["shortNames"]),
        categories: list(&names["categories"]),
        namespaced: spec["scope"] == "Namespaced",
        verbs: VERBS,
        subresources,
        served,
        custom: Some(Arc::new(custom)),
        group,
        plural,
        kind,
    })
}

/// The status with which a definition begins.
pub fn status(definition: &Value) -> Value {
    let mut status = established(definition, "");
    status["acceptedNames"] = json!({"plural": "", "kind": ""});
    status["conditions"] = Value::Null;
    status
}

/// The status of a definition whose names are accepted and which is served.
pub fn established(definition: &Value, now: &str) -> Value {
    let spec = &definition["spec"];
    let stored: Vec<&Value> = spec["versions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|version| version["storage"] == true)
        .map(|version| &version["name"])
        .collect();
    let condition = |kind: &str, reason: &str, message: &str| json!({"type": kind, "status": "True", "lastTransitionTime": now, "reason": reason, "message": message});
    json!({
        "acceptedNames": spec["names"],
        "conditions": [
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
        "storedVersions": stored,
    })
}
