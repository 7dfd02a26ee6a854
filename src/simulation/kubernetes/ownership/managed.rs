//! `metadata.managedFields`: read, changed, written.

use serde_json::{Value, json};

use super::Set;

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
struct Entry {
    identity: Identity,
    time: String,
    set: Set,
}

/// Whether a change leaves everybody what they have: the manager owns all that it changed, and nobody else any of it, nor of what
/// is gone. It is so with most changes, and seen without reading the sets.
pub(super) fn stands(object: &Value, identity: &Identity, changed: &Set, removed: &Set) -> bool {
    let entries = object["metadata"]["managedFields"].as_array();
    let mut found = false;
    for entry in entries.into_iter().flatten() {
        let fields = &entry["fieldsV1"];
        let own = entry["manager"] == *identity.manager
            && (entry["operation"] == "Apply") == identity.applies
            && entry["apiVersion"] == *identity.api_version
            && entry["subresource"].as_str() == identity.subresource.as_deref();
        if own {
            found = true;
        }
        let stands = if own {
            changed.is_within(fields)
        } else {
            !changed.meets(fields)
        };
        if !stands || removed.meets(fields) {
            return false;
        }
    }
    found
}

/// Everybody who owns something of an object.
#[derive(Clone, Debug, Default)]
pub struct Managed {
    entries: Vec<Entry>,
}

impl Managed {
    /// Reads them from an object.
    pub fn read(object: &Value) -> Self {
        let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut found = Self {
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
                })
                .collect(),
        };
        found.forget_earlier();
        found
    }

    /// Of two entries of the same one only the later holds.
    fn forget_earlier(&mut self) {
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

    /// Writes them into an object: those who apply first, then by time.
    pub fn write(mut self, object: &mut Value) {
        self.entries.retain(|entry| !entry.set.is_empty());
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
        if self.entries.is_empty() {
            if let Value::Object(metadata) = &mut object["metadata"] {
                metadata.remove("managedFields");
            }
            return;
        }
        let entries: Vec<Value> = self
            .entries
            .iter()
            .map(|entry| {
                let mut written = json!({
                    "manager": entry.identity.manager,
                    "operation": if entry.identity.applies { "Apply" } else { "Update" },
                    "apiVersion": entry.identity.api_version,
                    "time": entry.time,
                    "fieldsType": "FieldsV1",
                    "fieldsV1": entry.set.write(),
                });
                if entry.time.is_empty()
                    && let Some(fields) = written.as_object_mut()
                {
                    fields.remove("time");
                }
                if let Some(subresource) = &entry.identity.subresource {
                    written["subresource"] = subresource.clone().into();
                }
                written
            })
            .collect();
        object["metadata"]["managedFields"] = entries.into();
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
            if entry.identity != *identity {
                entry.set = entry.set.difference(changed).difference(removed);
            }
        }
    }

    /// Says what somebody owns; the time is of the last change of that.
    pub(super) fn put(&mut self, identity: &Identity, set: Set, now: &str) {
        match self.entries.iter_mut().find(|entry| entry.identity == *identity) {
            Some(entry) if entry.set == set => {}
            Some(entry) => {
                entry.set = set;
                now.clone_into(&mut entry.time);
            }
            None => self.entries.push(Entry {
                identity: identity.clone(),
                time: now.to_owned(),
                set,
            }),
        }
    }
}
