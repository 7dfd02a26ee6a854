//! From a body to an object as it is stored: decoded by its type, in the stored version, with what was wrong with it.

use serde_json::Value;

use super::{
    accept::{self, Syntax},
    conversion, json, kinds,
    refusal::{About, Cause, Refusal},
    request::{Call, FieldValidation},
    resources::{Conversion, Resource, api_version},
    schema::{self, Decoded, View},
    yaml,
};

/// How a resource is served at one place.
#[derive(Clone, Copy)]
pub struct Served<'a> {
    /// The resource.
    pub resource: &'a Resource,
    /// The version.
    pub version: &'a str,
    /// The group, which is not the resource's own for Events.
    pub group: &'a str,
    /// How it is converted.
    pub conversion: Conversion,
}

impl Served<'_> {
    /// Its `apiVersion`.
    pub fn api_version(&self) -> String {
        api_version(self.group, self.version)
    }

    /// The schema of a custom resource.
    pub fn custom_schema(&self) -> Option<&Value> {
        self.resource.custom.as_ref()?.schemas.get(self.version)
    }

    /// What is known about its fields.
    pub fn view(&self) -> View<'_> {
        if self.resource.custom.is_some() {
            return View::Custom(self.custom_schema());
        }
        schema::of_kind(&self.api_version(), &self.resource.kind).map_or(View::Unknown, View::Type)
    }

    /// Drops what the type does not know; the error is in the words of the decoder.
    pub fn decode(&self, value: Value) -> Result<Decoded, String> {
        if self.resource.custom.is_some() {
            return schema::decode_custom(value, self.custom_schema());
        }
        match schema::of_kind(&self.api_version(), &self.resource.kind) {
            Some(kind) => schema::decode(value, kind),
            None => Ok(Decoded {
                value,
                strict: Vec::new(),
            }),
        }
    }

    /// As it is stored.
    pub fn stored(&self, mut value: Value) -> Value {
        conversion::to_stored(&mut value, self.conversion, &self.resource.api_version());
        value["kind"] = self.resource.kind.clone().into();
        value
    }

    /// As it is served.
    pub fn serve(&self, mut value: Value) -> Value {
        conversion::to_served(&mut value, self.conversion, &self.api_version());
        value
    }

    /// Whether something can be read as one of this kind, whatever its version; else why not, in the words of the decoder.
    pub fn judge_kind(&self, value: &Value, api_version: &str, kind: &str) -> Result<(), String> {
        if self.resource.custom.is_some() {
            return Ok(());
        }
        if api_version.matches('/').count() > 1 {
            return Err(format!("unexpected GroupVersion string: {api_version}"));
        }
        let extension = self.group == "apiextensions.k8s.io";
        let known = if extension {
            let item = kind.strip_suffix("List").unwrap_or(kind);
            api_version == self.api_version() && item == self.resource.kind
        } else {
            kinds::is_known(api_version, kind)
        };
        if !known {
            return Err(kinds::unknown(api_version, kind));
        }
        if kind == self.resource.kind {
            return Ok(());
        }
        // It is read as what it says it is, before it is converted.
        if let Some(types) = schema::of_kind(api_version, kind) {
            schema::decode(value.clone(), types)?;
        }
        let package = self.resource.package();
        let version = api_version.rsplit('/').next().unwrap_or_default();
        Err(format!(
            "converting ({version}.{kind}) to ({package}.{}): unknown conversion",
            self.resource.kind
        ))
    }

    /// A custom resource is read whatever kind it says it is, and refused as an object of that kind.
    pub fn judge_own_kind(&self, value: &Value) -> Result<(), Refusal> {
        let kind = value["kind"].as_str().unwrap_or_default();
        if self.resource.custom.is_none() || kind == self.resource.kind {
            return Ok(());
        }
        let cause = Cause::invalid("kind", &kind.into(), &format!("must be {}", self.resource.kind));
        let name = value["metadata"]["name"].as_str().unwrap_or_default();
        Err(Refusal::invalid(About::new(self.group, kind), name, &[cause]))
    }

    /// Reads the body of a create or update: an object as served, and warnings.
    pub fn read(&self, call: &Call, validation: FieldValidation) -> Result<(Value, Vec<String>), Refusal> {
        let syntax = accept::syntax(&call.headers)?;
        // Custom resources have no protobuf; their definitions have, but nobody reads it here.
        let none = self.resource.custom.is_some() || self.group == "apiextensions.k8s.io";
        if none && syntax == Syntax::Protobuf {
            return Err(accept::unsupported("application/json, application/yaml"));
        }
        let kind = &self.resource.kind;
        let unrecognized = |why: String| {
            Refusal::bad_request(format!(
                "the object provided is unrecognized (must be of type {kind}): {why} ({})",
                summary(&call.body)
            ))
        };
        let (mut value, twice) = parse(&call.body, syntax).map_err(unrecognized)?;
        if value.is_null() && self.resource.custom.is_none() {
            // Go reads it as an object that says nothing.
            value = serde_json::json!({});
        }
        judge_object(&value).map_err(unrecognized)?;
        if let Some(field) = ["apiVersion", "kind"]
            .into_iter()
            .find(|field| !(value[field].is_string() || value[field].is_null()))
        {
            return Err(unrecognized(format!(
                "couldn't get version/kind; json parse error: json: cannot unmarshal {} into Go struct field .{field} of type \
                 string",
                json::kind(&value[field])
            )));
        }
        let expected = self.api_version();
        let given = value["apiVersion"].as_str().unwrap_or_default().to_owned();
        let named = value["kind"].as_str().unwrap_or_default().to_owned();
        if self.resource.custom.is_some() && named.is_empty() {
            return Err(unrecognized(format!(
                "Object 'Kind' is missing in '{}'",
                String::from_utf8_lossy(&call.body)
            )));
        }
        if given.matches('/').count() > 1 {
            return Err(unrecognized(format!("unexpected GroupVersion string: {given}")));
        }
        let as_kind = if named.is_empty() { kind } else { &named };
        let as_version = if given.is_empty() { &expected } else { &given };
        self.judge_kind(&value, as_version, as_kind).map_err(|why| {
            let version = as_version.rsplit('/').next().unwrap_or_default();
            Refusal::bad_request(format!(
                "{as_kind} in version \"{version}\" cannot be handled as a {kind}: {why}"
            ))
        })?;
        if *as_version != expected {
            return Err(Refusal::bad_request(format!(
                "the API version in the data ({given}) does not match the expected API version ({expected})"
            )));
        }
        let handled = |why: String| {
            Refusal::bad_request(format!(
                "{kind} in version \"{}\" cannot be handled as a {kind}: {why}",
                self.version
            ))
        };
        self.judge_own_kind(&value)?;
        value["apiVersion"] = expected.clone().into();
        value["kind"] = kind.clone().into();
        let decoded = self
            .decode(value)
            .map_err(|why| handled(json::as_written(&why, &call.body)))?;
        let warnings = match validation {
            FieldValidation::Strict if !(twice.is_empty() && decoded.strict.is_empty()) => {
                let mut strict = match syntax {
                    Syntax::Yaml if !twice.is_empty() => vec![yaml::twice(&twice)],
                    _ => twice,
                };
                strict.extend(decoded.strict);
                return Err(handled(format!("strict decoding error: {}", strict.join(", "))));
            }
            FieldValidation::Warn => twice.into_iter().chain(decoded.strict).collect(),
            _ => Vec::new(),
        };
        Ok((decoded.value, warnings))
    }
}

