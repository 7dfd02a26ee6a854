//! The environment on top of the file: each variable replaces one setting.

use super::settings::{OTHER_VARIABLES, SETTINGS, Shape};
use crate::{
    suggestion,
    yaml::{
        node::{At, Key, Node, Value},
        reader::Reader,
    },
};

const PREFIX: &str = "SELFHEALER_";

/// Puts the variables with our prefix into the tree. Unknown ones are errors.
pub(super) fn overlay(
    reader: &mut Reader<'_>,
    root: &mut Node,
    environment: impl IntoIterator<Item = (String, String)>,
) {
    let mut variables: Vec<(String, String)> = environment
        .into_iter()
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect();
    variables.sort();
    for (name, text) in variables {
        if OTHER_VARIABLES.contains(&name.as_str()) {
            continue;
        }
        if let Some(setting) = SETTINGS.iter().find(|setting| setting.variable() == name) {
            let at = reader.add_source(&name);
            put(root, setting.key, value(setting.shape, &text, at));
        } else if !is_service_link(&name) {
            let at = reader.add_source(&name);
            let names: Vec<String> = SETTINGS.iter().map(super::Setting::variable).collect();
            let known = names.iter().map(String::as_str).chain(OTHER_VARIABLES.iter().copied());
            let help = match suggestion::nearest(&name, known) {
                Some(near) => format!("did you mean {near}?"),
                None => "unset it; docs/configuration.md lists the variables".to_owned(),
            };
            reader.error(at, "there is no setting of this name", help);
        }
    }
}

/// Kubernetes sets such variables in every pod for every Service of the namespace; ours may well be called selfhealer.
fn is_service_link(name: &str) -> bool {
    let is_protocol = |part: &str| matches!(part, "TCP" | "UDP" | "SCTP");
    let is_number = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    let parts: Vec<&str> = name.split('_').collect();
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_PORT")
        || name.contains("_SERVICE_PORT_")
        || parts
            .windows(3)
            .any(|window| window[0] == "PORT" && is_number(window[1]) && is_protocol(window[2]))
}

fn value(shape: Shape, text: &str, at: At) -> Node {
    let items = || text.split(',').map(|item| item.trim().to_owned());
    let map = |entries: Vec<(String, Node)>| {
        Value::Map(
            entries
                .into_iter()
                .map(|(name, node)| (Key { name, at }, node))
                .collect(),
        )
    };
    let value = match shape {
        Shape::One => return Node::text(text, at),
        Shape::List => Value::List(items().map(|item| Node::text(item, at)).collect()),
        Shape::Map => map(items()
            .map(|item| {
                let (name, value) = item.split_once('=').unwrap_or((&item, ""));
                (name.trim().to_owned(), Node::text(value.trim(), at))
            })
            .collect()),
        Shape::Routes => Value::List(
            items()
                .map(|item| {
                    let (channel, matcher) = item.split_once(':').unwrap_or((&item, ""));
                    let value = map(vec![
                        ("match".to_owned(), Node::text(matcher.trim(), at)),
                        ("channel".to_owned(), Node::text(channel.trim(), at)),
                    ]);
                    Node { value, at }
                })
                .collect(),
        ),
        Shape::Tokens => Value::List(
            items()
                .map(|item| {
                    let mut parts = item.splitn(3, ':');
                    let mut part = || parts.next().unwrap_or_default().trim().to_owned();
                    let (name, file, permissions) = (part(), part(), part());
                    let permissions = permissions.split('+').map(|word| Node::text(word.trim(), at)).collect();
                    let value = map(vec![
                        ("name".to_owned(), Node::text(name, at)),
                        ("file".to_owned(), Node::text(file, at)),
                        (
                            "permissions".to_owned(),
                            Node {
                                value: Value::List(permissions),
                                at,
                            },
                        ),
                    ]);
                    Node { value, at }
                })
                .collect(),
        ),
    };
    Node { value, at }
}

/// Replaces the value at `store.url` or `mode`.
fn put(root: &mut Node, key: &str, value: Node) {
    let (first, rest) = key
        .split_once('.')
        .map_or((key, None), |(first, rest)| (first, Some(rest)));
    let at = value.at;
    let Some(field) = field(root, first, at) else {
        return;
    };
    match rest {
        None => *field = value,
        Some(rest) => put(field, rest, value),
    }
}

/// The value of a field, which is made if it is not there. `None` where there are no fields, which is told when the file
/// is read.
fn field<'n>(node: &'n mut Node, name: &str, at: At) -> Option<&'n mut Node> {
    if matches!(node.value, Value::Null) {
        node.value = Value::Map(Vec::new());
    }
    let Value::Map(entries) = &mut node.value else {
        return None;
    };
    let index = entries
        .iter()
        .position(|(key, _)| key.name == name)
        .unwrap_or(entries.len());
    if index == entries.len() {
        let name = name.to_owned();
        let value = Value::Null;
        entries.push((Key { name, at }, Node { value, at }));
    }
    entries.get_mut(index).map(|(_, node)| node)
}
