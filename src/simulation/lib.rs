//! The outside world in memory: what selfhealer speaks to, for tests, for `make run` and for the replay of a story.
//!
//! Each part speaks its own protocol on the wire and knows nothing of us. Time comes from whoever starts it, or stands until
//! it is moved. Nothing here is kinder than the real thing: what that refuses, this refuses in the same words.

pub mod faults;
mod holds;
pub mod kubernetes;
pub mod rules;
pub mod serve;
pub mod slack;
pub mod teams;
