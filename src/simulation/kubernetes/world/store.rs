//! The lowest layer of writing: one object, one revision, and everybody hears of it.

use std::sync::Arc;

use serde_json::Value;

use super::{Change, ChangeKind, Event, Key, Object, World, table::Table};
use crate::kubernetes::{
    definitions,
    ownership::Kept,
    resources::{CUSTOM_RESOURCE_DEFINITIONS, PODS},
};

impl World {
    /// Stores an object under a new revision and tells everybody. Returns the value with its new version.
    pub(super) fn store(&mut self, key: Key, mut value: Value) -> Value {
        let managed = self.managed_in(&value);
        let object = self.keep(key, &value, managed);
        value["metadata"]["resourceVersion"] = object.revision().to_string().into();
        value
    }

    /// Who owns what, as a value says it.
    pub(super) fn managed_in(&mut self, value: &Value) -> Kept {
        let list = value.get("metadata").and_then(|metadata| metadata.get("managedFields"));
        list.map(|list| Kept::read(list, &mut self.shelf)).unwrap_or_default()
    }

    /// As [`store`](Self::store), with who owns what apart.
    pub(super) fn keep(&mut self, key: Key, value: &Value, managed: Kept) -> Arc<Object> {
        let (revision, before) = (self.revision + 1, self.get(&key).cloned());
        let defines = key.resource == CUSTOM_RESOURCE_DEFINITIONS;
        let object = Object::encode(key, value, managed, revision, before.as_deref(), &mut self.shelf);
        if defines {
            self.define(value);
        }
        self.put(object)
    }

    /// Puts an object of the next revision in its place and tells everybody.
    pub(super) fn put(&mut self, object: Object) -> Arc<Object> {
        self.revision = object.revision();
        let object = Arc::new(object);
        let before = self.tables[object.key().resource.index()].put(Arc::clone(&object));
        self.index(before.as_ref(), Some(&object));
        self.tell(before, Arc::clone(&object));
        object
    }

    /// Takes an object out of the store. Its last form carries the revision of its end.
    pub(super) fn erase(&mut self, key: &Key, last: &Value, managed: Kept) -> Arc<Object> {
        self.revision += 1;
        let before = self.tables[key.resource.index()].take(&key.namespace, &key.name);
        let gone = Object::encode(
            key.clone(),
            last,
            managed,
            self.revision,
            before.as_deref(),
            &mut self.shelf,
        );
        let gone = Arc::new(gone);
        self.index(before.as_ref(), None);
        if key.resource == PODS {
            self.logs.forget(gone.uid());
        }
        if key.resource == CUSTOM_RESOURCE_DEFINITIONS {
            self.undefine(last);
        }
        let kept = Event {
            revision: self.revision,
            at: self.now,
            kind: ChangeKind::Deleted,
            before: before.clone(),
            object: Arc::clone(&gone),
        };
        self.tables[key.resource.index()].remember(kept, self.history);
        self.feeds.tell(Change {
            revision: self.revision,
            kind: ChangeKind::Deleted,
            key: key.clone(),
            before,
            after: None,
        });
        self.revised.send_replace(self.revision);
        gone
    }

    /// Serves what a CustomResourceDefinition defines.
    fn define(&mut self, definition: &Value) {
        if let Some(resource) = definitions::resource(definition) {
            Arc::make_mut(&mut self.resources).put(resource);
            let known = self.tables.len();
            self.tables.resize_with(self.resources.places(), Table::default);
            // Of what came before it was defined nobody knows.
            for table in &mut self.tables[known..] {
                table.compact(self.revision);
            }
        }
    }

    /// The end of a definition is the end of what it defined.
    fn undefine(&mut self, definition: &Value) {
        let Some(resource) = definitions::resource(definition) else {
            return;
        };
        let found = self
            .resources
            .iter()
            .find(|other| other.group == resource.group && other.plural == resource.plural)
            .map(|other| other.id);
        let Some(id) = found else { return };
        let keys: Vec<Key> = self.list(id, None).map(|object| object.key().clone()).collect();
        for key in keys {
            let Some(last) = self.get(&key).cloned() else { continue };
            self.erase(&key, &last.bare(), last.managed().clone());
        }
        Arc::make_mut(&mut self.resources).remove(id);
    }

    fn tell(&mut self, before: Option<Arc<Object>>, object: Arc<Object>) {
        let kind = if before.is_some() {
            ChangeKind::Modified
        } else {
            ChangeKind::Added
        };
        let key = object.key().clone();
        self.tables[key.resource.index()].remember(
            Event {
                revision: self.revision,
                at: self.now,
                kind,
                before: before.clone(),
                object: Arc::clone(&object),
            },
            self.history,
        );
        self.feeds.tell(Change {
            revision: self.revision,
            kind,
            key,
            before,
            after: Some(object),
        });
        self.revised.send_replace(self.revision);
    }

    fn index(&mut self, before: Option<&Arc<Object>>, after: Option<&Arc<Object>>) {
        let Some(key) = after.or(before).map(|object| object.key().clone()) else {
            return;
        };
        let new = after.map_or(&[][..], |object| object.owners());
        for owner in before.map_or(&[][..], |object| object.owners()) {
            if !new.iter().any(|other| other.uid == owner.uid)
                && let Some(owned) = self.by_owner.get_mut(&owner.uid)
            {
                owned.remove(&key);
                if owned.is_empty() {
                    self.by_owner.remove(&owner.uid);
                }
            }
        }
        for owner in new {
            if let Some(object) = after {
                let owned = self.by_owner.entry(Arc::clone(&owner.uid)).or_default();
                owned.insert(key.clone(), Arc::clone(object));
            }
        }
        if key.resource != PODS {
            return;
        }
        let place = (key.namespace, key.name);
        let new = after.and_then(|object| object.node());
        if let Some(node) = before
            .and_then(|object| object.node())
            .filter(|node| Some(*node) != new)
            && let Some(pods) = self.by_node.get_mut(node)
        {
            pods.remove(&place);
            if pods.is_empty() {
                self.by_node.remove(node);
            }
        }
        if let (Some(node), Some(object)) = (new, after) {
            let pods = self.by_node.entry(Arc::clone(node)).or_default();
            pods.insert(place, Arc::clone(object));
        }
    }
}
