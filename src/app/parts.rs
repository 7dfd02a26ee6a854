//! The parts of a running service, each a task with a name: the end of any of them before the stop is the end of the process.

use std::collections::HashMap;

use tokio::task::{Id, JoinError, JoinSet};

/// Tasks by name. Dropping it ends them.
#[derive(Default)]
pub struct Parts {
    tasks: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

/// A part is over that should not be.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// It came to its end.
    #[error("{0} has ended")]
    Returned(&'static str),
    /// It panicked.
    #[error("{name} has panicked: {error}")]
    Panicked {
        /// Which part.
        name: &'static str,
        /// What the runtime says of it.
        error: JoinError,
    },
}

impl Parts {
    /// Starts a part.
    pub fn spawn(&mut self, name: &'static str, part: impl Future<Output = ()> + Send + 'static) {
        let task = self.tasks.spawn(part);
        self.names.insert(task.id(), name);
    }

    /// Returns when a part ends, and which; never if there is none.
    pub async fn ended(&mut self) -> Ended {
        match self.next().await {
            Some(ended) => ended,
            None => std::future::pending().await,
        }
    }

    /// Waits until all have ended, as they were told to.
    pub async fn all_end(mut self) {
        while let Some(ended) = self.next().await {
            if let Ended::Panicked { .. } = ended {
                tracing::error!("while the service stopped, {ended}");
            }
        }
    }

    async fn next(&mut self) -> Option<Ended> {
        let ended = self.tasks.join_next_with_id().await?;
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
        let name = self.names.remove(&id).unwrap_or("a part");
        Some(match ended {
            Ok(_) => Ended::Returned(name),
            Err(error) => Ended::Panicked { name, error },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_of_a_part_has_its_name_however_it_ended() {
        let mut parts = Parts::default();
        parts.spawn("the engine", std::future::pending());
        parts.spawn("unfolding", async {});
        assert_eq!(parts.ended().await.to_string(), "unfolding has ended");
        parts.spawn("retention", async { panic!("no rows") });
        let ended = parts.ended().await.to_string();
        assert!(ended.starts_with("retention has panicked: "), "{ended}");
        assert!(ended.contains("no rows"), "{ended}");
    }
}
