//! Deleting what is older than `store.retention`, a bite at a time.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{clock::Clock, domain::next::before, store::Store};

/// How often it is looked for.
const EVERY: Duration = Duration::from_secs(10 * 60);
/// Between two bites, so that posts and runs get their turn.
const BREATH: Duration = Duration::from_millis(200);
/// How long posts are kept after they were unfolded: for looking up what exactly was sent.
const POSTS: Duration = Duration::from_secs(24 * 60 * 60);

/// What deletes.
pub(super) struct Retention {
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    /// How long what is finished is kept.
    pub keep: Duration,
}

impl Retention {
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let now = self.clock.now();
            let (oldest, oldest_post) = (before(now, self.keep), before(now, self.keep.min(POSTS)));
            let pause = match self.store.purge(oldest, oldest_post).await {
                Ok(0) => EVERY,
                Ok(_) => BREATH,
                Err(error) => {
                    tracing::warn!(reason = error.reason(), error = %error, "old rows could not be deleted");
                    EVERY
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.clock.sleep(pause) => {}
            }
        }
    }
}
