//! What a message's template sees: one table, which reading, the documentation's test and the view's own test share.

/// What stands at a place of the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// Texts under names that nobody knows beforehand: labels.
    Labels,
    /// The fields below it in the table.
    Group,
    /// Items with the fields below it in the table.
    List,
}

/// A place of the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// `run.id`; `[]` stands for any item of a list: `steps[].name`.
    pub path: &'static str,
    /// What stands there.
    pub kind: Kind,
}

/// Everything that there is, in the order of the documentation.
pub const VIEW: &[Field] = &[
    field("headline", Kind::Text),
    field("emoji", Kind::Text),
    field("firedAt", Kind::Text),
    field("alertname", Kind::Text),
    field("labels", Kind::Labels),
    field("annotations", Kind::Labels),
    field("alertCount", Kind::Number),
    field("more", Kind::Number),
    field("run", Kind::Group),
    field("run.id", Kind::Text),
    field("run.runbook", Kind::Text),
    field("run.description", Kind::Text),
    field("run.mode", Kind::Text),
    field("run.phase", Kind::Text),
    field("run.outcome", Kind::Text),
    field("run.reason", Kind::Text),
    field("run.detail", Kind::Text),
    field("run.attempt", Kind::Number),
    field("run.link", Kind::Text),
    field("run.openedAt", Kind::Text),
    field("run.finishedAt", Kind::Text),
    field("run.took", Kind::Text),
    field("target", Kind::Group),
    field("target.kind", Kind::Text),
    field("target.namespace", Kind::Text),
    field("target.name", Kind::Text),
    field("target.text", Kind::Text),
    field("root", Kind::Group),
    field("root.kind", Kind::Text),
    field("root.namespace", Kind::Text),
    field("root.name", Kind::Text),
    field("root.text", Kind::Text),
    field("alerts", Kind::List),
    field("alerts[].alertname", Kind::Text),
    field("alerts[].labels", Kind::Labels),
    field("alerts[].annotations", Kind::Labels),
    field("alerts[].startsAt", Kind::Text),
    field("alerts[].firing", Kind::Boolean),
    field("steps", Kind::List),
    field("steps[].mark", Kind::Text),
    field("steps[].name", Kind::Text),
    field("steps[].state", Kind::Text),
    field("steps[].detail", Kind::Text),
    field("waiting", Kind::Group),
    field("waiting.reason", Kind::Text),
    field("waiting.detail", Kind::Text),
    field("waiting.until", Kind::Text),
    field("verification", Kind::Group),
    field("verification.healthy", Kind::Text),
    field("verification.detail", Kind::Text),
    field("verification.until", Kind::Text),
];

const fn field(path: &'static str, kind: Kind) -> Field {
    Field { path, kind }
}

/// The place below another, if there is one.
pub(super) fn below(parent: &str, name: &str) -> Option<Field> {
    VIEW.iter()
        .copied()
        .find(|field| split(field.path) == (parent, name) && !name.is_empty())
}

/// The names below a place.
pub(super) fn names(parent: &str) -> Vec<&'static str> {
    VIEW.iter()
        .map(|field| split(field.path))
        .filter(|(above, _)| *above == parent)
        .map(|(_, name)| name)
        .collect()
}

/// The lists whose items have a field of this name.
pub(super) fn list_with(name: &str) -> Option<&'static str> {
    VIEW.iter()
        .filter_map(|field| field.path.split_once("[]."))
        .find(|(_, below)| *below == name)
        .map(|(list, _)| list)
}

/// `run.id` is `id` in `run`; `steps[].name` is `name` in `steps[]`.
fn split(path: &'static str) -> (&'static str, &'static str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_stands_below_one_that_has_places_below_it() {
        for field in VIEW {
            let (parent, name) = split(field.path);
            assert_eq!(below(parent, name), Some(*field), "{} is there twice", field.path);
            let expected = match parent.strip_suffix("[]") {
                Some(list) => (list, Kind::List),
                None if parent.is_empty() => continue,
                None => (parent, Kind::Group),
            };
            assert!(
                VIEW.iter().any(|above| (above.path, above.kind) == expected),
                "{}",
                field.path
            );
        }
    }
}
