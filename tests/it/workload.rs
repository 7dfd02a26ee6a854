//! Objects in the test cluster: a namespace for each test, workloads in it, and faults.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, StatefulSet},
        core::v1::{Event, Namespace, Pod},
        policy::v1::PodDisruptionBudget,
        rbac::v1::{ClusterRole, ClusterRoleBinding},
    },
    serde::de::DeserializeOwned,
};
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use test_cluster::ControlPlane;

use crate::{
    service::{PATIENCE, trust},
    webhook::crash_looping,
};

/// A namespace of the shared control plane.
pub struct World {
    pub plane: &'static ControlPlane,
    pub client: Client,
    pub namespace: String,
}

impl World {
    /// A namespace of its own, and the rights of `deploy/rbac.yaml` for the user `selfhealer`.
    pub async fn new(name: &str) -> Self {
        trust();
        Self::on(ControlPlane::shared().await.unwrap(), name).await
    }

    /// The same on another control plane.
    pub async fn on(plane: &'static ControlPlane, name: &str) -> Self {
        trust();
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let namespace = format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        plane.create_namespace(&namespace).await.unwrap();
        let world = Self {
            plane,
            client: plane.client(),
            namespace,
        };
        world.grant().await;
        world
    }

    /// The kubeconfig of the user that has the rights of `deploy/rbac.yaml` and no others.
    pub fn kubeconfig(&self) -> std::path::PathBuf {
        self.plane.kubeconfig_for("selfhealer").unwrap()
    }

