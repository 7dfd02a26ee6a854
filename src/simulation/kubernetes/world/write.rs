//! Writing as the system: what the API does for a client, without judging whether it should.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Chance, Key, Object, World};
use crate::kubernetes::{
    admission, defaults, definitions,
    incoming::Served,
    ownership::{self, Change, Kept},
    refusal::Refusal,
    resources::{CONFIGMAPS, CUSTOM_RESOURCE_DEFINITIONS, NAMESPACES, ResourceId, SERVICE_ACCOUNTS},
    strategy::{self, Part},
};

/// How something is written.
#[derive(Clone, Copy)]
pub struct Write<'a> {
    /// Which part of the object is meant.
    pub part: Part,
    /// Who owns the fields; absent: nobody is written down.
    pub manager: Option<&'a str>,
    /// In which version it was said, when it is not the stored one.
    pub served: Option<Served<'a>>,
    /// Only say what would happen.
    pub dry_run: bool,
}

/// How many suffixes are tried for a name that is generated.
const TRIES: usize = 8;

impl World {
    /// Creates an object. Its name comes from `metadata.name`, or is made from `metadata.generateName`.
    ///
    /// It gets a uid, its defaults and a generation; its status stays out, except where the kind starts with one.
    pub fn create(&mut self, resource: ResourceId, object: Value, manager: &str) -> Result<Arc<Object>, Refusal> {
        let mut object = object;
        strategy::prepare_create(self, resource, &mut object);
        admission::furnish(self, resource, &mut object);
        let key = self.begin(resource, &mut object)?;
        let version = object["apiVersion"].as_str().unwrap_or_default();
        let nothing = json!({});
        let change = Change::Whole(&nothing, &object);
        let managed = self.account(&Kept::default(), (resource, version), (manager, None), change);
        let created = self.keep(key, &object, managed);
        self.complete(created.key());
        // What completes it may have written it again.
        Ok(self.get(created.key()).map_or(created, Arc::clone))
    }

    /// Changes an object, all but its status. An object that is equal afterwards is not written.
    pub fn update(
        &mut self,
        key: &Key,
        manager: &str,
        change: impl FnOnce(&mut Value),
    ) -> Result<Option<Arc<Object>>, Refusal> {
        self.change(key, Part::Main, Some(manager), change)
    }

    /// Changes the status of an object, and reads nothing else. One that is equal afterwards is not written.
    pub fn update_status(
        &mut self,
        key: &Key,
        manager: &str,
        change: impl FnOnce(&mut Value),
    ) -> Result<Arc<Object>, Refusal> {
        self.write_status(key, manager, |old| {
            let mut new = old.clone();
            change(&mut new);
            new
        })
    }

    /// As [`update_status`](Self::update_status), for who makes another status out of the one that is there, or out of nothing.
    pub fn write_status(
        &mut self,
        key: &Key,
        manager: &str,
        make: impl FnOnce(&Value) -> Value,
    ) -> Result<Arc<Object>, Refusal> {
        let Some(live) = self.get(key).cloned() else {
            return Err(self.missing(key));
        };
        let old = live.status();
        let mut new = make(&old);
        defaults::fill_status(key.resource, &mut new);
        if new == old {
            return Ok(live);
        }
        let change = Change::Field("status", &old, &new);
        let managed = self.owned_after(&live, Part::Status, manager, change);
        let object = live.with_status(&new, managed, self.revision + 1, &mut self.shelf);
        Ok(self.put(object))
    }

    /// Renews a Lease, if there is one, and reads nothing but its specification: a cluster does little else so often. Its
    /// specification has no defaults, and no generation counts it.
    pub fn renew(&mut self, key: &Key, manager: &str, at: &str) -> Option<Arc<Object>> {
        let live = self.get(key).cloned()?;
        let old = live.spec();
        let mut new = old.clone();
        new["renewTime"] = at.into();
        let managed = self.owned_after(&live, Part::Main, manager, Change::Field("spec", &old, &new));
        let object = live.with_spec(&new, managed, self.revision + 1, &mut self.shelf);
        Some(self.put(object))
    }

