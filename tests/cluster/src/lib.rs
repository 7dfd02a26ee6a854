//! A real Kubernetes control plane with Prometheus and Alertmanager, as plain processes on loopback.
//!
//! ```text
//! modules/*/go.mod ──build──► cache folder ──► programs
//!                                                 │
//!            ┌────────────── group ───────────────▼──────────────┐
//!  keeper ──►│ etcd ◄─ kube-apiserver ◄─ controller-manager,     │   one temporary folder: keys, data, logs
//!            │                           scheduler, kwok, metrics│
//!            └───────────────────────────────────────────────────┘
//!              Prometheus (a group each) ──► Alertmanager (a group each) ──► webhook
//! ```
//!
//! Everything but the containers is real: storage, API, admission, authorisation, controllers and scheduling. KWOK stands
//! in for kubelets; faults are injected by annotation (see `README.md`). Containers are real too on a node that is asked
//! for ([`RealNode`]), which needs root and a few packages. The programs are compiled from Go modules once
//! and kept in a cache folder. Whatever was started ends with the handle that started it, and with the process that
//! holds the handle, however that process dies.
//!
//! This crate knows nothing of selfhealer: it gives tests a cluster, and addresses to talk to it.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod alertmanager;
mod audit;
mod boot;
mod build;
mod compiler;
mod control_plane;
mod error;
mod identity;
mod keeper;
mod kubernetes;
mod modules;
mod node;
mod part;
mod port;
mod probe;
mod prometheus;
mod real_node;
mod rules;

pub use alertmanager::{Alertmanager, webhook_config};
pub use audit::AuditedRequest;
pub use build::{build_all, tool};
pub use control_plane::{ControlPlane, ControlPlaneOptions, RealNodeOptions};
pub use error::Error;
pub use identity::IDENTITIES;
pub use modules::Tool;
pub use prometheus::{Prometheus, PrometheusOptions};
pub use real_node::{REAL_NODE, REAL_NODE_LABEL, RealNode};
