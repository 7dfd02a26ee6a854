//! Which resources there are: their names, verbs and subresources.
//!
//! The built-in ones are a table; CustomResourceDefinitions add theirs at run time. A resource is stored once, in one
//! version, however many groups and versions serve it.

use std::{collections::BTreeMap, sync::Arc};

mod builtin;

pub use builtin::*;

/// A resource by its place in the table. Stable for the life of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId(pub(super) u16);

impl ResourceId {
    /// Whether every cluster has it.
    pub fn is_built_in(self) -> bool {
        self.0 <= BINDINGS.0
    }

    /// The place in the table.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A verb of the API, as RBAC and discovery name it.
pub type Verb = &'static str;

/// The verbs of a stored resource.
pub const STORED: &[Verb] = &[
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];
/// The verbs of something that is asked and not kept.
pub const ASKED: &[Verb] = &["create"];
/// The verbs of something that others measure.
pub const MEASURED: &[Verb] = &["get", "list"];

/// A subresource: its name, verbs, and the kind that it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subresource {
    /// `status`, `scale`, `eviction`.
    pub name: &'static str,
    /// Its verbs.
    pub verbs: &'static [Verb],
    /// Group, version and kind, where they are not the resource's own.
    pub kind: Option<(&'static str, &'static str, &'static str)>,
}

/// What a stored version is turned into when another one is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversion {
    /// Only `apiVersion` differs.
    None,
    /// A core Event as one of `events.k8s.io`.
    Events,
    /// A HorizontalPodAutoscaler of `autoscaling/v2` as one of `autoscaling/v1`.
    AutoscalerV1,
}

/// One group and version under which a resource is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// `""`, `apps`.
    pub group: String,
    /// `v1`.
    pub version: String,
    /// How the stored version is turned into this one.
    pub conversion: Conversion,
}

/// A resource.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Its place.
    pub id: ResourceId,
    /// The group of the stored version.
    pub group: String,
    /// The stored version.
    pub version: String,
    /// `Pod`.
    pub kind: String,
    /// `PodList`.
    pub list_kind: String,
    /// `pods`.
    pub plural: String,
    /// `pod`.
    pub singular: String,
    /// `po`.
    pub short_names: Vec<String>,
    /// `all`.
    pub categories: Vec<String>,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// What can be done with it.
    pub verbs: &'static [Verb],
    /// Its subresources.
    pub subresources: Vec<Subresource>,
    /// Where it is served, the preferred version first.
    pub served: Vec<Served>,
    /// What a CustomResourceDefinition says about it; absent for the built-in ones.
    pub custom: Option<Arc<Custom>>,
}

/// What a CustomResourceDefinition says beyond the names.
#[derive(Clone, Debug, Default)]
pub struct Custom {
    /// Whether `/status` is a subresource, by version.
    pub status: BTreeMap<String, bool>,
    /// `specReplicasPath`, `statusReplicasPath`, `labelSelectorPath`, by version.
    pub scale: BTreeMap<String, (String, String, Option<String>)>,
    /// `additionalPrinterColumns`, by version.
    pub columns: BTreeMap<String, serde_json::Value>,
    /// `schema.openAPIV3Schema`, by version.
    pub schemas: BTreeMap<String, serde_json::Value>,
    /// `selectableFields`' paths, by version.
    pub selectable: BTreeMap<String, Vec<String>>,
}

impl Resource {
    /// `pods`, or `deployments.apps`: as errors name it.
    pub fn qualified(&self) -> String {
        qualified(&self.plural, &self.group)
    }

    /// The Go package of its types, as errors name it.
    pub fn package(&self) -> &str {
        match self.group.split('.').next().unwrap_or_default() {
            "" => "core",
            package => package,
        }
    }

    /// The `apiVersion` of the stored version.
    pub fn api_version(&self) -> String {
        api_version(&self.group, &self.version)
    }

    /// The subresource of this name.
    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|subresource| subresource.name == name)
    }
}

/// `deployments.apps`, or `pods` in the core group.
pub fn qualified(plural: &str, group: &str) -> String {
    if group.is_empty() {
        plural.to_owned()
    } else {
        format!("{plural}.{group}")
    }
}

/// `apps/v1`, or `v1` in the core group.
pub fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    }
}

/// Every resource of one world.
#[derive(Clone, Debug)]
pub struct Resources {
    all: Vec<Option<Arc<Resource>>>,
    /// By group, version and plural.
    routes: BTreeMap<(String, String, String), (ResourceId, Conversion)>,
}

impl Default for Resources {
    fn default() -> Self {
        let mut resources = Self {
            all: Vec::new(),
            routes: BTreeMap::new(),
        };
        for resource in builtin::all() {
            resources.put(resource);
        }
        resources
    }
}

impl Resources {
    /// The resource at this place.
    ///
    /// # Panics
    /// When its definition was deleted.
    pub fn get(&self, id: ResourceId) -> &Arc<Resource> {
        self.all[id.index()]
            .as_ref()
            .expect("a resource that is in use is defined")
    }

    /// The resource at this place, unless its definition was deleted.
    pub fn find(&self, id: ResourceId) -> Option<&Arc<Resource>> {
        self.all.get(id.index())?.as_ref()
    }

    /// What is served at `/apis/<group>/<version>/…/<plural>`.
    pub fn route(&self, group: &str, version: &str, plural: &str) -> Option<(&Arc<Resource>, Conversion)> {
        let (id, conversion) = self
            .routes
            .get(&(group.to_owned(), version.to_owned(), plural.to_owned()))?;
        Some((self.get(*id), *conversion))
    }

    /// The resource of a kind, by `apiVersion` and kind.
    pub fn of_kind(&self, api_version: &str, kind: &str) -> Option<&Arc<Resource>> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        self.iter().find(|resource| {
            resource.kind == kind
                && resource
                    .served
                    .iter()
                    .any(|served| served.group == group && served.version == version)
        })
    }

    /// All, in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.all.iter().flatten()
    }

    /// How many places there are.
    pub fn places(&self) -> usize {
        self.all.len()
    }

    /// Defines a resource, or defines it anew: one of the same group and plural keeps its place.
    pub(super) fn put(&mut self, mut resource: Resource) -> ResourceId {
        let place = self
            .iter()
            .find(|other| other.group == resource.group && other.plural == resource.plural)
            .map(|other| other.id);
        let id = place.unwrap_or_else(|| {
            self.all.push(None);
            ResourceId(u16::try_from(self.all.len() - 1).expect("there are few resources"))
        });
        resource.id = id;
        self.routes.retain(|_, (other, _)| *other != id);
        for served in &resource.served {
            self.routes.insert(
                (served.group.clone(), served.version.clone(), resource.plural.clone()),
                (id, served.conversion),
            );
        }
        self.all[id.index()] = Some(Arc::new(resource));
        id
    }

    /// Forgets a resource; its place stays empty.
    pub(super) fn remove(&mut self, id: ResourceId) {
        self.routes.retain(|_, (other, _)| *other != id);
        self.all[id.index()] = None;
    }
}
