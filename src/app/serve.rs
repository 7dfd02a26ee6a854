//! The service with its sockets and signals, and the order in which it ends.
//!
//! Start: store, runbooks, parts, listeners. Stop, on the first signal: not ready, no new posts, posts in flight
//! finished, no new claims, what is under way finished and recorded, inbox flushed, database closed. The second signal
//! ends at once; the journal makes that safe as well. The end of any part before that is the end of the process.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{
    assemble::{Ports, Stop, assemble},
    listeners,
    parts::Parts,
};
use crate::{
    clock::{Clock, SystemClock},
    cluster::{Access, Cluster, Environment},
    config::Config,
    http::{self, Draining},
    ids::Ids,
    outbound::Http,
};

/// Serves until a signal, or until a part fails.
pub(super) async fn serve(config: Config) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let service = assemble(&config, ports(&config).await?).await?;
    let draining = Draining::default();
    let public = http::serve_public(&config.listen, listeners::public(&config, &service, &draining)?)
        .with_context(|| format!("listening on {:?}", config.listen))?;
    let admin = http::serve_admin(&config.admin_listen, listeners::admin(&service, &draining))
        .with_context(|| format!("listening on {:?}", config.admin_listen))?;
    let (listen, admin_listen) = (addresses(&public.addresses), addresses(&admin.addresses));
    let (public, admin) = (public.server, admin.server);
    let (stop_public, stop_admin) = (public.handle(), admin.handle());

    let (mut parts, stop) = (Parts::default(), Stop::default());
    parts.spawn("the public listener", async move {
        let _ = public.await;
    });
    parts.spawn("the admin listener", async move {
        let _ = admin.await;
    });
    let store = service.store.clone();
    service.run(&mut parts, &stop);
    tracing::info!(
        listen,
        admin = admin_listen,
        version = env!("CARGO_PKG_VERSION"),
        "the service is running"
    );

    tokio::select! {
        () = signals.next() => {}
        ended = parts.ended() => return Err(ended.into()),
    }
    tracing::info!("stopping; a second signal ends at once");
    let drain = async {
        draining.begin();
        stop_public.stop(true).await;
        stop.acting.cancel();
        stop.keeping.cancel();
        stop_admin.stop(false).await;
        parts.all_end().await;
        store.close().await;
    };
    tokio::select! {
        () = drain => {
            tracing::info!("stopped");
            Ok(())
        }
        () = signals.next() => anyhow::bail!("a second signal: stopped at once"),
    }
}

/// The machine's clock, the network, and the cluster that the configuration names.
async fn ports(config: &Config) -> anyhow::Result<Ports> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let ids = Arc::new(Ids::random(clock.clone()));
    let access = Access {
        kubeconfig: config.kubernetes.kubeconfig.clone(),
        context: config.kubernetes.context.clone(),
        request_timeout: config.kubernetes.request_timeout,
        environment: Environment::new(Config::environment()),
    };
    let cluster = Cluster::connect(&access, clock.clone()).await?;
    let outbound = Http::new().context("preparing to send messages")?;
    Ok(Ports::new(clock, ids, cluster, Arc::new(outbound)))
}

/// The signals that end the service.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("listening for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("listening for SIGINT")?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn addresses(bound: &[SocketAddr]) -> String {
    bound.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}
