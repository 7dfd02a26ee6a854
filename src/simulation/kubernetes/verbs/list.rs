//! Many objects: selected, in parts, as of a revision.

use std::sync::Arc;

use serde_json::json;

use super::{Ask, token};
use crate::kubernetes::{
    accept::{self, Form},
    measured,
    outgoing::{self, ListMetadata},
    refusal::{Cause, Refusal},
    reply::Reply,
    resources::{NODE_METRICS, POD_METRICS, PODS, ResourceId},
    selectors::{Fields, Labels, Operator},
    world::{Object, World},
};

/// What a list or a watch is about.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// By labels.
    pub labels: Labels,
    /// By fields.
    pub fields: Fields,
}

impl Selection {
    /// Reads the selectors of a call.
    pub fn read(ask: &Ask<'_>) -> Result<Self, Refusal> {
        let query = &ask.call.query;
        let labels = match query.text("labelSelector") {
            Some(text) => Labels::parse(text).map_err(Refusal::bad_request)?,
            None => Labels::default(),
        };
        let mut fields = match query.text("fieldSelector") {
            Some(text) => Fields::parse(text, ask.served.resource, ask.served.version, ask.served.conversion)
                .map_err(Refusal::bad_request)?,
            None => Fields::default(),
        };
        if let Some(name) = &ask.about.name {
            if fields.is_empty() {
                fields.and_name(name);
            } else if fields.exact("metadata.name") != Some(name) {
                let words = "fieldSelector metadata.name doesn't match requested name";
                return Err(Refusal::bad_request(words));
            }
        }
        Ok(Self { labels, fields })
    }

    /// Whether an object is meant.
    pub fn matches(&self, object: &Object) -> bool {
        self.labels.matches(|name| object.label(name)) && self.fields.matches(object)
    }

    /// Whether everything is meant.
    pub fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// The objects of a resource that are meant, in the order of the store, by an index where there is one.
    pub fn find(&self, world: &World, resource: ResourceId, namespace: Option<&str>) -> Vec<Arc<Object>> {
        let inside = |object: &&Arc<Object>| namespace.is_none_or(|namespace| object.namespace() == namespace);
        let meant = |object: &&Arc<Object>| self.matches(object);
        if matches!(resource, NODE_METRICS | POD_METRICS) {
            let measured = measured::all(world, resource, namespace);
            return measured.into_iter().filter(|object| self.matches(object)).collect();
        }
        if resource == PODS
            && let Some(node) = self.fields.exact("spec.nodeName").filter(|node| !node.is_empty())
        {
            return world.pods_on(node).filter(inside).filter(meant).cloned().collect();
        }
        let equal: Vec<(&str, &str)> = self
            .labels
            .requirements
            .iter()
            .filter(|requirement| requirement.operator == Operator::In && requirement.values.len() == 1)
            .map(|requirement| (&*requirement.key, &*requirement.values[0]))
            .collect();
        match namespace.filter(|_| !equal.is_empty()) {
            Some(namespace) => world
                .labelled(resource, namespace, &equal)
                .filter(meant)
                .cloned()
                .collect(),
            None => world.list(resource, namespace).filter(meant).cloned().collect(),
        }
    }

    /// The same as of a revision; as of now, when that is not known any more.
    pub fn find_at(
        &self,
        world: &World,
        resource: ResourceId,
        namespace: Option<&str>,
        revision: u64,
    ) -> Vec<Arc<Object>> {
        let past = (revision < world.revision()).then(|| world.list_at(resource, namespace, revision));
        match past.flatten() {
            Some(mut past) => {
                past.retain(|object| self.matches(object));
                past
            }
            None => self.find(world, resource, namespace),
        }
    }
}

/// Refuses a version that is none, or that has not come yet. `current` is the latest there is.
pub fn judge_version(current: u64, version: Option<&str>) -> Result<Option<u64>, Refusal> {
    let Some(version) = version else { return Ok(None) };
    let Ok(number) = version.parse::<u64>() else {
        let cause = Cause::invalid(
            "resourceVersion",
            &version.into(),
            &format!("strconv.ParseUint: parsing \"{version}\": invalid syntax"),
        );
        return Err(Refusal::bad_request(format!(
            "invalid resource version: resourceVersion: {}",
            cause.message
        )));
    };
    if number > current {
        let words = format!("Timeout: Too large resource version: {number}, current: {current}");
        let mut refusal = Refusal::new(504, "Timeout", words);
        refusal.retry_after = Some(1);
        refusal.details = Some(json!({"retryAfterSeconds": 1,
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]}));
        return Err(refusal);
    }
    Ok(Some(number))
}

/// The same for what is not a list: a version that is none is no mistake of the client's.
pub fn judge_one_version(current: u64, version: Option<&str>) -> Result<Option<u64>, Refusal> {
    judge_version(current, version).map_err(|refusal| {
        match refusal.message.strip_prefix("invalid resource version: ") {
            Some(words) => Refusal::new(500, "", words),
            None => refusal,
        }
    })
}

