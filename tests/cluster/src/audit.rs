//! What the API server was asked to change, as it recorded it itself.
//!
//! The server writes a line when a request comes and another when it is answered. The first is on disk before the request
//! is looked at, so a request whose client was killed, or whose server was, is counted as well.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;
use serde_json::Value;

use crate::Error;

/// A request that was meant to change something: every deletion and eviction of a pod, and every other change that was not
/// asked for by the control plane itself.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AuditedRequest {
    /// Who asked: an identity's name, `admin`, or `system:serviceaccount:…` of a controller.
    pub user: String,
    /// `create`, `update`, `patch`, `delete` or `deletecollection`.
    pub verb: String,
    /// The resource: `pods`, or `pods/eviction` where a subresource was asked for.
    pub resource: String,
    /// The namespace; empty for a cluster-wide object.
    pub namespace: String,
    /// The object's name; empty where the request names none.
    pub name: String,
    /// The status code of the answer; none while it is out, or when the server died before it.
    pub code: Option<u16>,
    /// The body, as far as the server understood it: preconditions and `dryRun` of a deletion are in here. None while
    /// the answer is out.
    pub body: Option<Value>,
    /// The request's path and query.
    pub uri: String,
}

impl AuditedRequest {
    /// Whether a pod was to be evicted.
    #[must_use]
    pub fn is_eviction(&self) -> bool {
        self.verb == "create" && self.resource == "pods/eviction"
    }
}

/// One line of the log, as far as it matters.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    #[serde(rename = "auditID")]
    id: String,
    stage: String,
    verb: String,
    #[serde(rename = "requestURI")]
    uri: String,
    user: User,
    #[serde(default)]
    object_ref: ObjectRef,
    response_status: Option<Status>,
    request_object: Option<Value>,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ObjectRef {
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Deserialize)]
struct Status {
    code: u16,
}

/// The requests of the log in the order in which they came.
pub(crate) fn read(log: &Path) -> Result<Vec<AuditedRequest>, Error> {
    match fs::read_to_string(log) {
        Ok(text) => Ok(parse(&text)),
        // The server makes the file with the first line.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::io(format!("reading {}", log.display()))(error)),
    }
}

fn parse(text: &str) -> Vec<AuditedRequest> {
    let mut order: BTreeMap<String, usize> = BTreeMap::new();
    let mut requests: Vec<AuditedRequest> = Vec::new();
    // The last line may be half written.
    for line in text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok()) {
        let index = *order.entry(line.id.clone()).or_insert(requests.len());
        let answered = line.stage != "RequestReceived";
        if index == requests.len() {
            requests.push(line.into());
        } else if answered {
            requests[index] = line.into();
        }
    }
    requests
}

impl From<Line> for AuditedRequest {
    fn from(line: Line) -> Self {
        let ObjectRef {
            resource,
            subresource,
            namespace,
            name,
        } = line.object_ref;
        let resource = if subresource.is_empty() {
            resource
        } else {
            format!("{resource}/{subresource}")
        };
        Self {
            user: line.user.username,
            verb: line.verb,
            resource,
            namespace,
            name,
            code: line.response_status.map(|status| status.code),
            body: line.request_object,
            uri: line.uri,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECEIVED: &str = r#"{"auditID":"a","stage":"RequestReceived","verb":"create","requestURI":"/x","user":{"username":"selfhealer"},"objectRef":{"resource":"pods","subresource":"eviction","namespace":"n","name":"p"}}"#;
    const ANSWERED: &str = r#"{"auditID":"a","stage":"ResponseComplete","verb":"create","requestURI":"/x","user":{"username":"selfhealer"},"objectRef":{"resource":"pods","subresource":"eviction","namespace":"n","name":"p"},"responseStatus":{"metadata":{},"code":201},"requestObject":{"deleteOptions":{"preconditions":{"uid":"u"}}}}"#;

    #[test]
    fn a_request_is_counted_once() {
        let requests = parse(&[RECEIVED, ANSWERED].join("\n"));
        assert_eq!(requests.len(), 1);
        assert!(requests[0].is_eviction());
        assert_eq!(requests[0].code, Some(201));
        assert_eq!(
            requests[0].body.as_ref().unwrap()["deleteOptions"]["preconditions"]["uid"],
            "u"
        );
    }

    #[test]
    fn a_request_without_an_answer_counts() {
        let half = &ANSWERED[..40];
        let requests = parse(&format!("{RECEIVED}\n{half}"));
        assert_eq!(requests.len(), 1);
        assert_eq!(requests[0].code, None);
        assert_eq!((requests[0].namespace.as_str(), requests[0].name.as_str()), ("n", "p"));
    }

    #[test]
    fn a_server_that_has_recorded_nothing_has_no_file() {
        assert_eq!(read(Path::new("/nonexistent/audit.log")).unwrap(), []);
    }
}
