//! Where two answers differ, and how that is told.

use std::fmt::Write as _;

use serde_json::Value;

use super::language::Case;

/// The most letters of a value that a report shows.
const SHOWN: usize = 1200;

/// One field that two answers do not share.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Which call it is, from 1 on.
    pub call: usize,
    /// `body.metadata.name`.
    pub path: String,
    /// What the real server answers; absent when it has no such field.
    pub real: Option<Value>,
    pub simulated: Option<Value>,
}

/// Compares the answers to all calls.
pub fn find(real: &[Value], simulated: &[Value]) -> Vec<Difference> {
    let mut found = Vec::new();
    for (index, (real, simulated)) in real.iter().zip(simulated).enumerate() {
        walk(index + 1, "", Some(real), Some(simulated), &mut found);
    }
    found
}

fn walk(call: usize, path: &str, real: Option<&Value>, simulated: Option<&Value>, found: &mut Vec<Difference>) {
    let below = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    match (real, simulated) {
        (Some(Value::Object(left)), Some(Value::Object(right))) => {
            let mut names: Vec<&String> = left.keys().chain(right.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                walk(call, &below(name), left.get(name), right.get(name), found);
            }
        }
        (Some(Value::Array(left)), Some(Value::Array(right))) => {
            for index in 0..left.len().max(right.len()) {
                let below = below(&index.to_string());
                walk(call, &below, left.get(index), right.get(index), found);
            }
        }
        _ if real == simulated => {}
        _ => found.push(Difference {
            call,
            path: path.to_owned(),
            real: real.cloned(),
            simulated: simulated.cloned(),
        }),
    }
}

/// Writes down request, both answers and where they differ.
pub fn describe(case: &Case, differences: &[Difference], report: &mut String) {
    writeln!(report, "\n=== {case}").unwrap();
    let mut last = 0;
    for difference in differences {
        if difference.call != last {
            last = difference.call;
            writeln!(report, "  {last}. {}", case.calls[last - 1].line).unwrap();
        }
        difference.describe(report);
    }
}

impl Difference {
    /// Writes down where it is and both values.
    pub fn describe(&self, report: &mut String) {
        writeln!(report, "     {}", self.path).unwrap();
        writeln!(report, "       real       {}", shown(self.real.as_ref())).unwrap();
        writeln!(report, "       simulated  {}", shown(self.simulated.as_ref())).unwrap();
    }
}

fn shown(value: Option<&Value>) -> String {
    let text = value.map_or_else(|| "(absent)".to_owned(), Value::to_string);
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{} …", &text[..at]),
        None => text,
    }
}

#[test]
fn a_difference_has_a_path_and_both_values() {
    use serde_json::json;
    let found = find(
        &[json!({"a": {"b": [1, 2]}, "c": 1})],
        &[json!({"a": {"b": [1]}, "c": 1})],
    );
    let expected = Difference {
        call: 1,
        path: "a.b.1".into(),
        real: Some(json!(2)),
        simulated: None,
    };
    assert_eq!(found, [expected]);
}
