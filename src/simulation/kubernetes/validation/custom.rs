//! Custom resources, judged by the schema of their definition: types, required fields, enums, bounds.

use serde_json::Value;

use crate::simulation::kubernetes::{incoming::Served, json, refusal::Cause};

pub(super) fn of(served: &Served<'_>, object: &Value, causes: &mut Vec<Cause>) {
    if let Some(schema) = served.custom_schema() {
        judge(object, schema, "", causes);
    }
}

fn judge(value: &Value, schema: &Value, at: &str, causes: &mut Vec<Cause>) {
    if value.is_null() && schema["nullable"] == true {
        return;
    }
    if !fits(value, schema) {
        let (wanted, found) = (schema["type"].as_str().unwrap_or_default(), json::kind(value));
        let why = format!("{at} in body must be of type {wanted}: \"{found}\"");
        let mut cause = Cause::invalid(at, &found.into(), &why);
        cause.reason = "FieldValueTypeInvalid";
        causes.push(cause);
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
