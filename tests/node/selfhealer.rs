//! selfhealer as a client of its API sees it, and its pod.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, Service};
use kube::{Api, Client, api::ListParams};
use serde_json::Value;

use crate::{stage::NAMESPACE, until};

pub struct Selfhealer {
    pub url: String,
    admin: String,
    token: &'static str,
    http: reqwest::Client,
    pods: Api<Pod>,
}

impl Selfhealer {
    /// By the address of its Service.
    pub async fn find(client: &Client, token: &'static str) -> Self {
        let services: Api<Service> = Api::namespaced(client.clone(), NAMESPACE);
        let address = services
            .get("selfhealer")
            .await
            .unwrap()
            .spec
            .unwrap()
            .cluster_ip
            .unwrap();
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5));
        Self {
            url: format!("http://{address}:8080"),
            admin: format!("http://{address}:9090"),
            token,
            http: http.build().unwrap(),
            pods: Api::namespaced(client.clone(), NAMESPACE),
        }
    }

    /// Waits until its Service leads to one that is ready.
    pub async fn ready(&self) {
        until("selfhealer to be ready", async || {
            let answer = self.http.get(format!("{}/readyz", self.admin)).send().await.ok()?;
            answer.error_for_status().ok().map(drop)
        })
        .await;
    }

    /// Its pod that is not going.
    pub async fn pod(&self) -> Pod {
        until("a pod of selfhealer", async || {
            let own = ListParams::default().labels("app.kubernetes.io/name=selfhealer");
            let pods = self.pods.list(&own).await.unwrap().items;
            pods.into_iter().find(|pod| pod.metadata.deletion_timestamp.is_none())
        })
        .await
    }

    /// How often its container was started again, and by which id it runs.
    pub fn container(pod: &Pod) -> Option<(i32, String)> {
        let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
        let own = statuses.iter().find(|status| status.name == "selfhealer")?;
        own.state.as_ref()?.running.as_ref()?;
        Some((own.restart_count, own.container_id.clone()?))
    }

    /// An answer of its API; `None` while it is away.
    async fn get(&self, path: &str) -> Option<Value> {
        let request = self.http.get(format!("{}{path}", self.url)).bearer_auth(self.token);
        let answer = request.send().await.ok()?;
        answer.error_for_status().ok()?.json().await.ok()
    }

    /// The runs of a namespace, oldest first, with their journals.
    pub async fn runs(&self, namespace: &str) -> Option<Vec<Value>> {
        let page = self
            .get(&format!("/api/v1/runs?namespace={namespace}&limit=500"))
            .await?;
        let mut runs = Vec::new();
        for run in page["items"].as_array()?.iter().rev() {
            runs.push(self.get(&format!("/api/v1/runs/{}", run["id"].as_str()?)).await?);
        }
        Some(runs)
    }

    /// Waits until `pick` finds something among the runs of a namespace.
    pub async fn until<T>(&self, namespace: &str, what: &str, pick: impl Fn(&[Value]) -> Option<T>) -> T {
        let last = std::cell::RefCell::new(String::new());
        let deadline = std::time::Instant::now() + crate::PATIENCE;
        loop {
            if let Some(runs) = self.runs(namespace).await {
                if let Some(found) = pick(&runs) {
                    return found;
                }
                last.replace(serde_json::to_string_pretty(&runs).unwrap());
            }
            assert!(
                std::time::Instant::now() < deadline,
                "waited for {what}; runs of {namespace}: {}",
                last.borrow()
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Waits until all runs of a namespace, at least one, have finished.
    pub async fn finished(&self, namespace: &str) -> Vec<Value> {
        self.until(namespace, "all runs to finish", |runs| {
            let over = !runs.is_empty() && runs.iter().all(|run| run["phase"] == "finished");
            over.then(|| runs.to_vec())
        })
        .await
    }
}

/// `outcome(reason)` of a run.
pub fn outcome(run: &Value) -> String {
    format!(
        "{}({})",
        run["outcome"].as_str().unwrap_or_default(),
        run["reason"].as_str().unwrap_or_default()
    )
}

/// Whether a run's journal has an entry of this kind.
pub fn has(run: &Value, kind: &str) -> bool {
    let journal = run["journal"].as_array();
    journal.is_some_and(|entries| entries.iter().any(|entry| entry["kind"] == kind))
}
