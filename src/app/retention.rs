//! Letting go of what is older than `store.retention`, a piece at a time.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{clock::Clock, domain::next::before, store::Store};

/// How often it is looked for.
const EVERY: Duration = Duration::from_secs(10 * 60);
/// Between two pieces, so that posts and runs get their turn.
const BREATH: Duration = Duration::from_millis(200);
/// How long posts are kept after they were unfolded: for looking up what exactly was sent.
const POSTS: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) async fn run(store: Store, clock: Arc<dyn Clock>, retention: Duration, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let now = clock.now();
        let gone = store
            .let_go(before(now, retention), before(now, retention.min(POSTS)))
            .await;
        let pause = match gone {
            Ok(0) => EVERY,
            Ok(_) => BREATH,
            Err(error) => {
                tracing::warn!(reason = error.reason(), error = %error, "old rows could not be deleted");
                EVERY
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = clock.sleep(pause) => {}
        }
    }
}
