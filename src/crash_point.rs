//! The durable points: every moment at which a crash leaves a different state behind.
//!
//! In a debug build `SELFHEALER_CRASH_AT=NAME` makes the process kill itself there, with no destructor run, so that tests
//! can walk the whole list; and a test that has the service in its own process can stop it there ([`watched`]). A release
//! build has none of it.

/// A moment before or after something became durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashPoint {
    /// A post is parsed and not committed: nobody was told that it is safe.
    AcceptBeforeCommit,
    /// A post is committed and not answered: Alertmanager will send it again.
    AcceptAfterCommit,
    /// Episodes and runs are written and not committed.
    UnfoldBeforeCommit,
    /// Episodes and runs are committed.
    UnfoldAfterCommit,
    /// A run is claimed.
    ClaimAfterCommit,
    /// A run is bound, its first judgement still ahead.
    BindAfterCommit,
    /// Allowed, `started` is written and not committed.
    StartBeforeCommit,
    /// `started` is committed, the request not sent.
    StartAfterCommit,
    /// The API server has answered, nothing of it is recorded.
    AnswerBeforeCommit,
    /// The answer is committed.
    AnswerAfterCommit,
    /// The step is done.
    StepDoneAfterCommit,
    /// Verification has begun.
    VerifyAfterCommit,
    /// An observation is committed.
    ObserveAfterCommit,
    /// The Event about the end was posted, the end itself not committed.
    FinishBeforeCommit,
    /// The end is committed.
    FinishAfterCommit,
    /// Whatever else a turn records is written and not committed.
    RecordBeforeCommit,
    /// Whatever else a turn records is committed.
    RecordAfterCommit,
    /// The alerts of a sibling are another run's, not committed.
    MergeBeforeCommit,
    /// The alerts of a sibling are another run's, and it has ended.
    MergeAfterCommit,
    /// A message is claimed, nothing of it sent.
    MessageAfterClaim,
    /// A message is made, and about to be sent.
    MessageBeforeSend,
    /// The service has answered, nothing of it is recorded.
    MessageAfterSend,
    /// What came of the delivery is recorded.
    MessageAfterRecord,
}

impl CrashPoint {
    /// Those of a delivery: they are passed only where messages go somewhere.
    pub const DELIVERY: &[Self] = &[
        Self::MessageAfterClaim,
        Self::MessageBeforeSend,
        Self::MessageAfterSend,
        Self::MessageAfterRecord,
    ];

    /// Those of a post and its run.
    pub const RUN: &[Self] = &[
        Self::AcceptBeforeCommit,
        Self::AcceptAfterCommit,
        Self::UnfoldBeforeCommit,
        Self::UnfoldAfterCommit,
        Self::ClaimAfterCommit,
        Self::BindAfterCommit,
        Self::StartBeforeCommit,
        Self::StartAfterCommit,
        Self::AnswerBeforeCommit,
        Self::AnswerAfterCommit,
        Self::StepDoneAfterCommit,
        Self::VerifyAfterCommit,
        Self::ObserveAfterCommit,
        Self::FinishBeforeCommit,
        Self::FinishAfterCommit,
        Self::RecordBeforeCommit,
        Self::RecordAfterCommit,
    ];

    /// Those of a run whose alerts another run takes over: they are passed only in a crowd.
    pub const MERGE: &[Self] = &[Self::MergeBeforeCommit, Self::MergeAfterCommit];

    /// The name in `SELFHEALER_CRASH_AT`.
    pub fn name(self) -> String {
        format!("{self:?}")
    }
}

#[cfg(debug_assertions)]
mod debug {
    use std::sync::{Arc, LazyLock};

    use futures::future::BoxFuture;

    use super::CrashPoint;

    /// What a test makes of a durable point: the process goes on when the future is over.
    pub type Watch = Arc<dyn Fn(CrashPoint) -> BoxFuture<'static, ()> + Send + Sync>;

    tokio::task_local! {
        static WATCH: Watch;
    }

    /// Runs a future whose durable points a test watches.
    pub async fn watched<T>(watch: Watch, work: impl Future<Output = T>) -> T {
        WATCH.scope(watch, work).await
    }

    /// Dies here if the environment says so, or stops if a test does.
    pub async fn crash_point(point: CrashPoint) {
        static CRASH_AT: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("SELFHEALER_CRASH_AT").ok());
        if CRASH_AT.as_deref() == Some(point.name().as_str()) {
            eprintln!("crashing at {point:?}");
            // As kill -9 does: no destructor, no flush, no rollback.
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            std::process::abort();
        }
        if let Ok(watch) = WATCH.try_with(Clone::clone) {
            watch(point).await;
        }
    }
}

#[cfg(debug_assertions)]
pub use debug::{Watch, crash_point, watched};

/// Nothing, in a release build.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub async fn crash_point(_: CrashPoint) {}
