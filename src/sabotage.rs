//! Rules that a debug build can be told to leave out, so that a test can show that others would notice. A release build has no
//! way to leave any out.

/// A rule that keeps a crash, or a process that was held up, from doing harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Of a request that may have been sent before, an object that is gone is the success.
    ResumedStep,
    /// Who sends holds the lease for as long as the request may take.
    LeaseCheck,
    /// No answer says nothing about what was done.
    UnknownAnswer,
}

#[cfg(debug_assertions)]
mod debug {
    use super::Rule;

    tokio::task_local! {
        static LEFT_OUT: Rule;
    }

    /// Runs a future without a rule.
    pub async fn without<T>(rule: Rule, work: impl Future<Output = T>) -> T {
        LEFT_OUT.scope(rule, work).await
    }

    /// Whether a rule is to be kept.
    pub fn holds(rule: Rule) -> bool {
        LEFT_OUT.try_with(|out| *out != rule).unwrap_or(true)
    }
}

#[cfg(debug_assertions)]
pub use debug::{holds, without};

/// Always, in a release build.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn holds(_: Rule) -> bool {
    true
}