/// Whether a document is an object, which may say what it is.
pub fn judge_object(value: &Value) -> Result<(), String> {
    if value.is_object() {
        return Ok(());
    }
    let wanted = "struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \
                  \"json:\\\"kind,omitempty\\\"\" }";
    Err(format!(
        "couldn't get version/kind; json parse error: json: cannot unmarshal {} into Go value of type {wanted}",
        json::kind(value)
    ))
}

/// Reads the body of a call: a document, and what it has twice.
pub fn document(call: &Call) -> Result<(Value, Vec<String>), Refusal> {
    parse(&call.body, accept::syntax(&call.headers)?).map_err(Refusal::bad_request)
}

fn parse(body: &[u8], syntax: Syntax) -> Result<(Value, Vec<String>), String> {
    match syntax {
        Syntax::Json => {
            json::parse(body).map_err(|error| format!("couldn't get version/kind; json parse error: {error}"))
        }
        Syntax::Yaml => yaml::parse(body),
        Syntax::Protobuf => schema::decode_protobuf(body).map(|value| (value, Vec::new())),
    }
}

/// The beginning of a body, for the one who sent it.
pub fn summary(body: &[u8]) -> String {
    const LONGEST: usize = 30;
    match body.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => {
            let text = String::from_utf8_lossy(body);
            if text.len() > LONGEST {
                let cut: String = text.chars().take(LONGEST).collect();
                format!("{cut} ...")
            } else {
                text.into_owned()
            }
        }
        Some(_) => {
            let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
            if body.len() > LONGEST {
                format!("{} ...", hex(&body[..LONGEST]))
            } else {
                hex(body)
            }
        }
    }
}
