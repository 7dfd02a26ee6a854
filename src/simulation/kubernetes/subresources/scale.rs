//! `/scale`: the replicas of whatever has some.

use serde_json::{Value, json};

use crate::kubernetes::{
    accept::{self, Form},
    incoming::Served,
    ownership::{self, Identity, scaled},
    printing::{human_duration, json_path},
    refusal::{About, Cause, Refusal},
    reply::Reply,
    request::WriteOptions,
    resources::{Conversion, REPLICATION_CONTROLLERS, Resource, ResourceId, api_version},
    schema,
    selectors::{Labels, Operator},
    strategy::{self, Part},
    validation,
    verbs::{
        Ask, apply,
        patch::patched,
        update::{MODIFIED, stored_error},
    },
    world::{Key, World, Write},
};

/// The Scale of an object.
fn scale_of(ask: &Ask<'_>, object: &Value) -> Value {
    let (spec, status, selector) = paths(ask);
    let number = |path: &str| json_path(object, path).first().and_then(|value| value.as_i64());
    let mut scale = json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {},
        "spec": {},
        "status": {"replicas": number(&status).unwrap_or_default()},
    });
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        let value = &object["metadata"][field];
        if !value.is_null() {
            scale["metadata"][field] = value.clone();
        }
    }
    if let Some(replicas) = number(&spec).filter(|replicas| *replicas != 0) {
        scale["spec"]["replicas"] = replicas.into();
    }
    let selector = match selector {
        Some(path) => json_path(object, &path)
            .first()
            .and_then(|value| value.as_str())
            .unwrap_or_default()
            .to_owned(),
        None if ask.served.resource.custom.is_some() => String::new(),
        None if ask.served.resource.id == REPLICATION_CONTROLLERS => {
            text_of(&Labels::from_map(&object["spec"]["selector"]))
        }
        None => text_of(&Labels::from_object(&object["spec"]["selector"])),
    };
    if !selector.is_empty() {
        scale["status"]["selector"] = selector.into();
    }
    scale
}

fn text_of(labels: &Labels) -> String {
    let mut requirements = labels.requirements.clone();
    requirements.sort_by(|left, right| left.key.cmp(&right.key));
    let parts: Vec<String> = requirements
        .iter()
        .map(|requirement| {
            let (key, values) = (&requirement.key, requirement.values.join(","));
            match requirement.operator {
                Operator::In if requirement.values.len() == 1 => format!("{key}={values}"),
                Operator::In => format!("{key} in ({values})"),
                Operator::NotIn => format!("{key} notin ({values})"),
                Operator::Exists => key.clone(),
                Operator::DoesNotExist => format!("!{key}"),
                Operator::GreaterThan => format!("{key}>{values}"),
                Operator::LessThan => format!("{key}<{values}"),
            }
        })
        .collect();
    parts.join(",")
}

fn paths(ask: &Ask<'_>) -> (String, String, Option<String>) {
    let custom = ask.served.resource.custom.as_ref();
    custom
        .and_then(|custom| custom.scale.get(ask.served.version).cloned())
        .unwrap_or_else(|| (".spec.replicas".to_owned(), ".status.replicas".to_owned(), None))
}

/// Answers with the Scale.
pub fn get(world: &World, ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let found = world
        .find(ask.served.resource.id, ask.namespace(), ask.name())
        .ok_or_else(|| Refusal::not_found(ask.details(), ask.name()))?;
    let scale = scale_of(ask, &found.value());
    Ok(match ask.form {
        Form::Table(_) => Reply::json(200, &table(world, ask, &scale)),
        _ => Reply::json(200, &scale),
    })
}

