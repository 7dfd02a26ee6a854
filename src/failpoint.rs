//! Failpoints: every moment at which a crash leaves a different state behind.
//!
//! `failpoint!(AnswerBeforeCommit);` names such a moment in the code. In a debug build `FAILPOINT=AnswerBeforeCommit` in the
//! environment makes the process kill itself there, with no destructor run, so that tests can walk the whole list; and a test that
//! has the service in its own process can watch what is passed, and stop it there ([`watched`]). A release build has none of it.

/// A moment at which the process might die: `failpoint!(Name);` in async code waits for whatever a test makes of it.
/// `failpoint!(Name, blocking);` is for a thread that is not async, as the store's inside a transaction: it tells the watch, and
/// does not wait.
#[cfg(debug_assertions)]
macro_rules! failpoint {
    ($point:ident) => {
        $crate::failpoint::pass($crate::failpoint::Failpoint::$point).await
    };
    ($point:ident, blocking) => {
        $crate::failpoint::pass_blocking($crate::failpoint::Failpoint::$point)
    };
}

/// Nothing but a name, in a release build.
#[cfg(not(debug_assertions))]
macro_rules! failpoint {
    ($point:ident $(, blocking)?) => {{
        const _: $crate::failpoint::Failpoint = $crate::failpoint::Failpoint::$point;
    }};
}

/// The list, and what is generated from it: a point is in [`Failpoint::ALL`] because it is there.
macro_rules! failpoints {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// A moment before or after something became durable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Failpoint {
            $($(#[$doc])* $name,)+
        }

        impl Failpoint {
            /// All of them, in the order in which a post and its run pass them.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The name in the code and in `FAILPOINT`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }
        }
    };
}

failpoints! {
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
    /// The alerts of a sibling are another run's, not committed.
    MergeBeforeCommit,
    /// The alerts of a sibling are another run's, and it has ended.
    MergeAfterCommit,
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
    /// Whatever else is recorded of a run is written and not committed.
    RecordBeforeCommit,
    /// Whatever else is recorded of a run is committed.
    RecordAfterCommit,
    /// A message is claimed, nothing of it sent.
    MessageAfterClaim,
    /// A message is made, and about to be sent.
    MessageBeforeSend,
    /// The service has answered, nothing of it is recorded.
    MessageAfterSend,
    /// What came of the delivery is recorded.
    MessageAfterRecord,
}

/// Who watches the failpoints of some work. It goes along with work that is handed to another thread or task, so that whoever
/// caused it still sees them. In a release build it is nothing.
#[derive(Clone, Default)]
pub struct Observer {
    #[cfg(debug_assertions)]
    watch: Option<Watch>,
}

#[cfg(debug_assertions)]
mod debug {
    use std::sync::{Arc, LazyLock};

    use futures::{FutureExt, future::BoxFuture};

    use super::{Failpoint, Observer};

    /// What a test makes of a failpoint: async code goes on when the future is over. Of a point on a thread that does not wait
    /// it is polled once.
    pub type Watch = Arc<dyn Fn(Failpoint) -> BoxFuture<'static, ()> + Send + Sync>;

    tokio::task_local! {
        static WATCH: Watch;
    }

    /// Runs a future whose failpoints a test watches.
    pub async fn watched<T>(watch: Watch, work: impl Future<Output = T>) -> T {
        WATCH.scope(watch, work).await
    }

    /// Dies here if the environment says so, or stops if a test does. For [`failpoint!`].
    pub async fn pass(point: Failpoint) {
        die_at(point);
        if let Ok(watch) = WATCH.try_with(Clone::clone) {
            watch(point).await;
        }
    }

    /// Dies here if the environment says so, and tells a test. For [`failpoint!`].
    pub fn pass_blocking(point: Failpoint) {
        die_at(point);
        if let Ok(watch) = WATCH.try_with(Clone::clone) {
            let _ = watch(point).now_or_never();
        }
    }

    fn die_at(point: Failpoint) {
        static DIE_AT: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("FAILPOINT").ok());
        if DIE_AT.as_deref() == Some(point.name()) {
            eprintln!("crashing at {}", point.name());
            // As kill -9 does: no destructor, no flush, no rollback.
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            std::process::abort();
        }
    }

    impl Observer {
        /// Whoever watches the caller, if anybody does.
        pub fn current() -> Self {
            Self {
                watch: WATCH.try_with(Clone::clone).ok(),
            }
        }

        /// Runs a closure, on whatever thread, under this watch.
        pub fn watch<T>(&self, work: impl FnOnce() -> T) -> T {
            match &self.watch {
                Some(watch) => WATCH.sync_scope(watch.clone(), work),
                None => work(),
            }
        }

        /// Runs a future, in whatever task, under this watch.
        pub async fn follow<T>(&self, work: impl Future<Output = T>) -> T {
            match &self.watch {
                Some(watch) => WATCH.scope(watch.clone(), work).await,
                None => work.await,
            }
        }
    }
}

#[cfg(debug_assertions)]
pub use debug::{Watch, pass, pass_blocking, watched};

#[cfg(not(debug_assertions))]
impl Observer {
    /// Nobody.
    #[inline(always)]
    pub fn current() -> Self {
        Self {}
    }

    /// Runs the closure.
    #[inline(always)]
    pub fn watch<T>(&self, work: impl FnOnce() -> T) -> T {
        work()
    }

    /// Runs the future.
    #[inline(always)]
    pub async fn follow<T>(&self, work: impl Future<Output = T>) -> T {
        work.await
    }
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observer").finish_non_exhaustive()
    }
}

#[cfg(all(test, debug_assertions))]
mod tests;
