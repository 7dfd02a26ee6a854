//! How a set stands to what `fieldsV1` says, read off the text without building anything of it.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::{Set, set::ITSELF};

/// How a set stands to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// All of it is in the other one.
    pub(super) within: bool,
    /// Some of it is.
    pub(super) meets: bool,
}

/// How a set stands to the one that this text says.
pub(super) fn standing(set: &Set, fields: &str) -> Standing {
    let mut reader = serde_json::Deserializer::from_str(fields);
    Look(set)
        .deserialize(&mut reader)
        .expect("what is kept is a tree of objects")
}

#[derive(Clone, Copy)]
struct Look<'a>(&'a Set);

impl<'de> DeserializeSeed<'de> for Look<'_> {
    type Value = Standing;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Standing, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Look<'_> {
    type Value = Standing;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of fields")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut fields: M) -> Result<Standing, M::Error> {
        let Set { member, children } = self.0;
        // A place below which nothing is said is a member itself.
        let (mut itself, mut said) = (false, false);
        let (mut found, mut within, mut meets) = (0, true, false);
        while let Some(name) = fields.next_key_seed(Name(self.0))? {
            match name {
                Named::Itself => itself = true,
                Named::Nothing => said = true,
                Named::Child(child) => {
                    said = true;
                    let standing = fields.next_value_seed(Look(child))?;
                    found += 1;
                    within &= standing.within;
                    meets |= standing.meets;
                    continue;
                }
            }
            fields.next_value::<IgnoredAny>()?;
        }
        itself |= !said;
        let wanted = children.values().filter(|child| !child.is_empty()).count();
        Ok(Standing {
            within: (!member || itself) && within && found == wanted,
            meets: (*member && itself) || meets,
        })
    }
}

/// What a path element names in a set.
enum Named<'a> {
    Itself,
    Child(&'a Set),
    Nothing,
}

struct Name<'a>(&'a Set);

impl<'de, 'a> DeserializeSeed<'de> for Name<'a> {
    type Value = Named<'a>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Named<'a>, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'a> Visitor<'_> for Name<'a> {
    type Value = Named<'a>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a path element")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Named<'a>, E> {
        if name == ITSELF {
            return Ok(Named::Itself);
        }
        let child = self.0.children.get(name).filter(|child| !child.is_empty());
        Ok(child.map_or(Named::Nothing, Named::Child))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_says_what_comparing_the_sets_would() {
        let all = json!({"f:spec": {"f:replicas": {}, "f:template": {".": {}, "f:spec": {"k:{\"name\":\"a\"}": {}}}}});
        for (fields, within, meets) in [
            (json!({"f:spec": {"f:replicas": {}}}), true, true),
            (json!({"f:spec": {"f:paused": {}}}), false, false),
            (json!({"f:spec": {"f:paused": {}, "f:replicas": {}}}), false, true),
            (json!({"f:spec": {"f:template": {}}}), true, true),
            (json!({"f:spec": {"f:template": {"f:spec": {}}}}), false, false),
            (
                json!({"f:spec": {"f:template": {"f:spec": {"k:{\"name\":\"a\"}": {}}}}}),
                true,
                true,
            ),
            (json!({"f:status": {}}), false, false),
        ] {
            let set = Set::read(&fields);
            let expected = Standing { within, meets };
            assert_eq!(standing(&set, &all.to_string()), expected, "{fields}");
        }
    }
}
