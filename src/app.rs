//! The service put together: what is made of the configuration, who is told of whom, and in which order it ends.
//!
//! Start: store, runbooks, cluster, tasks, listeners. Stop, on the first signal: not ready, no new posts, posts in flight
//! finished, no new claims, turns under way finished and recorded, inbox flushed, database closed. The second signal
//! ends at once; the journal makes that safe as well. The end of any part before that is the end of the process.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use anyhow::Context;
use tokio::{
    runtime::Handle,
    signal::unix::{SignalKind, signal},
    sync::{Notify, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    books::Books,
    clock::{Clock, SystemClock},
    cluster::{Access, Cluster},
    config::Config,
    engine::{self, Engine, Safeguards},
    http::{self, Draining},
    ids::Ids,
    intake::{accept, unfold},
    limit::Limits,
    metrics::Metrics,
    notify::{Composer, Notifier, Troubles},
    runbooks::RunbookSet,
    store::Store,
};

mod messages;
mod parts;
mod reload;
mod retention;

/// A turn of the engine's loop that is this late means that it hangs.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// Runs the service until a signal, or until a part of it fails.
pub fn run(config: Config) -> anyhow::Result<()> {
    // kube and reqwest panic on first use when it is not clear whose cryptography is meant.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(1024 * 1024)
        .enable_all()
        .build()
        .context("starting the runtime")?;
    runtime.block_on(serve(config))
}

/// What the parts share.
struct Shared {
    clock: Arc<dyn Clock>,
    ids: Arc<Ids>,
    store: Store,
    books: Books,
    metrics: Metrics,
    /// Alerts in the inbox that are not unfolded yet.
    waiting: Arc<AtomicU64>,
    /// Told when a post was committed.
    arrived: Arc<Notify>,
    /// Told when there may be a run to claim.
    wake: Arc<Notify>,
    /// Told when a message is owed.
    outbox: watch::Sender<()>,
    notifier: Notifier,
    draining: Draining,
    /// Of the runbooks' files as they were read.
    stamp: u64,
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let shared = open(&config).await?;
    let cluster = connect(&config, shared.clock.clone()).await?;
    let engine = engine(&config, &shared, cluster);

    let (inbox, writer) = accept::inbox(
        shared.store.clone(),
        shared.clock.clone(),
        shared.metrics.clone(),
        config.store.inbox,
        shared.waiting.clone(),
        shared.arrived.clone(),
    );
    let public = http::serve_public(&config.listen, parts::public(&config, &shared, inbox)?)
        .with_context(|| format!("listening on {:?}", config.listen))?;
    let admin = http::serve_admin(&config.admin_listen, parts::admin(&shared, &engine, HEARTBEAT))
        .with_context(|| format!("listening on {:?}", config.admin_listen))?;
    let (listen, admin_listen) = (addresses(&public.addresses), addresses(&admin.addresses));
    let (public, admin) = (public.server, admin.server);
    let (stop_public, stop_admin) = (public.handle(), admin.handle());

    // Each stops when its own token says so, since they must not all stop at once.
    let (stop_engine, stop_intake) = (CancellationToken::new(), CancellationToken::new());
    let mut tasks: JoinSet<&'static str> = JoinSet::new();
    tasks.spawn(async move {
        let _ = public.await;
        "the public listener"
    });
    tasks.spawn(async move {
        let _ = admin.await;
        "the admin listener"
    });
    let runtime = Handle::current();
    tasks.spawn_blocking(move || {
        runtime.block_on(writer.run());
        "the inbox's writer"
    });
    let unfolder = unfolder(&config, &shared).run(stop_intake.clone());
    tasks.spawn(async move {
        unfolder.await;
        "unfolding"
    });
    let stop = stop_engine.clone();
    tasks.spawn(async move {
        engine.run(stop).await;
        "the engine"
    });
    let retention = retention::run(
        shared.store.clone(),
        shared.clock.clone(),
        config.store.retention,
        stop_intake.clone(),
    );
    tasks.spawn(async move {
        retention.await;
        "retention"
    });
    let reload = reload::Reload {
        paths: config.runbooks.clone(),
        books: shared.books.clone(),
        store: shared.store.clone(),
        metrics: shared.metrics.clone(),
        clock: shared.clock.clone(),
        stamp: shared.stamp,
    }
    .run(stop_intake.clone());
    tasks.spawn(async move {
        reload.await;
        "reloading"
    });
    for service in messages::services(&config, &shared)? {
        let notifier = shared.notifier.clone();
        let (outbox, stop) = (shared.outbox.subscribe(), stop_engine.clone());
        tasks.spawn(async move {
            notifier.run(service, outbox, stop).await;
            "the notifier"
        });
    }
    tracing::info!(
        listen,
        admin = admin_listen,
        version = env!("CARGO_PKG_VERSION"),
        "the service is running"
    );

    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        Some(ended) = tasks.join_next() => {
            let part = ended.map_or_else(|error| format!("a part that panicked ({error})"), str::to_owned);
            anyhow::bail!("{part} has ended");
        }
    }
    tracing::info!("stopping; a second signal ends at once");
    let drain = async {
        shared.draining.begin();
        stop_public.stop(true).await;
        stop_engine.cancel();
        stop_intake.cancel();
        stop_admin.stop(false).await;
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(error = %error, "a part panicked while it stopped");
            }
        }
        shared.store.close().await;
    };
    tokio::select! {
        () = drain => {
            tracing::info!("stopped");
            Ok(())
        }
        _ = terminate.recv() => anyhow::bail!("a second signal: stopped at once"),
        _ = interrupt.recv() => anyhow::bail!("a second signal: stopped at once"),
    }
}