    /// As [`update_status`](Self::update_status), for who changes annotations in the same request, which that lets through.
    pub fn update_with_status(
        &mut self,
        key: &Key,
        manager: &str,
        change: impl FnOnce(&mut Value),
    ) -> Result<Option<Arc<Object>>, Refusal> {
        self.change(key, Part::Status, Some(manager), change)
    }

    /// Says how many an object has, as its `/scale` does. None are as if nobody had said it: Go leaves the field out.
    pub fn scale(&mut self, key: &Key, manager: &str, replicas: i64) -> Result<Option<Arc<Object>>, Refusal> {
        let manager = Some(manager).filter(|_| replicas > 0);
        self.change(key, Part::Scale, manager, |object| {
            object["spec"]["replicas"] = replicas.into()
        })
    }

    /// Changes both at once: what a binding and a bootstrap do, and no client can. Nobody is noted as the writer.
    pub fn overwrite(&mut self, key: &Key, change: impl FnOnce(&mut Value)) -> Result<Option<Arc<Object>>, Refusal> {
        self.change(key, Part::Whole, None, change)
    }

    /// Returns the object as it is now; `None` when the change was the end of it.
    fn change(
        &mut self,
        key: &Key,
        part: Part,
        manager: Option<&str>,
        change: impl FnOnce(&mut Value),
    ) -> Result<Option<Arc<Object>>, Refusal> {
        let Some(live) = self.get(key).cloned() else {
            return Err(self.missing(key));
        };
        let old = live.bare();
        let mut new = old.clone();
        change(&mut new);
        defaults::fill(key.resource, &mut new);
        strategy::prepare_update(self, key.resource, &old, &mut new, part);
        // Who owns what follows from the change, whatever it says.
        strategy::set_or_remove(&mut new["metadata"], "managedFields", &Value::Null);
        new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"].clone();
        if new == old {
            return Ok(Some(live));
        }
        if strategy::ends(&old, &new) {
            self.erase(key, &old, live.managed().clone());
            return Ok(None);
        }
        let managed = match manager {
            Some(manager) => self.owned_after(&live, part, manager, Change::Whole(&old, &new)),
            None => live.managed().clone(),
        };
        Ok(Some(self.keep(key.clone(), &new, managed)))
    }

    /// Who owns what of an object after a change.
    fn owned_after(&mut self, live: &Object, part: Part, manager: &str, change: Change<'_>) -> Kept {
        // Nobody keeps account of what had none, until somebody applies.
        if live.managed().is_empty() {
            return Kept::default();
        }
        let kind = (live.key().resource, live.api_version());
        self.account(live.managed(), kind, (manager, part.subresource()), change)
    }

    fn account(
        &mut self,
        kept: &Kept,
        (resource, version): (ResourceId, &str),
        (manager, subresource): (&str, Option<&str>),
        change: Change<'_>,
    ) -> Kept {
        let resources = Arc::clone(&self.resources);
        let (view, identity) = strategy::owner(resources.get(resource), version, manager, subresource);
        ownership::after(kept, change, view, &identity, self.now, &mut self.shelf)
    }

    /// Stores a prepared object that is not there yet. Returns it as it is stored.
    pub(in super::super) fn insert(
        &mut self,
        resource: ResourceId,
        mut object: Value,
        write: Write<'_>,
    ) -> Result<Value, Refusal> {
        let key = self.begin(resource, &mut object)?;
        if let Some(manager) = write.manager {
            strategy::own_created(self, resource, &mut object, manager, write.served.as_ref());
        }
        if write.dry_run {
            return Ok(object);
        }
        let place = key.clone();
        let object = self.store(key, object);
        self.complete(&place);
        Ok(object)
    }

