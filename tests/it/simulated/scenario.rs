//! What a scenario is made of.

use std::time::Duration;

use jiff::Timestamp;
use selfhealer::domain::runbook::Mode;
use serde_json::{Value, json};

use super::{
    cluster::{Cluster, SHOP, name, uid},
    process::Settings,
};
use crate::webhook::alert;

/// A cluster in trouble, and what happens then, by the second.
pub struct Scenario {
    pub name: &'static str,
    pub settings: Settings,
    /// Everything before the story begins.
    pub cluster: fn(&Cluster),
    pub script: Vec<(u64, Act)>,
    /// Several runs find that they have one root, and the first of them takes the alerts of the others.
    pub crowd: bool,
}

/// Something that others do.
pub enum Act {
    /// Alertmanager posts these alerts, until it is answered.
    Post(fn(&Cluster, Timestamp) -> Vec<Value>),
    /// Something changes in the cluster.
    Change(fn(&Cluster)),
    /// Somebody pauses everything.
    Pause,
    /// Somebody ends all pauses.
    Resume,
    /// Somebody cancels every run that is open.
    Cancel,
}

/// A scenario with the shipped runbook, enforced at once, that is sure of its success sooner.
pub fn scenario(name: &'static str, cluster: fn(&Cluster), script: Vec<(u64, Act)>) -> Scenario {
    let shipped = include_str!("../../../runbooks/crash-looping-pod.yaml");
    let runbook = shipped.replace("stableFor: 1m", "stableFor: 10s");
    assert_ne!(runbook, shipped, "the runbook has changed; adapt this test");
    Scenario {
        name,
        settings: Settings {
            runbook,
            mode: Mode::Enforce,
            settle: Duration::ZERO,
            protected: vec!["kube-system".to_owned()],
            slack: false,
        },
        cluster,
        script,
        crowd: false,
    }
}

impl Scenario {
    pub fn crowd(mut self) -> Self {
        self.crowd = true;
        self
    }

    /// People read of it in Slack, with the evidence.
    pub fn in_slack(mut self) -> Self {
        let shares = self.settings.runbook.replace("yaml: true}", "yaml: true, share: true}");
        assert_ne!(
            shares, self.settings.runbook,
            "the runbook has changed; adapt this test"
        );
        self.settings.runbook = shares;
        self.settings.slack = true;
        self
    }

    pub fn mode(mut self, mode: Mode) -> Self {
        self.settings.mode = mode;
        self
    }

    /// Runs wait for their crowd.
    pub fn settle(mut self, seconds: u64) -> Self {
        self.settings.settle = Duration::from_secs(seconds);
        self
    }

    pub fn runbook(mut self, runbook: &str) -> Self {
        self.settings.runbook = runbook.to_owned();
        self
    }

    /// Verification gives up sooner.
    pub fn impatient(self) -> Self {
        self.verifying_for("20s")
    }

    pub fn verifying_for(mut self, within: &str) -> Self {
        assert!(self.settings.runbook.contains("within: 10m"), "the runbook has changed");
        let within = format!("within: {within}");
        self.settings.runbook = self.settings.runbook.replace("within: 10m", &within);
        self
    }

    /// Other limits than the shipped ones.
    pub fn limits(mut self, limits: &str) -> Self {
        let shipped = "cooldown: 30m\n    maxAttempts: 1\n    rate: 4/1d\n";
        assert!(self.settings.runbook.contains(shipped), "the runbook has changed");
        self.settings.runbook = self.settings.runbook.replace(shipped, limits);
        self
    }

    pub fn protecting(mut self, namespace: &str) -> Self {
        self.settings.protected.push(namespace.to_owned());
        self
    }
}

/// The alert about a pod, as the shipped rule makes it.
pub fn about(pod: &Value, now: Timestamp) -> Value {
    let labels = [
        ("alertname", "SelfhealerPodCrashLooping"),
        ("container", "app"),
        ("namespace", SHOP),
        ("pod", name(pod)),
        ("severity", "warning"),
        ("uid", uid(pod)),
    ];
    firing(&labels, now)
}

/// An alert that fires since now.
pub fn firing(labels: &[(&str, &str)], now: Timestamp) -> Value {
    alert("firing", labels, &now.to_string(), "0001-01-01T00:00:00Z")
}

/// The same alert, ended.
pub fn resolved(firing: &Value, now: Timestamp) -> Value {
    let mut alert = firing.clone();
    alert["status"] = json!("resolved");
    alert["endsAt"] = json!(now.to_string());
    alert
}
