//! Custom resources, judged by the schema of their definition: types, required fields, enums, bounds.

use serde_json::Value;

use crate::kubernetes::{incoming::Served, json, refusal::Cause};

pub(super) fn of(served: &Served<'_>, object: &Value, causes: &mut Vec<Cause>) {
    if let Some(schema) = served.custom_schema() {
        judge(object, schema, "", causes);
    }
    let custom = served.resource.custom.as_ref();
    if let Some((path, ..)) = custom.and_then(|custom| custom.scale.get(served.version)) {
        replicas(object, path, causes);
    }
}

/// The number by which it is scaled, is one.
fn replicas(object: &Value, path: &str, causes: &mut Vec<Cause>) {
    let mut place = object;
    let mut steps = path.trim_start_matches('.').split('.').peekable();
    let wrong = |value: &Value, wanted: &str| {
        let (shown, found) = match value {
            Value::String(text) => (text.clone(), "string"),
            Value::Number(number) if number.is_f64() => (number.to_string(), "float64"),
            Value::Number(number) => (number.to_string(), "int64"),
            Value::Bool(value) => (value.to_string(), "bool"),
            other => (other.to_string(), "[]interface {}"),
        };
        let why = format!("{path} accessor error: {shown} is of the type {found}, expected {wanted}");
        Cause::invalid(path, &0.into(), &why)
    };
    while let Some(step) = steps.next() {
        let Some(fields) = place.as_object() else {
            causes.push(wrong(place, "map[string]interface{}"));
            return;
        };
        let Some(inner) = fields.get(step).filter(|inner| !inner.is_null()) else {
            return;
        };
        place = inner;
        if steps.peek().is_none() {
            match place.as_i64() {
                None => causes.push(wrong(place, "int64")),
                Some(number) if number < 0 => {
                    causes.push(Cause::invalid(path, place, "should be a non-negative integer"));
                }
                Some(_) => {}
            }
        }
    }
}

/// What a value is, as JSON schemas call it.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Number(number) if !number.is_f64() => "integer",
        Value::Bool(_) => "boolean",
        other => json::kind(other),
    }
}

fn judge(value: &Value, schema: &Value, at: &str, causes: &mut Vec<Cause>) {
    if value.is_null() && schema["nullable"] == true {
        return;
    }
    if !fits(value, schema) {
        let (wanted, found) = (schema["type"].as_str().unwrap_or_default(), kind(value));
        let why = format!("{at} in body must be of type {wanted}: \"{found}\"");
        let mut cause = Cause::invalid(at, &found.into(), &why);
        cause.reason = "FieldValueTypeInvalid";
        causes.push(cause);
        if wanted == "integer" && value.is_f64() {
            let why = format!("Checked value must be of type integer (default format) in {at}");
            causes.push(Cause::invalid("<nil>", &"".into(), &why));
        }
        return;
    }
    if let Some(known) = schema["enum"].as_array()
        && !known.contains(value)
    {
        let known: Vec<&str> = known.iter().filter_map(Value::as_str).collect();
        causes.push(Cause::not_supported(at, value, &known));
    }
    if let Some(number) = value.as_f64() {
        for (field, words, broken) in [
            (
                "minimum",
                "greater",
                schema["minimum"].as_f64().is_some_and(|least| number < least),
            ),
            (
                "maximum",
                "less",
                schema["maximum"].as_f64().is_some_and(|most| number > most),
            ),
        ] {
            if broken {
                let why = format!("{at} in body should be {words} than or equal to {}", schema[field]);
                causes.push(Cause::invalid(at, value, &why));
            }
        }
    }
    for name in schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        if value.is_object() && value.get(name).is_none() {
            causes.push(Cause::required(below(at, name), ""));
        }
    }
    for (name, inner) in value.as_object().into_iter().flatten() {
        if at.is_empty() && matches!(&**name, "metadata" | "apiVersion" | "kind") {
            continue;
        }
        for schema in [&schema["properties"][name], &schema["additionalProperties"]] {
            if schema.is_object() {
                judge(inner, schema, &below(at, name), causes);
                break;
            }
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        judge(item, &schema["items"], &format!("{at}[{index}]"), causes);
    }
}

fn below(at: &str, name: &str) -> String {
    if at.is_empty() {
        name.to_owned()
    } else {
        format!("{at}.{name}")
    }
}

fn fits(value: &Value, schema: &Value) -> bool {
    if schema["x-kubernetes-int-or-string"] == true {
        return value.is_i64() || value.is_string();
    }
    match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        _ => true,
    }
}
