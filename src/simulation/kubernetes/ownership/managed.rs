//! `metadata.managedFields`: read, changed, written.

use std::sync::Arc;

use serde_json::Value;

use super::{
    Set,
    kept::{Share, entry},
};

/// Who owns something, and by what kind of request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// The field manager.
    pub manager: String,
    /// Whether it applies, in contrast to updating.
    pub applies: bool,
    /// The version in which it wrote.
    pub api_version: String,
    /// Through which subresource.
    pub subresource: Option<String>,
}

impl Identity {
    /// As people read it: `"kubectl" using apps/v1`.
    pub fn words(&self) -> String {
        let mut words = format!("\"{}\"", self.manager);
        if let Some(subresource) = &self.subresource {
            words.push_str(&format!(" with subresource \"{subresource}\""));
        }
        if !self.applies {
            words.push_str(&format!(" using {}", self.api_version));
        }
        words
    }
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) identity: Identity,
    pub(super) time: String,
    /// Nothing where there was no need to read it.
    pub(super) set: Set,
    /// As it was kept, unless it has changed since.
    pub(super) share: Option<Arc<Share>>,
}

/// Everybody who owns something of an object.
#[derive(Clone, Debug, Default)]
pub struct Managed {
    pub(super) entries: Vec<Entry>,
}

impl Managed {
    /// Reads them from an object.
    pub fn read(object: &Value) -> Self {
        let mut found = Self::of(&object["metadata"]["managedFields"]);
        found.forget_earlier();
        found
    }

    /// Reads them from the list that an object carries.
    pub(super) fn of(list: &Value) -> Self {
        let entries = list.as_array().into_iter().flatten();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            entries: entries
                .map(|entry| Entry {
                    identity: Identity {
                        manager: text(&entry["manager"]),
                        applies: entry["operation"] == "Apply",
                        api_version: text(&entry["apiVersion"]),
                        subresource: entry["subresource"].as_str().map(str::to_owned),
                    },
                    time: text(&entry["time"]),
                    set: Set::read(&entry["fieldsV1"]),
                    share: None,
                })
                .collect(),
        }
    }

    /// Of two entries of the same one only the later holds.
    pub(super) fn forget_earlier(&mut self) {
        let mut seen: Vec<Identity> = Vec::new();
        let mut entries = std::mem::take(&mut self.entries);
        entries.reverse();
        entries.retain(|entry| {
            let first = !seen.contains(&entry.identity);
            if first {
                seen.push(entry.identity.clone());
            }
            first
        });
        entries.reverse();
        self.entries = entries;
    }

    /// Writes them into an object.
    pub fn write(mut self, object: &mut Value) {
        self.put_in_order();
        if self.entries.is_empty() {
            if let Value::Object(metadata) = &mut object["metadata"] {
                metadata.remove("managedFields");
            }
            return;
        }
        let written = |owned: &Entry| {
            let mut written = entry(&owned.identity, owned.set.write());
            if !owned.time.is_empty() {
                written["time"] = owned.time.as_str().into();
            }
            written
        };
        object["metadata"]["managedFields"] = self.entries.iter().map(written).collect();
    }

    /// Those who apply first, then by time; without whoever owns nothing any more.
    pub(super) fn put_in_order(&mut self) {
        self.entries
            .retain(|entry| entry.share.is_some() || !entry.set.is_empty());
        self.entries.sort_by(|left, right| {
            let key = |entry: &Entry| {
                (
                    !entry.identity.applies,
                    entry.time.clone(),
                    entry.identity.manager.clone(),
                    entry.identity.api_version.clone(),
                    entry.identity.subresource.clone(),
                )
            };
            key(left).cmp(&key(right))
        });
    }

    /// What somebody owns.
    pub fn get(&self, identity: &Identity) -> Option<Set> {
        self.entries
            .iter()
            .find(|entry| entry.identity == *identity)
            .map(|entry| entry.set.clone())
    }

    /// Everybody else, with what they own.
    pub(super) fn others<'a>(&'a self, identity: &'a Identity) -> impl Iterator<Item = (&'a Identity, &'a Set)> {
        self.entries
            .iter()
            .filter(move |entry| entry.identity != *identity)
            .map(|entry| (&entry.identity, &entry.set))
    }

    /// Takes from everybody else what was changed, and what is gone.
    pub(super) fn take(&mut self, identity: &Identity, changed: &Set, removed: &Set) {
        for entry in &mut self.entries {
            if entry.identity != *identity && (changed.meets(&entry.set) || removed.meets(&entry.set)) {
                entry.set = entry.set.difference(changed).difference(removed);
                entry.share = None;
            }
        }
    }

    /// Says what somebody owns; the time is of the last change of that.
    pub(super) fn put(&mut self, identity: &Identity, set: Set, now: &str) {
        match self.entries.iter_mut().find(|entry| entry.identity == *identity) {
            Some(entry) if entry.set == set => {}
            Some(entry) => {
                entry.set = set;
                entry.share = None;
                now.clone_into(&mut entry.time);
            }
            None => self.entries.push(Entry {
                identity: identity.clone(),
                time: now.to_owned(),
                set,
                share: None,
            }),
        }
    }
}
