//! Alert-driven healing of Kubernetes clusters.
//!
//! ```text
//! POST /alertmanager ─► http ─► intake::accept ─► store: the post, committed ─► 202
//!                                                    │
//!                               intake::unfold ◄─────┘  episodes, matching, runs opened
//!                                                    │
//!        engine: claim a due run ─► next(journal) ─► resolve, judge, act, verify ─► cluster: the Kubernetes API
//!                      ▲                                   │
//!                      └── store: journal and outbox ◄─────┘  every step recorded before and after
//!                                        │
//!                     notify: message ◄──┘  ─► outbound: Slack, Teams, webhooks
//! ```
//!
//! [`domain`] decides and does nothing; [`store`], [`cluster`] and [`http`] do and decide nothing; [`intake`] and
//! [`engine`] bring them together; [`app`] owns their lives.

#![allow(clippy::result_large_err, reason = "errors are rare, and their words are for people")]

#[macro_use]
pub mod failpoint;

pub mod app;
pub mod cel;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod domain;
pub mod engine;
pub mod http;
pub mod ids;
pub mod intake;
pub mod limit;
pub mod metrics;
pub mod notify;
pub mod outbound;
pub mod readiness;
pub mod render;
pub mod runbooks;
pub mod steps;
pub mod store;
pub mod suggestion;
pub mod telemetry;
pub mod yaml;
