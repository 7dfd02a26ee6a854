//! The simulated cluster at its full size: how much memory it takes, and how much faster than real time it passes.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use futures::{FutureExt, Stream, StreamExt};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{
    Api, Client, Resource,
    api::{ListParams, WatchEvent, WatchParams},
};
use serde_json::{Value, json};
use simulated_cluster::kubernetes::{
    Simulation,
    controllers::{self, kubelet::life, node, usage},
    resources::{
        CRON_JOBS, DAEMON_SETS, DEPLOYMENTS, HORIZONTAL_POD_AUTOSCALERS, NAMESPACES, NODES, POD_DISRUPTION_BUDGETS,
        PODS, ResourceId, STATEFUL_SETS,
    },
    world::Key,
};

use super::{
    machine::{cpu_time, memory},
    table::Table,
};

const NODE_COUNT: usize = 1000;
const POD_COUNT: usize = 30_000;
/// Of 40 pods each, but for those that their autoscalers make smaller.
const DEPLOYMENT_COUNT: usize = 620;
const NAMESPACE_COUNT: usize = 50;
/// How long the story is.
const MINUTES: i64 = 30;
/// Between two looks of the client.
const STEP: SignedDuration = SignedDuration::from_secs(1);

/// How often something happens besides what goes on in the pods.
#[derive(Clone, Copy)]
struct Day {
    name: &'static str,
    /// Seconds between two rollouts.
    rollout: i64,
    /// Minutes between two nodes that go silent, each for eight minutes.
    silence: i64,
    /// Minutes until the load of what is scaled has changed.
    load: i64,
}

const ORDINARY: Day = Day {
    name: "ordinary",
    rollout: 120,
    silence: 10,
    load: 5,
};
const BAD: Day = Day {
    name: "bad",
    rollout: 20,
    silence: 1,
    load: 1,
};

const DAYS: [Day; 2] = [ORDINARY, BAD];

/// Tells the story in a process of its own, so that the memory is its own too.
pub fn measure(table: &mut Table) {
    for day in DAYS {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let output = command.args(["simulated-cluster", day.name]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        print!("{text}");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let figure = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().parse().unwrap()
        };
        let what = "simulated cluster of 1,000 nodes and 30,000 pods";
        let speed = format!("{what}, {} day: times faster than real time", day.name);
        let memory = "… highest memory (RSS)";
        if day.name == ORDINARY.name {
            table.at_least(speed, figure("speed"), 60.0, "");
            table.at_most(memory, figure("memory"), 1024.0, " MiB");
        } else {
            table.note(speed, figure("speed"), "");
            table.note(memory, figure("memory"), " MiB");
        }
        table.note("… in its slowest minute", figure("slowest"), "");
        table.note("… changes a simulated second", figure("changes"), "");
        table.note("… pods made a simulated hour", figure("made"), "");
    }
}

/// Builds the cluster, lets half an hour of such a day pass, and prints what it took.
pub fn story(day: &str) {
    let day = DAYS.into_iter().find(|known| known.name == day).expect("a day's name");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let begin = Instant::now();
        let stage = Stage::new();
        stage.build();
        let pods = stage.simulation.with(|world| world.count(PODS));
        assert!(pods >= POD_COUNT, "{pods} pods");
        println!(
            "{pods} pods on {NODE_COUNT} nodes after {:.1} s; {:.0} MiB",
            begin.elapsed().as_secs_f64(),
            memory(std::process::id(), "VmRSS")
        );
        let mut client = Watching::new(&stage.simulation).await;
        let (mut slowest, mut total) = (f64::INFINITY, Duration::ZERO);
        let before = stage.simulation.with(|world| world.revision());
        for minute in 0..MINUTES {
            let begin = cpu_time();
            for _ in 0..60 {
                stage.trouble(day);
                stage.simulation.advance(stage.simulation.now() + STEP);
                client.read().await;
            }
            let took = cpu_time() - begin;
            total += took;
            slowest = slowest.min(60.0 / took.as_secs_f64());
            println!(
                "minute {minute}: {:.0} times faster, {} pods, {:.0} MiB",
                60.0 / took.as_secs_f64(),
                stage.simulation.with(|world| world.count(PODS)),
                memory(std::process::id(), "VmRSS")
            );
        }
        let changes = stage.simulation.with(|world| world.revision()) - before;
        println!("events {}", client.seen);
        println!("made {}", client.made * 60 / MINUTES as u64);
        println!("changes {:.0}", changes as f64 / (MINUTES * 60) as f64);
        println!("speed {:.0}", (MINUTES * 60) as f64 / total.as_secs_f64());
        println!("slowest {slowest:.0}");
        println!("memory {:.0}", memory(std::process::id(), "VmHWM"));
    });
}

