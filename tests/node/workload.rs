//! A workload whose containers really run: each serves over HTTP until a stale lock lies in its `emptyDir`. The lock goes
//! with the pod, so eviction heals what a restart cannot.

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Event, Pod},
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, LogParams, PostParams},
};
use serde_json::json;

use crate::{
    stage::{Stage, object},
    until,
};

const SERVE: &str = "httpd -p 8080 -h /data; while [ ! -e /data/lock ]; do sleep 0.2; done; \
                     echo 'cart: /data/lock is held by a process that is gone' >&2; exit 3";
/// With the lock it takes memory until the kernel ends it.
const LEAK: &str = "httpd -p 8080 -h /data; while [ ! -e /data/lock ]; do sleep 0.2; done; exec tail /dev/zero";

/// What a broken pod does.
#[derive(Clone, Copy)]
pub enum Illness {
    /// Its program says why and ends with 3.
    StaleLock,
    /// Its program takes more memory than it may.
    Leak,
}

pub struct Workload<'a> {
    stage: &'a Stage,
    pub namespace: &'static str,
    client: Client,
}

impl<'a> Workload<'a> {
    /// A Deployment `cart` of two pods in a namespace of its own; waits until they are ready.
    pub async fn deploy(stage: &'a Stage, namespace: &'static str, illness: Illness) -> Self {
        stage.plane.create_namespace(namespace).await.unwrap();
        let workload = Self {
            stage,
            namespace,
            client: stage.client.clone(),
        };
        let script = match illness {
            Illness::StaleLock => SERVE,
            Illness::Leak => LEAK,
        };
        let container = json!({
            "name": "app",
            "image": "localhost/busybox:1",
            "command": ["sh", "-c", script],
            "env": [{"name": "PASSWORD", "value": "hunter2"}],
            "resources": {"limits": {"memory": "24Mi"}},
            "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        });
        let template = json!({
            "metadata": {"labels": {"app": "cart"}},
            "spec": {
                "terminationGracePeriodSeconds": 1,
                "containers": [container],
                "volumes": [{"name": "data", "emptyDir": {}}],
            },
        });
        let deployment = json!({
            "metadata": {"name": "cart"},
            "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "cart"}}, "template": template},
        });
        let deployments: Api<Deployment> = Api::namespaced(workload.client.clone(), namespace);
        deployments
            .create(&PostParams::default(), &object(deployment))
            .await
            .unwrap();
        workload.ready().await;
        workload
    }

    pub fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), self.namespace)
    }

    /// Waits until both pods are ready, and no other is left.
    pub async fn ready(&self) -> Vec<Pod> {
        until("two ready pods", async || {
            let pods = self.pods().list(&ListParams::default()).await.unwrap().items;
            (pods.len() == 2 && pods.iter().all(is_ready)).then_some(pods)
        })
        .await
    }

    /// Lays the lock into a pod, whose container then crashes each time it is started.
    pub async fn fall_ill(&self) -> Pod {
        let pod = self.ready().await.remove(0);
        let data = self.stage.node().volume(uid(&pod), "empty-dir", "data");
        std::fs::write(data.join("lock"), "4711").unwrap();
        pod
    }

    /// A budget that lets no pod go.
    pub async fn hold(&self) {
        let budgets: Api<PodDisruptionBudget> = Api::namespaced(self.client.clone(), self.namespace);
        let budget = json!({
            "metadata": {"name": "cart"},
            // By default a pod that is not ready may go whenever the others suffice.
            "spec": {"maxUnavailable": 0, "selector": {"matchLabels": {"app": "cart"}}},
        });
        budgets.create(&PostParams::default(), &object(budget)).await.unwrap();
        until("the budget to be counted", async || {
            let status = budgets.get("cart").await.unwrap().status?;
            (status.observed_generation.is_some() && status.expected_pods == 2).then_some(())
        })
        .await;
    }

    pub async fn release(&self) {
        let budgets: Api<PodDisruptionBudget> = Api::namespaced(self.client.clone(), self.namespace);
        budgets.delete("cart", &DeleteParams::default()).await.unwrap();
    }

    /// Reasons and notes of selfhealer's Events.
    pub async fn events(&self) -> Vec<(String, String)> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), self.namespace);
        let list = events.list(&ListParams::default()).await.unwrap().items.into_iter();
        list.filter(|event| event.reporting_component.as_deref() == Some("selfhealer.dev/selfhealer"))
            .map(|event| (event.reason.unwrap_or_default(), event.message.unwrap_or_default()))
            .collect()
    }

    /// What the present container of a pod has printed, or the last one if none runs.
    pub async fn log(&self, pod: &str) -> Option<String> {
        self.pods().logs(pod, &LogParams::default()).await.ok()
    }
}

pub fn name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap()
}

pub fn uid(pod: &Pod) -> &str {
    pod.metadata.uid.as_deref().unwrap()
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    pod.metadata.deletion_timestamp.is_none()
        && conditions.is_some_and(|conditions| {
            let mut ready = conditions.iter().filter(|condition| condition.type_ == "Ready");
            ready.any(|condition| condition.status == "True")
        })
}
