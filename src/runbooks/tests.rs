#![allow(clippy::unwrap_used)]

use std::{fs, os::unix::fs::symlink};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::*;
use crate::{cel::Variables, render::RenderError};

/// A runbook that matches what it is told to.
fn text(name: &str, matchers: &str, more: &str) -> String {
    format!(
        "apiVersion: selfhealer.dev/v1alpha1\nkind: Runbook\nmetadata: {{name: {name}}}\nspec:\n  match: [{matchers}]\n  \
         target: {{apiVersion: v1, kind: Pod, namespace: \"{{{{labels.namespace}}}}\", name: \"{{{{labels.pod}}}}\"}}\n  \
         steps: [{{evict: {{}}}}]\n{more}"
    )
}

fn set(runbooks: &[(&str, &str, &str)]) -> RunbookSet {
    RunbookSet::new(
        runbooks
            .iter()
            .map(|(name, matchers, more)| Arc::new(Compiled::parse(&text(name, matchers, more)).unwrap())),
    )
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn names(set: &RunbookSet, pairs: &[(&str, &str)]) -> Vec<String> {
    set.matching(&labels(pairs))
        .map(|compiled| compiled.runbook.name.clone())
        .collect()
}

fn write(directory: &TempDir, file: &str, text: &str) {
    let path = directory.path().join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// The findings, with paths relative to the directory.
fn told(directory: &TempDir, loaded: &Loaded) -> Vec<String> {
    let prefix = format!("{}/", directory.path().display());
    let one = |problem: &Diagnostic| {
        problem
            .to_string()
            .replace(&prefix, "")
            .replace(prefix.trim_end_matches('/'), ".")
    };
    loaded.problems.iter().map(one).collect()
}

#[test]
fn runbooks_are_tried_by_priority_and_then_by_name() {
    let set = set(&[
        ("zebra", "alertname = A", ""),
        ("bear", "alertname =~ \"A|B\"", ""),
        ("first", "namespace = shop", "  priority: -1\n"),
        ("last", "alertname = A", "  priority: 1\n"),
        ("ant", "alertname =~ \"A.*\"", ""),
        ("other", "alertname = B", ""),
    ]);
    assert_eq!(
        names(&set, &[("alertname", "A"), ("namespace", "shop")]),
        ["first", "ant", "bear", "zebra", "last"]
    );
    assert_eq!(names(&set, &[("alertname", "B")]), ["bear", "other"]);
    assert_eq!(names(&set, &[("alertname", "AA"), ("namespace", "x")]), ["ant"]);
    assert_eq!(names(&set, &[("namespace", "shop")]), ["first"]);
    assert_eq!(names(&set, &[]), [""; 0]);
    assert_eq!(set.len(), 6);
    assert_eq!(set.get("bear").unwrap().runbook.name, "bear");
    assert!(set.get("nosuch").is_none());
}

#[test]
fn of_two_with_the_same_name_the_first_stays() {
    let set = set(&[
        ("a", "alertname = A", "  priority: 9\n"),
        ("b", "alertname = A", "  priority: 5\n"),
        ("a", "alertname = B", "  priority: 1\n"),
    ]);
    assert_eq!(names(&set, &[("alertname", "A")]), ["b", "a"]);
    assert_eq!(names(&set, &[("alertname", "B")]), [""; 0]);
    assert_eq!(set.get("a").unwrap().runbook.priority, 9);
    assert_eq!(set.len(), 2);
}

#[test]
fn the_index_finds_what_asking_every_runbook_finds() {
    let set = set(&[
        ("a", "alertname = A", ""),
        ("b", "alertname =~ \"A|B|A\"", ""),
        ("c", "alertname != A, namespace = x", ""),
        ("d", "alertname =~ \"(A|B)\"", ""),
        ("e", "alertname = \"\", namespace = x", ""),
        ("f", "alertname =~ \"|C\", namespace = x", ""),
        ("g", "namespace =~ \"x|y\"", ""),
    ]);
    for alertname in [None, Some("A"), Some("B"), Some("C"), Some("D"), Some("")] {
        for namespace in [None, Some("x"), Some("y")] {
            let mut all = BTreeMap::new();
            all.extend(alertname.map(|name| ("alertname".to_owned(), name.to_owned())));
            all.extend(namespace.map(|name| ("namespace".to_owned(), name.to_owned())));
            let asked: Vec<&str> = set
                .iter()
                .filter(|compiled| compiled.matches(&all))
                .map(|compiled| compiled.runbook.name.as_str())
                .collect();
            let found: Vec<&str> = set
                .matching(&all)
                .map(|compiled| compiled.runbook.name.as_str())
                .collect();
            assert_eq!(found, asked, "{all:?}");
        }
    }
}

#[test]
fn what_an_alert_costs_does_not_grow_with_the_number_of_runbooks() {
    let sized = |count: usize| {
        let texts: Vec<(String, String)> = (0..count)
            .map(|n| (format!("r{n}"), format!("alertname = A{n}")))
            .collect();
        let runbooks: Vec<(&str, &str, &str)> = texts
            .iter()
            .map(|(name, matcher)| (name.as_str(), matcher.as_str(), ""))
            .collect();
        set(&runbooks)
    };
    let (few, many) = (sized(10), sized(300));
    let alert = labels(&[("alertname", "A7"), ("namespace", "shop"), ("pod", "web-1")]);
    // Counted rather than timed: how many runbooks are asked.
    let asked = |set: &RunbookSet| set.by_alertname["A7"].len() + set.others.len();
    assert_eq!((asked(&few), asked(&many)), (1, 1));
    assert_eq!(few.matching(&alert).count(), many.matching(&alert).count());
}

#[test]
fn a_mounted_configmap_is_read_once() {
    let directory = tempfile::tempdir().unwrap();
    write(&directory, "..2026_01_01/a.yaml", &text("a", "alertname = A", ""));
    write(&directory, "..2026_01_01/b.yml", &text("b", "alertname = B", ""));
    write(&directory, "..2026_01_01/notes.txt", "not ours");
    symlink("..2026_01_01", directory.path().join("..data")).unwrap();
    for file in ["a.yaml", "b.yml", "notes.txt"] {
        symlink(format!("..data/{file}"), directory.path().join(file)).unwrap();
    }
    let loaded = RunbookSet::load(&[directory.path().to_owned(), directory.path().join("a.yaml")]);
    assert_eq!(told(&directory, &loaded), [""; 0]);
    let found: Vec<&str> = loaded
        .set
        .iter()
        .map(|compiled| compiled.runbook.name.as_str())
        .collect();
    assert_eq!(found, ["a", "b"]);
}

#[test]
fn directories_are_read_in_order_and_in_depth_but_not_in_circles() {
    let directory = tempfile::tempdir().unwrap();
    write(&directory, "team/deep/z.yaml", &text("z", "alertname = Z", ""));
    write(
        &directory,
        "a.yaml",
        &format!(
            "{}---\n{}",
            text("a", "alertname = A", ""),
            text("b", "alertname = B", "")
        ),
    );
    write(&directory, ".hidden/x.yaml", "broken: [");
    write(&directory, "a.yaml.bak", "broken: [");
    symlink(directory.path(), directory.path().join("team/circle")).unwrap();
    let loaded = RunbookSet::load(&[directory.path().to_owned()]);
    assert_eq!(told(&directory, &loaded), [""; 0]);
    assert_eq!(loaded.set.len(), 3);
    assert_eq!(loaded.set.get("b").unwrap().line, 9);
}

#[test]
fn a_broken_file_keeps_out_its_own_runbooks_only() {
    let directory = tempfile::tempdir().unwrap();
    write(&directory, "good.yaml", &text("good", "alertname = A", ""));
    write(
        &directory,
        "bad.yaml",
        &format!(
            "{}---\n{}",
            text("half", "alertname = A", ""),
            text("bad", "alertname == A", "")
        ),
    );
    fs::write(directory.path().join("binary.yaml"), b"a: \xff").unwrap();
    let loaded = RunbookSet::load(&[directory.path().to_owned()]);
    assert_eq!(
        told(&directory, &loaded),
        [
            "bad.yaml:13:11: `==` is not an operator: write = for equality",
            "binary.yaml:1:4: the file is not UTF-8 text (save it as UTF-8)",
        ]
    );
    assert_eq!(
        loaded.broken_files,
        [directory.path().join("bad.yaml"), directory.path().join("binary.yaml")]
    );
    assert_eq!(
        loaded
            .set
            .iter()
            .map(|compiled| compiled.runbook.name.as_str())
            .collect::<Vec<_>>(),
        ["good"]
    );
}

#[test]
fn of_two_runbooks_with_one_name_neither_is_used() {
    let directory = tempfile::tempdir().unwrap();
    write(&directory, "a.yaml", &text("same", "alertname = A", ""));
    write(
        &directory,
        "b.yaml",
        &format!("# second\n{}", text("same", "alertname = B", "")),
    );
    write(&directory, "c.yaml", &text("other", "alertname = C", ""));
    let loaded = RunbookSet::load(&[directory.path().to_owned()]);
    assert_eq!(
        told(&directory, &loaded),
        [
            "a.yaml:1:1: there are 2 runbooks `same` (rename or remove one; another is in b.yaml:1)",
            "b.yaml:1:1: there are 2 runbooks `same` (rename or remove one; another is in a.yaml:1)",
        ]
    );
    assert_eq!(loaded.broken_files.len(), 2);
    assert_eq!(
        loaded
            .set
            .iter()
            .map(|compiled| compiled.runbook.name.as_str())
            .collect::<Vec<_>>(),
        ["other"]
    );
}

#[test]
fn places_without_runbooks_are_told() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("empty")).unwrap();
    let loaded = RunbookSet::load(&[directory.path().join("empty"), directory.path().join("nosuch")]);
    assert_eq!(
        told(&directory, &loaded),
        [
            "empty: there are no runbooks in this directory (their files end in .yaml or .yml)",
            "nosuch: cannot be read: No such file or directory (os error 2)",
        ]
    );
    assert!(loaded.set.is_empty());
    assert!(!loaded.problems[0].is_error() && loaded.problems[1].is_error());
}

