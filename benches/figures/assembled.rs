//! The service as it is, without its listeners, on a cluster that is not there.

use std::{path::Path, sync::Arc};

use selfhealer::{
    app::{Ports, Service, assemble},
    clock::{Clock, SystemClock},
    cluster::Cluster,
    config::Config,
    ids::Ids,
    outbound::Http,
};

/// The defaults, with the database in this folder, and the runbooks in its folder `runbooks` if there is one.
pub fn config(folder: &Path) -> Config {
    let mut config = Config::load(None, []).unwrap().config;
    config.store.path = folder.join("selfhealer.db");
    config.store.inbox = u64::MAX;
    let runbooks = folder.join("runbooks");
    config.runbooks = Some(runbooks).filter(|folder| folder.is_dir()).into_iter().collect();
    config
}

pub async fn service(config: &Config) -> Service {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let ids = Arc::new(Ids::random(clock.clone()));
    let nowhere = kube::Config::new("https://127.0.0.1:1".parse().unwrap());
    let client = kube::Client::try_from(nowhere).unwrap();
    let cluster = Cluster::new(client, config.kubernetes.request_timeout, clock.clone());
    let outbound = Arc::new(Http::new().unwrap());
    assemble(config, Ports::new(clock, ids, cluster, outbound))
        .await
        .unwrap()
}
