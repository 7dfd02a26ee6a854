//! The failpoints that a story passes, and the one at which its first process stands still.

use std::{
    future::pending,
    sync::{Arc, Mutex, OnceLock},
};

use selfhealer::failpoint::{Failpoint, Watch};
use tokio::sync::{Notify, watch};

use super::{
    disturbance::{At, DEATH},
    moments::Moments,
};

/// The points passed so far.
pub struct Points {
    passed: Mutex<Vec<Failpoint>>,
    /// The number of the point at which it stands still.
    stop_at: Option<usize>,
    /// Told when it does.
    pub reached: Notify,
    released: watch::Sender<bool>,
    /// Who writes down what a death would leave.
    moments: OnceLock<Arc<Moments>>,
}

impl Points {
    pub fn new(stop_at: Option<usize>) -> Arc<Self> {
        Arc::new(Self {
            passed: Mutex::default(),
            stop_at,
            reached: Notify::new(),
            released: watch::Sender::new(false),
            moments: OnceLock::new(),
        })
    }

    pub fn watch(self: &Arc<Self>) -> Watch {
        let points = Arc::clone(self);
        Arc::new(move |point| {
            let points = Arc::clone(&points);
            Box::pin(async move { points.pass(point).await })
        })
    }

    async fn pass(&self, point: Failpoint) {
        let number = {
            let mut passed = self.passed.lock().unwrap();
            passed.push(point);
            passed.len() - 1
        };
        if let Some(moments) = self.moments.get() {
            moments.note(At::Point(number), DEATH);
        }
        if self.stop_at == Some(number) {
            self.reached.notify_one();
            let mut released = self.released.subscribe();
            if released.wait_for(|released| *released).await.is_err() {
                pending::<()>().await;
            }
        }
    }

    /// Has what a death would leave written down at each.
    pub fn witness(&self, moments: &Arc<Moments>) {
        self.moments.set(Arc::clone(moments)).ok().expect("one witness");
    }

    /// Whoever stands still goes on.
    pub fn release(&self) {
        self.released.send_replace(true);
    }

    pub fn passed(&self) -> Vec<Failpoint> {
        self.passed.lock().unwrap().clone()
    }
}
