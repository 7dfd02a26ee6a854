//! The way to the API server: the program and `kubectl`, under the same variables, take the same one.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use test_cluster::Tool;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use crate::{
    path::{ENFORCE, shipped_runbook},
    service::{Installation, Service, outcome},
    webhook::{crash_looping, notification},
    workload::{World, name},
};

/// A name that the API server's certificate has, and that nothing outside of a cluster resolves.
const INSIDE: &str = "https://kubernetes.default.svc:6443";

/// Whatever this machine says about clusters and proxies is not meant.
const VARIABLES: [&str; 9] = [
    "KUBECONFIG",
    "KUBERNETES_SERVICE_HOST",
    "KUBERNETES_SERVICE_PORT",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "NO_PROXY",
    "no_proxy",
];

type Variables<'v> = &'v [(&'v str, &'v str)];

fn under<'c>(command: &'c mut Command, variables: Variables<'_>) -> &'c mut Command {
    for name in VARIABLES {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied())
}

/// Whether kubectl finds the namespace.
async fn kubectl(kubeconfig: &Path, namespace: &str, variables: Variables<'_>) -> bool {
    let mut command = tokio::task::spawn_blocking(|| Command::new(test_cluster::tool(Tool::Kubectl).unwrap()))
        .await
        .unwrap();
    command
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .args(["--request-timeout", "5s"]);
    command.args(["get", "namespace", namespace, "-o", "name"]);
    under(&mut command, variables).stderr(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await;
    String::from_utf8(output.unwrap().stdout).unwrap().trim() == format!("namespace/{namespace}")
}

async fn start(installation: &Installation, variables: Variables<'_>) -> Service {
    let mut command = installation.command();
    under(&mut command, variables);
    Service::spawn(command).await
}

/// A copy of a kubeconfig whose cluster has this too.
fn changed(kubeconfig: &Path, folder: &Path, file: &str, more: &[(&str, &str)]) -> PathBuf {
    let text = std::fs::read_to_string(kubeconfig).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    for (field, value) in more {
        config["clusters"][0]["cluster"][*field] = json!(value);
    }
    let path = folder.join(file);
    std::fs::write(&path, config.to_string()).unwrap();
    path
}

/// A proxy that leads to one address, whatever it is asked for, and keeps the requests.
#[derive(Clone)]
struct Proxy {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            requests: Arc::default(),
        };
        let server = server.trim_start_matches("https://").to_owned();
        let requests = proxy.requests.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(tunnel(client, server.clone(), requests.clone()));
            }
        });
        proxy
    }

    fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.requests.lock().unwrap())
    }
}

