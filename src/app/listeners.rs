//! What the two listeners are given.

use std::sync::Arc;

use super::assemble::Service;
use crate::{
    config::Config,
    http::{Admin, Draining, Limits, Public, TokenFile, Tokens},
};

/// For Alertmanager and people.
pub fn public(config: &Config, service: &Service, draining: &Draining) -> anyhow::Result<Public> {
    let files = config
        .tokens
        .iter()
        .map(|token| TokenFile {
            name: token.name.clone(),
            file: token.file.clone(),
            permissions: token.permissions.iter().copied().collect(),
        })
        .collect();
    let registry = service.registry.clone();
    Ok(Public {
        inbox: service.inbox.clone(),
        store: service.store.clone(),
        tokens: Tokens::open(files, service.clock.clone())?,
        limits: Limits {
            body: config.limits.body.as_usize(),
            bodies: config.limits.bodies_in_flight.as_usize(),
            body_timeout: config.limits.body_timeout,
        },
        metrics: service.metrics.http.clone(),
        runbooks: Arc::new(move || registry.items()),
        wake: service.wake.clone(),
        draining: draining.clone(),
        clock: service.clock.clone(),
    })
}

/// For probes and Prometheus.
pub fn admin(service: &Service, draining: &Draining) -> Admin {
    Admin {
        readiness: service.readiness.clone(),
        metrics: service.metrics.page.clone(),
        draining: draining.clone(),
    }
}