#[test]
fn a_stored_version_is_read_as_the_same_runbook() {
    let directory = tempfile::tempdir().unwrap();
    let both = format!(
        "# header\n---\n{}\n---\n{}",
        text("a", "alertname = A", ""),
        text("b", "alertname = B", "")
    );
    write(&directory, "a.yaml", &both);
    let set = RunbookSet::load(&[directory.path().to_owned()]).set;
    for compiled in set.iter() {
        let again = Compiled::parse(&compiled.source).unwrap();
        assert_eq!(
            (&again.version, &again.runbook.name),
            (&compiled.version, &compiled.runbook.name)
        );
    }
    assert!(Compiled::parse("").is_err());
    assert!(Compiled::parse(&both).is_err());
    assert!(Compiled::parse("kind: Runbook").is_err());
}

// === the runbook that we ship ===

fn shipped() -> Compiled {
    Compiled::parse(include_str!("../../runbooks/crash-looping-pod.yaml")).unwrap()
}

fn now() -> Timestamp {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

fn holds(compiled: &Compiled, target: &Json, root: &Json) -> Vec<bool> {
    let nothing = BTreeMap::new();
    let variables = Variables::new(Some(target), Some(root), &nothing, &nothing, now());
    compiled
        .conditions
        .iter()
        .map(|condition| condition.evaluate(&variables).unwrap())
        .collect()
}

#[test]
fn the_crash_looping_pod_is_found_by_its_alert() {
    let set = RunbookSet::new([Arc::new(shipped())]);
    let alert = [
        ("alertname", "SelfhealerPodCrashLooping"),
        ("namespace", "shop"),
        ("pod", "web-1"),
        ("uid", "u"),
    ];
    assert_eq!(names(&set, &alert), ["crash-looping-pod"]);
    assert_eq!(
        names(
            &set,
            &[("alertname", "SelfhealerPodCrashLooping"), ("namespace", "kube-system")]
        ),
        [""; 0]
    );
    let compiled = set.get("crash-looping-pod").unwrap();
    let (labels, none) = (labels(&alert), BTreeMap::new());
    assert_eq!(
        compiled.namespace.as_ref().unwrap().render(&labels, &none).unwrap(),
        "shop"
    );
    assert_eq!(compiled.name.render(&labels, &none).unwrap(), "web-1");
    assert_eq!(
        compiled.name.render(&none, &none).unwrap_err(),
        RenderError::MissingValue {
            path: "labels.pod".to_owned()
        }
    );
}

#[test]
fn the_crash_looping_pod_is_evicted_only_if_a_sibling_works() {
    let compiled = shipped();
    let ended = |seconds: i64| {
        let finished = now() - SignedDuration::from_secs(seconds);
        json!({"terminated": {"exitCode": 3, "finishedAt": finished.to_string()}})
    };
    let web = |state: Json, restarts: i64| json!({"name": "web", "restartCount": restarts, "ready": false, "state": state, "lastState": ended(60)});
    let side = json!({"name": "side", "restartCount": 0, "ready": true, "state": {"running": {}}});
    let pod = |state: Json, restarts: i64| json!({"status": {"containerStatuses": [side, web(state, restarts)]}});
    let sidecar =
        |state: Json| json!({"status": {"initContainerStatuses": [web(state, 3)], "containerStatuses": [side]}});
    let mut serving = pod(json!({"running": {}}), 9);
    serving["status"]["containerStatuses"][1]["ready"] = true.into();
    let mut no_image = pod(json!({"waiting": {"reason": "ImagePullBackOff"}}), 9);
    no_image["status"]["containerStatuses"][1]["lastState"] = ended(3600);
    let waiting = json!({"waiting": {"reason": "CrashLoopBackOff"}});
    let crashing = pod(waiting.clone(), 3);
    let deployment = |ready: Json| json!({"kind": "Deployment", "status": ready});

    for (target, root, expected) in [
        (&crashing, deployment(json!({"readyReplicas": 1})), [true, true]),
        (&crashing, deployment(json!({"numberReady": 2})), [true, true]),
        // Absent when there are none.
        (&crashing, deployment(json!({"replicas": 3})), [true, false]),
        (&crashing, json!({"kind": "Job"}), [true, false]),
        (&pod(waiting, 2), deployment(json!({"readyReplicas": 1})), [false, true]),
        // Most of the time between two lives it has just ended; what ended long ago does not restart.
        (&pod(ended(5), 3), deployment(json!({"readyReplicas": 1})), [true, true]),
        (
            &pod(ended(700), 3),
            deployment(json!({"readyReplicas": 1})),
            [false, true],
        ),
        (
            &sidecar(ended(5)),
            deployment(json!({"readyReplicas": 1})),
            [true, true],
        ),
        (
            &sidecar(json!({"running": {}})),
            deployment(json!({"readyReplicas": 1})),
            [true, true],
        ),
        // It runs, and is not ready yet.
        (
            &pod(json!({"running": {}}), 9),
            deployment(json!({"readyReplicas": 1})),
            [true, true],
        ),
        // It runs and serves, however often it crashed.
        (&serving, deployment(json!({"readyReplicas": 1})), [false, true]),
        // Its image is gone, long after it crashed.
        (&no_image, deployment(json!({"readyReplicas": 1})), [false, true]),
        // A pod that no kubelet has taken yet.
        (
            &json!({"status": {"phase": "Pending"}}),
            deployment(json!({"readyReplicas": 1})),
            [false, true],
        ),
    ] {
        assert_eq!(holds(&compiled, target, &root), expected, "{target} {root}");
    }
}
