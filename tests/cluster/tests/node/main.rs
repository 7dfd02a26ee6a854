//! The real node: containers run, are reached, and nothing of them outlives the cluster. Needs root; `make test-node`.

#![allow(clippy::unwrap_used)]

#[path = "../it/up.rs"]
mod up;

use std::{
    os::unix::process::CommandExt as _,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::{Pod, Service};
use kube::{
    Api,
    api::{LogParams, PostParams},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use test_cluster::{ControlPlane, ControlPlaneOptions, REAL_NODE, REAL_NODE_LABEL, RealNodeOptions};
use up::{Up, kill};

const PATIENCE: Duration = Duration::from_secs(60);

/// A pod whose container serves what the API server told it about itself, at 8080.
fn server() -> Value {
    let script = "mkdir /tmp/www; env | grep KUBERNETES_SERVICE > /tmp/www/environment; \
                  nc -w 5 $KUBERNETES_SERVICE_HOST $KUBERNETES_SERVICE_PORT < /dev/null && echo reached > /tmp/www/api; \
                  echo serving; exec httpd -f -p 8080 -h /tmp/www";
    json!({
        "metadata": {"name": "server", "labels": {"app": "server"}},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": "app",
                "image": "localhost/busybox:1",
                "command": ["/bin/sh", "-c", script],
                "readinessProbe": {"httpGet": {"port": 8080, "path": "/api"}, "periodSeconds": 1},
                "volumeMounts": [{"name": "scratch", "mountPath": "/tmp"}],
            }],
            "volumes": [{"name": "scratch", "emptyDir": {}}],
        },
    })
}

fn object<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