    /// Gives a new object its name, its uid and its date.
    fn begin(&mut self, resource: ResourceId, object: &mut Value) -> Result<Key, Refusal> {
        let namespace = text(&object["metadata"]["namespace"]);
        self.name(resource, object);
        let name = text(&object["metadata"]["name"]);
        if let Some(other) = self.find(resource, &namespace, &name) {
            let mut refusal = Refusal::already_exists(self.about(resource).borrow(), &name);
            if other.deleting() {
                refusal.message.insert_str(0, "object is being deleted: ");
            }
            return Err(refusal);
        }
        let metadata = &mut object["metadata"];
        metadata["uid"] = self.chance.uid().into();
        metadata["creationTimestamp"] = super::stamp(self.now).into();
        strategy::finish_create(resource, object);
        Ok(Key::new(resource, &namespace, &name))
    }

    /// What comes with a new object.
    fn complete(&mut self, created: &Key) {
        match created.resource {
            NAMESPACES => self.furnish(&created.name),
            CUSTOM_RESOURCE_DEFINITIONS => self.establish(&created.name),
            _ => {}
        }
    }

    /// Stores a prepared object in the place of another one. Returns it, and whether it is gone by that.
    pub(in super::super) fn replace(
        &mut self,
        key: &Key,
        old: Value,
        mut new: Value,
        write: Write<'_>,
    ) -> Result<(Value, bool), Refusal> {
        new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"].clone();
        if new == old {
            return Ok((old, false));
        }
        strategy::own_changed(self, key.resource, &old, &mut new, &write);
        if new == old {
            return Ok((old, false));
        }
        let last = strategy::ends(&old, &new);
        if write.dry_run {
            return Ok((new, last));
        }
        if last {
            // Those who watch see it as it was; whoever ended it, as it would have been.
            self.end(key, old, false);
            return Ok((new, true));
        }
        Ok((self.store(key.clone(), new), false))
    }

    /// Makes a name of `generateName` for an object that has none.
    pub(in super::super) fn name(&mut self, resource: ResourceId, object: &mut Value) {
        let metadata = &object["metadata"];
        let (namespace, base) = (text(&metadata["namespace"]), text(&metadata["generateName"]));
        if !text(&metadata["name"]).is_empty() || base.is_empty() {
            return;
        }
        for _ in 0..TRIES {
            let name = generated(&base, &mut self.chance);
            let free = self.find(resource, &namespace, &name).is_none();
            object["metadata"]["name"] = name.into();
            if free {
                break;
            }
        }
    }

    /// Accepts the names of a definition. The real one takes a moment for it.
    fn establish(&mut self, name: &str) {
        let key = Key::new(CUSTOM_RESOURCE_DEFINITIONS, "", name);
        let now = super::stamp(self.now);
        // It was created just now.
        let Some(established) = self.get(&key).map(|live| definitions::established(&live.bare(), &now)) else {
            return;
        };
        let _ = self.update_status(&key, "kube-apiserver", |status| *status = established);
    }

    /// What controllers put into every namespace, and without which no pod is admitted.
    fn furnish(&mut self, namespace: &str) {
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "default", "namespace": namespace}});
        let authority = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "kube-root-ca.crt", "namespace": namespace}, "data": {"ca.crt": ""}});
        for (resource, object) in [(SERVICE_ACCOUNTS, account), (CONFIGMAPS, authority)] {
            // One that is there already is as good.
            let _ = self.create(resource, object, "kube-controller-manager");
        }
    }

    /// An empty namespace with the finalizer and the label that every one has.
    pub fn create_namespace(&mut self, name: &str) -> Result<Arc<Object>, Refusal> {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        self.create(NAMESPACES, namespace, "kube-apiserver")
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The longest name that is generated.
const LONGEST: usize = 63;
/// How long the suffix is.
const SUFFIX: usize = 5;

fn generated(base: &str, chance: &mut Chance) -> String {
    let mut base = base;
    while base.len() > LONGEST - SUFFIX {
        base = &base[..base.len() - base.chars().next_back().map_or(1, char::len_utf8)];
    }
    format!("{base}{}", chance.suffix(SUFFIX))
}
