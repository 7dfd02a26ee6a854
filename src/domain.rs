//! The words and the decisions: pure values, no clock, network, environment or `async`.
//!
//! What comes from outside (an alert, a live object, a moment) is an argument; what should happen is an answer.
//! YAML, CEL and Handlebars are known to [`crate::yaml`], [`crate::cel`] and [`crate::render`] alone.

pub mod alert;
pub mod duration;
pub mod episode;
pub mod guard;
pub mod health;
pub mod journal;
pub mod matcher;
pub mod next;
pub mod notify;
pub mod permission;
pub mod reason;
pub mod redact;
pub mod run;
pub mod runbook;
pub mod state;
pub mod step;
pub mod target;
