//! Discovery: which groups, versions and resources there are, the old way and aggregated.

use serde_json::{Value, json};

use super::{
    accept::{self, parameter},
    refusal::Refusal,
    reply::Reply,
    request::Call,
    resources::{Resource, Resources, Served, api_version},
    route::Route,
};

/// The form in which aggregated discovery is answered.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Refuses to answer what there is in a form that there is not.
pub fn judge_form(resources: &Resources, route: &Route, call: &Call) -> Result<(), Refusal> {
    let Err(converting) = accept::plain(&call.headers) else {
        return Ok(());
    };
    let known = |group: &str, version: Option<&str>| {
        let mut served = resources.iter().flat_map(|resource| &resource.served);
        served.any(|served| served.group == group && version.is_none_or(|version| served.version == version))
    };
    match route {
        Route::CoreVersions | Route::Groups if aggregated(call) => Ok(()),
        Route::Version => Err(accept::not_available("application/json")),
        Route::CoreVersions if !converting => Err(accept::not_available(accept::TYPES)),
        Route::Resources(group, version) if known(group, Some(version)) && !converting => {
            Err(accept::not_available(accept::TYPES))
        }
        Route::Resources(group, version) if known(group, Some(version)) => Err(accept::not_acceptable(accept::TYPES)),
        Route::Group(group) if known(group, None) => Err(accept::not_acceptable(accept::TYPES)),
        Route::Groups | Route::CoreVersions => Err(accept::not_acceptable(accept::TYPES)),
        _ => Ok(()),
    }
}

/// `/version`.
pub fn version() -> Reply {
    Reply::json(
        200,
        &json!({
            "major": "1",
            "minor": "36",
            "emulationMajor": "1",
            "emulationMinor": "36",
            "minCompatibilityMajor": "1",
            "minCompatibilityMinor": "35",
            "gitVersion": "v1.36.3",
            "gitCommit": "",
            "gitTreeState": "clean",
            "buildDate": "2026-11-01T00:00:00Z",
            "goVersion": "go1.26",
            "compiler": "gc",
            "platform": "linux/amd64",
        }),
    )
}

/// Groups with their versions, in the order in which they were added.
fn groups(resources: &Resources) -> Vec<(String, Vec<String>)> {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for served in resources.iter().flat_map(|resource| &resource.served) {
        let at = groups
            .iter()
            .position(|(name, _)| *name == served.group)
            .unwrap_or_else(|| {
                groups.push((served.group.clone(), Vec::new()));
                groups.len() - 1
            });
        if !groups[at].1.contains(&served.version) {
            groups[at].1.push(served.version.clone());
        }
    }
    groups
}

/// The resources of a group and version, by name.
fn of(resources: &Resources, group: &str, version: &str) -> Vec<(Resource, Served)> {
    let mut found: Vec<(Resource, Served)> = resources
        .iter()
        .flat_map(|resource| {
            resource
                .served
                .iter()
                .map(move |served| ((**resource).clone(), served.clone()))
        })
        .filter(|(_, served)| served.group == group && served.version == version)
        .collect();
    found.sort_by(|left, right| left.0.plural.cmp(&right.0.plural));
    found
}

fn aggregated(call: &Call) -> bool {
    accept::asked(&call.headers).split(',').any(|clause| {
        let json = clause.trim().starts_with("application/json");
        json && parameter(clause, "as") == Some("APIGroupDiscoveryList")
            && parameter(clause, "g") == Some("apidiscovery.k8s.io")
            && parameter(clause, "v") == Some("v2")
    })
}

/// `/api`.
pub fn core(resources: &Resources, call: &Call) -> Reply {
    if aggregated(call) {
        return list(resources, |group| group.is_empty());
    }
    Reply::json(
        200,
        &json!({
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:6443"}],
        }),
    )
}

/// `/apis`.
pub fn all(resources: &Resources, call: &Call) -> Reply {
    if aggregated(call) {
        return list(resources, |group| !group.is_empty());
    }
    let groups: Vec<Value> = groups(resources)
        .iter()
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, versions)| group_value(name, versions))
        .collect();
    Reply::json(
        200,
        &json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}),
    )
}

fn group_value(name: &str, versions: &[String]) -> Value {
    let version = |version: &String| json!({"groupVersion": api_version(name, version), "version": version});
    json!({
        "name": name,
        "versions": versions.iter().map(version).collect::<Vec<_>>(),
        "preferredVersion": versions.first().map(version),
    })
}

