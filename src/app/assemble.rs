//! The service put together, without sockets and signals: what is made of the configuration, and who is told of whom. What serves
//! it, or steps it ([`Stepped`]), comes on top.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use anyhow::Context;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{Metrics, messages, parts::Parts, reload::Reload, retention::Retention};
use crate::{
    clock::Clock,
    cluster::Cluster,
    config::Config,
    engine::{self, Engine, Safeguards},
    ids::Ids,
    intake::{
        accept::Inbox,
        unfold::{self, Unfolder},
    },
    limit::Limits,
    notify::{self, Composer, DeliveryFailures, Notifier},
    outbound::Outbound,
    readiness::{Readiness, State},
    runbooks::RunbookSet,
    runbooks::registry::Registry,
    store::Store,
};

#[cfg(doc)]
use super::step::Stepped;

/// A round of the engine's loop that is this late means that it hangs.
const HANGS: Duration = Duration::from_secs(60);

/// What the service meets the world through. A test or a simulation gives its own.
pub struct Ports {
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where ids come from.
    pub ids: Arc<Ids>,
    /// The cluster that is healed.
    pub cluster: Cluster,
    /// What keeps a run from doing harm.
    pub safeguards: Safeguards,
    /// The way to the services that people read.
    pub outbound: Arc<dyn Outbound>,
}

impl Ports {
    /// With the product's safeguards.
    pub fn new(clock: Arc<dyn Clock>, ids: Arc<Ids>, cluster: Cluster, outbound: Arc<dyn Outbound>) -> Self {
        Self {
            clock,
            ids,
            safeguards: Safeguards::of(&cluster),
            cluster,
            outbound,
        }
    }
}

/// The service. Nothing of it moves until it is run or stepped.
pub struct Service {
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// What is remembered.
    pub store: Store,
    /// The runbooks.
    pub registry: Registry,
    /// What is counted.
    pub metrics: Metrics,
    /// How the parts are.
    pub readiness: Readiness,
    /// Where posts go.
    pub inbox: Inbox,
    /// What makes episodes and runs of them.
    pub unfolder: Unfolder,
    /// What works on runs.
    pub engine: Engine,
    /// What delivers messages.
    pub notifier: Notifier,
    /// Whom it delivers to.
    pub services: Vec<Arc<dyn notify::Service>>,
    /// Told when there may be a run to claim.
    pub wake: Arc<Notify>,
    /// Told when a message is owed.
    outbox: watch::Sender<()>,
    reload: Reload,
    retention: Retention,
}

/// Who is told to stop. Not all at once: what takes posts in goes on while those who act finish.
#[derive(Default)]
pub struct Stop {
    /// Those who act: the engine and the notifiers.
    pub acting: CancellationToken,
    /// Those who keep the record: unfolding, reloading, retention.
    pub keeping: CancellationToken,
}

/// Opens the store, reads the runbooks, and puts everything together.
pub async fn assemble(config: &Config, ports: Ports) -> anyhow::Result<Service> {
    let store = Store::open(&config.store.path, ports.clock.clone(), ports.ids.clone()).await?;
    let registry = Registry::new(config.mode, config.modes.clone());
    // Before they are read: what changes while they are is read again.
    let stamp = RunbookSet::stamp(&config.runbooks);
    registry
        .load(&config.runbooks, &store)
        .await
        .context("keeping the runbooks")?;
    let mut service = beside(config, ports, store, registry).await?;
    service.reload.stamp = stamp;
    Ok(service)
}

/// The same on a store that is open and runbooks that are read, as replicas of one service will share them.
pub async fn beside(config: &Config, ports: Ports, store: Store, registry: Registry) -> anyhow::Result<Service> {
    let Ports {
        clock,
        ids,
        cluster,
        safeguards,
        outbound,
    } = ports;
    let metrics = Metrics::new();
    let readiness = Readiness::default();
    let probed = store.clone();
    readiness.probe("store", move || ping(probed.clone()));
    let heartbeat = readiness.heartbeat("engine", clock.clone(), HANGS);
    let reload = Reload {
        paths: config.runbooks.clone(),
        stamp: RunbookSet::stamp(&config.runbooks),
        registry: registry.clone(),
        store: store.clone(),
        metrics: metrics.clone(),
        clock: clock.clone(),
        health: readiness.part("runbooks"),
    };
    reload.tell(&registry.snapshot());
    let failures = DeliveryFailures::new(readiness.part("messages"));

    let waiting = store.waiting_alerts().await.context("counting the inbox")?;
    metrics.intake.waiting(waiting);
    let waiting = Arc::new(AtomicU64::new(waiting));
    let (arrived, wake, outbox) = (Arc::default(), Arc::default(), watch::Sender::new(()));
    let inbox = Inbox::new(
        Arc::new(store.clone()),
        clock.clone(),
        metrics.intake.clone(),
        config.store.inbox,
        Arc::clone(&waiting),
        Arc::clone(&arrived),
    );
    let own = config.cluster.as_ref();
    let unfolder = Unfolder {
        store: store.clone(),
        registry: registry.clone(),
        clock: clock.clone(),
        ids: ids.clone(),
        metrics: metrics.intake.clone(),
        options: unfold::Options {
            cluster_label: own.map_or("cluster", |own| &own.label).to_owned(),
            cluster_value: own.map(|own| own.value.clone()),
            settle: config.settle,
        },
        waiting,
        arrived,
        wake: Arc::clone(&wake),
        health: readiness.part("cluster"),
    };
    // One process, one name.
    let owner = ids.next().to_string();
    let engine = Engine::new(engine::Parts {
        store: store.clone(),
        cluster,
        safeguards,
        registry: registry.clone(),
        clock: clock.clone(),
        metrics: metrics.engine.clone(),
        options: engine::Options {
            workers: config.engine.workers,
            lease: config.engine.lease,
            protected: config.protect.namespaces.iter().cloned().collect(),
            owner: owner.clone(),
            routes: messages::routes(config),
        },
        wake: Arc::clone(&wake),
        outbox: outbox.clone(),
        heartbeat,
    });
    let notifier = Notifier {
        store: store.clone(),
        registry: registry.clone(),
        clock: clock.clone(),
        metrics: metrics.notify.clone(),
        limits: Limits::new(&clock),
        composer: Composer::new(config.external_url.as_deref()),
        failures,
        owner,
    };
    Ok(Service {
        services: messages::services(config, &clock, &outbound),
        retention: Retention {
            store: store.clone(),
            clock: clock.clone(),
            keep: config.store.retention,
        },
        clock,
        store,
        registry,
        metrics,
        readiness,
        inbox,
        unfolder,
        engine,
        notifier,
        wake,
        outbox,
        reload,
    })
}

/// A store that cannot commit is no place to send posts to.
async fn ping(store: Store) -> State {
    match store.ping().await {
        Ok(()) => State::Ok,
        Err(error) => State::Failed(error.to_string()),
    }
}

impl Service {
    /// Starts all parts. They end in the order of `stop`.
    pub fn run(self, parts: &mut Parts, stop: &Stop) {
        parts.spawn("unfolding", self.unfolder.run(stop.keeping.clone()));
        let (engine, acting) = (self.engine, stop.acting.clone());
        parts.spawn("the engine", async move { engine.run(acting).await });
        parts.spawn("retention", self.retention.run(stop.keeping.clone()));
        parts.spawn("reloading", self.reload.run(stop.keeping.clone()));
        for service in self.services {
            let notifier = self.notifier.clone();
            parts.spawn(
                "the notifier",
                notifier.run(service, self.outbox.subscribe(), stop.acting.clone()),
            );
        }
    }
}