/// Refuses a list as the metadata of one object, and an object as those of a list.
pub fn judge_form(ask: &Ask<'_>, list: bool) -> Result<(), Refusal> {
    let many = accept::asked(&ask.call.headers).contains("PartialObjectMetadataList");
    if !matches!(ask.form, Form::Metadata(_)) || many == list {
        return Ok(());
    }
    let resource = ask.served.resource;
    if resource.custom.is_some() && !list {
        return Err(Refusal::new(500, "", "content is not a list"));
    }
    let package = resource.package();
    let kind = match (&resource.custom, list) {
        (Some(_), _) => "unstructured.UnstructuredList".to_owned(),
        (None, true) => format!("{package}.{}", resource.list_kind),
        (None, false) => format!("{package}.{}", resource.kind),
    };
    let words = if list {
        format!("you requested PartialObjectMetadata, but the requested object is a list (*{kind})")
    } else {
        format!("you requested PartialObjectMetadataList, but the requested object is not a list (*{kind})")
    };
    Err(Refusal::new(406, "NotAcceptable", words))
}

/// 410, as a list says it.
pub fn expired() -> Refusal {
    Refusal::new(
        410,
        "Expired",
        "The provided continue parameter is too old to display a consistent list result. You can start a new list without \
         the continue parameter, or use the continue token in this response to retrieve the remainder of the results. \
         Continuing with the provided token results in an inconsistent list - objects that were created, modified, or \
         deleted between the time the first chunk was returned and now may show up in the list.",
    )
}

/// Answers with the objects that are meant.
pub fn list(world: &World, ask: &Ask<'_>) -> Result<Reply, Refusal> {
    judge_form(ask, true)?;
    let (items, list) = find(world, ask)?;
    Ok(outgoing::list(
        world,
        &ask.served,
        ask.form,
        ask.include(),
        &items,
        &list,
    ))
}

/// The objects that are meant, as of the revision that is meant, and what is said of the whole.
pub fn find(world: &World, ask: &Ask<'_>) -> Result<(Vec<Arc<Object>>, ListMetadata), Refusal> {
    let query = &ask.call.query;
    judge_options(ask)?;
    query.number("timeoutSeconds")?;
    let selection = Selection::read(ask)?;
    let resource = ask.served.resource.id;
    let current = ask.current(world);
    let namespace = ask.about.namespace.as_deref();
    let limit = query.number("limit")?.filter(|limit| *limit > 0);
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    let continued = match query.text("continue") {
        Some(token) => Some(token::read(token, namespace)?),
        None => None,
    };
    let version = judge_version(current, query.text("resourceVersion"))?;
    let (from, mut revision) = match continued {
        Some(_) if version.is_some_and(|version| version != 0) => {
            let words = "specifying resource version is not allowed when using continue";
            return Err(Refusal::bad_request(words));
        }
        Some((revision, place)) => (Some(place), revision),
        None => (None, current),
    };
    let exact = query.get("resourceVersionMatch") == Some("Exact");
    if exact && let Some(version) = version {
        revision = version;
    }
    // A list as of a revision in the past is made by undoing what came since, as long as that is known.
    let mut items = if revision < world.revision() && (from.is_some() || exact) {
        let Some(past) = world.list_at(resource, namespace, revision) else {
            return Err(if exact {
                Refusal::new(
                    410,
                    "Expired",
                    format!("The resourceVersion for the provided list is too old: {revision}"),
                )
            } else {
                expired()
            });
        };
        past.into_iter().filter(|object| selection.matches(object)).collect()
    } else {
        selection.find_at(world, resource, namespace, revision)
    };
    if let Some(from) = &from {
        items.retain(|object| !object.comes_before(from));
    }
    let total = items.len();
    let mut list = ListMetadata {
        revision: revision.to_string(),
        next: None,
        remaining: None,
    };
    // The real one's cache answers a list at revision 0 whole, whatever the limit.
    if let Some(limit) = limit.filter(|limit| total > *limit && version != Some(0)) {
        items.truncate(limit);
        list.next = items.last().map(|last| token::write(revision, last, namespace));
        list.remaining = selection.is_everything().then_some(total - limit);
    }
    Ok((items, list))
}

/// Refuses options that contradict each other.
fn judge_options(ask: &Ask<'_>) -> Result<(), Refusal> {
    let query = &ask.call.query;
    let mut causes = Vec::new();
    if let Some(matching) = query.text("resourceVersionMatch") {
        let field = "resourceVersionMatch";
        if query.text("resourceVersion").is_none() {
            let why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            causes.push(Cause::forbidden(field, why));
        }
        if query.text("continue").is_some() {
            let why = "resourceVersionMatch is forbidden when continue is provided";
            causes.push(Cause::forbidden(field, why));
        }
        if !matches!(matching, "Exact" | "NotOlderThan") {
            causes.push(Cause::not_supported(
                field,
                &matching.into(),
                &["Exact", "NotOlderThan", ""],
            ));
        }
        if matching == "Exact" && query.get("resourceVersion") == Some("0") {
            let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            causes.push(Cause::forbidden(field, why));
        }
    }
    if query.get("sendInitialEvents").is_some() {
        causes.push(Cause::forbidden(
            "sendInitialEvents",
            "sendInitialEvents is forbidden for list",
        ));
    }
    if causes.is_empty() {
        return Ok(());
    }
    let about = crate::kubernetes::refusal::About::new("meta.k8s.io", "ListOptions");
    Err(Refusal::invalid(about, "", &causes))
}
