//! A set of fields, as `fieldsV1` has it: a tree of path elements.

use std::fmt;

use serde::{
    Serialize, Serializer,
    de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor},
    ser::SerializeMap,
};
use serde_json::{Map, Value};

use super::children::Children;

/// A set of fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set {
    /// Whether the place itself is a member.
    pub member: bool,
    /// By path element: `f:spec`, `k:{"name":"app"}`, `v:"a"`.
    pub children: Children,
}

impl Set {
    /// One place.
    pub fn leaf() -> Self {
        Self {
            member: true,
            children: Children::default(),
        }
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        !self.member && self.children.values().all(Self::is_empty)
    }

    /// Reads `fieldsV1`. Nobody owns anything of what cannot be read.
    pub fn read(fields: &Value) -> Self {
        Self::deserialize(fields).unwrap_or_default()
    }

    /// As `fieldsV1`.
    pub fn write(&self) -> Value {
        serde_json::to_value(self).expect("a tree of objects is JSON")
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
    pub fn union(mut self, other: &Self) -> Self {
        self.unite(other);
        self
    }

    fn unite(&mut self, other: &Self) {
        self.member |= other.member;
        for (name, child) in other.children.iter() {
            match self.children.get_mut(name) {
                Some(own) => own.unite(child),
                None => drop(self.children.insert(name.clone(), child.clone())),
            }
        }
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

    fn combined(&self, other: &Self, with: impl Fn(&Self, Option<&Self>) -> Option<Self>) -> Children {
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
                self.children.remove(last);
            }
            [first, rest @ ..] => {
                if let Some(child) = self.children.get_mut(first) {
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
                if let Some(child) = self.children.get_mut(first) {
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
        for (name, child) in self.children.iter() {
            let length = path.len();
            path.push_str(&shown(name));
            child.collect(path, paths);
            path.truncate(length);
        }
    }
}

/// The place itself, among what is said of it.
pub(super) const ITSELF: &str = ".";

impl Serialize for Set {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        self.write_fields(false, writer)
    }
}

/// A set below another one, which says whether the place itself is a member, where that does not follow.
struct Below<'a>(&'a Set);

impl Serialize for Below<'_> {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        let alone = self.0.children.values().all(Set::is_empty);
        self.0.write_fields(self.0.member && !alone, writer)
    }
}

impl Set {
    fn write_fields<S: Serializer>(&self, itself: bool, writer: S) -> Result<S::Ok, S::Error> {
        let mut fields = writer.serialize_map(None)?;
        if itself {
            fields.serialize_entry(ITSELF, &Map::new())?;
        }
        for (name, child) in self.children.iter().filter(|(_, child)| !child.is_empty()) {
            fields.serialize_entry(name, &Below(child))?;
        }
        fields.end()
    }
}

impl<'de> Deserialize<'de> for Set {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_map(Reading)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Set;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of fields")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut fields: M) -> Result<Set, M::Error> {
        let mut set = Set::default();
        while let Some(name) = fields.next_key::<String>()? {
            if name == ITSELF {
                fields.next_value::<IgnoredAny>()?;
                set.member = true;
                continue;
            }
            let mut child: Set = fields.next_value()?;
            // A place below which nothing is said is a member itself.
            child.member |= child.children.is_empty();
            set.children.insert(name, child);
        }
        Ok(set)
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