async fn until<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited for {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn get(url: &str) -> Option<String> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5));
    let answer = client.build().unwrap().get(url).send().await.ok()?;
    answer.error_for_status().ok()?.text().await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_run_and_are_reached() {
    let options = ControlPlaneOptions {
        nodes: 0,
        real_node: Some(RealNodeOptions {
            alone: true,
            ..RealNodeOptions::default()
        }),
        ..ControlPlaneOptions::default()
    };
    let plane = ControlPlane::start(options).await.unwrap();
    let node = plane.real_node().unwrap();
    let pods: Api<Pod> = Api::namespaced(plane.client(), "default");
    let services: Api<Service> = Api::namespaced(plane.client(), "default");
    pods.create(&PostParams::default(), &object(server())).await.unwrap();
    let service = json!({
        "metadata": {"name": "server"},
        "spec": {"selector": {"app": "server"}, "ports": [{"port": 80, "targetPort": 8080}]},
    });
    let service = services.create(&PostParams::default(), &object(service)).await.unwrap();
    let service_ip = service.spec.unwrap().cluster_ip.unwrap();

    let pod = until("the pod to reach the API server by its Service", async || {
        let pod = pods.get("server").await.unwrap();
        let conditions = pod.status.as_ref()?.conditions.as_ref()?;
        let ready = conditions
            .iter()
            .any(|one| one.type_ == "Ready" && one.status == "True");
        ready.then_some(pod)
    })
    .await;
    assert_eq!(pod.spec.as_ref().unwrap().node_name.as_deref(), Some(REAL_NODE));
    let pod_ip = pod.status.unwrap().pod_ip.unwrap();
    let told = until("the pod to answer", async || {
        get(&format!("http://{pod_ip}:8080/environment")).await
    })
    .await;
    assert!(told.contains("KUBERNETES_SERVICE_HOST=10.202."), "{told}");
    until("the Service to answer", async || {
        get(&format!("http://{service_ip}/environment")).await
    })
    .await;

    let log = pods.logs("server", &LogParams::default()).await.unwrap();
    assert!(log.ends_with("serving\n"), "{log:?}");

    let uid = pod.metadata.uid.unwrap();
    let api = node.volume(&uid, "empty-dir", "scratch").join("www/api");
    assert_eq!(std::fs::read_to_string(api).unwrap(), "reached\n");
    assert!(node.memory_of(&uid).unwrap() > 0);

    // A kubelet that is away takes no container with it.
    node.kill_kubelet().await;
    assert!(get(&format!("http://{pod_ip}:8080/environment")).await.is_some());
    node.start_kubelet().await.unwrap();
    plane.check().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_lands_on_a_node_beside_others_that_does_not_ask_for_it() {
    let options = ControlPlaneOptions {
        nodes: 1,
        real_node: Some(RealNodeOptions::default()),
        ..ControlPlaneOptions::default()
    };
    let plane = ControlPlane::start(options).await.unwrap();
    let pods: Api<Pod> = Api::namespaced(plane.client(), "default");
    let (key, value) = REAL_NODE_LABEL;
    let anywhere = json!({"metadata": {"name": "anywhere"}, "spec": {"containers": [{"name": "app", "image": "any"}]}});
    let mut there = server();
    there["spec"]["nodeSelector"] = json!({key: value});
    there["spec"]["tolerations"] = json!([{"key": key, "operator": "Exists"}]);
    for pod in [anywhere, there] {
        pods.create(&PostParams::default(), &object(pod)).await.unwrap();
    }
    for (name, expected) in [("anywhere", "node-0"), ("server", REAL_NODE)] {
        let node = until("a pod to be placed", async || {
            pods.get(name).await.unwrap().spec.unwrap().node_name
        })
        .await;
        assert_eq!(node, expected, "{name}");
    }
}

fn links() -> usize {
    let output = Command::new("ip").args(["-brief", "link"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().filter(|line| line.starts_with("selfhealer")).count()
}

/// The control groups of the clusters in this folder.
fn control_groups(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let clusters: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    for root in ["/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids"] {
        for cluster in &clusters {
            let path = Path::new(root).join(cluster);
            if path.is_dir() {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

/// With a container of its own, which nothing but the end of the cluster ends.
fn up_with_a_container(mut up: Up) -> Up {
    let lines = up.ready();
    let value = |name: &str| {
        let found = lines.iter().find_map(|line| line.strip_prefix(name));
        found.unwrap().to_owned()
    };
    let kubectl = |arguments: &[&str]| {
        let output = Command::new(value("KUBECTL="))
            .env("KUBECONFIG", value("KUBECONFIG="))
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let overrides = json!({"spec": {
        "nodeSelector": {"bench/real": "true"},
        "tolerations": [{"key": "bench/real", "operator": "Exists"}],
    }});
    kubectl(&[
        "run",
        "sleeper",
        "--image=localhost/busybox:1",
        &format!("--overrides={overrides}"),
        "--command",
        "--",
        "sleep",
        "4711",
    ]);
    kubectl(&["wait", "--for=condition=Ready", "pod/sleeper", "--timeout=60s"]);
    assert!(
        !sleepers().is_empty(),
        "the container runs as a process of this machine"
    );
    assert!(!control_groups(up.folder.path()).is_empty());
    up
}

/// The processes of the container.
fn sleepers() -> Vec<String> {
    let output = Command::new("pgrep").args(["-f", "^sleep 4711"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(str::to_owned).collect()
}

/// One test, because both count what the whole machine has.
#[test]
fn nothing_of_a_real_node_outlives_it() {
    let before = (sleepers(), links());
    let mut up = up_with_a_container(Up::start(&["--real-node"]));
    let groups = control_groups(up.folder.path());
    up.signal("TERM");
    let (status, text) = up.end();
    assert!(status.success(), "{text}");
    up.leaves_nothing();
    assert!(groups.iter().all(|group| !Path::new(group).exists()), "{groups:?}");
    assert_eq!(sleepers(), before.0);

    // Killed, and its keeper lives.
    let up = up_with_a_container(Up::start(&["--real-node"]));
    let groups = control_groups(up.folder.path());
    up.signal("KILL");
    up.leaves_nothing();
    assert!(groups.iter().all(|group| !Path::new(group).exists()), "{groups:?}");
    assert_eq!(sleepers(), before.0);

    // Killed together with its keepers: the next start clears it.
    let mut up = up_with_a_container(Up::start(&["--real-node"]));
    let groups = control_groups(up.folder.path());
    for (pid, command) in up.processes() {
        if command.contains("test-cluster-keeper") {
            kill("KILL", &pid);
        }
    }
    up.signal("KILL");
    up.end();
    assert!(!sleepers().is_empty(), "there is something to clear");
    let folder = std::mem::replace(&mut up.folder, tempfile::tempdir().unwrap());
    let mut next = Up::start_in(folder, &["--real-node"]);
    next.ready();
    assert!(groups.iter().all(|group| !Path::new(group).exists()), "{groups:?}");
    assert_eq!(sleepers(), before.0);
    next.signal("TERM");
    next.end();
    // The kernel takes a network away some time after its last process.
    let deadline = Instant::now() + PATIENCE;
    while links() > before.1 {
        assert!(Instant::now() < deadline, "links are left");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let program = folder.path().join("test-cluster");
    std::fs::copy(env!("CARGO_BIN_EXE_test-cluster"), &program).unwrap();
    let output = Command::new(program)
        .args(["up", "--real-node"])
        .uid(65534)
        .gid(65534)
        .env("TMPDIR", folder.path())
        .current_dir(folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("root: it makes namespaces"), "{text}");
}
