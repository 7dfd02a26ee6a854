//! In which form a client wants its answer, and in which form it sends what it says.

use http::{HeaderMap, header};

use super::refusal::Refusal;

/// How an answer is written, and how a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// Kubernetes' protobuf: read, never written.
    Protobuf,
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The object or list itself.
    Whole,
    /// A table for people.
    Table(Meta),
    /// Metadata only.
    Metadata(Meta),
}

/// The version of `meta.k8s.io` in which tables and metadata are asked for, and so answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meta {
    /// The present one.
    V1,
    /// The old one.
    V1beta1,
}

impl Meta {
    /// As `apiVersion`.
    pub fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "meta.k8s.io/v1",
            Self::V1beta1 => "meta.k8s.io/v1beta1",
        }
    }
}

/// In which types objects are written.
pub const TYPES: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
/// In which types a watch is.
pub const STREAMS: &str = "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";

/// All that `Accept` says.
pub fn asked(headers: &HeaderMap) -> String {
    let accept = headers.get_all(header::ACCEPT).iter();
    let accept: Vec<&str> = accept.filter_map(|value| value.to_str().ok()).collect();
    accept.join(",")
}

/// Reads `Accept`. The first form that can be made wins; protobuf never can here. What can be watched, too, offers that when it
/// has nothing of what is asked for.
pub fn accepted(headers: &HeaderMap, streams: bool) -> Result<(Form, Syntax), Refusal> {
    let accept = asked(headers);
    if accept.trim().is_empty() {
        return Ok((Form::Whole, Syntax::Json));
    }
    let mut clauses: Vec<(f32, &str)> = accept
        .split(',')
        .map(|clause| {
            (
                parameter(clause, "q").and_then(|q| q.parse().ok()).unwrap_or(1.0),
                clause,
            )
        })
        .collect();
    clauses.sort_by(|left, right| right.0.total_cmp(&left.0));
    let mut converting = accept.contains("application/vnd.kubernetes.protobuf");
    for (_, clause) in clauses {
        let kind = clause.split(';').next().unwrap_or_default().trim();
        let syntax = match kind {
            "application/json" | "application/*" | "*/*" => Syntax::Json,
            "application/yaml" => Syntax::Yaml,
            _ => continue,
        };
        let Some(wanted) = parameter(clause, "as") else {
            return Ok((Form::Whole, syntax));
        };
        let meta = match (parameter(clause, "g"), parameter(clause, "v")) {
            (Some("meta.k8s.io"), Some("v1")) => Some(Meta::V1),
            (Some("meta.k8s.io"), Some("v1beta1")) => Some(Meta::V1beta1),
            _ => None,
        };
        match (wanted, meta) {
            ("Table", Some(meta)) => return Ok((Form::Table(meta), syntax)),
            ("PartialObjectMetadata" | "PartialObjectMetadataList", Some(meta)) => {
                return Ok((Form::Metadata(meta), syntax));
            }
            _ => converting = true,
        }
    }
    if converting {
        return Err(not_acceptable(TYPES));
    }
    Err(not_available(&if streams {
        format!("{TYPES}, {STREAMS}")
    } else {
        TYPES.to_owned()
    }))
}

/// Whether something will do that is written as it is; else whether it shall be made into something else.
pub fn plain(headers: &HeaderMap) -> Result<(), bool> {
    let accept = asked(headers);
    if accept.trim().is_empty() {
        return Ok(());
    }
    let known = |clause: &&str| {
        let kind = clause.split(';').next().unwrap_or_default().trim();
        TYPES.split(", ").any(|known| known == kind) || matches!(kind, "application/*" | "*/*")
    };
    let clauses: Vec<&str> = accept.split(',').filter(known).collect();
    let whole = |clause: &&str| parameter(clause, "as").is_none();
    if clauses.iter().any(whole) {
        return Ok(());
    }
    Err(!clauses.is_empty())
}

/// What is asked for is no type of this path.
pub fn not_available(types: &str) -> Refusal {
    Refusal {
        details: Some(serde_json::json!({})),
        ..Refusal::new(
            406,
            "NotAcceptable",
            format!("406: Not Acceptable\n\nAvailable representations: {types}"),
        )
    }
}

/// What there is has none of the forms that are asked for.
pub fn not_acceptable(types: &str) -> Refusal {
    let words = format!("only the following media types are accepted: {types}");
    Refusal::new(406, "NotAcceptable", words)
}

/// How the body is written.
pub fn syntax(headers: &HeaderMap) -> Result<Syntax, Refusal> {
    match content_type(headers) {
        "" | "application/json" => Ok(Syntax::Json),
        "application/yaml" => Ok(Syntax::Yaml),
        "application/vnd.kubernetes.protobuf" => Ok(Syntax::Protobuf),
        _ => Err(unsupported(TYPES)),
    }
}

/// The type of the body, without parameters.
pub fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE);
    let value = value.and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

/// 415.
pub fn unsupported(accepted: &str) -> Refusal {
    Refusal::new(
        415,
        "UnsupportedMediaType",
        format!("the body of the request was in an unknown format - accepted media types include: {accepted}"),
    )
}

/// A parameter of a media type.
pub fn parameter<'a>(clause: &'a str, name: &str) -> Option<&'a str> {
    clause.split(';').skip(1).find_map(|part| {
        let (other, value) = part.trim().split_once('=')?;
        (other == name).then_some(value)
    })
}
