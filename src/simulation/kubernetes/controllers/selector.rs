//! Label selectors: `matchLabels` and `matchExpressions`.

use serde_json::Value;

use crate::kubernetes::world::Object;

/// A requirement on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    DoesNotExist(String),
    Above(String, i64),
    Below(String, i64),
    /// An operator that is none: nothing matches.
    Never,
}

/// A selector as Go prints one.
pub fn in_go(selector: &Value) -> String {
    if selector.is_null() {
        return "nil".to_owned();
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let labels = selector["matchLabels"].as_object().into_iter().flatten();
    let labels: String = labels
        .map(|(name, value)| format!("{name}: {},", text(value)))
        .collect();
    let expression = |one: &Value| {
        let values: Vec<String> = one["values"].as_array().into_iter().flatten().map(text).collect();
        let (key, operator, values) = (text(&one["key"]), text(&one["operator"]), values.join(" "));
        format!("LabelSelectorRequirement{{Key:{key},Operator:{operator},Values:[{values}],}},")
    };
    let expressions = selector["matchExpressions"].as_array().into_iter().flatten();
    let expressions: String = expressions.map(expression).collect();
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{labels}}},MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )
}

/// A label selector. Without requirements it matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector(Vec<Requirement>);

impl Selector {
    /// As `spec.selector` says it.
    pub fn parse(selector: &Value) -> Self {
        let mut all = Vec::new();
        if let Some(labels) = selector["matchLabels"].as_object() {
            all.extend(labels.iter().map(|(name, value)| {
                Requirement::In(name.clone(), vec![value.as_str().unwrap_or_default().to_owned()])
            }));
        }
        let mut parsed = Self::expressions(&selector["matchExpressions"]);
        all.append(&mut parsed.0);
        Self(all)
    }

    /// As a list of expressions says it: those of a selector, or of a node selector's term.
    pub fn expressions(expressions: &Value) -> Self {
        let requirement = |expression: &Value| {
            let key = expression["key"].as_str().unwrap_or_default().to_owned();
            let values: Vec<String> = expression["values"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|value| value.as_str().unwrap_or_default().to_owned())
                .collect();
            let number = values.first().and_then(|value| value.parse().ok());
            match (expression["operator"].as_str(), number) {
                (Some("In"), _) => Requirement::In(key, values),
                (Some("NotIn"), _) => Requirement::NotIn(key, values),
                (Some("Exists"), _) => Requirement::Exists(key),
                (Some("DoesNotExist"), _) => Requirement::DoesNotExist(key),
                (Some("Gt"), Some(number)) => Requirement::Above(key, number),
                (Some("Lt"), Some(number)) => Requirement::Below(key, number),
                _ => Requirement::Never,
            }
        };
        Self(expressions.as_array().into_iter().flatten().map(requirement).collect())
    }

    /// As a map of labels says it.
    pub fn labels(labels: &Value) -> Self {
        let labels = labels.as_object().into_iter().flatten();
        Self(
            labels
                .map(|(name, value)| Requirement::In(name.clone(), vec![value.as_str().unwrap_or_default().to_owned()]))
                .collect(),
        )
    }

    /// Whether it has no requirements.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an object carries such labels.
    pub fn matches(&self, object: &Object) -> bool {
        self.matches_with(|name| object.label(name))
    }

    /// Whether such labels match.
    pub fn matches_value(&self, labels: &Value) -> bool {
        self.matches_with(|name| labels[name].as_str())
    }

    fn matches_with<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        let number = |name: &str| label(name).and_then(|value| value.parse::<i64>().ok());
        self.0.iter().all(|requirement| match requirement {
            Requirement::In(name, values) => label(name).is_some_and(|value| values.iter().any(|one| one == value)),
            Requirement::NotIn(name, values) => label(name).is_none_or(|value| values.iter().all(|one| one != value)),
            Requirement::Exists(name) => label(name).is_some(),
            Requirement::DoesNotExist(name) => label(name).is_none(),
            Requirement::Above(name, bound) => number(name).is_some_and(|value| value > *bound),
            Requirement::Below(name, bound) => number(name).is_some_and(|value| value < *bound),
            Requirement::Never => false,
        })
    }

    /// The labels that it wants with one value: what an index can find.
    pub fn equalities(&self) -> Vec<(&str, &str)> {
        self.0
            .iter()
            .filter_map(|requirement| match requirement {
                Requirement::In(name, values) => match values.as_slice() {
                    [one] => Some((name.as_str(), one.as_str())),
                    _ => None,
                },
                _ => None,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn matches_as_the_real_one() {
        let labels = json!({"app": "web", "tier": "3"});
        for (selector, expected) in [
            (json!({}), true),
            (json!({"matchLabels": {"app": "web"}}), true),
            (json!({"matchLabels": {"app": "db"}}), false),
            (
                json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["db", "web"]}]}),
                true,
            ),
            (
                json!({"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["a"]}]}),
                true,
            ),
            (
                json!({"matchExpressions": [{"key": "zone", "operator": "Exists"}]}),
                false,
            ),
            (
                json!({"matchExpressions": [{"key": "tier", "operator": "Gt", "values": ["2"]}]}),
                true,
            ),
            (
                json!({"matchExpressions": [{"key": "tier", "operator": "Like", "values": ["2"]}]}),
                false,
            ),
        ] {
            assert_eq!(
                Selector::parse(&selector).matches_value(&labels),
                expected,
                "{selector}"
            );
        }
    }
}
