//! What the two listeners are given.

use std::{sync::Arc, time::Duration};

use super::Shared;
use crate::{
    config::Config,
    engine::Engine,
    http::{Admin, Limits, Part, PartState, Public, TokenFile, Tokens},
    intake::accept::Inbox,
};

pub(super) fn public(config: &Config, shared: &Shared, inbox: Inbox) -> anyhow::Result<Public> {
    let files = config
        .tokens
        .iter()
        .map(|token| TokenFile {
            name: token.name.clone(),
            file: token.file.clone(),
            permissions: token.permissions.iter().copied().collect(),
        })
        .collect();
    let books = shared.books.clone();
    Ok(Public {
        inbox,
        store: shared.store.clone(),
        tokens: Tokens::open(files, shared.clock.clone())?,
        limits: Limits {
            body: config.limits.body.as_usize(),
            bodies: config.limits.bodies_in_flight.as_usize(),
            body_timeout: config.limits.body_timeout,
        },
        metrics: shared.metrics.clone(),
        runbooks: Arc::new(move || books.items()),
        wake: shared.wake.clone(),
        draining: shared.draining.clone(),
        clock: shared.clock.clone(),
    })
}

/// Live is that the engine goes round; ready is that posts can be committed. A refused runbook file, or a
/// Slack that takes nothing, is a warning.
pub(super) fn admin(shared: &Shared, engine: &Engine, heartbeat: Duration) -> Admin {
    let engine = engine.clone();
    let alive = Part::new("engine", move || {
        let silence = engine.silence();
        async move {
            if silence < heartbeat {
                PartState::Ok
            } else {
                PartState::Failed(format!(
                    "the engine's loop has not gone round for {} s",
                    silence.as_secs()
                ))
            }
        }
    });
    let store = shared.store.clone();
    let store = Part::new("store", move || {
        let store = store.clone();
        async move {
            match store.ping().await {
                Ok(()) => PartState::Ok,
                Err(error) => PartState::Failed(error.to_string()),
            }
        }
    });
    let books = shared.books.clone();
    let runbooks = Part::new("runbooks", move || {
        let in_force = books.in_force();
        async move {
            match in_force.broken {
                0 => PartState::Ok,
                broken => PartState::Warning(format!(
                    "refused files: {broken}; what they last held runs in shadow: {}",
                    in_force
                        .problems
                        .iter()
                        .map(|problem| format!("{}:{}", problem.file, problem.line))
                        .collect::<Vec<_>>()
                        .join(", ")
                )),
            }
        }
    });
    let troubles = shared.notifier.troubles.clone();
    let messages = Part::new("messages", move || {
        let summary = troubles.summary();
        async move { summary.map_or(PartState::Ok, PartState::Warning) }
    });
    Admin {
        live: vec![alive.clone()],
        ready: vec![store, alive, runbooks, messages],
        metrics: shared.metrics.clone(),
        draining: shared.draining.clone(),
    }
}