fn table(world: &World, ask: &Ask<'_>, scale: &Value) -> Value {
    let column = |name: &str, kind: &str, format: &str| json!({"name": name, "type": kind, "format": format, "description": "", "priority": 0});
    let created = scale["metadata"]["creationTimestamp"]
        .as_str()
        .and_then(|text| text.parse().ok());
    let age = created.map_or_else(
        || "<unknown>".to_owned(),
        |created| human_duration(world.now().duration_since(created)),
    );
    let desired = scale["spec"]["replicas"].as_i64().unwrap_or_default();
    let mut row = json!({"cells": [scale["metadata"]["name"], desired, scale["status"]["replicas"], age]});
    if ask.include() != "None" {
        row["object"] = scale.clone();
    }
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": scale["metadata"]["resourceVersion"]},
        "columnDefinitions": [
            column("Name", "string", "name"),
            column("Desired", "integer", ""),
            column("Available", "integer", ""),
            column("Age", "string", ""),
        ],
        "rows": [row],
    })
}

fn scale_resource() -> Resource {
    Resource {
        id: ResourceId(u16::MAX),
        group: "autoscaling".to_owned(),
        version: "v1".to_owned(),
        kind: "Scale".to_owned(),
        list_kind: String::new(),
        plural: "scales".to_owned(),
        singular: "scale".to_owned(),
        short_names: Vec::new(),
        categories: Vec::new(),
        namespaced: true,
        verbs: &[],
        subresources: Vec::new(),
        served: Vec::new(),
        custom: None,
    }
}

/// Puts, patches or applies the Scale.
pub fn write(world: &mut World, ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let patches = ask.about.verb == "patch";
    let kind = accept::content_type(&ask.call.headers).to_owned();
    let applies = patches && kind == "application/apply-patch+yaml";
    let options = WriteOptions::read(
        ask.call,
        if patches { "PatchOptions" } else { "UpdateOptions" },
        applies,
    )?;
    let key = Key::new(ask.served.resource.id, ask.namespace(), ask.name());
    let Some(live) = world.get(&key).cloned() else {
        return Err(Refusal::not_found(ask.details(), ask.name()));
    };
    let old = live.value();
    let versions: Vec<String> = versions(ask);
    let places: Vec<scaled::Place<'_>> = versions.iter().map(|version| place(ask, version)).collect();
    let mut current = scale_of(ask, &old);
    let owners = scaled::of_scale(&old["metadata"]["managedFields"], &places);
    if !owners.is_null() {
        current["metadata"]["managedFields"] = owners;
    }
    let resource = scale_resource();
    let served = Served {
        resource: &resource,
        version: "v1",
        group: "autoscaling",
        conversion: Conversion::None,
    };
    let now = world.stamp();
    let (wanted, warnings) = if applies {
        let (config, warnings) = apply::read(&served, ask.call, &options)?;
        let merged = apply::merged(&served, &config, &current, Part::Scale, &options, &now, |_| {})?;
        if ask.served.resource.custom.is_some() {
            // The real one takes the Scale for a custom resource, which is not served in that version.
            let version = served.api_version();
            let why = format!("request to convert CR to an invalid group/version: {version}");
            let words = apply::unconverted(&config, &version, "Scale", &why);
            return Err(Refusal::new(500, "", words));
        }
        (merged, warnings)
    } else {
        let (mut wanted, warnings) = if patches {
            (patched_scale(&kind, &current, ask)?, Vec::new())
        } else {
            served.read(ask.call, options.validation)?
        };
        let identity = Identity {
            manager: options.manager.clone(),
            applies: false,
            api_version: served.api_version(),
            subresource: Part::Scale.subresource().map(str::to_owned),
        };
        // Nobody keeps account of what had no owner.
        if current["metadata"]["managedFields"].is_array() {
            ownership::update(&current, &mut wanted, served.view(), &identity, &now);
        }
        (wanted, warnings)
    };
    judge(ask, &live, &wanted)?;
    let replicas = wanted["spec"]["replicas"].as_i64().unwrap_or_default();
    let mut new = old.clone();
    let (path, ..) = paths(ask);
    set(&mut new, &path, replicas.into());
    let owners = scaled::of_scaled(
        &old["metadata"]["managedFields"],
        &wanted["metadata"]["managedFields"],
        &places,
        &place(ask, &ask.served.api_version()),
    );
    strategy::set_or_remove(&mut new["metadata"], "managedFields", &owners);
    strategy::prepare_update(world, key.resource, &old, &mut new, Part::Scale);
    if ask.served.resource.custom.is_some() {
        let given = new["metadata"].clone();
        let causes = validation::of_changed(world, &ask.served, &old, &new, &given, Part::Scale);
        if !causes.is_empty() {
            return Err(Refusal::invalid(ask.kind(), ask.name(), &causes));
        }
    }
    let write = Write {
        part: Part::Scale,
        manager: None,
        served: None,
        dry_run: options.dry_run,
    };
    let (stored, _) = world.replace(&key, old, new, write)?;
    let mut reply = Reply::json(200, &scale_of(ask, &stored));
    reply.warnings = warnings;
    Ok(reply)
}

