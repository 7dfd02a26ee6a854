//! The files that users deploy, checked by the tools that will read them.

use std::{path::PathBuf, process::Command};

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
