//! A Kubernetes API server in memory, as kube-apiserver 1.36 answers.
//!
//! [`world`] holds the objects and the time and says how controllers work on them; [`run`] moves the time. Whoever is
//! outside speaks the Kubernetes API: there is no other door.

pub mod controllers;
pub mod refusal;
pub mod resources;
pub mod run;
pub mod strategy;
pub mod world;

pub use refusal::Refusal;
pub use run::{Controller, Simulation};
pub use world::World;
