//! Named texts of a query or a body, taken one by one: whoever sends something wrong is told which field it is and what
//! is expected there.

use std::{fmt, str::FromStr};

use actix_web::web::Query;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

use super::ApiError;
use crate::suggestion::{hint, list};

/// Fields that are not taken yet.
#[derive(Debug)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// The parameters of a query, which can be these only.
    pub(super) fn of_query(query: &str, known: &[&str]) -> Result<Self, ApiError> {
        let fields = Query::<Vec<(String, String)>>::from_query(query)
            .map_err(|error| ApiError::Invalid(format!("the query cannot be read: {error}")))?;
        Self::checked(fields.into_inner(), known)
    }

    /// The fields of a JSON object, all of them texts; `null` is as good as absent, and so is an empty body.
    pub(super) fn of_json(body: &[u8], known: &[&str]) -> Result<Self, ApiError> {
        if body.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let Members(members) = serde_json::from_slice(body)
            .map_err(|error| ApiError::Invalid(format!("the body is not a JSON object: {error}")))?;
        let mut fields = Vec::new();
        for (name, value) in members {
            match value {
                Value::Null => {}
                Value::String(text) => fields.push((name, text)),
                _ if known.contains(&name.as_str()) => {
                    return Err(ApiError::Invalid(format!("`{name}` must be a string")));
                }
                _ => fields.push((name, String::new())),
            }
        }
        Self::checked(fields, known)
    }

    fn checked(fields: Vec<(String, String)>, known: &[&str]) -> Result<Self, ApiError> {
        for (index, (name, _)) in fields.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let name = shortened(name);
                let hint = match known {
                    [] => "nothing is expected here".to_owned(),
                    _ => hint(&name, known),
                };
                return Err(ApiError::Invalid(format!("`{name}` is unknown: {hint}")));
            }
            if fields[..index].iter().any(|(other, _)| other == name) {
                return Err(ApiError::Invalid(format!("`{name}` is given twice")));
            }
        }
        Ok(Self(fields))
    }

    /// A text; present means not empty.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        let Some(index) = self.0.iter().position(|(field, _)| field == name) else {
            return Ok(None);
        };
        let (_, text) = self.0.swap_remove(index);
        if text.is_empty() {
            return Err(ApiError::Invalid(format!(
                "`{name}` is empty: leave it out or give a value"
            )));
        }
        Ok(Some(text))
    }

    /// A text that must be there.
    pub(super) fn required(&mut self, name: &str, expected: &str) -> Result<String, ApiError> {
        self.text(name)?
            .ok_or_else(|| ApiError::Invalid(format!("`{name}` is missing: expected {expected}")))
    }

    /// One of these words.
    pub(super) fn word<'w>(&mut self, name: &str, words: &[&'w str]) -> Result<Option<&'w str>, ApiError> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        words
            .iter()
            .find(|word| **word == text)
            .map(|word| Some(*word))
            .ok_or_else(|| wrong(name, &text, &list(words)))
    }

    /// A value that has a written form.
    pub(super) fn parsed<T: FromStr>(&mut self, name: &str, expected: &str) -> Result<Option<T>, ApiError> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| wrong(name, &text, expected))
    }
}

/// What is said of a value that cannot be.
pub(super) fn wrong(name: &str, text: &str, expected: &str) -> ApiError {
    ApiError::Invalid(format!("`{name}` is {:?}: expected {expected}", shortened(text)))
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The members of an object, those with the same name included.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = object.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["scope", "why"];

    #[test]
    fn whoever_is_wrong_is_told_where_and_what_is_expected() {
        for (body, message) in [
            (
                "[]",
                "the body is not a JSON object: invalid type: sequence, expected an object at line 1 column 0",
            ),
            (
                "{",
                "the body is not a JSON object: EOF while parsing an object at line 1 column 1",
            ),
            (r#"{"why": 5}"#, "`why` must be a string"),
            (r#"{"why": ""}"#, "`why` is empty: leave it out or give a value"),
            (r#"{"scop": "x"}"#, "`scop` is unknown: did you mean `scope`?"),
            (
                r#"{"limit": {"a": 1}}"#,
                "`limit` is unknown: expected `scope` or `why`",
            ),
            (r#"{"why": "a", "why": "b"}"#, "`why` is given twice"),
        ] {
            let error = Fields::of_json(body.as_bytes(), KNOWN)
                .and_then(|mut fields| fields.text("why"))
                .unwrap_err();
            assert_eq!(error.to_string(), message);
        }
        let mut fields = Fields::of_query("scope=al&why=%41+b", KNOWN).unwrap();
        let error = fields.word("scope", &["all", "runbook"]).unwrap_err();
        assert_eq!(error.to_string(), "`scope` is \"al\": expected `all` or `runbook`");
        assert_eq!(fields.required("why", "a reason").unwrap(), "A b");
        let error = fields.required("why", "a reason").unwrap_err();
        assert_eq!(error.to_string(), "`why` is missing: expected a reason");
    }

    #[test]
    fn absent_null_and_an_empty_body_are_the_same() {
        for body in ["", "{}", r#"{"why": null}"#] {
            assert_eq!(
                Fields::of_json(body.as_bytes(), KNOWN).unwrap().text("why").unwrap(),
                None
            );
        }
    }

    #[test]
    fn what_a_caller_wrote_is_not_repeated_at_length() {
        let error = Fields::of_query(&format!("{}=1", "x".repeat(5000)), KNOWN).unwrap_err();
        assert!(error.to_string().len() < 150);
    }
}