/// The Scale after a patch that applies nothing.
fn patched_scale(kind: &str, current: &Value, ask: &Ask<'_>) -> Result<Value, Refusal> {
    let known = [
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
    ];
    if !known.contains(&kind) {
        return Err(accept::unsupported(&known.join(", ")));
    }
    let types = schema::of_kind("autoscaling/v1", "Scale");
    let patched = patched(kind, current, &ask.call.body, types)?;
    let types = types.expect("there is a Scale");
    let decoded = schema::decode(patched, types).map_err(|why| {
        let cause = Cause::invalid("patch", &current.to_string().into(), &why);
        Refusal::invalid(About::new("", ""), "", &[cause])
    })?;
    Ok(decoded.value)
}

/// In which versions somebody may own the replicas.
fn versions(ask: &Ask<'_>) -> Vec<String> {
    let served = ask.served.resource.served.iter();
    served
        .map(|served| api_version(&served.group, &served.version))
        .collect()
}

/// Where the replicas are in a version.
fn place<'a>(ask: &Ask<'_>, version: &'a str) -> scaled::Place<'a> {
    let steps = |path: &str| path.trim_start_matches('.').split('.').map(str::to_owned).collect();
    let path = match &ask.served.resource.custom {
        None => Some(steps(".spec.replicas")),
        Some(custom) => {
            let version = version.rsplit('/').next().unwrap_or_default();
            custom.scale.get(version).map(|(path, ..)| steps(path))
        }
    };
    scaled::Place {
        api_version: version,
        path,
    }
}

fn judge(ask: &Ask<'_>, live: &crate::kubernetes::world::Object, scale: &Value) -> Result<(), Refusal> {
    let metadata = &scale["metadata"];
    let named = metadata["name"].as_str().unwrap_or_default();
    if named != ask.name() {
        return Err(Refusal::bad_request(format!(
            "the name of the object ({named}) does not match the name on the URL ({})",
            ask.name()
        )));
    }
    let replicas = scale["spec"]["replicas"].as_i64().unwrap_or_default();
    // A custom resource is judged as a whole.
    if replicas < 0 && ask.served.resource.custom.is_none() {
        let cause = Cause::invalid("spec.replicas", &replicas.into(), "must be greater than or equal to 0");
        return Err(Refusal::invalid(
            About::new("autoscaling", "Scale"),
            ask.name(),
            &[cause],
        ));
    }
    let uid = metadata["uid"].as_str().unwrap_or_default();
    if !uid.is_empty() && uid != &**live.uid() {
        return Err(Refusal::conflict(
            ask.details(),
            ask.name(),
            &stored_error(ask, uid, live),
        ));
    }
    let version = metadata["resourceVersion"].as_str().unwrap_or_default();
    if !version.is_empty() && version != live.revision().to_string() {
        return Err(Refusal::conflict(ask.details(), ask.name(), MODIFIED));
    }
    Ok(())
}

fn set(object: &mut Value, path: &str, value: Value) {
    let mut place = object;
    for name in path.trim_start_matches('.').split('.') {
        if !place[name].is_object() && !place[name].is_number() {
            place[name] = json!({});
        }
        place = &mut place[name];
    }
    *place = value;
}
