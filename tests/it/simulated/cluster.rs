//! A small simulated cluster: workloads, what is wrong with them, and what became of them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use simulated_cluster::kubernetes::{
    Simulation,
    controllers::{self, kubelet::life, node},
    resources::{DEPLOYMENTS, EVENTS, NAMESPACES, NODES, PODS, ResourceId},
    world::{DeleteOptions, Key},
};

use super::stage::{FIRST, NEXT};

/// Where the workloads are.
pub const SHOP: &str = "shop";
/// Crashes soon after each start. A kubelet has started it again five times then, and shows it as waiting for most of the
/// next minute and a half: after shorter pauses that shows for a moment only.
const CRASHES: &str = r#"{"ends": {"crashes": {"after": "1s", "exitCode": 2, "log": ["no database"]}}}"#;
const CRASHES_LATER: &str = r#"{"ends": {"crashes": {"after": "20s", "exitCode": 2}}}"#;
const CRASH_LOOP: SignedDuration = SignedDuration::from_secs(260);

/// A cluster of three nodes, and the words in which scenarios speak of it.
#[derive(Clone)]
pub struct Cluster(pub Simulation);

impl Cluster {
    pub fn new() -> Self {
        let begin: Timestamp = "2026-03-01T03:00:00Z".parse().unwrap();
        let cluster = Self(controllers::start(begin, 7));
        for (name, zone) in [("node-1", "a"), ("node-2", "b"), ("node-3", "c")] {
            cluster.create(NODES, node::node(name, zone, ("8", "32Gi", 110)));
        }
        cluster.0.with(|world| world.create_namespace(SHOP).unwrap());
        cluster.grant();
        cluster
    }

