//! The one way to the API server: every request is built, timed and read here.

use http::Request;
use kube::core::request;
use serde_json::Value;

use super::{Cluster, ClusterError};

/// What is asked, in the words of a role: what is told when the right to it is missing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// `get`, `list`, `create`.
    pub(super) verb: &'static str,
    /// `pods/eviction`, `deployments.apps`.
    pub(super) resource: &'a str,
}

impl Cluster {
    /// Sends a request once and waits for its answer, at most as long as a request may take. What could not be built was not
    /// sent, and counts as refused.
    ///
    /// kube does not repeat requests for us either: its retries are off, since they would repeat what no journal knows.
    pub(super) async fn send(
        &self,
        asked: Asked<'_>,
        request: Result<Request<Vec<u8>>, request::Error>,
    ) -> Result<String, ClusterError> {
        let Asked { verb, resource } = asked;
        let request = request.map_err(|error| ClusterError::Rejected {
            code: 400,
            message: format!("{verb} {resource}: {error}"),
        })?;
        tokio::select! {
            biased;
            answer = self.client.request_text(request) => {
                answer.map_err(|error| ClusterError::from_kube(verb, resource, error))
            }
            () = self.clock.sleep(self.timeout) => Err(ClusterError::Unavailable {
                message: format!("{verb} {resource}: no answer within {:?}", self.timeout),
            }),
        }
    }

    /// The same for what is answered with an object. What is none is no answer, such as the page of a proxy with 200.
    pub(super) async fn send_for_object(
        &self,
        asked: Asked<'_>,
        request: Result<Request<Vec<u8>>, request::Error>,
    ) -> Result<Value, ClusterError> {
        let answer = self.send(asked, request).await?;
        serde_json::from_str(&answer).map_err(|error| ClusterError::Unavailable {
            message: format!("{} {}: the answer is not JSON: {error}", asked.verb, asked.resource),
        })
    }
}