/// A client that watches as a health page does: all nodes and all pods.
struct Watching {
    pods: Events<Pod>,
    nodes: Events<Node>,
    seen: u64,
    /// Pods that were not there before.
    made: u64,
}

type Events<K> = std::pin::Pin<Box<dyn Stream<Item = kube::Result<WatchEvent<K>>> + Send>>;

impl Watching {
    async fn new(simulation: &Simulation) -> Self {
        let client = Client::new(simulation.service(), "default");
        Self {
            pods: watch(Api::all(client.clone())).await,
            nodes: watch(Api::all(client)).await,
            seen: 0,
            made: 0,
        }
    }

    /// Reads what has come.
    async fn read(&mut self) {
        loop {
            let mut quiet = true;
            while let Some(Some(event)) = self.pods.next().now_or_never() {
                self.made += u64::from(matches!(event.unwrap(), WatchEvent::Added(_)));
                (self.seen, quiet) = (self.seen + 1, false);
            }
            while let Some(Some(event)) = self.nodes.next().now_or_never() {
                event.unwrap();
                (self.seen, quiet) = (self.seen + 1, false);
            }
            if quiet {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}

async fn watch<K>(api: Api<K>) -> Events<K>
where
    K: Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + 'static,
{
    let mut parameters = ListParams::default().limit(500);
    let version = loop {
        let part = api.list_metadata(&parameters).await.unwrap();
        match part.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => parameters = parameters.continue_token(&token),
            None => break part.metadata.resource_version.unwrap(),
        }
    };
    api.watch(&WatchParams::default(), &version).await.unwrap().boxed()
}

/// A cluster and what happens in it.
struct Stage {
    simulation: Simulation,
}

impl Stage {
    fn new() -> Self {
        let start: Timestamp = "2026-11-24T10:00:00Z".parse().unwrap();
        Self {
            simulation: controllers::start(start, 7),
        }
    }

    fn make(&self, resource: ResourceId, object: Value) {
        self.simulation
            .with(|world| world.create(resource, object, "bench").unwrap());
    }

    fn pass(&self, time: SignedDuration) {
        self.simulation.advance(self.simulation.now() + time);
    }

    /// 4,000 pods of DaemonSets, 2,000 of StatefulSets, 24,800 of Deployments, of which one in a hundred crashes; budgets,
    /// autoscalers and CronJobs.
    fn build(&self) {
        for number in 0..NODE_COUNT {
            let zone = ["a", "b", "c"][number % 3];
            self.make(
                NODES,
                node::node(&format!("node-{number:04}"), zone, ("16", "64Gi", 110)),
            );
        }
        for number in 0..NAMESPACE_COUNT {
            self.make(NAMESPACES, json!({"metadata": {"name": format!("team-{number:02}")}}));
        }
        self.pass(SignedDuration::from_secs(30));
        for number in 0..4 {
            let name = format!("agent-{number}");
            let set = json!({"metadata": {"name": name, "namespace": "kube-system"}, "spec": {
                "selector": {"matchLabels": {"app": name}}, "template": template(&name, &Value::Null),
            }});
            self.make(DAEMON_SETS, set);
        }
        for number in 0..100 {
            let name = format!("store-{number:03}");
            let set = json!({"metadata": {"name": name, "namespace": team(number)}, "spec": {
                "replicas": 20, "serviceName": name, "podManagementPolicy": "Parallel",
                "selector": {"matchLabels": {"app": name}}, "template": template(&name, &Value::Null),
            }});
            self.make(STATEFUL_SETS, set);
        }
        for number in 0..DEPLOYMENT_COUNT {
            self.make(DEPLOYMENTS, deployment(number));
            if number % 6 == 0 {
                let budget = json!({"metadata": {"name": web(number), "namespace": team(number)}, "spec": {
                    "maxUnavailable": "10%", "selector": {"matchLabels": {"app": web(number)}},
                }});
                self.make(POD_DISRUPTION_BUDGETS, budget);
            }
            if number % 30 == 1 {
                self.make(HORIZONTAL_POD_AUTOSCALERS, autoscaler(number));
            }
            if number % 60 == 2 {
                self.make(CRON_JOBS, cron_job(number));
            }
        }
        // 200 pods a second are scheduled.
        self.pass(SignedDuration::from_mins(5));
    }

    /// What happens in a second.
    fn trouble(&self, day: Day) {
        let second = self.simulation.now().as_second();
        let round = usize::try_from(second / day.rollout).unwrap();
        if second % day.rollout == 0 {
            let number = round % DEPLOYMENT_COUNT;
            let key = Key::new(DEPLOYMENTS, &team(number), &web(number));
            let image = format!("registry.example.com/{}:{second}", web(number));
            self.change(&key, |deployment| {
                deployment["spec"]["template"]["spec"]["containers"][0]["image"] = image.into();
            });
        }
        if second % 60 == 10 {
            let minute = second / 60;
            for (minute, silent) in [(minute, true), (minute - 8, false)] {
                if minute % day.silence == 0 {
                    self.silence(usize::try_from(minute).unwrap() * 7, silent);
                }
            }
        }
        if second % (60 * day.load) == 30 {
            for number in (1..DEPLOYMENT_COUNT).step_by(30) {
                let key = Key::new(DEPLOYMENTS, &team(number), &web(number));
                let load = format!(
                    "{}",
                    4 + (second / (60 * day.load) + i64::try_from(number).unwrap()) % 9
                );
                self.change(&key, |deployment| {
                    deployment["metadata"]["annotations"][usage::LOAD] = load.into();
                });
            }
        }
    }

    fn silence(&self, number: usize, silent: bool) {
        let key = Key::new(NODES, "", &format!("node-{:04}", number % NODE_COUNT));
        let script = json!({"silent": silent}).to_string();
        self.change(&key, |node| {
            node["metadata"]["annotations"][node::ANNOTATION] = script.into();
        });
    }

    fn change(&self, key: &Key, change: impl FnOnce(&mut Value)) {
        self.simulation
            .with(|world| world.update(key, "bench", change).unwrap());
    }
}

fn team(number: usize) -> String {
    format!("team-{:02}", number % NAMESPACE_COUNT)
}

fn web(number: usize) -> String {
    format!("web-{number:03}")
}

/// A template as people write them: two containers, probes, variables, volumes.
fn template(app: &str, script: &Value) -> Value {
    let variables: Vec<Value> = (0..6)
        .map(|number| json!({"name": format!("SETTING_{number}"), "value": format!("value-{number}")}))
        .collect();
    let mut template = json!({
        "metadata": {"labels": {"app": app, "app.kubernetes.io/name": app, "app.kubernetes.io/part-of": "shop"}},
        "spec": {
            "terminationGracePeriodSeconds": 30,
            "containers": [
                {
                    "name": "app",
                    "image": format!("registry.example.com/{app}:1"),
                    "env": variables,
                    "ports": [{"containerPort": 8080, "name": "http"}],
                    "resources": {"requests": {"cpu": "200m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}},
                    "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 10},
                    "livenessProbe": {"httpGet": {"path": "/live", "port": 8080}, "periodSeconds": 20},
                    "volumeMounts": [{"name": "settings", "mountPath": "/etc/settings"}],
                },
                {
                    "name": "proxy",
                    "image": "registry.example.com/proxy:3",
                    "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
                },
            ],
            "volumes": [{"name": "settings", "configMap": {"name": "settings"}}],
        },
    });
    if !script.is_null() {
        template["metadata"]["annotations"][life::ANNOTATION] = script.to_string().into();
    }
    template
}

fn deployment(number: usize) -> Value {
    let name = web(number);
    // The pods of six Deployments crash, and those of six others flap.
    let script = match number {
        _ if number % 100 == 3 => json!({"ends": {"crashes": {"after": "20s", "log": ["no database", "giving up"]}}}),
        _ if number % 100 == 4 => json!({"answers": {"flaps": {"up": "90s", "down": "30s"}}}),
        _ => Value::Null,
    };
    // What is scaled has about as much to do as its pods can.
    let annotations = if number % 30 == 1 {
        json!({usage::LOAD: "6"})
    } else {
        json!({})
    };
    json!({
        "metadata": {"name": name, "namespace": team(number), "annotations": annotations},
        "spec": {
            "replicas": 40,
            "selector": {"matchLabels": {"app": name}},
            "template": template(&name, &script),
        },
    })
}

fn autoscaler(number: usize) -> Value {
    json!({
        "metadata": {"name": web(number), "namespace": team(number)},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": web(number)},
            "minReplicas": 20,
            "maxReplicas": 60,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}}],
        },
    })
}

fn cron_job(number: usize) -> Value {
    let mut template = template("report", &json!({"ends": {"completes": {"after": "40s"}}}));
    template["spec"]["restartPolicy"] = "Never".into();
    json!({
        "metadata": {"name": format!("report-{number:03}"), "namespace": team(number)},
        "spec": {"schedule": "*/2 * * * *", "jobTemplate": {"spec": {"template": template}}},
    })
}
