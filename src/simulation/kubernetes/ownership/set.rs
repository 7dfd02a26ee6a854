//! A set of fields, as `fieldsV1` has it: a tree of path elements.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// A set of fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set {
    /// Whether the place itself is a member.
    pub member: bool,
    /// By path element: `f:spec`, `k:{"name":"app"}`, `v:"a"`.
    pub children: BTreeMap<String, Set>,
}

impl Set {
    /// One place.
    pub fn leaf() -> Self {
        Self {
            member: true,
            children: BTreeMap::new(),
        }
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        !self.member && self.children.values().all(Self::is_empty)
    }

    /// Reads `fieldsV1`.
    pub fn read(fields: &Value) -> Self {
        let mut set = Self::default();
        for (name, value) in fields.as_object().into_iter().flatten() {
            if name == "." {
                set.member = true;
                continue;
            }
            let mut child = Self::read(value);
            if value.as_object().is_none_or(Map::is_empty) {
                child.member = true;
            }
            set.children.insert(name.clone(), child);
        }
        set
    }

    /// As `fieldsV1`.
    pub fn write(&self) -> Value {
        let mut fields = Map::new();
        for (name, child) in &self.children {
            if child.is_empty() {
                continue;
            }
            let mut written = child.write();
            if child.member && written.as_object().is_some_and(|fields| !fields.is_empty()) {
                written["."] = json!({});
            }
            fields.insert(name.clone(), written);
        }
        Value::Object(fields)
    }

    /// Whether any of it is in another one.
    pub fn meets(&self, other: &Self) -> bool {
        (self.member && other.member)
            || self
                .children
                .iter()
                .any(|(name, child)| other.children.get(name).is_some_and(|other| child.meets(other)))
    }

    /// What is in either.
    pub fn union(&self, other: &Self) -> Self {
        let mut united = self.clone();
        united.member |= other.member;
        for (name, child) in &other.children {
            let merged = united
                .children
                .get(name)
                .map_or_else(|| child.clone(), |own| own.union(child));
            united.children.insert(name.clone(), merged);
        }
        united
    }

    /// What is in both.
    pub fn intersection(&self, other: &Self) -> Self {
        Self {
            member: self.member && other.member,
            children: self.combined(other, |own, theirs| theirs.map(|theirs| own.intersection(theirs))),
        }
    }

    /// What is in this one only.
    pub fn difference(&self, other: &Self) -> Self {
        Self {
            member: self.member && !other.member,
            children: self.combined(other, |own, theirs| {
                Some(theirs.map_or_else(|| own.clone(), |theirs| own.difference(theirs)))
            }),
        }
    }

    fn combined(&self, other: &Self, with: impl Fn(&Self, Option<&Self>) -> Option<Self>) -> BTreeMap<String, Self> {
        self.children
            .iter()
            .filter_map(|(name, own)| Some((name.clone(), with(own, other.children.get(name))?)))
            .filter(|(_, child)| !child.is_empty())
            .collect()
    }

    /// Without a place and everything below it.
    pub fn cut(&mut self, path: &[&str]) {
        match path {
            [] => {}
            [last] => {
                self.children.remove(*last);
            }
            [first, rest @ ..] => {
                if let Some(child) = self.children.get_mut(*first) {
                    child.cut(rest);
                }
            }
        }
    }

    /// Without a place, but with what is below it.
    pub fn disown(&mut self, path: &[&str]) {
        match path {
            [] => self.member = false,
            [first, rest @ ..] => {
                if let Some(child) = self.children.get_mut(*first) {
                    child.disown(rest);
                }
            }
        }
    }

    /// Every member as the path that people read: `.spec.containers[name="app"].image`.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect(&mut String::new(), &mut paths);
        paths
    }

    fn collect(&self, path: &mut String, paths: &mut Vec<String>) {
        if self.member {
            paths.push(path.clone());
        }
        for (name, child) in &self.children {
            let length = path.len();
            path.push_str(&shown(name));
            child.collect(path, paths);
            path.truncate(length);
        }
    }
}

/// A path element as people read it: `.spec`, `[name="app"]`, `[="a"]`.
pub(super) fn shown(element: &str) -> String {
    match element.split_once(':') {
        Some(("k", keys)) => {
            let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
            let keys: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("[{}]", keys.join(","))
        }
        Some(("v", value)) => format!("[={value}]"),
        Some((_, field)) => format!(".{field}"),
        None => element.to_owned(),
    }
}
