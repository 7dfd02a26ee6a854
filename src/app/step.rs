//! A service that does what is due when it is told to, and nothing by itself: for stories whose time stands meanwhile.

use std::sync::Arc;

use jiff::Timestamp;

use super::assemble::Service;
use crate::{
    engine::Engine,
    intake::{accept::Inbox, unfold::Unfolder},
    notify::{self, Notifier},
    runbooks::registry::Registry,
    store::{Store, StoreError},
};

/// The service. Dropping it is its death: nothing of it is finished.
pub struct Stepped {
    /// What is remembered.
    pub store: Store,
    /// The runbooks.
    pub registry: Registry,
    /// Where posts go; they are committed without being told to, since whoever posts waits for it.
    pub inbox: Inbox,
    unfolder: Unfolder,
    engine: Engine,
    notifier: Notifier,
    services: Vec<Arc<dyn notify::Service>>,
}

impl Stepped {
    /// Moves nothing yet.
    pub fn new(service: Service) -> Self {
        Self {
            store: service.store,
            registry: service.registry,
            inbox: service.inbox,
            unfolder: service.unfolder,
            engine: service.engine,
            notifier: service.notifier,
            services: service.services,
        }
    }

    /// Unfolds what waits, works on what is due, delivers what is owed; tells when something is due again.
    pub async fn step(&self) -> Result<Option<Timestamp>, StoreError> {
        self.unfold().await?;
        let run = self.work().await?;
        let message = self.deliver().await?;
        Ok(run.into_iter().chain(message).min())
    }

    /// Unfolds what waits.
    pub async fn unfold(&self) -> Result<(), StoreError> {
        while self.unfolder.batch().await? > 0 {}
        Ok(())
    }

    /// Works on the runs that are due; tells when one is due again.
    pub async fn work(&self) -> Result<Option<Timestamp>, StoreError> {
        self.engine.work().await
    }

    /// Delivers the messages that are due and allowed; tells when to look again.
    pub async fn deliver(&self) -> Result<Option<Timestamp>, StoreError> {
        let mut next: Option<Timestamp> = None;
        for service in &self.services {
            let due = self.notifier.deliver_due(&**service).await?;
            next = next.into_iter().chain(due).min();
        }
        Ok(next)
    }

    /// How many messages are owed and not delivered.
    pub async fn owed(&self) -> Result<i64, StoreError> {
        let mut owed = 0;
        for service in &self.services {
            owed += self.store.owed_messages(service.sink()).await?;
        }
        Ok(owed)
    }
}