    async fn grant(&self) {
        let role: Value = serde_saphyr::from_str(include_str!("../../deploy/rbac.yaml")).unwrap();
        let binding = json!({
            "metadata": {"name": "selfhealer"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "selfhealer"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "selfhealer"}],
        });
        let roles: Api<ClusterRole> = Api::all(self.client.clone());
        let bindings: Api<ClusterRoleBinding> = Api::all(self.client.clone());
        exists(roles.create(&PostParams::default(), &object(role)).await);
        exists(bindings.create(&PostParams::default(), &object(binding)).await);
    }

    pub fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub async fn deployment(&self, name: &str, replicas: usize) {
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), &self.namespace);
        let body = json!({
            "metadata": {"name": name},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": name}},
                "template": template(name),
            }
        });
        deployments.create(&PostParams::default(), &object(body)).await.unwrap();
        self.ready_pods(name, replicas).await;
    }

    /// A deployment of which one pod is in a crash loop; that pod.
    pub async fn sick_deployment(&self, name: &str, replicas: usize) -> Pod {
        self.deployment(name, replicas).await;
        let sick = self.ready_pods(name, replicas).await.remove(0);
        self.crash(&sick).await;
        sick
    }

    /// The alert about a pod of this namespace.
    pub fn alert_about(&self, pod: &Pod) -> Value {
        crash_looping(&self.namespace, name(pod), uid(pod))
    }

    pub async fn stateful_set(&self, name: &str, replicas: usize) {
        let sets: Api<StatefulSet> = Api::namespaced(self.client.clone(), &self.namespace);
        let body = json!({
            "metadata": {"name": name},
            "spec": {
                "replicas": replicas,
                "serviceName": name,
                "selector": {"matchLabels": {"app": name}},
                "template": template(name),
            }
        });
        sets.create(&PostParams::default(), &object(body)).await.unwrap();
        self.ready_pods(name, replicas).await;
    }

    pub async fn bare_pod(&self, name: &str) -> Pod {
        let body = json!({"metadata": {"name": name, "labels": {"app": name}}, "spec": template(name)["spec"]});
        self.pods().create(&PostParams::default(), &object(body)).await.unwrap();
        self.ready_pods(name, 1).await.remove(0)
    }

    pub async fn budget(&self, app: &str, min_available: usize) {
        let budgets: Api<PodDisruptionBudget> = Api::namespaced(self.client.clone(), &self.namespace);
        let body = json!({
            "metadata": {"name": app},
            "spec": {"minAvailable": min_available, "selector": {"matchLabels": {"app": app}}},
        });
        budgets.create(&PostParams::default(), &object(body)).await.unwrap();
        self.wait("the budget to be counted", async || {
            let budget = budgets.get(app).await.unwrap();
            let status = budget.status?;
            (status.observed_generation.is_some() && status.expected_pods > 0).then_some(())
        })
        .await;
    }

    pub async fn drop_budget(&self, app: &str) {
        let budgets: Api<PodDisruptionBudget> = Api::namespaced(self.client.clone(), &self.namespace);
        budgets.delete(app, &Default::default()).await.unwrap();
    }

    /// Waits for so many ready pods of an app that are not going.
    pub async fn ready_pods(&self, app: &str, count: usize) -> Vec<Pod> {
        self.wait(&format!("{count} ready pods of {app}"), async || {
            let pods: Vec<_> = self.pods_of(app).await.into_iter().filter(is_ready).collect();
            (pods.len() == count).then_some(pods)
        })
        .await
    }

    pub async fn pods_of(&self, app: &str) -> Vec<Pod> {
        let list = self
            .pods()
            .list(&ListParams::default().labels(&format!("app={app}")))
            .await
            .unwrap();
        list.items
    }

    /// Lets a pod's container crash, as a kubelet would tell it.
    pub async fn crash(&self, pod: &Pod) {
        let name = pod.metadata.name.as_deref().unwrap();
        let patch = json!({"metadata": {"annotations": {"bench/fault": "CrashLoopBackOff"}}});
        self.pods()
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap();
        self.wait("the pod to be in a crash loop", async || {
            let live = self.pods().get_opt(name).await.unwrap()?;
            let statuses = live.status?.container_statuses?;
            let status = statuses.first()?;
            let state = status.state.as_ref()?;
            // Between two lives it is mostly terminated.
            (status.restart_count >= 5 && (state.terminated.is_some() || state.waiting.is_some())).then_some(())
        })
        .await;
    }

    pub async fn annotate_namespace(&self, key: &str, value: &str) {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let patch = json!({"metadata": {"annotations": {key: value}}});
        namespaces
            .patch(&self.namespace, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap();
    }

    pub async fn annotate_deployment(&self, name: &str, key: &str, value: &str) {
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), &self.namespace);
        let patch = json!({"metadata": {"annotations": {key: value}}});
        deployments
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap();
    }

    /// The notes of our Events in the namespace, with their reasons.
    pub async fn events(&self) -> Vec<(String, String)> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), &self.namespace);
        let list = events.list(&ListParams::default()).await.unwrap();
        let ours = list
            .items
            .into_iter()
            .filter(|event| event.reporting_component.as_deref() == Some("selfhealer.dev/selfhealer"));
        ours.map(|event| (event.reason.unwrap_or_default(), event.message.unwrap_or_default()))
            .collect()
    }

    /// The names of pods whose eviction the API server was asked for and granted, with repeats, dry runs left out.
    pub fn evictions(&self) -> Vec<String> {
        let audited = self.plane.audited().unwrap();
        audited
            .iter()
            .filter(|request| request.is_eviction() && request.namespace == self.namespace)
            .filter(|request| request.code == Some(201) && !request.uri.contains("dryRun"))
            .map(|request| request.name.clone())
            .collect()
    }

    /// Everything that was asked to change in the namespace by selfhealer, refused or not.
    pub fn mutations(&self) -> Vec<String> {
        let audited = self.plane.audited().unwrap();
        audited
            .iter()
            .filter(|request| request.user == "selfhealer" && request.namespace == self.namespace)
            .map(|request| format!("{} {} {} {}", request.verb, request.resource, request.name, request.uri))
            .collect()
    }

    pub async fn wait<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(Instant::now() < deadline, "waited for {what}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
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
            conditions
                .iter()
                .any(|condition| condition.type_ == "Ready" && condition.status == "True")
        })
}

fn template(app: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": app}},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "app", "image": "registry.example/app:1", "env": [{"name": "PASSWORD", "value": "hunter2"}]}],
        }
    })
}

fn object<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn exists<T>(created: Result<T, kube::Error>) {
    match created {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 409 => {}
        Err(error) => panic!("{error}"),
    }
}
