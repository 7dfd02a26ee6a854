//! Alertmanager: one, or a pair of peers.

use std::{path::Path, process::Command, sync::Arc};

use serde::Deserialize;
use tokio::sync::Mutex;

use crate::{
    Error, Tool, build,
    keeper::Group,
    part::{Part, program, write},
    port::with_free_ports,
    probe::Probe,
};

/// A running Alertmanager. Dropping it ends the process and removes its data.
#[derive(Debug)]
pub struct Alertmanager {
    part: Mutex<Part>,
    url: String,
    group: Arc<Group>,
}

impl Alertmanager {
    /// Starts one with this configuration, without peers.
    ///
    /// # Errors
    /// When it cannot be built, ends (a bad configuration, which the error shows), or is not ready in time.
    pub async fn start(config_yaml: &str) -> Result<Self, Error> {
        let [alertmanager] = build::tools([Tool::Alertmanager]).await?;
        let alone = ["--cluster.listen-address="];
        with_free_ports(|[port]| launch(&alertmanager, config_yaml, port, &alone)).await
    }

    /// Starts two peers with this configuration, and waits until they know each other. Both are to be given every alert;
    /// one of them notifies.
    ///
    /// # Errors
    /// As for [`Alertmanager::start`].
    pub async fn start_pair(config_yaml: &str) -> Result<(Self, Self), Error> {
        let [alertmanager] = build::tools([Tool::Alertmanager]).await?;
        let alertmanager = &alertmanager;
        with_free_ports(|[web_a, peer_a, web_b, peer_b]| async move {
            let (a, b) = (peer_flags(peer_a, peer_b), peer_flags(peer_b, peer_a));
            let (a, b) = (a.each_ref().map(String::as_str), b.each_ref().map(String::as_str));
            let (a, b) = tokio::try_join!(
                launch(alertmanager, config_yaml, web_a, &a),
                launch(alertmanager, config_yaml, web_b, &b)
            )?;
            tokio::try_join!(a.joined(), b.joined())?;
            Ok((a, b))
        })
        .await
    }

    /// Its address, `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The folder with its log (`alertmanager.log`), configuration and data. It goes with the handle.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.group.folder()
    }

    /// Succeeds while it runs.
    ///
    /// # Errors
    /// When it ended by itself: how, and the end of its log.
    pub async fn check(&self) -> Result<(), Error> {
        self.part.lock().await.check()
    }

    /// Waits until it sees itself and its peer.
    async fn joined(&self) -> Result<(), Error> {
        let (probe, url) = (Probe::new(), format!("{}/api/v2/status", self.url));
        let look = || async {
            let status: Status = probe.json(&url).await?;
            let Cluster { status, peers } = status.cluster;
            if status == "ready" && peers.len() == 2 {
                Ok(())
            } else {
                Err(format!("{status}, {} peers", peers.len()))
            }
        };
        self.part.lock().await.ready(look).await
    }
}

#[derive(Deserialize)]
struct Status {
    cluster: Cluster,
}

#[derive(Deserialize)]
struct Cluster {
    status: String,
    #[serde(default)]
    peers: Vec<serde_json::Value>,
}

/// A configuration that posts every alert to `url` at once: groups by alert name and namespace, and changes to a group
/// follow after a second.
#[must_use]
pub fn webhook_config(url: &str) -> String {
    let config = serde_json::json!({
        "route": {
            "receiver": "webhook",
            "group_by": ["alertname", "namespace"],
            "group_wait": "0s",
            "group_interval": "1s",
            "repeat_interval": "1m",
        },
        "receivers": [{"name": "webhook", "webhook_configs": [{"url": url, "send_resolved": true}]}],
    });
    // JSON is YAML.
    format!("{config:#}\n")
}

async fn launch(path: &Path, config: &str, port: u16, flags: &[&str]) -> Result<Alertmanager, Error> {
    let group = Arc::new(Group::new("alertmanager")?);
    let config = write(&group, "alertmanager.yml", config)?;
    let url = format!("http://127.0.0.1:{port}");
    let mut command: Command = program(path, &group);
    command
        .arg("--config.file")
        .arg(config)
        .args(["--storage.path", "data"])
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        // Otherwise the links in its notifications carry this machine's name.
        .arg(format!("--web.external-url={url}"))
        .args(flags);
    let mut part = Part::start(&group, Tool::Alertmanager.name(), command)?;
    let probe = Probe::new();
    part.ready(|| async { probe.ok(&format!("{url}/-/ready")).await })
        .await?;
    Ok(Alertmanager {
        part: Mutex::new(part),
        url,
        group,
    })
}

/// Peers that find each other and take over within seconds.
fn peer_flags(own: u16, other: u16) -> [String; 6] {
    [
        format!("--cluster.listen-address=127.0.0.1:{own}"),
        format!("--cluster.peer=127.0.0.1:{other}"),
        "--cluster.peer-timeout=2s".into(),
        "--cluster.gossip-interval=50ms".into(),
        "--cluster.pushpull-interval=1s".into(),
        "--cluster.settle-timeout=10s".into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_webhook_is_the_only_receiver() {
        let config: serde_json::Value =
            serde_json::from_str(&webhook_config("http://127.0.0.1:8080/alertmanager")).unwrap();
        assert_eq!(
            config["receivers"][0]["webhook_configs"][0]["url"],
            "http://127.0.0.1:8080/alertmanager"
        );
        assert_eq!(config["route"]["receiver"], config["receivers"][0]["name"]);
    }

    #[tokio::test]
    async fn a_taken_port_is_recognised() {
        let [alertmanager] = build::tools([Tool::Alertmanager]).await.unwrap();
        let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = other.local_addr().unwrap().port();
        let config = webhook_config("http://127.0.0.1:8080/alertmanager");
        let error = launch(&alertmanager, &config, port, &[]).await.unwrap_err();
        assert!(error.is_port_taken(), "{error}");
    }
}
