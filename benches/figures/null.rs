//! The service's own listener, with everything that a post passes on its way in, and nothing that keeps it.

use std::{io::Write, path::Path, sync::Arc};

use selfhealer::{
    app::listeners,
    http::{Draining, serve_public},
    intake::accept::{Commits, Inbox},
    store::Batch,
};

use super::assembled::{config, service};

/// Answers as if it had stored.
struct Nothing;

impl Commits for Nothing {
    fn append(&self, mut batch: Box<dyn Batch>) {
        drop(batch.take());
        batch.committed(Ok(()));
    }
}

/// Serves until it is killed; tells its address on the first line.
pub fn serve(folder: &str) {
    // As in the service.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let config = config(Path::new(folder));
        let mut service = service(&config).await;
        service.inbox = Inbox::new(
            Arc::new(Nothing),
            service.clock.clone(),
            service.metrics.intake.clone(),
            u64::MAX,
            Arc::default(),
            Arc::default(),
        );
        let public = listeners::public(&config, &service, &Draining::default()).unwrap();
        let bound = serve_public(&["127.0.0.1:0".parse().unwrap()], public).unwrap();
        println!("{}", bound.addresses[0]);
        std::io::stdout().flush().unwrap();
        bound.server.await.unwrap();
    });
}