async fn open(config: &Config) -> anyhow::Result<Shared> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let ids = Arc::new(Ids::random(clock.clone()));
    let store = Store::open(&config.store.path, clock.clone(), ids.clone()).await?;
    let books = Books::new(config.mode, config.modes.clone());
    let stamp = RunbookSet::stamp(&config.runbooks);
    let in_force = books
        .load(&config.runbooks, &store)
        .await
        .context("keeping the runbooks")?;
    let metrics = Metrics::new();
    reload::tell(&in_force, &metrics);
    let waiting = store.waiting_alerts().await.context("counting the inbox")?;
    metrics.inbox_alerts.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    let notifier = Notifier {
        store: store.clone(),
        books: books.clone(),
        clock: clock.clone(),
        metrics: metrics.clone(),
        limits: Limits::new(&clock),
        composer: Composer::new(config.external_url.as_deref()),
        troubles: Troubles::default(),
        owner: ids.next().to_string(),
    };
    Ok(Shared {
        clock,
        ids,
        store,
        books,
        metrics,
        waiting: Arc::new(AtomicU64::new(waiting)),
        arrived: Arc::default(),
        wake: Arc::default(),
        outbox: watch::Sender::new(()),
        notifier,
        draining: Draining::default(),
        stamp,
    })
}

async fn connect(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<Cluster> {
    let access = Access {
        kubeconfig: config.kubernetes.kubeconfig.clone(),
        context: config.kubernetes.context.clone(),
        request_timeout: config.kubernetes.request_timeout,
        environment: crate::cluster::Environment::new(Config::environment()),
    };
    Ok(Cluster::connect(&access, clock).await?)
}

fn engine(config: &Config, shared: &Shared, cluster: Cluster) -> Engine {
    let options = engine::Options {
        workers: config.engine.workers,
        lease: config.engine.lease,
        protected: config.protect.namespaces.iter().cloned().collect(),
        owner: shared.ids.next().to_string(),
        routes: messages::routes(config),
    };
    Engine::new(engine::Parts {
        store: shared.store.clone(),
        safeguards: Safeguards::of(&cluster),
        cluster,
        books: shared.books.clone(),
        clock: shared.clock.clone(),
        metrics: shared.metrics.clone(),
        options,
        wake: shared.wake.clone(),
        outbox: shared.outbox.clone(),
    })
}

fn unfolder(config: &Config, shared: &Shared) -> unfold::Unfolder {
    let cluster = config.cluster.as_ref();
    unfold::Unfolder {
        store: shared.store.clone(),
        books: shared.books.clone(),
        clock: shared.clock.clone(),
        ids: shared.ids.clone(),
        metrics: shared.metrics.clone(),
        options: unfold::Options {
            cluster_label: cluster.map_or("cluster", |cluster| &cluster.label).to_owned(),
            cluster_value: cluster.map(|cluster| cluster.value.clone()),
            settle: config.settle,
        },
        waiting: shared.waiting.clone(),
        arrived: shared.arrived.clone(),
        wake: shared.wake.clone(),
    }
}

fn addresses(bound: &[std::net::SocketAddr]) -> String {
    bound.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}
