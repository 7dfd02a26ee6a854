//! The service without its listeners, in this process, with a clock that stands: everything from the post to the call.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
    time::Duration,
};

use jiff::Timestamp;
use selfhealer::{
    app::{Ports, Stepped, assemble, beside},
    clock::ManualClock,
    cluster::Cluster,
    config::{self, Config, SlackCredentials},
    domain::runbook::Mode,
    ids::Ids,
    store::Store,
};
use serde_json::Value;

use super::{
    office::{CHANNEL, Office},
    wire::Wire,
    without::{Without, safeguards},
};

/// The time limit of a call.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a claim holds.
pub const LEASE: Duration = Duration::from_secs(30);

/// What a configuration would say.
#[derive(Clone, Debug)]
pub struct Settings {
    pub runbook: String,
    pub mode: Mode,
    pub settle: Duration,
    pub protected: Vec<String>,
    /// Whether people read of it in Slack.
    pub slack: bool,
}

/// Everything around a process.
pub struct Surroundings {
    pub clock: Arc<ManualClock>,
    pub wire: Wire,
    pub office: Office,
    /// A part of the service is another one.
    pub without: Option<Without>,
}

/// A process. Dropping it is its death: nothing of it is finished.
pub struct Process {
    service: Stepped,
    ids: Arc<Ids>,
    config: Config,
}

impl Process {
    /// Starts on the database in this folder, which is made when there is none. `life` counts its starts.
    pub async fn start(folder: &Path, settings: &Settings, life: u8, around: Surroundings) -> Self {
        let config = settings.config(folder, around.office.token());
        let ids = Arc::new(Ids::seeded(around.clock.clone(), [life; 32]));
        let ports = around.ports(&ids);
        let service = Stepped::new(assemble(&config, ports).await.unwrap());
        Self { service, ids, config }
    }

    /// Another process that works on the same runs. It shares the open database, as replicas will share a server.
    pub async fn twin(&self, around: Surroundings) -> Self {
        let (ids, config) = (self.ids.clone(), self.config.clone());
        let (store, registry) = (self.service.store.clone(), self.service.registry.clone());
        let service = beside(&config, around.ports(&ids), store, registry).await.unwrap();
        let service = Stepped::new(service);
        Self { service, ids, config }
    }

    pub fn store(&self) -> &Store {
        &self.service.store
    }

    /// Takes a notification in. When it returns, Alertmanager has its 202.
    pub async fn post(&self, notification: &Value) {
        let body = notification.to_string().into();
        self.service.inbox.accept("alertmanager", body).await.unwrap();
    }

    /// Does what is due now; tells when something is due again.
    pub async fn work(&self) -> Option<Timestamp> {
        self.service.step().await.unwrap()
    }

    /// Whether somebody is still to be told.
    pub async fn owes(&self) -> bool {
        self.service.owed().await.unwrap() > 0
    }
}

impl Surroundings {
    fn ports(self, ids: &Arc<Ids>) -> Ports {
        let client = kube::Client::new(self.wire, "default");
        let cluster = Cluster::new(client, REQUEST_TIMEOUT, self.clock.clone());
        let safeguards = safeguards(&cluster, self.without);
        let ports = Ports::new(self.clock, ids.clone(), cluster, Arc::new(self.office));
        Ports { safeguards, ..ports }
    }
}

impl Settings {
    /// The defaults, and what is said here.
    fn config(&self, folder: &Path, token: &Path) -> Config {
        static DEFAULTS: LazyLock<Config> = LazyLock::new(|| Config::load(None, []).unwrap().config);
        let mut config = DEFAULTS.clone();
        config.store.path = folder.join("selfhealer.db");
        config.store.inbox = u64::MAX;
        config.runbooks = vec![runbook_file(folder)];
        config.modes.insert(runbook_name(&self.runbook), self.mode);
        config.settle = self.settle;
        config.protect.namespaces = self.protected.iter().cloned().collect();
        config.engine.lease = LEASE;
        config.kubernetes.request_timeout = REQUEST_TIMEOUT;
        config.slack = self.slack.then(|| config::Slack {
            credentials: SlackCredentials::Token(token.to_owned()),
            channel: CHANNEL.to_owned(),
            routes: Vec::new(),
            api_url: "https://slack.example/api/".to_owned(),
        });
        config
    }
}

/// Where the runbook lies.
pub fn runbook_file(folder: &Path) -> PathBuf {
    folder.join("runbook.yaml")
}

fn runbook_name(runbook: &str) -> String {
    let parsed: Value = serde_saphyr::from_str(runbook).unwrap();
    parsed["metadata"]["name"].as_str().unwrap().to_owned()
}
