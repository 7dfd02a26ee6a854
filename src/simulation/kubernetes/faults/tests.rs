//! Every fault as a client sees it, and what it leaves behind.

#![allow(clippy::unwrap_used)]

use futures::FutureExt;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::{
    Api, Client,
    api::{DeleteParams, EvictParams, ListParams, PostParams},
};
use serde_json::json;

use super::{Calls, Failure, Fault, Rule, Stop};
use crate::kubernetes::{Simulation, User, calls::Recorded};

mod answers;
mod cuts;
mod reads;
mod rules;
mod stops;

fn start() -> Timestamp {
    "2026-11-24T10:00:00Z".parse().unwrap()
}

fn s(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

/// A cluster without controllers, and somebody who speaks with it.
struct Stage {
    simulation: Simulation,
    client: Client,
}

impl Stage {
    fn new() -> Self {
        let simulation = Simulation::new(start(), 7);
        let client = Client::new(simulation.service(), "default");
        Self { simulation, client }
    }

    /// Makes a rule.
    fn rule(&self, rule: Rule) {
        self.simulation.faults().add(rule);
    }

    fn pass(&self, seconds: i64) {
        self.simulation.advance(self.simulation.now() + s(seconds));
    }

    /// Lets a call come as far as the API server, which is not to answer it yet.
    async fn send<T>(&self, call: &mut (impl Future<Output = T> + Unpin)) {
        let count = self.calls().len();
        while self.calls().len() == count {
            assert!(call.now_or_never().is_none(), "it should wait");
            tokio::task::yield_now().await;
        }
        assert!(call.now_or_never().is_none(), "it should wait");
    }

    fn pods(&self) -> Api<Pod> {
        Api::default_namespaced(self.client.clone())
    }

    fn maps(&self) -> Api<ConfigMap> {
        Api::default_namespaced(self.client.clone())
    }

    async fn make(&self, name: &str) -> kube::Result<ConfigMap> {
        self.maps().create(&PostParams::default(), &map(name)).await
    }

    /// The names of what is there, whatever goes wrong with reads.
    fn there(&self) -> Vec<String> {
        self.simulation.with(|world| {
            let maps = world.list(crate::kubernetes::resources::CONFIGMAPS, Some("default"));
            maps.map(|map| map.name().to_owned())
                .filter(|name| name != "kube-root-ca.crt")
                .collect()
        })
    }

    fn calls(&self) -> Vec<Recorded> {
        self.simulation.calls()
    }

    /// Whether the calls took effect.
    fn effects(&self) -> Vec<bool> {
        self.calls().iter().map(Recorded::took_effect).collect()
    }

    /// A pod that runs.
    async fn run_pod(&self, name: &str) -> String {
        let pod = json!({"metadata": {"name": name},
            "spec": {"nodeName": "n1", "containers": [{"name": "app", "image": "web:1"}]}});
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let made = self.pods().create(&PostParams::default(), &pod).await.unwrap();
        made.metadata.uid.unwrap()
    }
}

fn map(name: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}})).unwrap()
}

/// The Status that the API server answered.
fn status(error: kube::Error) -> kube::core::Status {
    match error {
        kube::Error::Api(status) => *status,
        other => panic!("the API server should have answered, not {other}"),
    }
}

/// What a client sees of a connection that is cut.
fn is_cut<T: std::fmt::Debug>(result: kube::Result<T>) -> bool {
    matches!(result.unwrap_err(), kube::Error::Service(_))
}
