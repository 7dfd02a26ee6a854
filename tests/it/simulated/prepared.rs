//! What is the same however often a scenario is told.

use std::{fs, sync::Arc};

use selfhealer::clock::ManualClock;

use super::{
    cluster::Cluster,
    moments::{Disk, folder},
    process::{Process, runbook_file},
    scenario::Scenario,
    stage::{FIRST, wire},
    wire::Traffic,
};

/// A scenario up to the moment at which its story begins, to be told often.
pub struct Prepared {
    pub scenario: Scenario,
    pub cluster: Cluster,
    /// The database of a service that has nothing to do yet.
    pub disk: Disk,
}

impl Prepared {
    pub fn new(scenario: Scenario) -> Self {
        let cluster = Cluster::new();
        (scenario.cluster)(&cluster);
        let folder = folder();
        fs::write(runbook_file(folder.path()), &scenario.settings.runbook).unwrap();
        runtime().block_on(async {
            let clock = Arc::new(ManualClock::at(cluster.0.now()));
            let wire = wire(&cluster, &Traffic::new(), FIRST, None);
            let process = Process::start(folder.path(), &clock, &scenario.settings, 0, wire, None).await;
            process.store.close().await;
        });
        Self {
            scenario,
            cluster,
            disk: Disk::read(folder.path()),
        }
    }
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}
