//! Looking at a part over HTTP, to learn whether it is ready.

use std::time::Duration;

use serde::de::DeserializeOwned;

/// A client for loopback addresses: no proxy, and no opinion about the certificates that parts make for themselves.
#[derive(Clone, Debug)]
pub(crate) struct Probe(reqwest::Client);

impl Probe {
    pub(crate) fn new() -> Self {
        // An error means that the process has a provider already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .no_proxy()
            .tls_danger_accept_invalid_certs(true)
            .timeout(Duration::from_secs(2))
            .build();
        Self(client.expect("the client has no certificates or proxies that could be wrong"))
    }

    /// Succeeds when the answer is a 2xx, else says what came instead.
    pub(crate) async fn ok(&self, url: &str) -> Result<(), String> {
        self.get(url).await.map(drop)
    }

    /// The answer as JSON.
    pub(crate) async fn json<T: DeserializeOwned>(&self, url: &str) -> Result<T, String> {
        self.get(url)
            .await?
            .json()
            .await
            .map_err(|error| format!("{url}: {error}"))
    }

    async fn get(&self, url: &str) -> Result<reqwest::Response, String> {
        let answer = self
            .0
            .get(url)
            .send()
            .await
            .map_err(|error| format!("{url}: {}", cause(&error)))?;
        if answer.status().is_success() {
            Ok(answer)
        } else {
            Err(format!("{url}: {}", answer.status()))
        }
    }
}

/// The innermost error: "connection refused" says more than "error sending request".
fn cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), cause)
}
