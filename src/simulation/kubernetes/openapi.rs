//! `/openapi/v3`: what kubectl asks before it applies, creates and explains, made from the table of types.
//!
//! It says what is true here and what clients read: the paths of the resources with their verbs, that their writes know
//! `fieldValidation`, and the types with the marks of their lists and maps. Nothing is described in words.

use std::collections::BTreeSet;

use http::{HeaderMap, header};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{
    discovery::missing,
    refusal::Refusal,
    reply::Reply,
    resources::{Resource, Resources, Served, api_version},
    schema::{self, Field, ListKind, Shape, Strategy, Type},
};

/// Types of `meta/v1` in the table, which does not name their package.
const META: [&str; 9] = [
    "Condition",
    "DeleteOptions",
    "FieldSelectorRequirement",
    "LabelSelector",
    "LabelSelectorRequirement",
    "ManagedFieldsEntry",
    "ObjectMeta",
    "OwnerReference",
    "Preconditions",
];
/// How the types of `apiextensions/v1` begin.
const EXTENSIONS: [&str; 7] = [
    "CustomResource",
    "ExternalDocumentation",
    "JSONSchemaProps",
    "SelectableField",
    "ServiceReference",
    "ValidationRule",
    "Webhook",
];

/// In which form kubectl asks for version 2.
const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

/// `/openapi/v2`, with nothing in it. kubectl looks there for what version 3 does not know, and for the message that
/// there is no such kind it has to see that it is not there either.
pub fn v2(headers: &HeaderMap) -> Reply {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    if accept.is_some_and(|accept| accept.contains(PROTOBUF)) {
        let mut document = Vec::new();
        prost::encoding::string::encode(1, &"2.0".to_owned(), &mut document);
        return Reply::bytes(200, PROTOBUF, document.into());
    }
    Reply::json(
        200,
        &json!({"swagger": "2.0", "info": {"title": "Kubernetes", "version": "v1.36.3"}, "paths": {}}),
    )
}

/// `/openapi/v3`: where the documents of the versions are.
pub fn index(resources: &Resources) -> Reply {
    let mut paths = Map::new();
    for served in resources.iter().flat_map(|resource| &resource.served) {
        let path = root(&served.group, &served.version);
        let mut hash = Sha256::new();
        for (resource, served) in of(resources, &served.group, &served.version) {
            hash.update(&resource.kind);
            let schema = resource
                .custom
                .as_ref()
                .and_then(|custom| custom.schemas.get(&served.version));
            hash.update(schema.map(Value::to_string).unwrap_or_default());
        }
        let hash: String = hash.finalize().iter().map(|byte| format!("{byte:02X}")).collect();
        let url = format!("/openapi/v3/{path}?hash={hash}");
        paths.insert(path, json!({"serverRelativeURL": url}));
    }
    Reply::json(200, &json!({"paths": paths}))
}

/// `/openapi/v3/apis/<group>/<version>`: the document of a version.
pub fn document(resources: &Resources, group: &str, version: &str) -> Result<Reply, Refusal> {
    let mut paths = Map::new();
    let mut schemas = Schemas::default();
    for (resource, served) in of(resources, group, version) {
        let kind = kind(resource, served);
        let place = format!("/{}", root(group, version));
        let place = if resource.namespaced {
            format!("{place}/namespaces/{{namespace}}/{}", resource.plural)
        } else {
            format!("{place}/{}", resource.plural)
        };
        let custom = resource.custom.is_some();
        let collection = [("list", "get"), ("create", "post"), ("deletecollection", "delete")];
        let single = [
            ("get", "get"),
            ("update", "put"),
            ("patch", "patch"),
            ("delete", "delete"),
        ];
        for (path, verbs) in [
            (place.clone(), &collection[..]),
            (format!("{place}/{{name}}"), &single[..]),
        ] {
            let offered = verbs.iter().filter(|(verb, _)| resource.verbs.contains(verb));
            let operations: Map<String, Value> = offered
                .map(|(verb, method)| ((*method).to_owned(), operation(verb, &kind, custom)))
                .collect();
            if !operations.is_empty() {
                paths.insert(path, operations.into());
            }
        }
        schemas.add_kind(resource, served, &kind);
    }
    if paths.is_empty() {
        return Err(missing());
    }
    Ok(Reply::json(
        200,
        &json!({
            "openapi": "3.0.0",
            "info": {"title": "Kubernetes", "version": "v1.36.3"},
            "paths": paths,
            "components": {"schemas": schemas.done},
        }),
    ))
}

