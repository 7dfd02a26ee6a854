//! What is done on both sides in the same way: by calls to the API server.

use http::Request;
use kube::Client;
use serde_json::{Value, json};

use super::story::{Deed, path};

/// A side of a story.
pub struct Api<'a> {
    pub client: &'a Client,
    pub namespace: &'a str,
}

impl Api<'_> {
    /// Makes an object; whose it is stands in its kind.
    pub async fn make(&self, object: &Value) -> Value {
        let mut object = object.clone();
        let api_version = match object["kind"].as_str().unwrap() {
            "ReplicaSet" => "apps/v1",
            "PodDisruptionBudget" => "policy/v1",
            _ => "v1",
        };
        object["apiVersion"] = api_version.into();
        let request = Request::post(path(&object, self.namespace)).header("content-type", "application/json");
        let request = request.body(object.to_string().into_bytes()).unwrap();
        self.client.request(request).await.unwrap()
    }

    pub async fn list(&self, plural: &str) -> Vec<Value> {
        let request = Request::get(format!("/api/v1/namespaces/{}/{plural}", self.namespace));
        let list: Value = self.client.request(request.body(Vec::new()).unwrap()).await.unwrap();
        list["items"].as_array().cloned().unwrap_or_default()
    }

    /// Carries out a deed upon the pod that came first of those that are there, and says what the API server answered.
    pub async fn carry_out(&self, deed: Deed) -> Option<String> {
        let mut pods = self.list("pods").await;
        pods.sort_by_key(|pod| pod["metadata"]["creationTimestamp"].to_string());
        let name = pods.first()?["metadata"]["name"].as_str()?.to_owned();
        let pod = format!("/api/v1/namespaces/{}/pods/{name}", self.namespace);
        let (words, request, body) = match deed {
            Deed::Delete => ("delete", Request::delete(pod), json!({})),
            Deed::Evict => {
                let body = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}});
                ("evict", Request::post(format!("{pod}/eviction")), body)
            }
            Deed::Release => {
                let request = Request::patch(pod).header("content-type", "application/merge-patch+json");
                ("release", request, json!({"metadata": {"finalizers": null}}))
            }
            Deed::KillKubelet | Deed::StartKubelet => return None,
        };
        let request = if deed == Deed::Release {
            request
        } else {
            request.header("content-type", "application/json")
        };
        let answer = self
            .client
            .request::<Value>(request.body(body.to_string().into_bytes()).unwrap())
            .await;
        Some(match answer {
            Ok(_) => format!("{words}: done"),
            Err(kube::Error::Api(refusal)) => format!("{words}: {} {}", refusal.code, refusal.message),
            Err(error) => panic!("{words}: {error}"),
        })
    }
}
