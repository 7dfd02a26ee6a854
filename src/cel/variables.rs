//! What an expression sees, in the crate's own values.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, LazyLock},
};

use cel::{
    Context, Program, Value,
    objects::{Key, Map},
};
use jiff::Timestamp;
use serde_json::Value as Json;

use super::ENV;

/// The variables of an expression, made once for all the expressions of a runbook.
pub struct Variables(Context<'static, 'static>);

/// The crate's time type is chrono's, which we do not use: its own function makes one.
static NOW: LazyLock<Option<Program>> = LazyLock::new(|| ENV.compile("timestamp(text)").ok());

impl Variables {
    /// `target` and `root` are the live objects, absent ones `null`.
    pub fn new(
        target: Option<&Json>,
        root: Option<&Json>,
        labels: &BTreeMap<String, String>,
        annotations: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Self {
        let mut context = Context::with_env(Arc::clone(&ENV));
        context.add_variable_from_value("target", target.map_or(Value::Null, value));
        context.add_variable_from_value("root", root.map_or(Value::Null, value));
        context.add_variable_from_value("labels", texts(labels));
        context.add_variable_from_value("annotations", texts(annotations));
        context.add_variable_from_value("now", moment(now));
        Self(context)
    }

    pub(super) fn context(&self) -> &Context<'static, 'static> {
        &self.0
    }
}

impl fmt::Debug for Variables {
    /// Without the objects: they may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variables").finish_non_exhaustive()
    }
}

/// The crate reads every non-negative JSON number as unsigned, and unsigned does not compare with the `1` that an
/// author writes. So all whole numbers are signed here, except those that do not fit.
fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(signed), _) => Value::Int(signed),
            (None, Some(unsigned)) => Value::UInt(unsigned),
            (None, None) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::String(Arc::new(text.clone())),
        Json::Array(items) => Value::List(Arc::new(items.iter().map(value).collect())),
        Json::Object(fields) => map(fields.iter().map(|(name, field)| (name, value(field)))),
    }
}

fn texts(texts: &BTreeMap<String, String>) -> Value {
    map(texts
        .iter()
        .map(|(name, text)| (name, Value::String(Arc::new(text.clone())))))
}

fn map<'n>(entries: impl Iterator<Item = (&'n String, Value)>) -> Value {
    let map: HashMap<Key, Value> = entries.map(|(name, value)| (Key::from(name.as_str()), value)).collect();
    Value::Map(Map { map: Arc::new(map) })
}

fn moment(now: Timestamp) -> Value {
    let mut context = Context::with_env(Arc::clone(&ENV));
    context.add_variable_from_value("text", now.to_string());
    NOW.as_ref()
        .and_then(|program| program.execute(&context).ok())
        .unwrap_or(Value::Null)
}
