//! What users are promised, proven on the real parts: the program itself, a real API server with its controllers,
//! Prometheus and Alertmanager.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "tests fail by panicking, and their names say what they show"
)]

mod access;
mod artefacts;
mod crashes;
mod differential;
mod disk;
mod guards;
mod imports;
mod kubectl;
mod kubelet;
mod lifecycle;
mod messages;
mod outage;
mod path;
mod reload;
mod service;
mod simulated;
mod stories;
mod storm;
mod targets;
mod webhook;
mod workload;
