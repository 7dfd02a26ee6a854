//! The outside world in memory: what selfhealer speaks to, for tests, for `demo` and for the replay of a story.
//!
//! It knows nothing of selfhealer and speaks its protocols on the wire only; time stands until it is moved. Nothing here
//! is kinder than the real thing: what that refuses, this refuses in the same words.

pub mod kubernetes;