fn root(group: &str, version: &str) -> String {
    let prefix = if group.is_empty() { "api" } else { "apis" };
    format!("{prefix}/{}", api_version(group, version))
}

fn of<'a>(
    resources: &'a Resources,
    group: &'a str,
    version: &'a str,
) -> impl Iterator<Item = (&'a Resource, &'a Served)> {
    resources.iter().flat_map(move |resource| {
        let served = resource.served.iter();
        let here = served.filter(move |served| served.group == group && served.version == version);
        here.map(move |served| (&**resource, served))
    })
}

fn kind(resource: &Resource, served: &Served) -> Value {
    json!({"group": served.group, "version": served.version, "kind": resource.kind})
}

/// What can be done with a resource: a verb of it.
fn operation(verb: &str, kind: &Value, custom: bool) -> Value {
    let parameter = |name: &str, kind: &str| json!({"name": name, "in": "query", "schema": {"type": kind}});
    let mut parameters = Vec::new();
    if matches!(verb, "create" | "update" | "patch") {
        parameters.extend(["dryRun", "fieldManager", "fieldValidation"].map(|name| parameter(name, "string")));
    }
    let action = match verb {
        "create" => "post",
        "update" => "put",
        other => other,
    };
    let mut operation = json!({
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": kind,
    });
    if verb == "patch" {
        parameters.push(parameter("force", "boolean"));
        let mut content = json!({
            "application/apply-patch+yaml": {},
            "application/json-patch+json": {},
            "application/merge-patch+json": {},
        });
        if !custom {
            content["application/strategic-merge-patch+json"] = json!({});
        }
        operation["requestBody"] = json!({"content": content, "required": true});
    }
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    operation
}

/// The types of a document: those of its kinds and all that they are made of.
#[derive(Default)]
struct Schemas {
    done: Map<String, Value>,
    seen: BTreeSet<String>,
}

