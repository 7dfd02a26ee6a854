//! A Kubernetes API server in memory, as kube-apiserver 1.36 answers.
//!
//! [`world`] holds the objects and the time and says how controllers work on them; [`run`] moves the time; [`service`] is
//! the way in for everybody else, who speaks the Kubernetes API and nothing else; [`faults`] is what goes wrong there, and
//! [`calls`] what was asked:
//!
//! ```text
//! request ─► service: who asks, route, may they ─► verbs, subresources ─► incoming: decode by schema
//!                                                        │                    │
//!                answer ◄─ outgoing: whole, metadata,    │                    ▼
//!                          table ◄───────────────────────┤     defaults, admission, validation, strategy
//!                                                        ▼                    │
//!                                                   world ◄───────────────────┘ ownership: managedFields
//! ```

pub mod accept;
pub mod access;
mod admission;
pub mod calls;
pub mod controllers;
pub mod conversion;
pub mod defaults;
mod definitions;
mod discovery;
pub mod faults;
pub mod incoming;
pub mod json;
mod kinds;
pub mod loopback;
mod measured;
pub mod names;
mod openapi;
pub mod outgoing;
pub mod ownership;
pub mod patch;
pub mod printing;
pub mod quantity;
mod quoting;
pub mod refusal;
pub mod reply;
pub mod request;
pub mod resources;
mod route;
pub mod run;
pub mod schema;
pub mod selectors;
pub mod service;
pub mod strategy;
mod subresources;
#[cfg(test)]
mod tests;
mod validation;
mod verbs;
pub mod world;
mod yaml;

pub use access::{Tokens, User};
pub use refusal::Refusal;
pub use run::{Controller, Simulation};
pub use service::Service;
pub use world::World;
