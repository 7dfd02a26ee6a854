//! The service without its listeners, in this process, with a clock that stands: everything from the post to the call.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use jiff::Timestamp;
use selfhealer::{
    books::Books,
    clock::ManualClock,
    cluster::Cluster,
    domain::{notify::Routes, runbook::Mode},
    engine::{self, Engine},
    ids::Ids,
    intake::{
        accept::{self, Inbox},
        unfold::{self, Unfolder},
    },
    metrics::Metrics,
    store::Store,
};
use serde_json::Value;
use tokio::{sync::watch, task::AbortHandle};

use super::{
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
}

/// A process. Dropping it is its death: nothing of it is finished.
pub struct Process {
    pub store: Store,
    ids: Arc<Ids>,
    books: Books,
    clock: Arc<ManualClock>,
    settings: Settings,
    inbox: Inbox,
    writer: AbortHandle,
    unfolder: Unfolder,
    engine: Engine,
}

impl Process {
    /// Starts on the database in this folder, which is made when there is none. `life` counts its starts.
    pub async fn start(
        folder: &Path,
        clock: &Arc<ManualClock>,
        settings: &Settings,
        life: u8,
        wire: Wire,
        without: Option<Without>,
    ) -> Self {
        let ids = Arc::new(Ids::seeded(clock.clone(), [life; 32]));
        let store = Store::open(&folder.join("selfhealer.db"), clock.clone(), ids.clone())
            .await
            .unwrap();
        let modes = BTreeMap::from([(runbook_name(&settings.runbook), settings.mode)]);
        let books = Books::new(Mode::Enforce, modes);
        books.load(&[runbook_file(folder)], &store).await.unwrap();
        Self::assemble(store, ids, books, clock, settings, (wire, without))
    }

    /// Another process that works on the same runs. It shares the open database, as replicas will share a server.
    pub fn twin(&self, wire: Wire, without: Option<Without>) -> Self {
        Self::assemble(
            self.store.clone(),
            self.ids.clone(),
            self.books.clone(),
            &self.clock,
            &self.settings,
            (wire, without),
        )
    }

    fn assemble(
        store: Store,
        ids: Arc<Ids>,
        books: Books,
        clock: &Arc<ManualClock>,
        settings: &Settings,
        (wire, without): (Wire, Option<Without>),
    ) -> Self {
        let metrics = Metrics::new();
        let waiting: Arc<AtomicU64> = Arc::default();
        let (inbox, writer) = accept::inbox(
            store.clone(),
            clock.clone(),
            metrics.clone(),
            u64::MAX,
            waiting.clone(),
            Arc::default(),
        );
        let unfolder = Unfolder {
            store: store.clone(),
            books: books.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
            metrics: metrics.clone(),
            options: unfold::Options {
                cluster_label: "cluster".to_owned(),
                cluster_value: None,
                settle: settings.settle,
            },
            waiting,
            arrived: Arc::default(),
            wake: Arc::default(),
        };
        let options = engine::Options {
            workers: 1,
            lease: LEASE,
            protected: settings.protected.clone(),
            owner: ids.next().to_string(),
            routes: Routes {
                sinks: Vec::new(),
                slack: Vec::new(),
                slack_channel: String::new(),
            },
        };
        let client = kube::Client::new(wire, "default");
        let cluster = Cluster::new(client, REQUEST_TIMEOUT, clock.clone());
        let engine = Engine::new(engine::Parts {
            store: store.clone(),
            safeguards: safeguards(&cluster, without),
            cluster,
            books: books.clone(),
            clock: clock.clone(),
            metrics,
            options,
            wake: Arc::default(),
            outbox: watch::Sender::new(()),
        });
        Self {
            store,
            ids,
            books,
            clock: clock.clone(),
            settings: settings.clone(),
            inbox,
            writer: tokio::spawn(writer.run()).abort_handle(),
            unfolder,
            engine,
        }
    }

    /// Takes a notification in. When it returns, Alertmanager has its 202.
    pub async fn post(&self, notification: &Value) {
        let body = notification.to_string().into();
        self.inbox.accept("alertmanager", body).await.unwrap();
    }

    /// Does what is due now; tells when something is due again.
    pub async fn work(&self) -> Option<Timestamp> {
        while self.unfolder.batch().await.unwrap() > 0 {}
        self.engine.work().await.unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.writer.abort();
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
