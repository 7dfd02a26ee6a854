#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::{Cluster, deployment, ready};
use crate::kubernetes::{
    controllers::{kubelet::life, node},
    resources::{DEPLOYMENTS, NODES, REPLICA_SETS},
    world::Key,
};

fn say(story: &mut String, title: &str, lines: Vec<String>) {
    story.push_str(title);
    story.push('\n');
    for line in lines {
        story.push_str("  ");
        story.push_str(&line);
        story.push('\n');
    }
}

fn conditions(cluster: &Cluster, key: &Key) -> Vec<String> {
    let deployment = cluster.get(key);
    let conditions = deployment["status"]["conditions"].as_array().unwrap();
    conditions
        .iter()
        .map(|condition| {
            let text = |field: &str| condition[field].as_str().unwrap().to_owned();
            format!("{}={} {}", text("type"), text("status"), text("reason"))
        })
        .collect()
}

fn tell(seed: u64) -> (String, Vec<u8>) {
    let mut story = String::new();
    let cluster = Cluster::new(3, seed);
    let mut web = deployment("web", 3, &Value::Null);
    web["spec"]["progressDeadlineSeconds"] = 60.into();
    let key = cluster.make(DEPLOYMENTS, web);
    cluster.wait(30);
    say(&mut story, "A Deployment of 3 comes up", cluster.table());
    say(&mut story, "and says", conditions(&cluster, &key));

    let sick = cluster.key(&cluster.pods()[0]);
    let script = json!({"ends": {"crashes": {"after": "3s", "exitCode": 2, "log": ["no database"]}}}).to_string();
    cluster.change(&sick, |pod| {
        pod["metadata"]["annotations"][life::ANNOTATION] = script.into()
    });
    cluster.wait(120);
    say(&mut story, "One pod crashes for two minutes", cluster.table());
    cluster.delete(&sick);
    cluster.wait(40);
    say(&mut story, "It is evicted", cluster.table());

    let silent = json!({"silent": true}).to_string();
    let gone = Key::new(NODES, "", "n2");
    cluster.change(&gone, |node| {
        node["metadata"]["annotations"][node::ANNOTATION] = silent.into()
    });
    cluster.wait(70);
    say(&mut story, "A node has been silent for 70 s", cluster.table());
    cluster.wait(330);
    say(&mut story, "and for 400 s", cluster.table());
    cluster.change(&gone, |node| {
        node["metadata"]["annotations"][node::ANNOTATION] = "{}".into()
    });
    cluster.wait(60);
    say(&mut story, "It comes back", cluster.table());

    let good = cluster.get(&key)["spec"]["template"].clone();
    let never = json!({"answers": "never"}).to_string();
    cluster.change(&key, |web| {
        let template = &mut web["spec"]["template"];
        template["metadata"]["annotations"][life::ANNOTATION] = never.into();
        template["spec"]["containers"][0]["image"] = "web:2".into();
    });
    cluster.wait(90);
    let without_hash = |row: &String| row.split_once(" on ").unwrap().1.to_owned();
    say(
        &mut story,
        "A rollout sticks",
        cluster.table().iter().map(without_hash).collect(),
    );
    say(&mut story, "and says", conditions(&cluster, &key));
    cluster.change(&key, |web| web["spec"]["template"] = good);
    cluster.wait(60);
    say(&mut story, "It is rolled back", cluster.table());
    say(&mut story, "and says", conditions(&cluster, &key));
    let mut sets: Vec<String> = cluster
        .all(REPLICA_SETS)
        .iter()
        .map(|set| {
            let annotations = &set["metadata"]["annotations"];
            let revision = annotations["deployment.kubernetes.io/revision"].as_str().unwrap();
            let history = annotations["deployment.kubernetes.io/revision-history"]
                .as_str()
                .unwrap_or("-");
            format!(
                "revision {revision} before {history}: {} replicas",
                set["spec"]["replicas"]
            )
        })
        .collect();
    sets.sort();
    say(&mut story, "ReplicaSets", sets);
    assert!(cluster.pods().iter().all(ready));
    (story, cluster.dump())
}

#[test]
fn tells_the_story_of_a_bad_week() {
    let (story, _) = tell(1);
    insta::assert_snapshot!(story, @r"
    A Deployment of 3 comes up
      web-69f94f5d48 on n1: Running ready restarts=0
      web-69f94f5d48 on n2: Running ready restarts=0
      web-69f94f5d48 on n3: Running ready restarts=0
    and says
      Available=True MinimumReplicasAvailable
      Progressing=True NewReplicaSetAvailable
    One pod crashes for two minutes
      web-69f94f5d48 on n1: Error restarts=4
      web-69f94f5d48 on n2: Running ready restarts=0
      web-69f94f5d48 on n3: Running ready restarts=0
    It is evicted
      web-69f94f5d48 on n1: Running ready restarts=0
      web-69f94f5d48 on n2: Running ready restarts=0
      web-69f94f5d48 on n3: Running ready restarts=0
    A node has been silent for 70 s
      web-69f94f5d48 on n1: Running ready restarts=0
      web-69f94f5d48 on n2: Running restarts=0
      web-69f94f5d48 on n3: Running ready restarts=0
    and for 400 s
      web-69f94f5d48 on n1: Running ready restarts=0
      web-69f94f5d48 on n1: Running ready restarts=0
      web-69f94f5d48 on n2: Running restarts=0 leaving
      web-69f94f5d48 on n3: Running ready restarts=0
    It comes back
      web-69f94f5d48 on n1: Running ready restarts=0
      web-69f94f5d48 on n1: Running ready restarts=0
      web-69f94f5d48 on n3: Running ready restarts=0
    A rollout sticks
      n1: Running ready restarts=0
      n1: Running ready restarts=0
      n3: Running ready restarts=0
      n2: Running restarts=0
    and says
      Available=True MinimumReplicasAvailable
      Progressing=False ProgressDeadlineExceeded
    It is rolled back
      web-69f94f5d48 on n1: Running ready restarts=0
      web-69f94f5d48 on n1: Running ready restarts=0
      web-69f94f5d48 on n3: Running ready restarts=0
    and says
      Available=True MinimumReplicasAvailable
      Progressing=True NewReplicaSetAvailable
    ReplicaSets
      revision 2 before -: 0 replicas
      revision 3 before 1: 3 replicas
    ");
}

#[test]
fn the_same_seed_makes_the_same_bytes_and_another_seed_makes_others() {
    let (story, dump) = tell(1);
    let (again, same) = tell(1);
    let (_, other) = tell(2);
    assert_eq!(story, again);
    assert!(dump == same, "the same seed told another story");
    assert!(dump != other, "another seed told the same story");
}

#[test]
fn a_forked_cluster_goes_on_as_the_first_one_does_and_neither_knows_of_the_other() {
    let cluster = Cluster::new(3, 1);
    cluster.make(DEPLOYMENTS, deployment("web", 3, &Value::Null));
    cluster.wait(30);
    let fork = Cluster(cluster.0.fork());
    for each in [&cluster, &fork] {
        each.delete(&each.key(&each.pods()[0]));
        each.wait(60);
    }
    assert!(cluster.dump() == fork.dump(), "they went different ways");
    fork.delete(&fork.key(&fork.pods()[0]));
    let pods = cluster.table();
    fork.wait(60);
    assert_eq!(cluster.table(), pods);
    assert!(cluster.dump() != fork.dump());
}