impl Schemas {
    fn add_kind(&mut self, resource: &Resource, served: &Served, kind: &Value) {
        let api_version = api_version(&served.group, &served.version);
        let (name, mut schema) = if let Some(custom) = &resource.custom {
            let group: Vec<&str> = served.group.split('.').rev().collect();
            let name = format!("{}.{}.{}", group.join("."), served.version, resource.kind);
            let mut schema = custom
                .schemas
                .get(&served.version)
                .cloned()
                .unwrap_or_else(|| json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}));
            if schema["properties"].is_object() {
                schema["properties"]["apiVersion"] = json!({"type": "string"});
                schema["properties"]["kind"] = json!({"type": "string"});
                schema["properties"]["metadata"] = self.shape(&Shape::Type("ObjectMeta".to_owned()));
            }
            (name, schema)
        } else if let Some(key) = schema::key_of_kind(&api_version, &resource.kind)
            && let Some(found) = schema::find(&key)
        {
            self.add(&key, found);
            let name = full_name(&key);
            let Some(schema) = self.done.get(&name).cloned() else {
                return;
            };
            (name, schema)
        } else {
            return;
        };
        schema["x-kubernetes-group-version-kind"] = json!([kind]);
        self.done.insert(name, schema);
    }

    fn add(&mut self, key: &str, kind: &Type) {
        if !self.seen.insert(key.to_owned()) {
            return;
        }
        let mut properties = Map::new();
        for (name, field) in &kind.fields {
            properties.insert(name.clone(), self.field(field));
        }
        let mut schema = json!({"type": "object"});
        if !properties.is_empty() {
            schema["properties"] = properties.into();
        }
        let required: Vec<&String> = kind
            .fields
            .iter()
            .filter(|(_, field)| field.required)
            .map(|(name, _)| name)
            .collect();
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        if kind.atomic {
            schema["x-kubernetes-map-type"] = "atomic".into();
        }
        self.done.insert(full_name(key), schema);
    }

    fn field(&mut self, field: &Field) -> Value {
        let mut schema = self.shape(&field.shape);
        if field.atomic && matches!(field.shape, Shape::Map(_)) {
            schema["x-kubernetes-map-type"] = "atomic".into();
        }
        match &field.list {
            ListKind::Atomic => {}
            ListKind::Set => schema["x-kubernetes-list-type"] = "set".into(),
            ListKind::Map(keys) => {
                schema["x-kubernetes-list-type"] = "map".into();
                schema["x-kubernetes-list-map-keys"] = json!(keys);
            }
        }
        let mut strategies = Vec::new();
        if let Strategy::Merge(key) = &field.strategy {
            strategies.push("merge");
            if let Some(key) = key {
                schema["x-kubernetes-patch-merge-key"] = key.clone().into();
            }
        }
        if field.retain_keys {
            strategies.push("retainKeys");
        }
        if !strategies.is_empty() {
            schema["x-kubernetes-patch-strategy"] = strategies.join(",").into();
        }
        schema
    }

    fn shape(&mut self, shape: &Shape) -> Value {
        match shape {
            Shape::String => json!({"type": "string"}),
            Shape::Int32 => json!({"type": "integer", "format": "int32"}),
            Shape::Int64 => json!({"type": "integer", "format": "int64"}),
            Shape::Number => json!({"type": "number", "format": "double"}),
            Shape::Boolean => json!({"type": "boolean"}),
            Shape::Bytes => json!({"type": "string", "format": "byte"}),
            Shape::Any => json!({"type": "object"}),
            Shape::Quantity => {
                let schema = json!({"oneOf": [{"type": "string"}, {"type": "number"}]});
                self.named("io.k8s.apimachinery.pkg.api.resource.Quantity", schema)
            }
            Shape::IntOrString => {
                let schema = json!({"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]});
                self.named("io.k8s.apimachinery.pkg.util.intstr.IntOrString", schema)
            }
            Shape::Time => {
                let schema = json!({"type": "string", "format": "date-time"});
                self.named("io.k8s.apimachinery.pkg.apis.meta.v1.Time", schema)
            }
            Shape::MicroTime => {
                let schema = json!({"type": "string", "format": "date-time"});
                self.named("io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime", schema)
            }
            Shape::List(inner) => json!({"type": "array", "items": self.shape(inner)}),
            Shape::Map(inner) => json!({"type": "object", "additionalProperties": self.shape(inner)}),
            Shape::Type(key) => match schema::find(key) {
                Some(kind) => {
                    self.add(key, kind);
                    reference(&full_name(key))
                }
                None => json!({"type": "object"}),
            },
        }
    }

    fn named(&mut self, name: &str, schema: Value) -> Value {
        self.done.insert(name.to_owned(), schema);
        reference(name)
    }
}

/// A reference beside which there may be more.
fn reference(name: &str) -> Value {
    json!({"allOf": [{"$ref": format!("#/components/schemas/{name}")}]})
}

/// The name of a type in the document.
fn full_name(key: &str) -> String {
    if META.contains(&key) {
        return format!("io.k8s.apimachinery.pkg.apis.meta.v1.{key}");
    }
    if EXTENSIONS.iter().any(|begin| key.starts_with(begin)) {
        return format!("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.{key}");
    }
    if key.contains('.') {
        return format!("io.k8s.api.{key}");
    }
    format!("io.k8s.api.core.v1.{key}")
}
