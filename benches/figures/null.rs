//! The service's own listener, with everything that a post passes on its way in, and nothing that keeps it.

use std::{io::Write, path::Path};

use selfhealer::{
    app::{Service, listeners},
    http::{Draining, serve_public},
};

use super::assembled::{config, service};

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
        let service = service(&config).await;
        let public = listeners::public(&config, &service, &Draining::default()).unwrap();
        let Service { mut writer, .. } = service;
        let runtime = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || {
            while let Some(batch) = runtime.block_on(writer.next()) {
                batch.answer(Ok(()));
            }
        });
        let bound = serve_public(&["127.0.0.1:0".parse().unwrap()], public).unwrap();
        println!("{}", bound.addresses[0]);
        std::io::stdout().flush().unwrap();
        bound.server.await.unwrap();
    });
}