    /// The rights of `deploy/rbac.yaml` for both processes.
    fn grant(&self) {
        let role: Value = serde_saphyr::from_str(include_str!("../../../deploy/rbac.yaml")).unwrap();
        let subjects =
            [FIRST, NEXT].map(|name| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}));
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "selfhealer"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "selfhealer"},
            "subjects": subjects,
        });
        for object in [role, binding] {
            self.create(self.resource(&object), object);
        }
    }

    fn resource(&self, object: &Value) -> ResourceId {
        let (version, kind) = (object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap());
        self.0
            .with(|world| world.resources().of_kind(version, kind).unwrap().id)
    }

    fn create(&self, resource: ResourceId, object: Value) {
        self.0.with(|world| world.create(resource, object, "kubectl").unwrap());
    }

    pub fn wait(&self, passes: SignedDuration) {
        self.0.advance(self.0.now() + passes);
    }

    /// A workload with all its pods ready; `more` is merged into its spec.
    fn workload(&self, kind: &str, name: &str, replicas: usize, more: Value) {
        let mut object = json!({
            "apiVersion": "apps/v1",
            "kind": kind,
            "metadata": {"namespace": SHOP, "name": name},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": name}},
                "template": {
                    "metadata": {"labels": {"app": name}},
                    "spec": {
                        "terminationGracePeriodSeconds": 2,
                        "containers": [{
                            "name": "app",
                            "image": "registry.example/app:1",
                            "env": [{"name": "PASSWORD", "value": "hunter2"}],
                        }],
                    },
                },
            },
        });
        for (field, value) in more.as_object().unwrap() {
            object["spec"][field] = value.clone();
        }
        self.create(self.resource(&object), object);
        for _ in 0..60 {
            if self.ready(name) == replicas {
                return;
            }
            self.wait(SignedDuration::from_secs(1));
        }
        panic!("{kind} {name} did not become ready");
    }

    pub fn deployment(&self, name: &str, replicas: usize) {
        self.workload("Deployment", name, replicas, json!({}));
    }

    pub fn stateful_set(&self, name: &str, replicas: usize) {
        self.workload("StatefulSet", name, replicas, json!({"serviceName": name}));
    }

    /// A pod that nobody would replace.
    pub fn bare_pod(&self, name: &str) {
        let pod = json!({
            "metadata": {"namespace": SHOP, "name": name, "labels": {"app": name}},
            "spec": {"containers": [{"name": "app", "image": "registry.example/app:1"}]},
        });
        self.create(PODS, pod);
        self.wait(SignedDuration::from_secs(5));
    }

    pub fn budget(&self, app: &str, min_available: usize) {
        let budget = json!({
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"namespace": SHOP, "name": app},
            "spec": {"minAvailable": min_available, "selector": {"matchLabels": {"app": app}}},
        });
        self.create(self.resource(&budget), budget);
    }

    pub fn drop_budget(&self, app: &str) {
        let kind = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget"});
        self.delete(&Key::new(self.resource(&kind), SHOP, app));
    }

    pub fn delete(&self, key: &Key) {
        self.0
            .with(|world| world.delete(key, &DeleteOptions::default()).unwrap());
    }

    fn change(&self, key: &Key, change: impl FnOnce(&mut Value)) {
        self.0.with(|world| world.update(key, "kubectl", change).unwrap());
    }

    /// The pods of an app by age and name.
    pub fn pods(&self, app: &str) -> Vec<Value> {
        self.0.with(|world| {
            let labels = [("app", app)];
            let pods = world.labelled(PODS, SHOP, &labels).map(|pod| pod.value());
            let mut pods: Vec<Value> = pods.collect();
            pods.sort_by_key(|pod| {
                let text = |field: &str| pod["metadata"][field].as_str().unwrap().to_owned();
                (text("creationTimestamp"), text("name"))
            });
            pods
        })
    }

    pub fn pod(&self, app: &str, number: usize) -> Value {
        self.pods(app).swap_remove(number)
    }

    pub fn ready(&self, app: &str) -> usize {
        self.pods(app).iter().filter(|pod| is_ready(pod)).count()
    }

    /// This pod crashes from now on.
    pub fn begin_crashing(&self, pod: &Value) {
        self.change(&key(pod), |pod| {
            pod["metadata"]["annotations"][life::ANNOTATION] = CRASHES.into();
        });
    }

    /// These pods crash from now on; returns when they are in a crash loop.
    pub fn crash(&self, pods: &[Value]) {
        for pod in pods {
            self.begin_crashing(pod);
        }
        self.wait(CRASH_LOOP);
        for pod in pods {
            let live = self.0.with(|world| world.get(&key(pod)).unwrap().value());
            assert!(is_crash_looping(&live), "{live:#}");
        }
    }

    /// This pod lives for a while each time; returns when it does so after its third crash.
    pub fn crash_after_a_while(&self, pod: &Value) {
        self.change(&key(pod), |pod| {
            pod["metadata"]["annotations"][life::ANNOTATION] = CRASHES_LATER.into();
        });
        for _ in 0..600 {
            let live = self.0.with(|world| world.get(&key(pod)).unwrap().value());
            let status = &live["status"]["containerStatuses"][0];
            if status["restartCount"] == 3 && status["state"]["running"].is_object() {
                return;
            }
            self.wait(SignedDuration::from_secs(1));
        }
        panic!("{} does not live a fourth time", name(pod));
    }

    /// Every pod that comes from now on crashes as well; the ones that are there run on.
    pub fn break_replacements(&self, set: &str) {
        self.change(&Key::new(DEPLOYMENTS, SHOP, set), |deployment| {
            deployment["spec"]["paused"] = true.into();
        });
        let sets = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet"});
        let sets = self.resource(&sets);
        let key = self.0.with(|world| {
            let labels = [("app", set)];
            let mut found = world.labelled(sets, SHOP, &labels);
            found.next().unwrap().key().clone()
        });
        self.change(&key, |replicas| {
            replicas["spec"]["template"]["metadata"]["annotations"][life::ANNOTATION] = CRASHES.into();
        });
    }

    /// Whether any node takes new pods.
    pub fn cordon(&self, cordoned: bool) {
        for node in ["node-1", "node-2", "node-3"] {
            self.change(&Key::new(NODES, "", node), |node| {
                node["spec"]["unschedulable"] = cordoned.into();
            });
        }
    }

    /// Takes the right to evict away.
    pub fn forbid_evictions(&self) {
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"});
        self.change(&Key::new(self.resource(&role), "", "selfhealer"), |role| {
            let rules = role["rules"].as_array_mut().unwrap();
            rules.retain(|rule| rule["resources"] != json!(["pods/eviction"]));
        });
    }

    pub fn annotate(&self, resource: ResourceId, name: &str, annotation: &str, value: &str) {
        let namespace = if resource == NAMESPACES { "" } else { SHOP };
        self.change(&Key::new(resource, namespace, name), |object| {
            object["metadata"]["annotations"][annotation] = value.into();
        });
    }

    /// The reasons of the Events in which the service told what it did.
    pub fn events(&self) -> Vec<String> {
        let events: Vec<Value> = self
            .0
            .with(|world| world.list(EVENTS, Some(SHOP)).map(|event| event.value()).collect());
        let ours = events
            .iter()
            .filter(|event| event["reportingComponent"] == "selfhealer.dev/selfhealer");
        let mut reasons: Vec<_> = ours.map(|event| event["reason"].as_str().unwrap().to_owned()).collect();
        reasons.sort();
        reasons
    }

    /// How many pods of each app there are, and how many are ready and never had to be started again: one that crashes is ready
    /// for a moment now and then.
    pub fn standing(&self) -> BTreeMap<String, String> {
        let pods: Vec<Value> = self
            .0
            .with(|world| world.list(PODS, Some(SHOP)).map(|pod| pod.value()).collect());
        let mut apps: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for pod in &pods {
            let app = pod["metadata"]["labels"]["app"].as_str().unwrap().to_owned();
            let count = apps.entry(app).or_default();
            let again = pod["status"]["containerStatuses"][0]["restartCount"] != 0;
            count.0 += usize::from(is_ready(pod) && !again);
            count.1 += 1;
        }
        let told = apps
            .into_iter()
            .map(|(app, (ready, all))| (app, format!("{ready}/{all}")));
        told.collect()
    }
}

pub fn key(pod: &Value) -> Key {
    let text = |field: &str| pod["metadata"][field].as_str().unwrap();
    Key::new(PODS, text("namespace"), text("name"))
}

pub fn name(pod: &Value) -> &str {
    pod["metadata"]["name"].as_str().unwrap()
}

pub fn uid(pod: &Value) -> &str {
    pod["metadata"]["uid"].as_str().unwrap()
}

/// Whether its container is not ready and was started again three times, whatever its state is at this moment.
pub fn is_crash_looping(pod: &Value) -> bool {
    let container = &pod["status"]["containerStatuses"][0];
    container["ready"] == false && container["restartCount"].as_u64() >= Some(3)
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    pod["metadata"]["deletionTimestamp"].is_null()
        && conditions.is_some_and(|conditions| {
            conditions
                .iter()
                .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
        })
}
