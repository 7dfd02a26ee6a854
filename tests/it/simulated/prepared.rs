//! What is the same however often a scenario is told.

use std::{fs, sync::Arc};

use selfhealer::clock::ManualClock;

use super::{
    cluster::Cluster,
    moments::{Disk, folder},
    office::Office,
    process::{Process, Surroundings, runbook_file},
    scenario::Scenario,
    stage::FIRST,
    wire::{Traffic, wire},
};

/// A scenario up to the moment at which its story begins, to be told often.
pub struct Prepared {
    pub scenario: Scenario,
    pub cluster: Cluster,
    /// Where it will tell people.
    pub office: Office,
    /// The database of a service that has nothing to do yet.
    pub disk: Disk,
}

impl Prepared {
    pub fn new(scenario: Scenario) -> Self {
        let cluster = Cluster::new();
        (scenario.cluster)(&cluster);
        let folder = folder();
        fs::write(runbook_file(folder.path()), &scenario.settings.runbook).unwrap();
        let office = Office::new(cluster.0.now());
        runtime().block_on(async {
            let around = Surroundings {
                clock: Arc::new(ManualClock::at(cluster.0.now())),
                wire: wire(&cluster, &Traffic::new(), FIRST, None),
                office: office.clone(),
                without: None,
            };
            let process = Process::start(folder.path(), &scenario.settings, 0, around).await;
            process.store().close().await;
        });
        Self {
            scenario,
            cluster,
            office,
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
