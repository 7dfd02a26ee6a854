//! Failpoints as a test sees them.

#![allow(clippy::unwrap_used)]

use std::{
    sync::{Arc, Mutex},
    thread,
};

use super::*;

/// Writes down what is passed, and stops nobody.
fn notes() -> (Watch, Arc<Mutex<Vec<Failpoint>>>) {
    let passed: Arc<Mutex<Vec<Failpoint>>> = Arc::default();
    let seen = passed.clone();
    let watch: Watch = Arc::new(move |point| {
        let seen = seen.clone();
        Box::pin(async move { seen.lock().unwrap().push(point) })
    });
    (watch, passed)
}

#[test]
fn each_name_stands_once_in_the_list() {
    let names: std::collections::BTreeSet<_> = Failpoint::ALL.iter().map(|point| point.name()).collect();
    assert_eq!(names.len(), Failpoint::ALL.len());
    assert_eq!(Failpoint::AcceptBeforeCommit.name(), "AcceptBeforeCommit");
}

#[tokio::test]
async fn work_on_other_threads_and_in_other_tasks_is_seen_by_whoever_caused_it() {
    let (watch, passed) = notes();
    watched(watch, async {
        failpoint!(ClaimAfterCommit);
        let observer = Observer::current();
        let on_a_thread = observer.clone();
        let thread = thread::spawn(move || on_a_thread.watch(|| failpoint!(StartBeforeCommit, blocking)));
        thread.join().unwrap();
        let task = async move { observer.follow(async { failpoint!(AnswerBeforeCommit) }).await };
        tokio::spawn(task).await.unwrap();
        // Nobody sees what nobody handed on.
        tokio::spawn(async { failpoint!(FinishBeforeCommit) }).await.unwrap();
    })
    .await;
    failpoint!(FinishAfterCommit);
    let seen = passed.lock().unwrap().clone();
    assert_eq!(
        seen,
        [
            Failpoint::ClaimAfterCommit,
            Failpoint::StartBeforeCommit,
            Failpoint::AnswerBeforeCommit
        ]
    );
}

#[test]
fn a_thread_that_does_not_wait_goes_on_at_once() {
    let watch: Watch = Arc::new(|_| Box::pin(futures::future::pending()));
    let observer = Observer { watch: Some(watch) };
    observer.watch(|| failpoint!(StartBeforeCommit, blocking));
}
