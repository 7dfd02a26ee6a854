//! Reading objects: always from the API server itself, never from a cache.

use kube::core::{
    Request,
    params::{GetParams, ListParams},
};
use serde_json::Value;

use super::{Cluster, ClusterError, discovery::Resource, send::Asked};
use crate::domain::target::{ObjectRef, Target};

/// How many objects are asked for at once, as `kubectl` does.
const PAGE: usize = 500;

/// What is found where one certain object should be.
#[derive(Clone, Debug, PartialEq)]
pub enum Lookup {
    /// The object.
    Found(Value),
    /// Nothing.
    Gone,
    /// Another object under the same name.
    Replaced {
        /// Its uid.
        uid: String,
    },
}

/// Which objects of a kind are listed.
#[derive(Clone, Debug)]
pub struct Selection<'a> {
    /// `v1`, `apps/v1`.
    pub api_version: &'a str,
    /// `Pod`.
    pub kind: &'a str,
    /// Absent: all namespaces, or a kind that has none.
    pub namespace: Option<&'a str>,
    /// A selector of labels, as `kubectl --selector` takes it.
    pub labels: Option<&'a str>,
    /// A selector of fields, as `kubectl --field-selector` takes it.
    pub fields: Option<&'a str>,
    /// How many are read at the most.
    pub limit: usize,
}

/// Objects of a kind, in the order of their keys.
#[derive(Clone, Debug, PartialEq)]
pub struct List {
    /// The objects.
    pub items: Vec<Value>,
    /// Whether there are more of them than the limit.
    pub truncated: bool,
}

impl Cluster {
    /// The object with this name, if there is one.
    ///
    /// A discovered kind whose path is not served any more, because the version was withdrawn or the definition replaced, is
    /// asked for anew: what is gone then is the kind, not the object.
    pub async fn get(&self, object: &ObjectRef) -> Result<Option<Value>, ClusterError> {
        let resource = self.resource(&object.api_version, &object.kind).await?;
        let answer = match self.get_from(&resource, object).await {
            Err(ClusterError::NotFound { served: false, .. }) => {
                match self.rediscovered(&object.api_version, &object.kind, &resource).await? {
                    Some(moved) => self.get_from(&moved, object).await,
                    None => return Ok(None),
                }
            }
            answer => answer,
        };
        match answer {
            Ok(live) => Ok(Some(live)),
            Err(ClusterError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn get_from(&self, resource: &Resource, object: &ObjectRef) -> Result<Value, ClusterError> {
        let request = Request::new(resource.path(object.namespace.as_deref())).get(&object.name, &GetParams::default());
        let asked = Asked {
            verb: "get",
            resource: &resource.name(),
        };
        self.send_for_object(asked, request).await
    }

    /// The one object with this uid.
    pub async fn get_by_uid(&self, target: &Target) -> Result<Lookup, ClusterError> {
        Ok(match self.get(&target.object).await? {
            None => Lookup::Gone,
            Some(live) => match uid(&live) {
                found if found == target.uid => Lookup::Found(live),
                found => Lookup::Replaced { uid: found.to_owned() },
            },
        })
    }

    /// The objects of a kind, page by page until the limit. Pages belong to one moment; where the API server has forgotten
    /// that moment meanwhile, there is no list.
    pub async fn list(&self, selection: &Selection<'_>) -> Result<List, ClusterError> {
        let (api_version, kind) = (selection.api_version, selection.kind);
        let resource = self.resource(api_version, kind).await?;
        match self.list_from(&resource, selection).await {
            Err(error @ ClusterError::NotFound { served: false, .. }) => {
                match self.rediscovered(api_version, kind, &resource).await? {
                    Some(moved) => self.list_from(&moved, selection).await,
                    None => Err(error),
                }
            }
            answer => answer,
        }
    }

    async fn list_from(&self, resource: &Resource, selection: &Selection<'_>) -> Result<List, ClusterError> {
        let name = resource.name();
        let asked = Asked {
            verb: "list",
            resource: &name,
        };
        let path = resource.path(selection.namespace);
        let mut items = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let page = PAGE.min(selection.limit.saturating_sub(items.len()));
            let params = ListParams {
                label_selector: selection.labels.map(str::to_owned),
                field_selector: selection.fields.map(str::to_owned),
                limit: Some(u32::try_from(page).unwrap_or(u32::MAX)),
                continue_token: next,
                ..ListParams::default()
            };
            let mut answer = match self
                .send_for_object(asked, Request::new(path.clone()).list(&params))
                .await
            {
                Err(ClusterError::Rejected { code: 410, message }) => {
                    return Err(ClusterError::Unavailable {
                        message: format!("list {name}: it changed while it was read: {message}"),
                    });
                }
                answer => answer?,
            };
            if let Value::Array(found) = answer["items"].take() {
                items.extend(found);
            }
            next = answer["metadata"]["continue"]
                .as_str()
                .filter(|token| !token.is_empty())
                .map(str::to_owned);
            let full = items.len() >= selection.limit;
            if next.is_none() || full {
                items.truncate(selection.limit);
                return Ok(List {
                    items,
                    truncated: next.is_some(),
                });
            }
        }
    }
}

/// The uid of a live object.
pub(crate) fn uid(live: &Value) -> &str {
    live["metadata"]["uid"].as_str().unwrap_or_default()
}