/// `/apis/<group>`.
pub fn group(resources: &Resources, name: &str) -> Result<Reply, Refusal> {
    let groups = groups(resources);
    let (name, versions) = groups
        .iter()
        .find(|(other, _)| other == name && !name.is_empty())
        .ok_or_else(missing)?;
    let mut group = group_value(name, versions);
    group["kind"] = "APIGroup".into();
    group["apiVersion"] = "v1".into();
    Ok(Reply::json(200, &group))
}

/// What is asked for is not served.
pub fn missing() -> Refusal {
    Refusal {
        details: Some(json!({})),
        ..Refusal::new(404, "NotFound", "the server could not find the requested resource")
    }
}

/// `/api/v1`, `/apis/<group>/<version>`.
pub fn resources(resources: &Resources, group: &str, version: &str) -> Result<Reply, Refusal> {
    let found = of(resources, group, version);
    if found.is_empty() {
        return Err(missing());
    }
    let mut listed = Vec::new();
    for (resource, served) in &found {
        let mut entry = json!({
            "name": resource.plural,
            "singularName": resource.singular,
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": resource.verbs,
        });
        if !resource.short_names.is_empty() {
            entry["shortNames"] = json!(resource.short_names);
        }
        if !resource.categories.is_empty() {
            entry["categories"] = json!(resource.categories);
        }
        if resource.verbs.len() > 2 {
            entry["storageVersionHash"] = hash(resource).into();
        }
        listed.push(entry);
        for part in subresources(resource, served) {
            let mut entry = json!({
                "name": format!("{}/{}", resource.plural, part.name),
                "singularName": "",
                "namespaced": resource.namespaced,
                "kind": resource.kind,
                "verbs": part.verbs,
            });
            if let Some((group, version, kind)) = part.kind {
                if !group.is_empty() {
                    entry["group"] = group.into();
                    entry["version"] = version.into();
                }
                entry["kind"] = kind.into();
            }
            listed.push(entry);
        }
    }
    Ok(Reply::json(
        200,
        &json!({
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": api_version(group, version),
            "resources": listed,
        }),
    ))
}

/// The subresources that this version has.
fn subresources<'a>(
    resource: &'a Resource,
    served: &'a Served,
) -> impl Iterator<Item = &'a super::resources::Subresource> {
    resource.subresources.iter().filter(|part| match &resource.custom {
        None => true,
        Some(custom) if part.name == "scale" => custom.scale.contains_key(&served.version),
        Some(custom) => custom.status.get(&served.version) == Some(&true),
    })
}

/// What differs when the stored version does.
fn hash(resource: &Resource) -> String {
    use sha2::{Digest, Sha256};
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digest = Sha256::digest(format!("{}/{}/{}", resource.group, resource.version, resource.kind));
    // Eight bytes in base64: ten letters of six bits, and one of four.
    let bits = digest
        .iter()
        .take(8)
        .fold(0_u128, |bits, byte| (bits << 8) | u128::from(*byte))
        << 2;
    let mut text: String = (0..11)
        .rev()
        .map(|place| char::from(LETTERS[usize::try_from((bits >> (place * 6)) & 63).unwrap_or_default()]))
        .collect();
    text.push('=');
    text
}

fn list(resources: &Resources, wanted: impl Fn(&str) -> bool) -> Reply {
    let items: Vec<Value> = groups(resources)
        .iter()
        .filter(|(name, _)| wanted(name))
        .map(|(name, versions)| {
            let versions: Vec<Value> = versions
                .iter()
                .map(|version| {
                    let listed: Vec<Value> = of(resources, name, version)
                        .iter()
                        .map(|(resource, served)| discovered(name, version, resource, served))
                        .collect();
                    json!({"version": version, "freshness": "Current", "resources": listed})
                })
                .collect();
            let metadata = if name.is_empty() {
                json!({})
            } else {
                json!({"name": name})
            };
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    let list = json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    });
    let mut reply = Reply::json(200, &list);
    reply.content_type = AGGREGATED;
    reply
}

fn discovered(group: &str, version: &str, resource: &Resource, served: &Served) -> Value {
    let mut entry = json!({
        "resource": resource.plural,
        "responseKind": {"group": group, "version": version, "kind": resource.kind},
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular,
        "verbs": resource.verbs,
    });
    if !resource.short_names.is_empty() {
        entry["shortNames"] = json!(resource.short_names);
    }
    if !resource.categories.is_empty() {
        entry["categories"] = json!(resource.categories);
    }
    let parts: Vec<Value> = subresources(resource, served)
        .map(|part| {
            let (group, version, kind) = part.kind.unwrap_or((group, version, &resource.kind));
            json!({
                "subresource": part.name,
                "responseKind": {"group": group, "version": version, "kind": kind},
                "verbs": part.verbs,
            })
        })
        .collect();
    if !parts.is_empty() {
        entry["subresources"] = parts.into();
    }
    entry
}
