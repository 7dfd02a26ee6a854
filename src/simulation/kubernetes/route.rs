//! From a path to what is meant by it.

use http::Method;

use super::{
    request::{About, Query, decode},
    resources::Resources,
};

/// What a path means.
#[derive(Clone, Debug)]
pub enum Route {
    /// Objects.
    Objects(Box<About>),
    /// `/api`.
    CoreVersions,
    /// `/apis`.
    Groups,
    /// `/apis/<group>`.
    Group(String),
    /// `/api/v1`, `/apis/<group>/<version>`: the resources of it.
    Resources(String, String),
    /// `/openapi/v2`.
    OpenApiV2,
    /// `/openapi/v3`.
    OpenApi,
    /// `/openapi/v3/api/v1`, `/openapi/v3/apis/<group>/<version>`.
    OpenApiOf(String, String),
    /// `/version`.
    Version,
    /// `/healthz`, `/livez`, `/readyz`.
    Health,
    /// Nothing in a group that there is.
    Missing,
    /// Nothing.
    Unknown,
}

/// Reads a path.
pub fn route(resources: &Resources, method: &Method, path: &str, query: &Query) -> Route {
    // Escaped slashes divide as others do.
    let path = decode(path, false);
    if path.starts_with("/api") && path.contains("//") {
        return Route::Missing;
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        ["version"] => Route::Version,
        ["healthz" | "livez" | "readyz", ..] => Route::Health,
        ["openapi", "v2"] => Route::OpenApiV2,
        ["openapi", "v3"] => Route::OpenApi,
        ["openapi", "v3", "api", version] => Route::OpenApiOf(String::new(), (*version).to_owned()),
        ["openapi", "v3", "apis", group, version] => Route::OpenApiOf((*group).to_owned(), (*version).to_owned()),
        ["api"] => Route::CoreVersions,
        ["apis"] => Route::Groups,
        ["apis", group] => Route::Group((*group).to_owned()),
        ["api", version] => Route::Resources(String::new(), (*version).to_owned()),
        ["apis", group, version] => Route::Resources((*group).to_owned(), (*version).to_owned()),
        ["api", version, rest @ ..] => objects(resources, method, "", version, rest, query),
        ["apis", group, version, rest @ ..] => objects(resources, method, group, version, rest, query),
        _ => Route::Unknown,
    }
}

fn objects(resources: &Resources, method: &Method, group: &str, version: &str, rest: &[&str], query: &Query) -> Route {
    // `/namespaces/<name>/<subresource>` is about the namespace itself.
    let own = |part: &str| matches!(part, "status" | "finalize");
    // The old way to watch: also one object alone.
    let (old, rest) = match rest {
        ["watch", rest @ ..] => (true, rest),
        _ => (false, rest),
    };
    let (namespace, rest) = match rest {
        ["namespaces", _] => (None, rest),
        ["namespaces", _, part] if own(part) => (None, rest),
        ["namespaces", namespace, rest @ ..] => (Some((*namespace).to_owned()), rest),
        _ => (None, rest),
    };
    let (plural, name, subresource) = match rest {
        [plural] => (plural, None, None),
        [plural, name] => (plural, Some((*name).to_owned()), None),
        [plural, name, sub] => (plural, Some((*name).to_owned()), Some((*sub).to_owned())),
        _ => {
            let known = resources.iter().flat_map(|resource| &resource.served);
            let known = known.into_iter().any(|served| served.group == group);
            return if known { Route::Missing } else { Route::Unknown };
        }
    };
    let named = name.is_some();
    let watch = old || (query.flag("watch") && !named);
    let verb = match *method {
        Method::GET if watch => "watch",
        Method::GET | Method::HEAD if named => "get",
        Method::GET | Method::HEAD => "list",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if named => "delete",
        Method::DELETE => "deletecollection",
        _ => "",
    };
    let resource = resources
        .route(group, version, plural)
        .map(|(resource, conversion)| (resource.clone(), conversion));
    Route::Objects(Box::new(About {
        verb,
        group: group.to_owned(),
        version: version.to_owned(),
        plural: (*plural).to_owned(),
        namespace,
        name,
        subresource,
        resource,
    }))
}
