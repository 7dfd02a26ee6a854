//! Prometheus with rules, targets and Alertmanagers, in a hurry: it scrapes and evaluates every second.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::{
    Error, Tool, build,
    keeper::Group,
    part::{Part, program, write},
    port::with_free_ports,
    probe::Probe,
    rules,
};

/// What [`Prometheus::start`] runs with.
#[derive(Clone, Debug, Default)]
pub struct PrometheusOptions {
    /// Rule files.
    pub rules: Vec<PathBuf>,
    /// Replaces the `for:` of every alert that has one; the files themselves stay as they are.
    pub hold: Option<Duration>,
    /// What to scrape: a job's name and an address such as `http://127.0.0.1:PORT/metrics`. Labels of the scraped metrics
    /// win over those of the target, as kube-state-metrics wants it.
    pub scrape: Vec<(String, String)>,
    /// The addresses of Alertmanagers, `http://127.0.0.1:PORT`.
    pub alertmanagers: Vec<String>,
    /// Labels that every alert gets, such as `cluster`.
    pub external_labels: BTreeMap<String, String>,
}

/// A running Prometheus. Dropping it ends the process and removes its data.
#[derive(Debug)]
pub struct Prometheus {
    part: Mutex<Part>,
    url: String,
    group: Arc<Group>,
}

impl Prometheus {
    /// Starts it, and waits until every target was scraped once (successfully or not) and the Alertmanagers are known.
    ///
    /// # Errors
    /// When it cannot be built, a rule file cannot be read, it ends (a bad rule, which the error shows), or is not ready
    /// in time.
    pub async fn start(options: PrometheusOptions) -> Result<Self, Error> {
        let [prometheus] = build::tools([Tool::Prometheus]).await?;
        with_free_ports(|[port]| launch(&prometheus, &options, port)).await
    }

    /// Its address, `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The folder with its log (`prometheus.log`), configuration, rules and data. It goes with the handle.
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
}

async fn launch(path: &Path, options: &PrometheusOptions, port: u16) -> Result<Prometheus, Error> {
    let group = Arc::new(Group::new("prometheus")?);
    let rules = rules::copy(&group, &options.rules, options.hold)?;
    let config = write(&group, "prometheus.yml", config(options, &rules)?.to_string())?;
    let url = format!("http://127.0.0.1:{port}");
    let mut command = program(path, &group);
    command
        .arg("--config.file")
        .arg(config)
        .args(["--storage.tsdb.path", "data", "--storage.tsdb.no-lockfile"])
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg(format!("--web.external-url={url}"))
        // By default the first scrape comes after five seconds.
        .arg("--scrape.discovery-reload-interval=200ms");
    let mut part = Part::start(&group, Tool::Prometheus.name(), command)?;
    let probe = Probe::new();
    part.ready(|| async {
        probe.ok(&format!("{url}/-/ready")).await?;
        scraped(&probe, &url, options.scrape.len()).await?;
        notifies(&probe, &url, options.alertmanagers.len()).await
    })
    .await?;
    Ok(Prometheus {
        part: Mutex::new(part),
        url,
        group,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<T> {
    data: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Targets {
    active_targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    health: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Alertmanagers {
    active_alertmanagers: Vec<Value>,
}

async fn scraped(probe: &Probe, url: &str, expected: usize) -> Result<(), String> {
    let answer: Answer<Targets> = probe.json(&format!("{url}/api/v1/targets?state=active")).await?;
    let scraped = answer
        .data
        .active_targets
        .iter()
        .filter(|target| target.health != "unknown")
        .count();
    if scraped >= expected {
        Ok(())
    } else {
        Err(format!("{scraped} of {expected} targets scraped"))
    }
}

async fn notifies(probe: &Probe, url: &str, expected: usize) -> Result<(), String> {
    let answer: Answer<Alertmanagers> = probe.json(&format!("{url}/api/v1/alertmanagers")).await?;
    let found = answer.data.active_alertmanagers.len();
    if found >= expected {
        Ok(())
    } else {
        Err(format!("{found} of {expected} Alertmanagers found"))
    }
}

/// The configuration file. JSON is YAML.
fn config(options: &PrometheusOptions, rules: &[PathBuf]) -> Result<Value, Error> {
    let mut scrape_configs = Vec::new();
    for (job, url) in &options.scrape {
        let (host, path) = split(url)?;
        scrape_configs.push(json!({
            "job_name": job,
            "honor_labels": true,
            "metrics_path": path,
            "static_configs": [{"targets": [host]}],
        }));
    }
    let mut alertmanagers = Vec::new();
    for url in &options.alertmanagers {
        let (host, path) = split(url)?;
        alertmanagers.push(json!({"path_prefix": path, "static_configs": [{"targets": [host]}]}));
    }
    Ok(json!({
        "global": {
            "scrape_interval": "1s",
            "scrape_timeout": "1s",
            "evaluation_interval": "1s",
            "external_labels": options.external_labels,
        },
        "rule_files": rules,
        "scrape_configs": scrape_configs,
        "alerting": {"alertmanagers": alertmanagers},
    }))
}

/// Host with port, and path, of an `http` address.
fn split(url: &str) -> Result<(&str, &str), Error> {
    let rest = url
        .strip_prefix("http://")
        .filter(|rest| !rest.is_empty() && !rest.starts_with('/'));
    let rest = rest.ok_or_else(|| Error::Url { url: url.into() })?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    Ok((host, if path.is_empty() { "/" } else { path }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_split_at_the_path() {
        assert_eq!(
            split("http://127.0.0.1:80/metrics").unwrap(),
            ("127.0.0.1:80", "/metrics")
        );
        assert_eq!(split("http://127.0.0.1:80").unwrap(), ("127.0.0.1:80", "/"));
        assert!(split("127.0.0.1:80").is_err());
        assert!(split("http:///metrics").is_err());
    }

    #[test]
    fn scraped_labels_win() {
        let options = PrometheusOptions {
            scrape: vec![("kube-state-metrics".into(), "http://127.0.0.1:1/metrics".into())],
            alertmanagers: vec!["http://127.0.0.1:2".into()],
            ..PrometheusOptions::default()
        };
        let config = config(&options, &[]).unwrap();
        assert_eq!(config["scrape_configs"][0]["honor_labels"], true);
        assert_eq!(
            config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"][0],
            "127.0.0.1:2"
        );
    }
}
