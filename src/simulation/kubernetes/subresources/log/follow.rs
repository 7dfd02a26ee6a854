//! A log that is followed: what is there, then every line as it is printed, until the container ends.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::{mpsc::UnboundedReceiver, watch};

use super::{Limits, state};
use crate::kubernetes::{
    reply::Reply,
    run::Simulation,
    world::{Key, Line, Object, World},
};

/// Someone who follows the log of one run of a container.
struct Following {
    simulation: Simulation,
    pod: Key,
    uid: Arc<str>,
    container: String,
    timestamps: bool,
    /// What may still be sent of it.
    left: Option<usize>,
    /// What was there already.
    first: Option<String>,
    lines: UnboundedReceiver<Line>,
    revised: watch::Receiver<u64>,
    ended: bool,
}

/// Begins to follow.
pub fn follow(simulation: &Simulation, world: &mut World, pod: &Object, container: &str, limits: Limits) -> Reply {
    let there = world.log(pod.uid(), container, false).unwrap_or_default();
    let first = limits.text(there, world.now());
    let following = Following {
        simulation: simulation.clone(),
        pod: pod.key().clone(),
        uid: Arc::clone(pod.uid()),
        container: container.to_owned(),
        timestamps: limits.timestamps,
        left: limits.bytes.map(|bytes| bytes.saturating_sub(first.len())),
        first: Some(first),
        lines: world.logs_mut().follow(pod.uid(), container),
        revised: world.revised(),
        ended: false,
    };
    Reply::stream("text/plain", futures::stream::unfold(following, Following::next))
}

impl Following {
    async fn next(mut self) -> Option<(Bytes, Self)> {
        if let Some(first) = self.first.take().filter(|first| !first.is_empty()) {
            return Some((first.into(), self));
        }
        while self.left != Some(0) {
            self.revised.borrow_and_update();
            self.ended = self.ended || !self.runs();
            let line = if self.ended {
                // The last words, which were printed before it ended.
                self.lines.try_recv().ok()
            } else {
                tokio::select! {
                    biased;
                    line = self.lines.recv() => line,
                    changed = self.revised.changed() => match changed {
                        Ok(()) => continue,
                        Err(_) => None,
                    },
                }
            };
            // Nothing more: another run has begun, or the pod is gone.
            let mut text = line?.write(self.timestamps);
            if let Some(left) = &mut self.left {
                super::cut(&mut text, *left);
                *left -= text.len();
            }
            return Some((text.into(), self));
        }
        None
    }

    /// Whether the container is still running, as its kubelet says.
    fn runs(&self) -> bool {
        let world = self.simulation.world();
        let pod = world.get(&self.pod).filter(|pod| pod.uid() == &self.uid);
        let pod: Option<Value> = pod.map(|pod| pod.value());
        pod.is_some_and(|pod| state(&pod, &self.container).is_some_and(|status| status["state"]["running"].is_object()))
    }
}
