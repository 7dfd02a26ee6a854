//! The service's own listener, with everything that a post passes on its way in, and nothing that keeps it.

use std::{io::Write, path::Path, sync::Arc};

use selfhealer::{
    clock::{Clock, SystemClock},
    http::{Draining, Limits, Public, Tokens, serve_public},
    ids::Ids,
    intake::accept,
    metrics::Metrics,
    store::Store,
};

/// Serves until it is killed; tells its address on the first line.
pub fn serve(folder: &str) {
    // As in the service.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let ids = Arc::new(Ids::random(clock.clone()));
        // For the pages, which nobody asks for here.
        let store = Store::open(&Path::new(folder).join("null.db"), clock.clone(), ids)
            .await
            .unwrap();
        let metrics = Metrics::new();
        let (inbox, mut writer) = accept::inbox(
            store.clone(),
            clock.clone(),
            metrics.clone(),
            1_000_000,
            Arc::default(),
            Arc::default(),
        );
        let runtime = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || {
            while let Some(batch) = runtime.block_on(writer.next()) {
                batch.answer(Ok(()));
            }
        });
        let public = Public {
            inbox,
            store,
            tokens: Tokens::open(Vec::new(), clock.clone()).unwrap(),
            limits: Limits::default(),
            metrics,
            runbooks: Arc::new(|| serde_json::Value::Array(Vec::new())),
            wake: Arc::default(),
            draining: Draining::default(),
            clock,
        };
        let bound = serve_public(&["127.0.0.1:0".parse().unwrap()], public).unwrap();
        println!("{}", bound.addresses[0]);
        std::io::stdout().flush().unwrap();
        bound.server.await.unwrap();
    });
}
