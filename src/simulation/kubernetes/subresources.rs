//! What hangs below an object: scale, eviction, binding, log. `status` and `resize` are updates of a part and are with
//! the verbs.

pub mod binding;
pub mod eviction;
pub mod log;
pub mod scale;
