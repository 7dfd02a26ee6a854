//! The files that users deploy, checked by the tools that will read them.

use std::{collections::BTreeMap, path::PathBuf, process::Command};

use serde_json::Value;
use test_cluster::{Tool, tool};

fn root(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn succeeds(tool_: Tool, arguments: &[&str]) -> String {
    let output = Command::new(tool(tool_).unwrap())
        .args(arguments)
        .current_dir(root("."))
        .output()
        .unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{arguments:?}: {text}");
    text
}

#[test]
fn promtool_accepts_the_rules_and_their_tests_pass() {
    succeeds(Tool::Promtool, &["check", "rules", "rules/pods.yaml"]);
    succeeds(Tool::Promtool, &["test", "rules", "rules/pods.test.yaml"]);
}

#[test]
fn amtool_routes_our_alerts_to_selfhealer_and_to_people_and_others_only_to_people() {
    let config = "--config.file=alertmanager/alertmanager.yaml";
    succeeds(Tool::Amtool, &["check-config", "alertmanager/alertmanager.yaml"]);
    let ours = [
        "config",
        "routes",
        "test",
        config,
        "--verify.receivers=selfhealer,people",
    ];
    succeeds(
        Tool::Amtool,
        &[&ours[..], &["alertname=SelfhealerPodCrashLooping", "namespace=shop"]].concat(),
    );
    let others = ["config", "routes", "test", config, "--verify.receivers=people"];
    succeeds(
        Tool::Amtool,
        &[&others[..], &["alertname=KubePodCrashLooping", "namespace=shop"]].concat(),
    );
}

#[test]
fn the_shipped_runbooks_pass_check() {
    let output = Command::new(env!("CARGO_BIN_EXE_selfhealer"))
        .args(["check", "runbooks"])
        .current_dir(root("."))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The manifests carry a copy of each shipped runbook, since `kubectl apply -f` reads nothing else.
#[test]
fn the_manifests_have_the_shipped_runbooks_and_this_version() {
    let text = std::fs::read_to_string(root("deploy/selfhealer.yaml")).unwrap();
    let documents: Vec<Value> = text
        .split("\n---\n")
        .map(|document| serde_saphyr::from_str(document).unwrap())
        .collect();
    let object = |kind: &str, name: &str| {
        let mut found = documents.iter().filter(|document| document["kind"] == kind);
        found.find(|document| document["metadata"]["name"] == name).unwrap()
    };
    let shipped: BTreeMap<String, String> = std::fs::read_dir(root("runbooks"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    let carried: BTreeMap<String, String> =
        serde_json::from_value(object("ConfigMap", "selfhealer-runbooks")["data"].clone()).unwrap();
    assert!(
        carried == shipped,
        "deploy/selfhealer.yaml has other runbooks than runbooks/: copy them"
    );
    let image = &object("Deployment", "selfhealer")["spec"]["template"]["spec"]["containers"][0]["image"];
    assert_eq!(*image, format!("localhost/selfhealer:{}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn check_shows_where_an_error_is_and_exits_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broken.yaml");
    let text = std::fs::read_to_string(root("runbooks/crash-looping-pod.yaml")).unwrap();
    std::fs::write(&file, text.replace("  target:", "  tarjet:")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_selfhealer"))
        .arg("check")
        .arg(&file)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("broken.yaml:") && told.contains("target"), "{told}");
}

#[test]
fn render_shows_the_messages_of_the_shipped_runbook() {
    let payload = crate::webhook::notification(&[crate::webhook::alert(
        "firing",
        &[
            ("alertname", "SelfhealerPodCrashLooping"),
            ("namespace", "shop"),
            ("pod", "cart-7d4f"),
            ("uid", "u1"),
        ],
        "2026-03-01T03:12:00Z",
        "0001-01-01T00:00:00Z",
    )]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notification.json");
    std::fs::write(&file, payload.to_string()).unwrap();
    let render = |more: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_selfhealer"));
        command
            .args(["render", "runbooks/crash-looping-pod.yaml", "--payload"])
            .arg(&file);
        command
            .args(more)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap()
    };
    let text = String::from_utf8(render(&[]).stdout).unwrap();
    for words in [
        "Healing Pod shop/cart-7d4f",
        "Checking whether Pod shop/cart-7d4f healed",
        "Healed Pod shop/cart-7d4f",
        "Not healed: Pod shop/cart-7d4f",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let json = render(&["--moment", "failed", "--format", "json"]).stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json[0]["slack"]["blocks"][0]["type"], "header");
    std::fs::write(&file, "{\"version\": \"4\", \"alerts\": []}").unwrap();
    let nothing = render(&[]);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("no runbook matches"));
}