async fn tunnel(mut client: TcpStream, server: String, requests: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = client.read_u8().await else { return };
        head.push(byte);
    }
    requests.lock().unwrap().push(String::from_utf8(head).unwrap());
    let Ok(mut server) = TcpStream::connect(server).await else {
        return;
    };
    if client
        .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .await
        .is_ok()
    {
        let _ = copy_bidirectional(&mut client, &mut server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_form_no_proxy_has_the_api_server_of_this_machine_is_asked_directly() {
    let world = World::new("noproxy").await;
    let installation = Installation::new(&world.kubeconfig(), &[&shipped_runbook()], ENFORCE);
    let forms = [
        "127.0.0.1",
        "localhost,127.0.0.1,.svc",
        "127.0.0.0/26",
        "*",
        "localhost,127.0.0.1,",
        // A loopback address is never asked through a proxy.
        "",
    ];
    for (index, form) in forms.into_iter().enumerate() {
        // Nobody listens there.
        let variables = [("HTTPS_PROXY", "http://127.0.0.99:3128"), ("NO_PROXY", form)];
        assert!(
            kubectl(world.plane.kubeconfig(), &world.namespace, &variables).await,
            "NO_PROXY={form}"
        );
        let service = start(&installation, &variables).await;
        let gone = crash_looping(&world.namespace, &format!("gone-{index}"), "of-no-pod");
        service.notify(&notification(&[gone])).await;
        let run = service
            .until(&world.namespace, "the run to finish", |runs| {
                runs.get(index).filter(|run| run["phase"] == "finished").cloned()
            })
            .await;
        assert_eq!(outcome(&run), "suppressed(target_gone)", "NO_PROXY={form}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_is_healed_through_the_proxy_unless_the_server_is_excepted() {
    let world = World::new("proxied").await;
    let sick = world.sick_deployment("cart", 2).await;
    let proxy = Proxy::to(world.plane.url()).await;
    let folder = tempfile::tempdir().unwrap();
    let inside = changed(&world.kubeconfig(), folder.path(), "inside", &[("server", INSIDE)]);
    let admin = changed(world.plane.kubeconfig(), folder.path(), "admin", &[("server", INSIDE)]);
    let address = format!("http://me:hunter2@127.0.0.1:{}", proxy.port);
    let variables = |list| [("HTTPS_PROXY", address.as_str()), ("NO_PROXY", list)];
    let installation = Installation::new(&inside, &[&shipped_runbook()], ENFORCE);

    // Excepted: the name is looked up, and there is none. The proxy would have known the way.
    for list in [".svc", "svc:6443", "localhost,.default.svc,", "*"] {
        assert!(
            !kubectl(&admin, &world.namespace, &variables(list)).await,
            "NO_PROXY={list}"
        );
    }
    let service = start(&installation, &variables("localhost, .svc,")).await;
    service.notify(&notification(&[world.alert_about(&sick)])).await;
    service
        .until(&world.namespace, "the run to wait for the API server", |runs| {
            runs.iter()
                .find(|run| run["reason"] == "cluster_unavailable")
                .map(|_| ())
        })
        .await;
    service.kill().await;
    assert_eq!(proxy.requests(), [] as [String; 0]);

    // Not excepted, though the list is long, has blanks, and ends with a comma.
    let list = "localhost, 127.0.0.1,10.0.0.0/8,.svc.cluster.local,svc:443,";
    assert!(kubectl(&admin, &world.namespace, &variables(list)).await);
    let asked = proxy.requests();
    let service = start(&installation, &variables(list)).await;
    let runs = service.finished(&world.namespace).await;
    assert_eq!(outcome(&runs[0]), "succeeded(healthy)", "{:#}", runs[0]);
    assert_eq!(world.evictions(), [name(&sick)]);
    let log = service.log();
    service.kill().await;
    // `me:hunter2`, as kubectl sends it.
    for request in asked.iter().chain(&proxy.requests()) {
        assert!(
            request.starts_with("CONNECT kubernetes.default.svc:6443 HTTP/1.1\r\n"),
            "{request}"
        );
        let secret = request
            .lines()
            .find(|line| line.to_lowercase().starts_with("proxy-authorization:"));
        assert!(secret.unwrap().ends_with("Basic bWU6aHVudGVyMg=="), "{request}");
    }
    assert!(log.contains("HTTPS_PROXY") && !log.contains("hunter2"), "{log}");

    // The kubeconfig's own proxy is not excepted by anything.
    let plain = format!("http://127.0.0.1:{}", proxy.port);
    let own = [("server", INSIDE), ("proxy-url", plain.as_str())];
    assert!(
        kubectl(
            &changed(world.plane.kubeconfig(), folder.path(), "admin-own", &own),
            &world.namespace,
            &variables("*")
        )
        .await
    );
    assert_ne!(proxy.requests(), [] as [String; 0]);
    let installation = Installation::new(
        &changed(&world.kubeconfig(), folder.path(), "own", &own),
        &[&shipped_runbook()],
        ENFORCE,
    );
    let service = start(&installation, &variables("*")).await;
    let gone = crash_looping(&world.namespace, "gone", "of-no-pod");
    service.notify(&notification(&[gone])).await;
    let runs = service.finished(&world.namespace).await;
    assert_eq!(outcome(&runs[0]), "suppressed(target_gone)", "{:#}", runs[0]);
    assert_ne!(proxy.requests(), [] as [String; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_that_cannot_be_used_ends_the_start_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken");
    std::fs::write(&broken, "users:\n- name: me\n  user: {token: [hunter2]}\n").unwrap();
    let broken = broken.to_str().unwrap();
    let pod = ("KUBERNETES_SERVICE_HOST", "10.96.0.1");
    let context = "kubernetes: {context: prod}\n";
    let cases: [(&str, Variables<'_>, String); 5] = [
        (
            "kubernetes: {}\n",
            &[("KUBECONFIG", broken)],
            format!("the kubeconfig {broken} cannot be used: line 3, column "),
        ),
        (
            context,
            &[("KUBECONFIG", broken)],
            format!("the kubeconfig {broken} cannot be used"),
        ),
        // In a pod the usual kubeconfig has no say, and a pod's access that is broken is not replaced by it.
        (
            "kubernetes: {}\n",
            &[pod, ("KUBECONFIG", broken)],
            "KUBERNETES_SERVICE_PORT is not set".to_owned(),
        ),
        (context, &[pod], "remove kubernetes.context".to_owned()),
        (
            "kubernetes: {}\n",
            &[("HOME", "/nonexistent")],
            "there is no /nonexistent/.kube/config".to_owned(),
        ),
    ];
    for (more, variables, words) in cases {
        let installation = Installation::new(Path::new("unused"), &[&shipped_runbook()], more);
        let mut command = installation.command();
        under(&mut command, variables);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && told.contains(&words), "{words}:\n{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}
