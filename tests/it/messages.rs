//! What Slack shows of a run on a real control plane, whatever happens to the process while it is told.

use std::sync::Arc;

use jiff::Timestamp;
use selfhealer::failpoint::Failpoint;
use simulated_cluster::{
    faults::{Fault, Rule},
    serve::Server,
    slack::{Message, Slack},
};

use tempfile::TempDir;

use crate::{
    path::{ENFORCE, shipped_runbook},
    service::{Installation, Service, outcome},
    webhook::notification,
    workload::{World, name},
};

const CHANNEL: &str = "#healing";

struct Workspace {
    slack: Slack,
    server: Server,
    folder: TempDir,
}

impl Workspace {
    async fn new() -> Self {
        let slack = Slack::new(Arc::new(Timestamp::now));
        let server = slack.serve().await.unwrap();
        let token = slack.install_app("selfhealer", &["chat:write", "files:write", "channels:history"]);
        let id = slack.add_channel(CHANNEL);
        slack.invite(&token, &id);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), token).unwrap();
        Self { slack, server, folder }
    }

    fn install(&self, world: &World) -> Installation {
        let more = format!(
            "{ENFORCE}slack: {{tokenFile: '{}/token', channel: '{CHANNEL}', apiUrl: '{}/api/'}}\n",
            self.folder.path().display(),
            self.server.url()
        );
        // With the evidence, which the shipped runbook leaves in the journal.
        let runbook = shipped_runbook();
        let shares = runbook.replace("yaml: true}", "yaml: true, share: true}");
        assert_ne!(shares, runbook, "the runbook has changed; adapt this test");
        Installation::new(&world.kubeconfig(), &[&shares], &more)
    }

    /// Messages about runs, without their replies.
    fn messages(&self) -> Vec<Message> {
        let all = self.slack.messages(CHANNEL);
        all.into_iter().filter(|message| !message.is_reply()).collect()
    }

    /// Waits until every message tells the end.
    async fn told(&self, world: &World, service: &Service) -> Vec<Message> {
        world
            .wait("the channel to tell the end", async || {
                let messages = self.messages();
                let told = messages.iter().any(|message| message.text.contains("Healed"));
                assert!(
                    messages.len() <= 2,
                    "{}\n{}",
                    self.slack.channel_as_text(CHANNEL),
                    service.log()
                );
                told.then_some(messages)
            })
            .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_one_message_with_its_evidence_in_the_thread() {
    let world = World::new("told").await;
    let workspace = Workspace::new().await;
    let sick = world.sick_deployment("cart", 3).await;
    let installation = workspace.install(&world);
    let service = installation.start().await;
    service.notify(&notification(&[world.alert_about(&sick)])).await;
    let messages = workspace.told(&world, &service).await;
    let [message] = messages.as_slice() else {
        panic!("{}", workspace.slack.channel_as_text(CHANNEL))
    };
    assert!(message.text.contains(name(&sick)), "{}", message.text);
    let evidence = world
        .wait("the evidence", async || {
            let replies = workspace.slack.replies(CHANNEL, &message.ts);
            (!replies.is_empty()).then_some(replies)
        })
        .await;
    assert_eq!(evidence.len(), 1);
    assert_eq!(workspace.slack.mentions(CHANNEL), []);
    let refused: Vec<_> = workspace
        .slack
        .calls()
        .into_iter()
        .filter(|call| call.refused.is_some())
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
    assert!(
        service
            .metrics()
            .await
            .contains("selfhealer_messages_total{sink=\"slack\",result=\"told\"}")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_slack_delays_no_run() {
    let world = World::new("mute").await;
    let workspace = Workspace::new().await;
    workspace.slack.faults().add(Rule::always(Fault::Held));
    let sick = world.sick_deployment("cart", 3).await;
    let installation = workspace.install(&world);
    let service = installation.start().await;
    service.notify(&notification(&[world.alert_about(&sick)])).await;
    let runs = service.finished(&world.namespace).await;
    assert_eq!(outcome(&runs[0]), "succeeded(healthy)");
    assert_eq!(workspace.messages(), []);
    workspace.slack.faults().clear();
    workspace.slack.faults().release();
    workspace.told(&world, &service).await;
}

async fn survives(point: Failpoint) {
    let world = World::new("undelivered").await;
    let workspace = Workspace::new().await;
    let sick = world.sick_deployment("cart", 3).await;
    let installation = workspace.install(&world);
    let mut service = installation.start_crashing_at(point.name()).await;
    service
        .post_quietly("/alertmanager", &notification(&[world.alert_about(&sick)]))
        .await;
    assert!(
        !service.ended().await.success(),
        "{point:?}: it should have been killed"
    );
    assert!(
        service.log().contains(&format!("crashing at {point:?}")),
        "{point:?}: {}",
        service.log()
    );
    let service = installation.start().await;
    let runs = service.finished(&world.namespace).await;
    assert_eq!(outcome(&runs[0]), "succeeded(healthy)", "{point:?}");
    let messages = workspace.told(&world, &service).await;
    if let [_, second] = messages.as_slice() {
        let first_edition = second.edits.first().map_or(&second.blocks, |edit| &edit.blocks);
        let marked = serde_json::to_string(first_edition)
            .unwrap()
            .contains("may be a duplicate");
        assert!(marked, "{point:?}: {}", workspace.slack.channel_as_text(CHANNEL));
    }
    assert_eq!(world.evictions(), [name(&sick)], "{point:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_point_of_a_delivery_leaves_at_most_one_duplicate_that_says_so() {
    let points = Failpoint::ALL
        .iter()
        .filter(|point| point.name().starts_with("Message"));
    futures::future::join_all(points.map(|point| survives(*point))).await;
}
