//! The patches that change an object by what it is now: JSON Patch, merge patch, strategic merge patch.
//!
//! Each is a function of two values. Server-side apply, which needs to know who owns what, is in [`super::ownership`].

mod json_patch;
mod merge;
mod strategic;
#[cfg(test)]
mod tests;

pub use json_patch::{Operation, apply as apply_json};
pub use merge::merge;
pub use strategic::{StrategicError, apply as apply_strategic};
