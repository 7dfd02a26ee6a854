//! Calls that wait until they are released, and who waits for that in turn.

use tokio::sync::watch;

/// The calls that are held.
#[derive(Debug)]
pub(super) struct Holds {
    releases: watch::Sender<u64>,
    waiting: watch::Sender<usize>,
}

/// One call that waits; it does no longer when this is dropped.
struct Waiting<'a>(&'a watch::Sender<usize>);

impl Holds {
    pub(super) fn new() -> Self {
        Self {
            releases: watch::Sender::new(0),
            waiting: watch::Sender::new(0),
        }
    }

    /// The calls that wait go on.
    pub(super) fn release(&self) {
        self.releases.send_modify(|count| *count += 1);
    }

    /// Returns when so many calls wait at once.
    pub(super) async fn until_held(&self, count: usize) {
        let mut waiting = self.waiting.subscribe();
        // The sender lives as long as `self`.
        let _ = waiting.wait_for(|now| *now >= count).await;
    }

    /// Returns when no call waits any more: each was released, or its client has gone.
    pub(super) async fn until_none_held(&self) {
        let mut waiting = self.waiting.subscribe();
        let _ = waiting.wait_for(|now| *now == 0).await;
    }

    /// Waits for the next release.
    pub(super) async fn hold(&self) {
        let mut releases = self.releases.subscribe();
        let _waiting = Waiting::new(&self.waiting);
        let _ = releases.changed().await;
    }
}

impl<'a> Waiting<'a> {
    fn new(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
