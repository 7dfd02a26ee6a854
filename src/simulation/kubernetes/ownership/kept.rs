//! `managedFields` as they are kept with a stored object. The pods of a template are owned alike, but for the time: each set is
//! kept once for all of them.

use std::{ops::Range, sync::Arc};

use serde_json::{Value, json};

use super::{Identity, Managed, Set, managed::Entry, standing::standing};
use crate::kubernetes::world::Shelf;

/// What somebody owns. It is kept as text: what pods own of their addresses is another set for each of them.
#[derive(Debug)]
pub struct Share {
    /// The entry as JSON, but for the time, which is its last field.
    text: Arc<str>,
    /// Where `fieldsV1` is in it.
    fields: Range<usize>,
    /// In which parts of the object these are.
    parts: Parts,
    pub(super) identity: Identity,
}

/// Parts of an object: who owns nothing in those that a write has changed has lost nothing by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Parts {
    metadata: bool,
    spec: bool,
    status: bool,
    rest: bool,
}

impl Parts {
    fn of<'a>(sets: impl IntoIterator<Item = &'a Set>) -> Self {
        let mut parts = Self::default();
        for name in sets.into_iter().flat_map(|set| set.children.keys()) {
            match &**name {
                "f:metadata" => parts.metadata = true,
                "f:spec" => parts.spec = true,
                "f:status" => parts.status = true,
                _ => parts.rest = true,
            }
        }
        parts
    }

    fn meet(self, other: Self) -> bool {
        self.metadata && other.metadata
            || self.spec && other.spec
            || self.status && other.status
            || self.rest && other.rest
    }
}

impl Share {
    /// Whether it may be another one once a manager has touched these parts.
    fn concerned(&self, manager: &Identity, touched: Parts) -> bool {
        self.identity == *manager || self.parts.meet(touched)
    }

    fn fields(&self) -> &str {
        &self.text[self.fields.clone()]
    }
}

/// Who owns what of one object.
#[derive(Clone, Debug, Default)]
pub struct Kept(Arc<[(Arc<str>, Arc<Share>)]>);

impl Kept {
    /// From a list as objects carry it.
    pub(in crate::kubernetes) fn read(list: &Value, shelf: &mut Shelf) -> Self {
        if list.as_array().is_none_or(Vec::is_empty) {
            return Self::default();
        }
        Managed::of(list).keep(shelf)
    }

    /// Nobody keeps account.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The list as objects carry it.
    pub fn value(&self) -> Value {
        let entry = |(time, share): &(Arc<str>, Arc<Share>)| {
            let mut entry: Value = serde_json::from_str(&share.text).expect("what is kept is JSON");
            if !time.is_empty() {
                entry["time"] = (**time).into();
            }
            entry
        };
        self.0.iter().map(entry).collect()
    }

    /// The list as JSON.
    pub fn put(&self, json: &mut Vec<u8>) {
        for (index, (time, share)) in self.0.iter().enumerate() {
            json.push(if index == 0 { b'[' } else { b',' });
            json.extend_from_slice(&share.text.as_bytes()[..share.text.len() - 1]);
            if !time.is_empty() {
                json.extend_from_slice(format!(",\"time\":{}", Value::from(&**time)).as_bytes());
            }
            json.push(b'}');
        }
        json.push(b']');
    }

    /// About how long that is.
    pub fn size(&self) -> usize {
        self.0.iter().map(|(_, share)| share.text.len() + 32).sum()
    }

    /// Whether a change leaves everybody what they have: the manager owns all that it changed, and nobody else any of it, nor of
    /// what is gone. It is so with most changes.
    pub(super) fn stands(&self, identity: &Identity, changed: &Set, removed: &Set) -> bool {
        let mut found = false;
        let touched = Parts::of([changed, removed]);
        for (_, share) in self.0.iter() {
            let own = share.identity == *identity;
            found |= own;
            if !share.concerned(identity, touched) {
                continue;
            }
            let standing = standing(changed, share.fields());
            let stands = if own { standing.within } else { !standing.meets };
            if !stands || !removed.is_empty() && self::standing(removed, share.fields()).meets {
                return false;
            }
        }
        found
    }

    /// To be changed by a manager. What others own in parts that are not touched is not read.
    pub(super) fn open(&self, identity: &Identity, changed: &Set, removed: &Set) -> Managed {
        let touched = Parts::of([changed, removed]);
        let read = |share: &Share| {
            if !share.concerned(identity, touched) {
                return Set::default();
            }
            serde_json::from_str(share.fields()).expect("what is kept is a tree of objects")
        };
        let entry = |(time, share): &(Arc<str>, Arc<Share>)| Entry {
            identity: share.identity.clone(),
            time: time.to_string(),
            set: read(share),
            share: Some(Arc::clone(share)),
        };
        let mut managed = Managed {
            entries: self.0.iter().map(entry).collect(),
        };
        managed.forget_earlier();
        managed
    }
}

impl Managed {
    /// As it is kept.
    pub(super) fn keep(self, shelf: &mut Shelf) -> Kept {
        let mut keep = |entry: Entry| {
            let share = entry.share.unwrap_or_else(|| {
                let fields = serde_json::to_string(&entry.set).expect("a tree of objects is JSON");
                let parts = Parts::of([&entry.set]);
                let whole = self::entry(&entry.identity, json!(null)).to_string();
                // The fields come where the null is.
                let (before, after) = whole.split_once("\"fieldsV1\":null").unwrap_or((&whole, ""));
                let text = format!("{before}\"fieldsV1\":{fields}{after}");
                let begin = before.len() + "\"fieldsV1\":".len();
                shelf.share(text, |text| Share {
                    text,
                    fields: begin..begin + fields.len(),
                    parts,
                    identity: entry.identity,
                })
            });
            (shelf.text(&entry.time), share)
        };
        Kept(self.entries.into_iter().map(&mut keep).collect())
    }
}

/// An entry without its time.
pub(super) fn entry(identity: &Identity, fields: Value) -> Value {
    let mut entry = json!({
        "manager": identity.manager,
        "operation": if identity.applies { "Apply" } else { "Update" },
        "apiVersion": identity.api_version,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    });
    if let Some(subresource) = &identity.subresource {
        entry["subresource"] = subresource.clone().into();
    }
    entry
}
